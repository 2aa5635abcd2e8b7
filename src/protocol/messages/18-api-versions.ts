/**
 * ApiVersions (18) v0-4: which requests a broker answers, in which versions.
 *
 * v1: throttleTimeMs. v3: flexible, client software in the request (KIP-511), features in the
 * response (KIP-584). v4: a feature's minVersion may be 0.
 *
 * The header of the response is never flexible, so that a client can read it before it knows the
 * broker's version.
 */
import { api } from '../api.ts'
import { array, bool, int16, int32, int64, string } from '../fields.ts'

export const ApiVersions = api('ApiVersions', {
  key: 18,
  versions: [0, 4],
  flexible: 3,
  request: {
    clientSoftwareName: string({ since: 3, ignorable: true }),
    clientSoftwareVersion: string({ since: 3, ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    supportedFeatures: array(
      {
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      },
      { since: 3, tag: 0, ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({ since: 3, tag: 1, fallback: -1, ignorable: true }),
    finalizedFeatures: array(
      {
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      },
      { since: 3, tag: 2, ignorable: true },
    ),
    zkMigrationReady: bool({ since: 3, tag: 3, fallback: false, ignorable: true }),
  },
})
