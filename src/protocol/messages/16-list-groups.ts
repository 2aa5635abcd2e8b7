/**
 * ListGroups (16) v0-5: the groups that a broker coordinates.
 *
 * v1: throttleTimeMs. v3: flexible. v4: states (KIP-518). v5: types (KIP-848).
 */
import { api } from '../api.ts'
import { array, int16, int32, string } from '../fields.ts'

export const ListGroups = api('ListGroups', {
  key: 16,
  versions: [0, 5],
  flexible: 3,
  request: {
    statesFilter: array(string(), { since: 4 }),
    typesFilter: array(string(), { since: 5 }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ since: 4, ignorable: true }),
      groupType: string({ since: 5, ignorable: true }),
    }),
  },
})
