/**
 * Metadata (3) v0-13: brokers, topics, partitions and their leaders.
 *
 * v1: no topics means none, null means all. v2: clusterId. v3: throttleTimeMs. v4:
 * allowAutoTopicCreation. v5: offlineReplicas. v7: leaderEpoch (KIP-320). v8: authorized operations
 * (KIP-430). v9: flexible. v10: topic ids (KIP-516). v11: without the cluster's authorized
 * operations (KIP-700). v12: topics by id. v13: top-level errorCode.
 */
import { api } from '../api.ts'
import { array, bool, int16, int32, string, uuid } from '../fields.ts'

export const Metadata = api('Metadata', {
  key: 3,
  versions: [0, 13],
  flexible: 9,
  request: {
    topics: array(
      {
        topicId: uuid({ since: 10, ignorable: true }),
        name: string({ nullable: 10 }),
      },
      { nullable: 1 },
    ),
    allowAutoTopicCreation: bool({ since: 4, fallback: true }),
    includeClusterAuthorizedOperations: bool({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: bool({ since: 8 }),
  },
  response: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ since: 1, nullable: true, fallback: null, ignorable: true }),
    }),
    clusterId: string({ since: 2, nullable: true, fallback: null, ignorable: true }),
    controllerId: int32({ since: 1, fallback: -1, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string({ nullable: 12 }),
      topicId: uuid({ since: 10, ignorable: true }),
      isInternal: bool({ since: 1, fallback: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ since: 7, fallback: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { since: 5, ignorable: true }),
      }),
      topicAuthorizedOperations: int32({ since: 8, fallback: -2147483648 }),
    }),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, fallback: -2147483648 }),
    errorCode: int16({ since: 13, ignorable: true }),
  },
})
