/**
 * SyncGroup (14) v0-5: the leader hands out assignments, the others wait for theirs.
 *
 * v1: throttleTimeMs. v3: groupInstanceId (KIP-345). v4: flexible. v5: protocolType, protocolName
 * (KIP-559).
 */
import { api } from '../api.ts'
import { array, bytes, int16, int32, string } from '../fields.ts'

export const SyncGroup = api('SyncGroup', {
  key: 14,
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: true, fallback: null }),
    protocolType: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
    assignment: bytes(),
  },
})
