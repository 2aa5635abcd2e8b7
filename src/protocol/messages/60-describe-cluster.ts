/**
 * DescribeCluster (60) v0-2: brokers, controller and id of the cluster (KIP-700).
 *
 * v1: endpointType (KIP-919). v2: fenced brokers (KIP-1073).
 */
import { api } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../fields.ts'

export const DescribeCluster = api('DescribeCluster', {
  key: 60,
  versions: [0, 2],
  flexible: 0,
  request: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8({ since: 1, fallback: 1 }),
    includeFencedBrokers: bool({ since: 2 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, fallback: null }),
    endpointType: int8({ since: 1, fallback: 1 }),
    clusterId: string(),
    controllerId: int32({ fallback: -1 }),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullable: true, fallback: null }),
      isFenced: bool({ since: 2 }),
    }),
    clusterAuthorizedOperations: int32({ fallback: -2147483648 }),
  },
})
