/**
 * DeleteTopics (20) v1-6: deletes topics with their records.
 *
 * v4: flexible. v5: errorMessage, error THROTTLING_QUOTA_EXCEEDED (KIP-599). v6: by name or by id
 * (KIP-516).
 */
import { api } from '../api.ts'
import { array, int16, int32, string, uuid } from '../fields.ts'

export const DeleteTopics = api('DeleteTopics', {
  key: 20,
  versions: [1, 6],
  flexible: 4,
  request: {
    topics: array(
      {
        name: string({ nullable: true, fallback: null }),
        topicId: uuid(),
      },
      { since: 6 },
    ),
    topicNames: array(string(), { until: 5, ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array({
      name: string({ nullable: 6 }),
      topicId: uuid({ since: 6, ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ since: 5, nullable: true, fallback: null, ignorable: true }),
    }),
  },
})
