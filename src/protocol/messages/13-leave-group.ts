/**
 * LeaveGroup (13) v0-5: members leave, so that others take over at once.
 *
 * v1: throttleTimeMs. v3: several members, by id or instance id (KIP-345). v4: flexible. v5: reason
 * (KIP-800).
 */
import { api } from '../api.ts'
import { array, int16, int32, string } from '../fields.ts'

export const LeaveGroup = api('LeaveGroup', {
  key: 13,
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string(),
    memberId: string({ until: 2 }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: true, fallback: null }),
        reason: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
      },
      { since: 3 },
    ),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: true }),
        errorCode: int16(),
      },
      { since: 3 },
    ),
  },
})
