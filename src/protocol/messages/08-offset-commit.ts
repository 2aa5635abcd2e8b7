/**
 * OffsetCommit (8) v2-10: stores how far a group has read.
 *
 * v3: throttleTimeMs. v5: without retentionTimeMs. v6: committedLeaderEpoch (KIP-320). v7:
 * groupInstanceId (KIP-345). v8: flexible. v9: for members of KIP-848 groups too. v10: topic ids
 * for names.
 */
import { api } from '../api.ts'
import { array, int16, int32, int64, string, uuid } from '../fields.ts'

export const OffsetCommit = api('OffsetCommit', {
  key: 8,
  versions: [2, 10],
  flexible: 8,
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ fallback: -1 }),
    memberId: string(),
    groupInstanceId: string({ since: 7, nullable: true, fallback: null }),
    retentionTimeMs: int64({ until: 4, fallback: -1, ignorable: true }),
    topics: array({
      name: string({ until: 9, ignorable: true }),
      topicId: uuid({ since: 10, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ since: 6, fallback: -1, ignorable: true }),
        committedMetadata: string({ nullable: true }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array({
      name: string({ until: 9, ignorable: true }),
      topicId: uuid({ since: 10, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})
