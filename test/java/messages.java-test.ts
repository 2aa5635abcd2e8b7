/**
 * src/protocol/ against Kafka's own: the declarations with the published schemas, field by field;
 * values and bytes with the generated classes, at random and both ways; the table of errors.
 */
import { describe, expect, it } from 'vitest'
import { APIS } from '../../src/protocol/apis.ts'
import { ERROR_NUMBERS } from '../../src/protocol/error-codes.ts'
import type { Field, Fields } from '../../src/protocol/fields.ts'
import type { VersionRange } from '../../src/protocol/message.ts'
import {
  completed,
  fromJson,
  type Golden,
  type Json,
  linesOf,
  MESSAGES,
  messageOf,
} from '../protocol/values.ts'
import { SEED } from '../record/random.ts'
import {
  generate,
  readByKafka,
  readErrors,
  readSchemas,
  type Schema,
  type SchemaField,
} from './kafka-messages.ts'

/** Where we declare something else than the schema, and why. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  'FetchRequest.topics.partitions.highWatermark fallback':
    'the greatest safe integer stands for the greatest 64-bit one, which says "not known"',
}

const CONTAINERS = ['string', 'bytes', 'records']
const PRIMITIVES = [...CONTAINERS, 'bool', 'int8', 'int16', 'uint16', 'int32', 'int64', 'uuid']

function rangeOf(text: string | undefined): VersionRange | null {
  if (text === undefined || text === 'none') return null
  const [from, to] = text.split('-')
  if (to !== undefined) return [Number(from), Number(to)]
  return text.endsWith('+') ? [Number.parseInt(text, 10), Infinity] : [Number(text), Number(text)]
}

const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)
const intersect = (one: VersionRange, other: VersionRange): VersionRange => [
  Math.max(one[0], other[0]),
  Math.min(one[1], other[1]),
]

/** One line per property of each field, of the schema and of ours: they must be the same lines. */
class Comparison {
  readonly theirs: string[] = []
  readonly ours: string[] = []

  ofSchema(
    schema: Schema,
    fields: readonly SchemaField[],
    path: string,
    range: VersionRange,
  ): void {
    for (const field of fields) {
      const there = intersect(rangeOf(field.versions) as VersionRange, range)
      if (there[0] > there[1]) continue
      const name = `${path}.${camel(field.name)}`
      const element = field.type.replace('[]', '')
      const inner =
        field.fields ?? schema.commonStructs?.find((one) => one.name === element)?.fields
      const type = PRIMITIVES.includes(element) ? element : 'struct'
      const nullable = rangeOf(field.nullableVersions)
      this.theirs.push(
        `${name} type ${field.type.startsWith('[]') ? '[]' : ''}${type}`,
        `${name} versions ${there}`,
        `${name} nullable ${nullable === null ? null : intersect(nullable, there)}`,
        `${name} tag ${field.taggedVersions === undefined ? null : field.tag}`,
        `${name} fallback ${fallbackOfSchema(field)}`,
      )
      if (there[0] > range[0] || there[1] < range[1]) {
        this.theirs.push(`${name} ignorable ${String(field.ignorable ?? false)}`)
      }
      if (inner !== undefined) this.ofSchema(schema, inner, name, there)
    }
  }

  ofFields(fields: Fields, path: string, range: VersionRange): void {
    for (const [key, { type, options }] of Object.entries(fields)) {
      const there = intersect([options.since ?? 0, options.until ?? Infinity], range)
      const name = `${path}.${key}`
      const { nullable } = options
      const nullFrom = nullable === true ? there[0] : nullable
      this.ours.push(
        `${name} type ${type.name}`,
        `${name} versions ${there}`,
        `${name} nullable ${nullFrom === undefined ? null : intersect([nullFrom, Infinity], there)}`,
        `${name} tag ${options.tag ?? null}`,
        `${name} fallback ${textOfFallback({ type, options })}`,
      )
      if (there[0] > range[0] || there[1] < range[1]) {
        this.ours.push(`${name} ignorable ${options.ignorable ?? false}`)
      }
      if (type.fields !== undefined) this.ofFields(type.fields, name, there)
    }
  }

  differences(): string[] {
    const ours = new Set(this.ours)
    const theirs = new Set(this.theirs)
    return [
      ...this.theirs.filter((line) => !ours.has(line)).map((line) => `schema: ${line}`),
      ...this.ours.filter((line) => !theirs.has(line)).map((line) => `declared: ${line}`),
    ].filter((line) => !Object.keys(DIFFERENCES).some((known) => line.includes(known)))
  }
}

/** The default of a field in a comparable form; what the schema leaves out is zero or empty. */
function fallbackOfSchema(field: SchemaField): string {
  const { default: given, type } = field
  if (given === 'null') return 'null'
  if (type.startsWith('[]') || !PRIMITIVES.includes(type)) return 'empty'
  if (CONTAINERS.includes(type) || type === 'uuid') return `'${given ?? ''}'`
  return type === 'bool' ? String(given ?? false) : String(Number(given ?? 0))
}

function textOfFallback({ type, options: { fallback } }: Pick<Field, 'type' | 'options'>): string {
  if (fallback === null) return 'null'
  if (type.name.startsWith('[]') || type.name === 'struct') return 'empty'
  if (CONTAINERS.includes(type.name) || type.name === 'uuid') return `'${fallback ?? ''}'`
  return String(fallback ?? type.zero)
}

describe('the declarations', () => {
  const schemas = readSchemas()

  it.each(schemas.map((schema) => [schema.name, schema] as const))('%s', (name, schema) => {
    const message = messageOf(name)
    const versions = rangeOf(schema.validVersions) as VersionRange
    expect(message.versions).toEqual(versions)
    expect(message.flexible).toBe(rangeOf(schema.flexibleVersions)?.[0] ?? Infinity)
    const key = APIS.find(({ request, response }) => [request.name, response.name].includes(name))
    expect(key?.key).toBe(schema.apiKey)
    const comparison = new Comparison()
    comparison.ofSchema(schema, schema.fields, name, versions)
    comparison.ofFields(message.fields, name, versions)
    expect(comparison.theirs.length).toBeGreaterThan(0)
    expect(comparison.differences()).toEqual([])
  })
})

describe(`random values of every version (SEED=${SEED})`, () => {
  const theirs = linesOf<Golden>(generate(SEED, 20))

  it("Kafka's bytes are ours, and the other way round", () => {
    expect(theirs.length).toBeGreaterThan(MESSAGES.size * 20)
    for (const { name, version, value, bytes } of theirs) {
      const { fields } = messageOf(name)
      const encoded = messageOf(name).encode(fromJson(fields, value), version)
      expect(encoded.toString('base64'), `${name} v${version}`).toBe(bytes)
      const decoded = messageOf(name).decode(Buffer.from(bytes, 'base64'), version)
      expect(decoded, `${name} v${version}`).toEqual(completed(fields, value))
    }
  })

  it('Kafka reads from our bytes the values that we wrote', () => {
    const ours = theirs.map(({ name, version, value }) => {
      const message = messageOf(name)
      const bytes = message.encode(fromJson(message.fields, value), version)
      return { name, version, bytes: bytes.toString('base64') }
    })
    const answers = readByKafka(ours)
    expect(answers.length).toBe(ours.length)
    for (const [index, { bytes, value }] of answers.entries()) {
      const one = theirs[index] as Golden
      expect(bytes).toBe(one.bytes)
      const { fields } = messageOf(one.name)
      const [read, written] = [value, one.value].map((json) =>
        completed(fields, withoutRecords(json)),
      )
      expect(read, `${one.name} v${one.version}`).toEqual(written)
    }
  })
})

it('the table of errors is that of Kafka', () => {
  const theirs = Object.fromEntries(readErrors().map(({ name, code }) => [name, code]))
  expect(ERROR_NUMBERS).toEqual(theirs)
})

/** Kafka's converter prints of records only the size. */
function withoutRecords(json: Json): Json {
  return JSON.parse(
    JSON.stringify(json, (key, value: Json) => (key.startsWith('records') ? undefined : value)),
  ) as Json
}
