/**
 * Heartbeat (12) v0-4: a member says that it lives, and learns of a rebalance.
 *
 * v1: throttleTimeMs. v3: groupInstanceId (KIP-345). v4: flexible.
 */
import { api } from '../api.ts'
import { int16, int32, string } from '../fields.ts'

export const Heartbeat = api('Heartbeat', {
  key: 12,
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: true, fallback: null }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
  },
})
