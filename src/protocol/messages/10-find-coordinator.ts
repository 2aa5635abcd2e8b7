/**
 * FindCoordinator (10) v0-6: which broker coordinates a group (keyType 0) or a transactional id
 * (1).
 *
 * v1: keyType, throttleTimeMs, errorMessage. v3: flexible. v4: several keys (KIP-699). v5: error
 * TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).
 */
import { api } from '../api.ts'
import { array, int8, int16, int32, string } from '../fields.ts'

export const FindCoordinator = api('FindCoordinator', {
  key: 10,
  versions: [0, 6],
  flexible: 3,
  request: {
    key: string({ until: 3 }),
    keyType: int8({ since: 1, fallback: 0 }),
    coordinatorKeys: array(string(), { since: 4 }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16({ until: 3 }),
    errorMessage: string({ since: 1, until: 3, nullable: true, ignorable: true }),
    nodeId: int32({ until: 3 }),
    host: string({ until: 3 }),
    port: int32({ until: 3 }),
    coordinators: array(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
      },
      { since: 4 },
    ),
  },
})
