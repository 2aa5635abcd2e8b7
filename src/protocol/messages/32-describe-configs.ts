/**
 * DescribeConfigs (32) v1-4: the configuration of topics and brokers.
 *
 * v1: synonyms, configSource (KIP-226). v3: documentation, configType (KIP-569). v4: flexible.
 */
import { api } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../fields.ts'

export const DescribeConfigs = api('DescribeConfigs', {
  key: 32,
  versions: [1, 4],
  flexible: 4,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullable: true }),
    }),
    includeSynonyms: bool({ fallback: false }),
    includeDocumentation: bool({ since: 3, fallback: false }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: true }),
        readOnly: bool(),
        configSource: int8({ fallback: -1 }),
        isSensitive: bool(),
        synonyms: array({
          name: string(),
          value: string({ nullable: true }),
          source: int8(),
        }),
        configType: int8({ since: 3, fallback: 0, ignorable: true }),
        documentation: string({ since: 3, nullable: true, ignorable: true }),
      }),
    }),
  },
})
