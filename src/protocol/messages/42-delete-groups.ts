/**
 * DeleteGroups (42) v0-2: forgets groups without members, and their offsets.
 *
 * v2: flexible.
 */
import { api } from '../api.ts'
import { array, int16, int32, string } from '../fields.ts'

export const DeleteGroups = api('DeleteGroups', {
  key: 42,
  versions: [0, 2],
  flexible: 2,
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      groupId: string(),
      errorCode: int16(),
    }),
  },
})
