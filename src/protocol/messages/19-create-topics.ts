/**
 * CreateTopics (19) v2-7: creates topics.
 *
 * v4: -1 for the cluster's default of partitions and replication (KIP-464). v5: flexible, the
 * configuration in the response (KIP-525). v6: error THROTTLING_QUOTA_EXCEEDED (KIP-599). v7: topic
 * ids (KIP-516).
 */
import { api } from '../api.ts'
import { array, bool, int8, int16, int32, string, uuid } from '../fields.ts'

export const CreateTopics = api('CreateTopics', {
  key: 19,
  versions: [2, 7],
  flexible: 5,
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32(),
        brokerIds: array(int32()),
      }),
      configs: array({
        name: string(),
        value: string({ nullable: true }),
      }),
    }),
    timeoutMs: int32({ fallback: 60000 }),
    validateOnly: bool({ fallback: false }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      topicId: uuid({ since: 7, ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      topicConfigErrorCode: int16({ since: 5, tag: 0, ignorable: true }),
      numPartitions: int32({ since: 5, fallback: -1, ignorable: true }),
      replicationFactor: int16({ since: 5, fallback: -1, ignorable: true }),
      configs: array(
        {
          name: string(),
          value: string({ nullable: true }),
          readOnly: bool(),
          configSource: int8({ fallback: -1 }),
          isSensitive: bool(),
        },
        { since: 5, nullable: true, ignorable: true },
      ),
    }),
  },
})
