/**
 * One API of the protocol: its number, and request and response, which share their versions.
 */
import type { Fields, ReadFields, WrittenFields } from './fields.ts'
import { Message, type VersionRange } from './message.ts'

export interface ApiDeclaration<Q extends Fields, S extends Fields> {
  /** https://kafka.apache.org/protocol#protocol_api_keys */
  readonly key: number
  /** First and last version that are declared. */
  readonly versions: VersionRange
  /** First version in the compact form with tagged fields (KIP-482); left out when there is none. */
  readonly flexible?: number
  readonly request: Q
  readonly response: S
}

export interface Api<Q extends Fields, S extends Fields> {
  readonly key: number
  readonly name: string
  readonly versions: VersionRange
  readonly flexible: number
  readonly request: Message<Q>
  readonly response: Message<S>
}

/** What a client sends. */
export type RequestOf<A> = A extends Api<infer Q, infer _S> ? WrittenFields<Q> : never
/** What a client receives. */
export type ResponseOf<A> = A extends Api<infer _Q, infer S> ? ReadFields<S> : never

export function api<Q extends Fields, S extends Fields>(
  name: string,
  declaration: ApiDeclaration<Q, S>,
): Api<Q, S> {
  const { key, versions, flexible = Infinity, request, response } = declaration
  return {
    key,
    name,
    versions,
    flexible,
    request: new Message(`${name}Request`, { versions, flexible, fields: request }),
    response: new Message(`${name}Response`, { versions, flexible, fields: response }),
  }
}
