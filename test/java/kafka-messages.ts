/**
 * Runs `KafkaMessages.java`: Kafka's own message classes and schemas.
 *
 * `node --conditions=millrace-source test/java/kafka-messages.ts` renews
 * test/fixtures/protocol/messages.jsonl, which the tests without Java compare with.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GOLDEN_FILE, type Json, linesOf, MESSAGES } from '../protocol/values.ts'
import { JARS, prepareJars } from './dump-log-segments.ts'

const PROGRAM: string = join(import.meta.dirname, 'KafkaMessages.java')
const OUTPUT_BYTES_MAX = 1 << 28
const ROUNDS_OF_FIXTURE = 3

const names: readonly string[] = [...MESSAGES.keys()]

function run(args: readonly string[], input = ''): string {
  prepareJars()
  return execFileSync('java', ['-cp', join(JARS, '*'), PROGRAM, ...args], {
    encoding: 'utf8',
    input,
    maxBuffer: OUTPUT_BYTES_MAX,
  })
}

/** Random values of every message in every version, with Kafka's bytes. */
export function generate(seed: number, rounds: number): string {
  return run(['generate', String(seed), String(rounds), ...names])
}

export interface Unread {
  readonly name: string
  readonly version: number
  readonly bytes: string
}

/** What Kafka reads from bytes, and writes again. */
export function readByKafka(messages: readonly Unread[]): { value: Json; bytes: string }[] {
  return linesOf(run(['read'], messages.map((one) => JSON.stringify(one)).join('\n')))
}

export interface Schema {
  readonly name: string
  readonly apiKey?: number
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly fields: readonly SchemaField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: SchemaField[] }[]
}

export interface SchemaField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly tag?: number
  readonly default?: string | number | boolean
  readonly ignorable?: boolean | string
  readonly fields?: readonly SchemaField[]
}

/** The schemas as Kafka publishes them. */
export function readSchemas(): Schema[] {
  return linesOf(run(['schemas', ...names]))
}

export function readErrors(): { code: number; name: string; retriable: boolean }[] {
  return linesOf(run(['errors']))
}

if (import.meta.main) writeFileSync(GOLDEN_FILE, generate(1, ROUNDS_OF_FIXTURE))
