/**
 * CreatePartitions (37) v0-3: raises the partition count of topics.
 *
 * v2: flexible. v3: error THROTTLING_QUOTA_EXCEEDED (KIP-599).
 */
import { api } from '../api.ts'
import { array, bool, int16, int32, string } from '../fields.ts'

export const CreatePartitions = api('CreatePartitions', {
  key: 37,
  versions: [0, 3],
  flexible: 2,
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array(
        {
          brokerIds: array(int32()),
        },
        { nullable: true },
      ),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: true, fallback: null }),
    }),
  },
})
