/**
 * TxnOffsetCommit (28) v0-5: offsets of a group that count when the transaction commits.
 *
 * v2: committedLeaderEpoch. v3: flexible; memberId, generationId, groupInstanceId, for fencing
 * (KIP-447). v4: error TRANSACTION_ABORTABLE (KIP-890). v5: adds the group to the transaction too
 * (KIP-890).
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, string } from '../fields.ts'

export const TxnOffsetCommit = api('TxnOffsetCommit', {
  key: 28,
  versions: [0, 5],
  flexible: 3,
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ since: 3, fallback: -1 }),
    memberId: string({ since: 3, fallback: '' }),
    groupInstanceId: string({ since: 3, nullable: true, fallback: null }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ since: 2, fallback: -1, ignorable: true }),
        committedMetadata: string({ nullable: true }),
      }),
    }),
  },
  response: {
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
