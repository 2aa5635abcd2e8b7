/**
 * Values of messages as Kafka's JSON converters write them (bytes in base64, fields that a version
 * lacks left out), and as ours; and every message by the name of its schema.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { APIS } from '../../src/protocol/apis.ts'
import { type Field, type Fields, fallbackOf } from '../../src/protocol/fields.ts'
import { RequestHeader, ResponseHeader } from '../../src/protocol/headers.ts'
import type { Message } from '../../src/protocol/message.ts'

/** One line of test/fixtures/protocol/messages.jsonl, written by test/java/KafkaMessages.java. */
export interface Golden {
  readonly name: string
  readonly version: number
  readonly value: Json
  readonly bytes: string
}

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json }

export const MESSAGES: ReadonlyMap<string, Message<Fields>> = new Map<string, Message<Fields>>(
  [
    ...APIS.flatMap(({ request, response }) => [request, response]),
    RequestHeader,
    ResponseHeader,
  ].map((message) => [message.name, message]),
)

export function messageOf(name: string): Message<Fields> {
  const message = MESSAGES.get(name)
  if (message === undefined) throw new Error(`no message ${name}`)
  return message
}

export const GOLDEN_FILE: string = join(import.meta.dirname, '../fixtures/protocol/messages.jsonl')

export function linesOf<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

export const readGolden = (): Golden[] => linesOf(readFileSync(GOLDEN_FILE, 'utf8'))

type JsonObject = { readonly [name: string]: Json }
type Values = Record<string, unknown>

/** A value to encode, with only the fields that the JSON has. */
export function fromJson(fields: Fields, json: Json): Values {
  const object = json as JsonObject
  const unknown = Object.keys(object).filter((name) => !(name in fields))
  if (unknown.length > 0) throw new Error(`fields that are not declared: ${unknown}`)
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [name, oursOf(fields[name] as Field, value)]),
  )
}

/** What decoding must give: the fields of the JSON, and of the others what they are when absent. */
export function completed(fields: Fields, json: Json): Values {
  const given = fromJson(fields, json)
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      name in given ? deepCompleted(field, given[name]) : fallbackOf(field),
    ]),
  )
}

function oursOf({ type }: Field, json: Json): unknown {
  if (json === null) return null
  if (type.name === 'bytes' || type.name === 'records') return Buffer.from(json as string, 'base64')
  if (type.fields === undefined) return json
  if (Array.isArray(json)) return json.map((one: Json) => fromJson(type.fields as Fields, one))
  return fromJson(type.fields, json)
}

function deepCompleted({ type }: Field, value: unknown): unknown {
  if (value === null || type.fields === undefined) return value
  const { fields } = type
  const complete = (one: unknown): Values =>
    Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [
        name,
        name in (one as Values) ? deepCompleted(field, (one as Values)[name]) : fallbackOf(field),
      ]),
    )
  return Array.isArray(value) ? value.map(complete) : complete(value)
}
