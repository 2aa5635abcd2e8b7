/**
 * ListTransactions (66) v0-2: the transactions that a broker coordinates (KIP-664).
 *
 * v1: durationFilter (KIP-994). v2: transactionalIdPattern (KIP-1152).
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, string } from '../fields.ts'

export const ListTransactions = api('ListTransactions', {
  key: 66,
  versions: [0, 2],
  flexible: 0,
  request: {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ since: 1, fallback: -1 }),
    transactionalIdPattern: string({ since: 2, nullable: true, fallback: null }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array({
      transactionalId: string(),
      producerId: int64(),
      transactionState: string(),
    }),
  },
})
