/**
 * Produce (0) v3-13: appends record batches.
 *
 * v7: zstd (KIP-110). v8: recordErrors, errorMessage (KIP-467). v9: flexible. v10: currentLeader,
 * nodeEndpoints (KIP-951). v11: error TRANSACTION_ABORTABLE (KIP-890). v12: adds the partitions to
 * the transaction too, where the cluster has transaction.version 2 (KIP-890). v13: topic ids for
 * names (KIP-516).
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, records, string, struct, uuid } from '../fields.ts'

export const Produce = api('Produce', {
  key: 0,
  versions: [3, 13],
  flexible: 9,
  request: {
    transactionalId: string({ nullable: true, fallback: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionData: array({
        index: int32(),
        records: records({ nullable: true }),
      }),
    }),
  },
  response: {
    responses: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ fallback: -1 }),
        logStartOffset: int64({ since: 5, fallback: -1, ignorable: true }),
        recordErrors: array(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullable: true, fallback: null }),
          },
          { since: 8, ignorable: true },
        ),
        errorMessage: string({ since: 8, nullable: true, fallback: null, ignorable: true }),
        currentLeader: struct(
          {
            leaderId: int32({ fallback: -1 }),
            leaderEpoch: int32({ fallback: -1 }),
          },
          { since: 10, tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32({ fallback: 0 }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, fallback: null }),
      },
      { since: 10, tag: 0 },
    ),
  },
})
