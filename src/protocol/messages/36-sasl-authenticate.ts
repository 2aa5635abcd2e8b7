/**
 * SaslAuthenticate (36) v0-2: one token of the SASL exchange, each way.
 *
 * v1: sessionLifetimeMs (KIP-368). v2: flexible.
 */
import { api } from '../api.ts'
import { bytes, int16, int64, string } from '../fields.ts'

export const SaslAuthenticate = api('SaslAuthenticate', {
  key: 36,
  versions: [0, 2],
  flexible: 2,
  request: {
    authBytes: bytes(),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ since: 1, fallback: 0, ignorable: true }),
  },
})
