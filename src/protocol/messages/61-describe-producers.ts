/**
 * DescribeProducers (61) v0: who writes into a partition, and since when a transaction is open
 * there (KIP-664).
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, string } from '../fields.ts'

export const DescribeProducers = api('DescribeProducers', {
  key: 61,
  versions: [0, 0],
  flexible: 0,
  request: {
    topics: array({
      name: string(),
      partitionIndexes: array(int32()),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: true, fallback: null }),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ fallback: -1 }),
          lastTimestamp: int64({ fallback: -1 }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64({ fallback: -1 }),
        }),
      }),
    }),
  },
})
