/**
 * ConsumerGroupHeartbeat (68) v0-1: membership of a consumer group whose broker assigns (KIP-848).
 *
 * v1: subscribedTopicRegex; the member makes its own id (KIP-1082).
 */
import { api } from '../api.ts'
import { array, int16, int32, string, struct, uuid } from '../fields.ts'

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
}

export const ConsumerGroupHeartbeat = api('ConsumerGroupHeartbeat', {
  key: 68,
  versions: [0, 1],
  flexible: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: true, fallback: null }),
    rackId: string({ nullable: true, fallback: null }),
    rebalanceTimeoutMs: int32({ fallback: -1 }),
    subscribedTopicNames: array(string(), { nullable: true, fallback: null }),
    subscribedTopicRegex: string({ since: 1, nullable: true, fallback: null }),
    serverAssignor: string({ nullable: true, fallback: null }),
    topicPartitions: array(
      {
        topicId: uuid(),
        partitions: array(int32()),
      },
      { nullable: true, fallback: null },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, fallback: null }),
    memberId: string({ nullable: true, fallback: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: array(topicPartitions),
      },
      { nullable: true, fallback: null },
    ),
  },
})
