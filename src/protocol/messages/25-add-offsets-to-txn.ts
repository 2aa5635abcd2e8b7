/**
 * AddOffsetsToTxn (25) v0-4: makes a group's offsets part of a transaction.
 *
 * v2: error PRODUCER_FENCED (KIP-588). v3: flexible. v4: error TRANSACTION_ABORTABLE (KIP-890).
 */
import { api } from '../api.ts'
import { int16, int32, int64, string } from '../fields.ts'

export const AddOffsetsToTxn = api('AddOffsetsToTxn', {
  key: 25,
  versions: [0, 4],
  flexible: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
  },
})
