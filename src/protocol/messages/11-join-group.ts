/**
 * JoinGroup (11) v0-9: enters a group, or a new generation of it; answered when all members have
 * joined.
 *
 * v1: rebalanceTimeoutMs. v2: throttleTimeMs. v4: the first answer is MEMBER_ID_REQUIRED with the
 * id to join with (KIP-394). v5: groupInstanceId (KIP-345). v6: flexible. v7: protocolType
 * (KIP-559). v8: reason (KIP-800). v9: skipAssignment (KIP-814).
 */
import { api } from '../api.ts'
import { array, bool, bytes, int16, int32, string } from '../fields.ts'

export const JoinGroup = api('JoinGroup', {
  key: 11,
  versions: [0, 9],
  flexible: 6,
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ since: 1, fallback: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ since: 5, nullable: true, fallback: null }),
    protocolType: string(),
    protocols: array({
      name: string(),
      metadata: bytes(),
    }),
    reason: string({ since: 8, nullable: true, fallback: null, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ since: 2, ignorable: true }),
    errorCode: int16(),
    generationId: int32({ fallback: -1 }),
    protocolType: string({ since: 7, nullable: true, fallback: null, ignorable: true }),
    protocolName: string({ nullable: 7 }),
    leader: string(),
    skipAssignment: bool({ since: 9, fallback: false }),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
})
