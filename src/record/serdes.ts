/**
 * The built-in serdes: text, JSON, numbers, booleans, bytes, windowed keys, and `custom`.
 *
 * Journey: bytes of a batch -> [key and value] -> topology -> [bytes] -> store, batch.
 *
 * Invariants:
 * - The bytes equal those of Kafka's own serdes, so that both sides of a topic may be ours or Java.
 * - A serde is one object: equal serdes are the same object, by which the runtime knows that bytes
 *   may be passed on as they are. (`windowed` and `custom` make a new one per call: keep it.)
 * - A value of the wrong type is a `TypeError` that says what to do; bytes that cannot be read are
 *   a `StreamsError` `deserialization-failed`.
 *
 * @see org.apache.kafka.common.serialization.Serdes
 */
import './node-buffer.ts'
import { StreamsError } from '../errors.ts'
import { readInt64 } from './byte-writer.ts'
import { readJson } from './json-read.ts'
import { KNOWN_TEXT_MAX, readShortText } from './known-texts.ts'
import type { Serde } from './serde.ts'
import type { Windowed } from './windowed.ts'

const INT32_MAX = 0x7fff_ffff
const WINDOW_START_BYTES = 8
/** End and start of a session. */
const SESSION_BYTES = 16

/** Text as UTF-8. Unpaired surrogates are written as U+FFFD, as UTF-8 has no form for them. */
export const text: Serde<string> = {
  name: 'text',
  primitive: true,
  write(value, output) {
    if (typeof value !== 'string') throw wrongType('text', 'a string', value)
    output.writeText(value)
  },
  read(bytes, start, end) {
    if (end - start <= KNOWN_TEXT_MAX) return readShortText(bytes, start, end)
    return bytes.utf8Slice(start, end)
  },
}

const anyJson: Serde<unknown> = {
  name: 'json',
  write(value, output) {
    const encoded = JSON.stringify(value)
    if (encoded === undefined) throw wrongType('json', 'a value that JSON has', value)
    output.writeText(encoded)
  },
  read(bytes, start, end) {
    return readJson(bytes, start, end)
  },
}

/**
 * JSON as UTF-8. `T` is what you say it is: nothing is checked when reading.
 *
 * @returns the same object on every call
 * @example
 * ```ts
 * interface Order {
 *   readonly amount: number
 * }
 * builder.stream('orders', { key: text, value: json<Order>() }).filter((_id, { amount }) => amount > 100)
 * ```
 */
export function json<T>(): Serde<T> {
  return anyJson as Serde<T>
}

/** A 32-bit integer in four big-endian bytes: Kafka's Integer serde. */
export const int32: Serde<number> = {
  name: 'int32',
  primitive: true,
  write(value, output) {
    if (typeof value !== 'number') throw wrongType('int32', 'a number', value)
    if (!Number.isInteger(value) || value > INT32_MAX || value < -INT32_MAX - 1) {
      throw new RangeError(`The int32 serde cannot write ${value}; use int64 or float64 for it`)
    }
    output.writeInt32(value)
  },
  read(bytes, start, end) {
    checkLength('int32', 4, start, end)
    return bytes.readInt32BE(start)
  },
}

/** A safe integer in eight big-endian bytes: Kafka's Long serde. Larger ones need `bigint64`. */
export const int64: Serde<number> = {
  name: 'int64',
  primitive: true,
  write(value, output) {
    if (typeof value !== 'number') throw wrongType('int64', 'a number', value)
    if (!Number.isSafeInteger(value)) {
      throw new RangeError(
        `The int64 serde cannot write ${value}; use bigint64 beyond the safe integers, float64 for fractions`,
      )
    }
    output.writeInt64(value)
  },
  read(bytes, start, end) {
    checkLength('int64', 8, start, end)
    const value = readInt64(bytes, start)
    if (Number.isSafeInteger(value)) return value
    throw unreadable(`int64 bytes hold ${bytes.readBigInt64BE(start)}; read them with bigint64`)
  },
}

/** A bigint of 64 bits in eight big-endian bytes: Kafka's Long serde. */
export const bigint64: Serde<bigint> = {
  name: 'bigint64',
  write(value, output) {
    if (typeof value !== 'bigint') throw wrongType('bigint64', 'a bigint', value)
    if (BigInt.asIntN(64, value) !== value) {
      throw new RangeError(`The bigint64 serde cannot write ${value}: it needs more than 64 bits`)
    }
    const position = output.reserve(8)
    output.end = output.bytes.writeBigInt64BE(value, position)
  },
  read(bytes, start, end) {
    checkLength('bigint64', 8, start, end)
    return bytes.readBigInt64BE(start)
  },
}

/** A number rounded to single precision, in four big-endian bytes: Kafka's Float serde. */
export const float32: Serde<number> = {
  name: 'float32',
  write(value, output) {
    if (typeof value !== 'number') throw wrongType('float32', 'a number', value)
    const position = output.reserve(4)
    output.end = output.bytes.writeFloatBE(value, position)
  },
  read(bytes, start, end) {
    checkLength('float32', 4, start, end)
    return bytes.readFloatBE(start)
  },
}

/** A number in eight big-endian bytes: Kafka's Double serde. */
export const float64: Serde<number> = {
  name: 'float64',
  write(value, output) {
    if (typeof value !== 'number') throw wrongType('float64', 'a number', value)
    output.writeFloat64(value)
  },
  read(bytes, start, end) {
    checkLength('float64', 8, start, end)
    return bytes.readDoubleBE(start)
  },
}

/** One byte, 0 or 1: Kafka's Boolean serde. */
export const boolean: Serde<boolean> = {
  name: 'boolean',
  primitive: true,
  write(value, output) {
    if (typeof value !== 'boolean') throw wrongType('boolean', 'a boolean', value)
    output.writeUint8(value ? 1 : 0)
  },
  read(bytes, start, end) {
    checkLength('boolean', 1, start, end)
    const byte = bytes[start] as number
    if (byte > 1) throw unreadable(`boolean needs a byte of 0 or 1, the data has ${byte}`)
    return byte === 1
  },
}

/** Bytes as they are. Reading returns a copy that is yours to keep. */
export const bytes: Serde<Uint8Array> = {
  name: 'bytes',
  write(value, output) {
    if (!(value instanceof Uint8Array)) throw wrongType('bytes', 'a Uint8Array', value)
    output.writeBytes(value)
  },
  read(source, start, end) {
    return new Uint8Array(source.subarray(start, end))
  },
}

/**
 * Says in the type that null occurs. Null is absent bytes and never reaches a serde, so this is the
 * same object.
 *
 * @example
 * ```ts
 * builder
 *   .stream('orders', { key: text, value: nullable(text) })
 *   .mapValues((order) => (order === null ? 'cancelled' : order))
 * ```
 */
export function nullable<T>(serde: Serde<T>): Serde<T | null> {
  return serde as Serde<T | null>
}

/**
 * Keys of a time window: the bytes of the key, then the start of the window as eight bytes, as
 * Kafka's TimeWindowedSerializer writes them.
 *
 * @param size - the size of the windows, which the bytes do not hold; for windows of several sizes
 * a function that gives the end of the one with this start
 * @throws RangeError when the size is not a whole number of milliseconds above 0
 * @example
 * ```ts
 * // What a table of windows of a minute was written to, read again.
 * builder
 *   .stream('hits-per-minute', { key: windowed(text, 60_000), value: int64 })
 *   .filter(({ key, start, end }, hits) => key === '/' && end - start === 60_000 && hits > 100)
 * ```
 */
export function windowed<K>(
  serde: Serde<K>,
  size: number | ((start: number) => number),
): Serde<Windowed<K>> {
  if (typeof size === 'number' && (!Number.isSafeInteger(size) || size <= 0)) {
    throw new RangeError(`A window size is a whole number of milliseconds above 0, not ${size}`)
  }
  const endOf = typeof size === 'number' ? (start: number) => start + size : size
  const name = `windowed(${serde.name}${typeof size === 'number' ? `, ${size}ms` : ''})`
  return {
    name,
    unpartitionedBytes: WINDOW_START_BYTES,
    write(value, output) {
      if (typeof value?.start !== 'number') throw wrongType(name, 'a windowed key', value)
      serde.write(value.key, output)
      output.writeInt64(value.start)
    },
    read(source, start, end) {
      const keyEnd = windowAt(name, WINDOW_START_BYTES, start, end)
      const windowStart = readWindowTime(name, source, keyEnd)
      if (typeof size === 'number' && !Number.isSafeInteger(windowStart + size)) {
        throw unreadable(`${name} cannot hold a window start of ${windowStart}`)
      }
      const key = serde.read(source, start, keyEnd)
      return { key, start: windowStart, end: endOf(windowStart) }
    },
  }
}

/**
 * Keys of a session: the bytes of the key, then the end and the start of the session as eight bytes
 * each, as Kafka's SessionWindowedSerializer writes them.
 *
 * @example
 * ```ts
 * builder
 *   .stream('visits', { key: sessionWindowed(text), value: int64 })
 *   .map(({ key, start, end }, clicks) => [key, `${clicks} clicks in ${end - start} ms`])
 * ```
 */
export function sessionWindowed<K>(serde: Serde<K>): Serde<Windowed<K>> {
  const name = `session-windowed(${serde.name})`
  return {
    name,
    unpartitionedBytes: SESSION_BYTES,
    write(value, output) {
      if (typeof value?.end !== 'number') throw wrongType(name, 'a windowed key', value)
      serde.write(value.key, output)
      output.writeInt64(value.end)
      output.writeInt64(value.start)
    },
    read(source, start, end) {
      const keyEnd = windowAt(name, SESSION_BYTES, start, end)
      const sessionEnd = readWindowTime(name, source, keyEnd)
      const sessionStart = readWindowTime(name, source, keyEnd + WINDOW_START_BYTES)
      return { key: serde.read(source, start, keyEnd), start: sessionStart, end: sessionEnd }
    },
  }
}

/** Where the window behind a key begins. */
function windowAt(name: string, windowBytes: number, start: number, end: number): number {
  if (end - start >= windowBytes) return end - windowBytes
  throw unreadable(`${name} needs at least ${windowBytes} bytes, the data has ${end - start}`)
}

function readWindowTime(name: string, source: Buffer, position: number): number {
  const time = readInt64(source, position)
  if (Number.isSafeInteger(time)) return time
  throw unreadable(`${name} cannot hold a window start of ${time}`)
}

/** The pair of functions that `custom` makes a serde of. */
export interface CustomSerde<T> {
  /** Shown in errors and in `describe()`. */
  readonly name: string
  /** See `Serde.primitive`. Default false. */
  readonly primitive?: boolean
  /** The bytes of a value. */
  serialize(value: T): Uint8Array
  /** `bytes` is a copy that may be kept. */
  deserialize(bytes: Uint8Array): T
}

/**
 * A serde out of a pair of ordinary functions, such as those of a Protocol Buffers library.
 *
 * @example
 * ```ts
 * const date = custom<Date>({
 *   name: 'date',
 *   serialize: (value) => Buffer.from(value.toISOString()),
 *   deserialize: (bytes) => new Date(Buffer.from(bytes).toString()),
 * })
 * builder.stream('birthdays', { key: text, value: date }).mapValues((day) => day.getUTCFullYear())
 * ```
 */
export function custom<T>(options: CustomSerde<T>): Serde<T> {
  const { name } = options
  return {
    name,
    primitive: options.primitive ?? false,
    write(value, output) {
      const written = options.serialize(value)
      if (!(written instanceof Uint8Array)) {
        throw new TypeError(
          `The serialize function of serde ${name} returned ${typeOf(written)}; return a Uint8Array`,
        )
      }
      output.writeBytes(written)
    },
    read(source, start, end) {
      return options.deserialize(new Uint8Array(source.subarray(start, end)))
    },
  }
}

function wrongType(serde: string, wanted: string, value: unknown): TypeError {
  return new TypeError(
    `The ${serde} serde writes ${wanted}, but was given ${typeOf(value)}; ` +
      'give the stream the serde of its values, or map them first',
  )
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return value === undefined ? 'undefined' : `a ${typeof value}`
  return `an object of class ${value.constructor?.name ?? 'null'}`
}

function checkLength(serde: string, length: number, start: number, end: number): void {
  if (end - start === length) return
  throw unreadable(`${serde} needs ${length} bytes, the data has ${end - start}`)
}

function unreadable(message: string): StreamsError {
  return new StreamsError('deserialization-failed', message)
}
