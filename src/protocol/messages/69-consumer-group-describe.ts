/**
 * ConsumerGroupDescribe (69) v0-1: state and members of KIP-848 groups.
 *
 * v1: memberType (KIP-1099).
 */
import { api } from '../api.ts'
import { array, bool, int8, int16, int32, string, struct, uuid } from '../fields.ts'

const topicPartitions = {
  topicId: uuid(),
  topicName: string(),
  partitions: array(int32()),
}

const assignment = {
  topicPartitions: array(topicPartitions),
}

export const ConsumerGroupDescribe = api('ConsumerGroupDescribe', {
  key: 69,
  versions: [0, 1],
  flexible: 0,
  request: {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true, fallback: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string({ nullable: true, fallback: null }),
        rackId: string({ nullable: true, fallback: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullable: true, fallback: null }),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: int8({ since: 1, fallback: -1, ignorable: true }),
      }),
      authorizedOperations: int32({ fallback: -2147483648 }),
    }),
  },
})
