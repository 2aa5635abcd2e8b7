/**
 * OffsetForLeaderEpoch (23) v2-4: where a leader epoch ended, to find out about lost records
 * (KIP-320).
 *
 * v3: replicaId. v4: flexible.
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, string } from '../fields.ts'

export const OffsetForLeaderEpoch = api('OffsetForLeaderEpoch', {
  key: 23,
  versions: [2, 4],
  flexible: 4,
  request: {
    replicaId: int32({ since: 3, fallback: -2, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ fallback: -1 }),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ fallback: -1 }),
        endOffset: int64({ fallback: -1 }),
      }),
    }),
  },
})
