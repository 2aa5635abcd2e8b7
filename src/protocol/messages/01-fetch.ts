/**
 * Fetch (1) v4-18: record batches of several partitions from an offset each.
 *
 * v5: logStartOffset. v7: fetch sessions (KIP-227). v9: currentLeaderEpoch (KIP-320). v10: zstd
 * (KIP-110). v11: rackId, preferredReadReplica (KIP-392). v12: flexible, lastFetchedEpoch,
 * divergingEpoch (KIP-595). v13: topic ids for names (KIP-516). v15: replicaState (KIP-903). v16:
 * nodeEndpoints (KIP-951). v17: replicaDirectoryId (KIP-853). v18: the follower's highWatermark
 * (KIP-1166).
 *
 * Partitions are answered in the order asked; the first one's first batch is whole, whatever the
 * bounds say.
 */
import { api } from '../api.ts'
import { array, int8, int16, int32, int64, records, string, struct, uuid } from '../fields.ts'

export const Fetch = api('Fetch', {
  key: 1,
  versions: [4, 18],
  flexible: 12,
  request: {
    clusterId: string({ since: 12, nullable: true, tag: 0, fallback: null, ignorable: true }),
    replicaId: int32({ until: 14, fallback: -1 }),
    replicaState: struct(
      {
        replicaId: int32({ fallback: -1 }),
        replicaEpoch: int64({ fallback: -1 }),
      },
      { since: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ fallback: 0x7fffffff }),
    isolationLevel: int8({ fallback: 0 }),
    sessionId: int32({ since: 7, fallback: 0, ignorable: true }),
    sessionEpoch: int32({ since: 7, fallback: -1, ignorable: true }),
    topics: array({
      topic: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ since: 9, fallback: -1, ignorable: true }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ since: 12, fallback: -1 }),
        logStartOffset: int64({ since: 5, fallback: -1, ignorable: true }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({ since: 17, tag: 0, ignorable: true }),
        highWatermark: int64({
          since: 18,
          tag: 1,
          fallback: Number.MAX_SAFE_INTEGER,
          ignorable: true,
        }),
      }),
    }),
    forgottenTopicsData: array(
      {
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(int32()),
      },
      { since: 7 },
    ),
    rackId: string({ since: 11, fallback: '', ignorable: true }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 7, ignorable: true }),
    sessionId: int32({ since: 7, fallback: 0 }),
    responses: array({
      topic: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ fallback: -1 }),
        logStartOffset: int64({ since: 5, fallback: -1, ignorable: true }),
        divergingEpoch: struct(
          {
            epoch: int32({ fallback: -1 }),
            endOffset: int64({ fallback: -1 }),
          },
          { since: 12, tag: 0 },
        ),
        currentLeader: struct(
          {
            leaderId: int32({ fallback: -1 }),
            leaderEpoch: int32({ fallback: -1 }),
          },
          { since: 12, tag: 1 },
        ),
        snapshotId: struct(
          {
            endOffset: int64({ fallback: -1 }),
            epoch: int32({ fallback: -1 }),
          },
          { since: 12, tag: 2 },
        ),
        abortedTransactions: array(
          {
            producerId: int64(),
            firstOffset: int64(),
          },
          { nullable: true },
        ),
        preferredReadReplica: int32({ since: 11, fallback: -1 }),
        records: records({ nullable: true }),
      }),
    }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, fallback: null }),
      },
      { since: 16, tag: 0 },
    ),
  },
})
