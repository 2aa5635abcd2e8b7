/**
 * DescribeTransactions (65) v0: state and partitions of transactions, from their coordinator
 * (KIP-664).
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, string } from '../fields.ts'

export const DescribeTransactions = api('DescribeTransactions', {
  key: 65,
  versions: [0, 0],
  flexible: 0,
  request: {
    transactionalIds: array(string()),
  },
  response: {
    throttleTimeMs: int32(),
    transactionStates: array({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string(),
      transactionTimeoutMs: int32(),
      transactionStartTimeMs: int64(),
      producerId: int64(),
      producerEpoch: int16(),
      topics: array({
        topic: string(),
        partitions: array(int32()),
      }),
    }),
  },
})
