/**
 * The vocabulary in which a Kafka message is declared: one field, in which versions it is there,
 * what it is when it is not, and how its type lies on the wire.
 *
 * Journey: declaration (`messages/`) -> [fields] -> `message.ts` -> bytes.
 *
 * Wire forms (https://kafka.apache.org/protocol): integers are big-endian. Before a string, bytes
 * or an array stands its length; in flexible versions (KIP-482) as an unsigned varint of length + 1,
 * where 0 is null, else as int16 (string) or int32, where -1 is null. A flexible struct ends with
 * its tagged fields: count, then tag, size and value of each that is not at its fallback.
 *
 * What TypeScript knows of a message is derived from the same declaration: `ReadFields` is what
 * decoding gives, every field there; `WrittenFields` what encoding takes, where a field may be left
 * out that has a fallback or is not in every version.
 */
import { StreamsError } from '../errors.ts'
import { invalid, type MessageReader, UUID_BYTES } from './message-reader.ts'
import type { MessageWriter } from './message-writer.ts'

/** The way one version of a message is written. */
export interface Layout {
  readonly version: number
  readonly flexible: boolean
}

/** Writes and reads a value in one layout. */
export interface Codec<T> {
  write(writer: MessageWriter, value: T): void
  read(reader: MessageReader): T
}

/** A type of the protocol. */
export interface Type<T> {
  /** Its name in Kafka's schemas; of an array `[]` and its element's. */
  readonly name: string
  /** The value of a field that is not there and has no fallback. */
  readonly zero: T
  /** The fields of a struct, or of the structs in an array. */
  readonly fields?: Fields
  isZero(value: T): boolean
  codec(layout: Layout, where: Place): Codec<T>
}

/** What a codec must know of the field it works for. */
export interface Place {
  /** Message and path, for error messages. */
  readonly name: string
  /** Null is one of the values, in this version. */
  readonly nullable: boolean
}

export interface FieldOptions<T> {
  /** First version with the field. Default: the message's first. */
  readonly since?: number
  /** Last version with the field. Default: the message's last. */
  readonly until?: number
  /** Null is allowed, in all versions or from one on. */
  readonly nullable?: true | number
  /** The value where the field is not there. Default: zero, empty or false. */
  readonly fallback?: T | null
  /** Dropped without a word in a version without the field; else only the fallback is taken. */
  readonly ignorable?: true
  /** The number of a tagged field, which costs nothing while it is at its fallback. */
  readonly tag?: number
  /** Never in the compact form: the client id of a request header, which is read before all else. */
  readonly neverCompact?: true
}

/** A field of a message. `R` is what is read, `W` what may be written, `N` whether it must be. */
export interface Field<R = unknown, W = unknown, N extends boolean = boolean> {
  readonly type: Type<unknown>
  readonly options: FieldOptions<unknown>
  readonly needed: N
  /** Only the compiler sees these two; at run time they are not there. */
  readonly read?: R
  readonly written?: W
}

export type Fields = Readonly<Record<string, Field>>

/** What decoding gives. */
export type ReadFields<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer R> ? R : never
}

/** What encoding takes. */
export type WrittenFields<F extends Fields> = {
  readonly [K in NeededKeys<F>]: WrittenValue<F[K]>
} & {
  readonly [K in Exclude<keyof F, NeededKeys<F>>]?: WrittenValue<F[K]>
}

type NeededKeys<F extends Fields> = {
  [K in keyof F]: F[K]['needed'] extends true ? K : never
}[keyof F]
type WrittenValue<F> = F extends Field<unknown, infer W> ? W : never

type OrNull<T, O> = O extends { readonly nullable: true | number } ? T | null : T
type IsNeeded<O> = O extends
  | { readonly fallback: unknown }
  | { readonly since: number }
  | { readonly until: number }
  | { readonly tag: number }
  ? false
  : true
type FieldOf<R, W, O> = Field<OrNull<R, O>, OrNull<W, O>, IsNeeded<O>>

const NO_OPTIONS = Object.freeze({})
type NoOptions = typeof NO_OPTIONS

/** The one place where what the compiler is told of a field is joined to what it is at run time. */
function field<R, W, O>(type: Type<never>, options: FieldOptions<never>): FieldOf<R, W, O> {
  const { fallback, since, until, tag } = options
  const needed =
    fallback === undefined && since === undefined && until === undefined && tag === undefined
  return { type, options, needed } as unknown as FieldOf<R, W, O>
}

/** A constructor of fields of a type without parts. */
type FieldConstructor<T> = <const O extends FieldOptions<T> = NoOptions>(
  options?: O,
) => FieldOf<T, T, O>

function fieldsOf<T>(type: Type<T>): FieldConstructor<T> {
  return <const O extends FieldOptions<T>>(options?: O) =>
    field<T, T, O>(type as Type<never>, options ?? NO_OPTIONS)
}

function fixed<T>(name: string, zero: T, codec: Codec<T>): FieldConstructor<T> {
  return fieldsOf({ name, zero, isZero: (value) => value === zero, codec: () => codec })
}

export const bool: FieldConstructor<boolean> = fixed('bool', false, {
  write: (writer, value) => writer.writeInt8(value ? 1 : 0),
  read: (reader) => reader.int8() !== 0,
})

export const int8: FieldConstructor<number> = fixed('int8', 0, {
  write: (writer, value) => writer.writeInt8(value),
  read: (reader) => reader.int8(),
})

export const int16: FieldConstructor<number> = fixed('int16', 0, {
  write: (writer, value) => writer.writeInt16(value),
  read: (reader) => reader.int16(),
})

export const uint16: FieldConstructor<number> = fixed('uint16', 0, {
  write: (writer, value) => writer.writeUint16(value),
  read: (reader) => reader.uint16(),
})

export const int32: FieldConstructor<number> = fixed('int32', 0, {
  write: (writer, value) => writer.writeInt32(value),
  read: (reader) => reader.int32(),
})

/** A 64-bit integer as a number; beyond the safe integers it is refused, both ways. */
export const int64: FieldConstructor<number> = fixed('int64', 0, {
  write(writer, value) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`)
    writer.writeInt64(value)
  },
  read: (reader) => reader.int64(),
})

/** 16 bytes in the text form that Kafka's tools print (base64 for URLs, 22 characters). */
export const uuid: FieldConstructor<string> = fixed(
  'uuid',
  Buffer.alloc(UUID_BYTES).toString('base64url'),
  {
    write: (writer, value) => writer.writeUuid(value),
    read: (reader) => reader.uuid(),
  },
)

/** Kafka's own limit: the length is 16 bits, also where the compact form could say more. */
const STRING_BYTES_MAX = 0x7fff

export const string: FieldConstructor<string> = fieldsOf({
  name: 'string',
  zero: '',
  isZero: (value) => value === '',
  codec: (layout, place) => {
    const length = lengthCodec(layout, place, 'int16')
    return {
      write(writer, value: string | null) {
        if (value === null) return length.writeNull(writer)
        const bytes = Buffer.byteLength(value)
        if (bytes > STRING_BYTES_MAX) {
          throw new RangeError(`${place.name} has ${bytes} bytes; at most ${STRING_BYTES_MAX} fit`)
        }
        length.write(writer, bytes)
        writer.writeText(value)
      },
      read(reader) {
        const bytes = length.read(reader)
        if (bytes > STRING_BYTES_MAX) throw invalid(`${place.name} is a string of ${bytes} bytes`)
        return bytes < 0 ? null : reader.text(bytes)
      },
    } as Codec<string>
  },
})

const NO_BYTES = Buffer.alloc(0)

const bytesType = (name: string): Type<Uint8Array> => ({
  name,
  zero: NO_BYTES,
  isZero: (value) => value.length === 0,
  codec: (layout, place) => {
    const length = lengthCodec(layout, place, 'int32')
    return {
      write(writer, value: Uint8Array | null) {
        if (value === null) return length.writeNull(writer)
        length.write(writer, value.length)
        writer.writeBytes(value)
      },
      read(reader) {
        const count = length.read(reader)
        return count < 0 ? null : reader.view(count)
      },
    } as Codec<Uint8Array>
  },
})

type BytesConstructor = <const O extends FieldOptions<Uint8Array> = NoOptions>(
  options?: O,
) => FieldOf<Buffer, Uint8Array, O>

/** Bytes; what is read is a view of the message. */
export const bytes: BytesConstructor = fieldsOf(bytesType('bytes')) as BytesConstructor

/** Encoded record batches, one after the other; what is read is a view of the message. */
export const records: BytesConstructor = fieldsOf(bytesType('records')) as BytesConstructor

type Element = Field | Fields
type ReadElement<E> = E extends Field<infer R> ? R : E extends Fields ? ReadFields<E> : never
type WrittenElement<E> =
  E extends Field<unknown, infer W> ? W : E extends Fields ? WrittenFields<E> : never

const NO_ITEMS: readonly unknown[] = Object.freeze([])

/** A list of a type, or of structs when given fields. */
export function array<
  E extends Element,
  const O extends FieldOptions<readonly unknown[]> = NoOptions,
>(element: E, options?: O): FieldOf<readonly ReadElement<E>[], readonly WrittenElement<E>[], O> {
  const item = isField(element) ? element.type : structType(element)
  const type: Type<readonly unknown[]> = {
    name: `[]${item.name}`,
    zero: NO_ITEMS,
    ...(item.fields === undefined ? {} : { fields: item.fields }),
    isZero: (value) => value.length === 0,
    codec(layout, place) {
      const length = lengthCodec(layout, place, 'int32')
      const codec = item.codec(layout, { name: place.name, nullable: false })
      return {
        write(writer, value: readonly unknown[] | null) {
          if (value === null) return length.writeNull(writer)
          length.write(writer, value.length)
          for (const one of value) codec.write(writer, one)
        },
        read(reader) {
          const count = length.read(reader)
          if (count < 0) return null
          // Every element takes a byte at least: a count beyond what is left is a lie.
          if (count > reader.remaining) {
            throw invalid(`${place.name} has ${count} elements in ${reader.remaining} bytes`)
          }
          const items: unknown[] = []
          for (let index = 0; index < count; index++) items.push(codec.read(reader))
          return items
        },
      } as Codec<readonly unknown[]>
    },
  }
  return field(type as Type<never>, options ?? NO_OPTIONS)
}

/** Several fields as one. */
export function struct<F extends Fields, const O extends FieldOptions<ReadFields<F>> = NoOptions>(
  fields: F,
  options?: O,
): FieldOf<ReadFields<F>, WrittenFields<F>, O> {
  return field(structType(fields) as Type<never>, options ?? NO_OPTIONS)
}

function isField(element: Element): element is Field {
  return typeof element.needed === 'boolean'
}

type Values = Readonly<Record<string, unknown>>

/** A struct as a type: of a field, of the elements of an array, or of a whole message. */
export function structType(fields: Fields): Type<Values> {
  const members = Object.entries(fields)
  return {
    name: 'struct',
    fields,
    get zero() {
      return Object.freeze(
        Object.fromEntries(members.map(([name, one]) => [name, fallbackOf(one)])),
      )
    },
    isZero: (values) => members.every(([name, one]) => isAtFallback(one, values[name])),
    codec(layout, place) {
      const codec = fieldsCodec(fields, layout, place.name)
      if (!place.nullable) return codec
      return {
        write(writer, value: Values | null) {
          writer.writeInt8(value === null ? -1 : 1)
          if (value !== null) codec.write(writer, value)
        },
        read: (reader) => (reader.int8() < 0 ? null : codec.read(reader)),
      } as Codec<Values>
    },
  }
}

interface Member {
  readonly name: string
  readonly field: Field
  readonly fallback: unknown
  /** Null where the version has no such field, and where it is a tagged one. */
  readonly codec: Codec<unknown> | null
}

/** The fields of one version, one after the other, then the tagged ones. */
function fieldsCodec(fields: Fields, layout: Layout, where: string): Codec<Values> {
  const members: Member[] = []
  const missing: Member[] = []
  const tagged: (Member & { readonly tag: number; readonly codec: Codec<unknown> })[] = []
  for (const [name, one] of Object.entries(fields)) {
    const { since = 0, until = Infinity, tag, neverCompact } = one.options
    const isThere = layout.version >= since && layout.version <= until
    const place = { name: `${where}.${name}`, nullable: isNullable(one, layout.version) }
    const codec = isThere
      ? one.type.codec(neverCompact === true ? { ...layout, flexible: false } : layout, place)
      : null
    const member = { name, field: one, fallback: fallbackOf(one), codec }
    if (codec !== null && tag !== undefined) {
      tagged.push({ ...member, tag, codec })
      members.push({ ...member, codec: null })
    } else {
      members.push(member)
      if (codec === null && one.options.ignorable !== true) missing.push(member)
    }
  }
  tagged.sort((one, other) => one.tag - other.tag)

  return {
    write(writer, values) {
      for (const { name, field: one } of missing) {
        if (isAtFallback(one, values[name])) continue
        throw unsupported(`${where}.${name}`, layout.version)
      }
      for (const { name, codec, fallback } of members) {
        if (codec === null) continue
        const value = values[name]
        codec.write(writer, value === undefined ? fallback : value)
      }
      if (layout.flexible) writeTagged(writer, values)
    },

    read(reader) {
      const values: Record<string, unknown> = {}
      for (const { name, codec, fallback } of members) {
        values[name] = codec === null ? fallback : codec.read(reader)
      }
      if (layout.flexible) readTagged(reader, values)
      return values
    },
  }

  function writeTagged(writer: MessageWriter, values: Values): void {
    const present = tagged.filter(({ name, field: one }) => !isAtFallback(one, values[name]))
    writer.writeUvarint(present.length)
    for (const { name, tag, codec } of present) {
      writer.writeUvarint(tag)
      writer.writeSized((inner) => codec.write(inner, values[name]))
    }
  }

  /** Tags that are not known here are passed over: a newer version of the software wrote them. */
  function readTagged(reader: MessageReader, values: Record<string, unknown>): void {
    const count = reader.uvarint()
    for (let index = 0; index < count; index++) {
      const tag = reader.uvarint()
      const size = reader.uvarint()
      const end = reader.take(size) + size
      const member = tagged.find((one) => one.tag === tag)
      if (member === undefined) continue
      const { limit } = reader
      reader.position = end - size
      reader.limit = end
      values[member.name] = member.codec.read(reader)
      reader.position = end
      reader.limit = limit
    }
  }
}

function isNullable(one: Field, version: number): boolean {
  const { nullable } = one.options
  return nullable !== undefined && (nullable === true || version >= nullable)
}

/** The value of a field that is not there. */
export function fallbackOf(one: Field): unknown {
  const { fallback } = one.options
  return fallback === undefined ? one.type.zero : fallback
}

function isAtFallback(one: Field, value: unknown): boolean {
  if (value === undefined) return true
  const { fallback } = one.options
  if (fallback !== undefined) return value === fallback
  return value !== null && one.type.isZero(value)
}

function unsupported(name: string, version: number): StreamsError {
  return new StreamsError(
    'protocol-version-unsupported',
    `${name} cannot be expressed in version ${version} of the message`,
  )
}

/** The length before a string, bytes or an array; -1 is null. */
interface LengthCodec extends Codec<number> {
  writeNull(writer: MessageWriter): void
}

function lengthCodec(layout: Layout, place: Place, width: 'int16' | 'int32'): LengthCodec {
  const write = (writer: MessageWriter, length: number): void => {
    if (layout.flexible) writer.writeUvarint(length + 1)
    else if (width === 'int16') writer.writeInt16(length)
    else writer.writeInt32(length)
  }
  const readLength = (reader: MessageReader): number => {
    if (layout.flexible) return reader.uvarint() - 1
    return width === 'int16' ? reader.int16() : reader.int32()
  }
  return {
    write,
    writeNull(writer) {
      if (!place.nullable) throw unsupported(`${place.name} = null`, layout.version)
      write(writer, -1)
    },
    read(reader) {
      const length = readLength(reader)
      if (length < 0 && !place.nullable) throw invalid(`${place.name} is null`)
      return length
    },
  }
}
