/**
 * StreamsGroupHeartbeat (88) v0: membership of a streams group: the member tells its topology, the
 * broker assigns tasks (KIP-1071).
 */
import { api } from '../api.ts'
import { array, bool, int8, int16, int32, int64, string, struct, uint16 } from '../fields.ts'

const keyValue = {
  key: string(),
  value: string(),
}

const topicInfo = {
  name: string(),
  partitions: int32(),
  replicationFactor: int16(),
  topicConfigs: array(keyValue),
}

const endpoint = {
  host: string(),
  port: uint16(),
}

const taskOffset = {
  subtopologyId: string(),
  partition: int32(),
  offset: int64(),
}

const taskIds = {
  subtopologyId: string(),
  partitions: array(int32()),
}

const status = {
  statusCode: int8(),
  statusDetail: string(),
}

const topicPartition = {
  topic: string(),
  partitions: array(int32()),
}

export const StreamsGroupHeartbeat = api('StreamsGroupHeartbeat', {
  key: 88,
  versions: [0, 0],
  flexible: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    endpointInformationEpoch: int32(),
    instanceId: string({ nullable: true, fallback: null }),
    rackId: string({ nullable: true, fallback: null }),
    rebalanceTimeoutMs: int32({ fallback: -1 }),
    topology: struct(
      {
        epoch: int32(),
        subtopologies: array({
          subtopologyId: string(),
          sourceTopics: array(string()),
          sourceTopicRegex: array(string()),
          stateChangelogTopics: array(topicInfo),
          repartitionSinkTopics: array(string()),
          repartitionSourceTopics: array(topicInfo),
          copartitionGroups: array({
            sourceTopics: array(int16()),
            sourceTopicRegex: array(int16()),
            repartitionSourceTopics: array(int16()),
          }),
        }),
      },
      { nullable: true, fallback: null },
    ),
    activeTasks: array(taskIds, { nullable: true, fallback: null }),
    standbyTasks: array(taskIds, { nullable: true, fallback: null }),
    warmupTasks: array(taskIds, { nullable: true, fallback: null }),
    processId: string({ nullable: true, fallback: null }),
    userEndpoint: struct(endpoint, { nullable: true, fallback: null }),
    clientTags: array(keyValue, { nullable: true, fallback: null }),
    taskOffsets: array(taskOffset, { nullable: true, fallback: null }),
    taskEndOffsets: array(taskOffset, { nullable: true, fallback: null }),
    shutdownApplication: bool({ fallback: false }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, fallback: null }),
    memberId: string(),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    acceptableRecoveryLag: int32(),
    taskOffsetIntervalMs: int32(),
    status: array(status, { nullable: true }),
    activeTasks: array(taskIds, { nullable: true, fallback: null }),
    standbyTasks: array(taskIds, { nullable: true, fallback: null }),
    warmupTasks: array(taskIds, { nullable: true, fallback: null }),
    endpointInformationEpoch: int32(),
    partitionsByUserEndpoint: array(
      {
        userEndpoint: struct(endpoint),
        activePartitions: array(topicPartition),
        standbyPartitions: array(topicPartition),
      },
      { nullable: true, fallback: null },
    ),
  },
})
