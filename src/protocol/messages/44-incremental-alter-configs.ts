/**
 * IncrementalAlterConfigs (44) v0-1: sets, deletes, appends to or subtracts from single
 * configurations (KIP-339).
 *
 * v1: flexible.
 */
import { api } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../fields.ts'

export const IncrementalAlterConfigs = api('IncrementalAlterConfigs', {
  key: 44,
  versions: [0, 1],
  flexible: 1,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        configOperation: int8(),
        value: string({ nullable: true }),
      }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
})
