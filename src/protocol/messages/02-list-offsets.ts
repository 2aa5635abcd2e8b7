/**
 * ListOffsets (2) v1-11: the offset of a partition's start, end, or first record at or after a
 * time.
 *
 * v2: isolationLevel. v4: leader epochs (KIP-320). v6: flexible. v7: timestamp -3, the latest
 * timestamp (KIP-734). v8: -4, the start of the local log (KIP-405). v9: -5, the last tiered offset
 * (KIP-1005). v10: timeoutMs (KIP-1075). v11: -6, the earliest offset waiting for upload
 * (KIP-1023).
 */
import { api } from '../api.ts'
import { array, int8, int16, int32, int64, string } from '../fields.ts'

export const ListOffsets = api('ListOffsets', {
  key: 2,
  versions: [1, 11],
  flexible: 6,
  request: {
    replicaId: int32(),
    isolationLevel: int8({ since: 2 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ since: 4, fallback: -1, ignorable: true }),
        timestamp: int64(),
      }),
    }),
    timeoutMs: int32({ since: 10, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ since: 2, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64({ fallback: -1 }),
        offset: int64({ fallback: -1 }),
        leaderEpoch: int32({ since: 4, fallback: -1 }),
      }),
    }),
  },
})
