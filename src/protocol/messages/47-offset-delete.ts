/**
 * OffsetDelete (47) v0: forgets a group's offsets of topics that it no longer reads (KIP-496).
 *
 * Never flexible.
 */
import { api } from '../api.ts'
import { array, int16, int32, string } from '../fields.ts'

export const OffsetDelete = api('OffsetDelete', {
  key: 47,
  versions: [0, 0],
  request: {
    groupId: string(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
      }),
    }),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})
