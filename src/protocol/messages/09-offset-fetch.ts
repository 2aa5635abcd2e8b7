/**
 * OffsetFetch (9) v1-10: how far groups have read.
 *
 * v2: all topics with null. v3: throttleTimeMs. v5: committedLeaderEpoch (KIP-320). v6: flexible.
 * v7: requireStable (KIP-447). v8: several groups (KIP-709). v9: memberId, memberEpoch (KIP-848).
 * v10: topic ids for names.
 */
import { api } from '../api.ts'
import { array, bool, int16, int32, int64, string, uuid } from '../fields.ts'

export const OffsetFetch = api('OffsetFetch', {
  key: 9,
  versions: [1, 10],
  flexible: 6,
  request: {
    groupId: string({ until: 7 }),
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32()),
      },
      { until: 7, nullable: 2 },
    ),
    groups: array(
      {
        groupId: string(),
        memberId: string({ since: 9, nullable: true, fallback: null, ignorable: true }),
        memberEpoch: int32({ since: 9, fallback: -1, ignorable: true }),
        topics: array(
          {
            name: string({ until: 9, ignorable: true }),
            topicId: uuid({ since: 10, ignorable: true }),
            partitionIndexes: array(int32()),
          },
          { nullable: true },
        ),
      },
      { since: 8 },
    ),
    requireStable: bool({ since: 7, fallback: false }),
  },
  response: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array(
      {
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32({ since: 5, fallback: -1, ignorable: true }),
          metadata: string({ nullable: true }),
          errorCode: int16(),
        }),
      },
      { until: 7 },
    ),
    errorCode: int16({ since: 2, until: 7, fallback: 0, ignorable: true }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ until: 9, ignorable: true }),
          topicId: uuid({ since: 10, ignorable: true }),
          partitions: array({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ fallback: -1 }),
            metadata: string({ nullable: true }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ fallback: 0 }),
      },
      { since: 8 },
    ),
  },
})
