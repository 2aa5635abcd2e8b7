/**
 * EndTxn (26) v0-5: commits or aborts a transaction.
 *
 * v2: error PRODUCER_FENCED (KIP-588). v3: flexible. v4: error TRANSACTION_ABORTABLE (KIP-890). v5:
 * each transaction raises the epoch, which is in the response (KIP-890).
 */
import { api } from '../api.ts'
import { bool, int16, int32, int64, string } from '../fields.ts'

export const EndTxn = api('EndTxn', {
  key: 26,
  versions: [0, 5],
  flexible: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ since: 5, fallback: -1, ignorable: true }),
    producerEpoch: int16({ since: 5, fallback: -1, ignorable: true }),
  },
})
