/**
 * InitProducerId (22) v0-6: a producer id and epoch; with a transactional id, fences its earlier
 * holder and aborts what that left open.
 *
 * v2: flexible. v3: an id and epoch to go on with (KIP-360). v4: error PRODUCER_FENCED (KIP-588).
 * v5: error TRANSACTION_ABORTABLE (KIP-890). v6: two-phase commit (KIP-939), offered by no released
 * broker unless told to.
 */
import { api } from '../api.ts'
import { bool, int16, int32, int64, string } from '../fields.ts'

export const InitProducerId = api('InitProducerId', {
  key: 22,
  versions: [0, 6],
  flexible: 2,
  request: {
    transactionalId: string({ nullable: true }),
    transactionTimeoutMs: int32(),
    producerId: int64({ since: 3, fallback: -1 }),
    producerEpoch: int16({ since: 3, fallback: -1 }),
    enable2Pc: bool({ since: 6, fallback: false }),
    keepPreparedTxn: bool({ since: 6, fallback: false }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ fallback: -1 }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64({ since: 6, fallback: -1 }),
    ongoingTxnProducerEpoch: int16({ since: 6, fallback: -1 }),
  },
})
