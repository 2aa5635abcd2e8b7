/**
 * DescribeGroups (15) v0-6: state and members of classic groups.
 *
 * v1: throttleTimeMs. v3: authorized operations (KIP-430). v4: groupInstanceId (KIP-345). v5:
 * flexible. v6: GROUP_ID_NOT_FOUND, errorMessage (KIP-1043).
 */
import { api } from '../api.ts'
import { array, bool, bytes, int16, int32, string } from '../fields.ts'

export const DescribeGroups = api('DescribeGroups', {
  key: 15,
  versions: [0, 6],
  flexible: 5,
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool({ since: 3 }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ since: 6, nullable: true, fallback: null }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string({ since: 4, nullable: true, fallback: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32({ since: 3, fallback: -2147483648 }),
    }),
  },
})
