/**
 * The two serdes of conformance cases.
 *
 *   key    UTF-8 of the text; a windowed key: key bytes, start (8), end (8), 0xFF
 *   value  's' and UTF-8, or 'i' and eight big-endian bytes
 *
 * 0xFF never ends UTF-8, which tells the two kinds of keys apart.
 */
import { custom, type Serde } from 'millrace'
import type { Key, Value } from './case.ts'

const WINDOW_MARK = 0xff
const WINDOW_BYTES = 17
/** As a number it is 2^63. */
const UNLIMITED_END = 2n ** 63n - 1n

function serializeKey(key: Exclude<Key, null>): Uint8Array {
  if (typeof key === 'string') return Buffer.from(key)
  const window = Buffer.alloc(WINDOW_BYTES, WINDOW_MARK)
  window.writeBigInt64BE(BigInt(key.start), 0)
  window.writeBigInt64BE(key.end < 2 ** 63 ? BigInt(key.end) : UNLIMITED_END, 8)
  return Buffer.concat([Buffer.from(key.key ?? ''), window])
}

function serializeValue(value: Exclude<Value, null>): Uint8Array {
  if (typeof value === 'string') return Buffer.from(`s${value}`)
  const bytes = Buffer.from('i--------')
  bytes.writeBigInt64BE(BigInt(value), 1)
  return bytes
}

export function keyBytes(key: Key): Uint8Array | null {
  return key === null ? null : serializeKey(key)
}

export function valueBytes(value: Value): Uint8Array | null {
  return value === null ? null : serializeValue(value)
}

export const keySerde: Serde<Key> = custom<Key>({
  name: 'case-key',
  serialize: (key) => serializeKey(key as Exclude<Key, null>),
  deserialize(bytes) {
    const buffer = Buffer.from(bytes)
    if (buffer.at(-1) !== WINDOW_MARK) return buffer.toString()
    if (buffer.length < WINDOW_BYTES) throw new RangeError('not a key')
    const window = buffer.length - WINDOW_BYTES
    return {
      key: buffer.toString('utf8', 0, window),
      start: Number(buffer.readBigInt64BE(window)),
      end: Number(buffer.readBigInt64BE(window + 8)),
    }
  },
})

export const valueSerde: Serde<Value> = custom<Value>({
  name: 'case-value',
  serialize: (value) => serializeValue(value as Exclude<Value, null>),
  deserialize(bytes) {
    const buffer = Buffer.from(bytes)
    if (buffer[0] === 0x73) return buffer.toString('utf8', 1)
    if (buffer[0] === 0x69 && buffer.length === 9) return Number(buffer.readBigInt64BE(1))
    throw new RangeError('not a value')
  },
})

/** Bytes that neither serde reads. */
export const CORRUPT: Uint8Array = Uint8Array.of(WINDOW_MARK)
