/**
 * SaslHandshake (17) v0-1: chooses the SASL mechanism.
 *
 * v1: the tokens follow as SaslAuthenticate requests (KIP-152). Never flexible.
 */
import { api } from '../api.ts'
import { array, int16, string } from '../fields.ts'

export const SaslHandshake = api('SaslHandshake', {
  key: 17,
  versions: [0, 1],
  request: {
    mechanism: string(),
  },
  response: {
    errorCode: int16(),
    mechanisms: array(string()),
  },
})
