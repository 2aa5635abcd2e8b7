/**
 * A growing buffer that serdes write into: one per use, reset and written again, so that a hot
 * path allocates nothing. It is also a `ByteRange` over what was written since `reset`.
 *
 * Invariant: `bytes` may be replaced by any write that grows it; never keep it across writes, and
 * call `reserve` before naming `bytes` in the same expression.
 */
import './node-buffer.ts'
import type { ByteRange } from './record.ts'

/** Longest text copied by a character loop; beyond it the native call is faster (measured). */
const LOOP_TEXT_MAX = 24
/** Longest byte range copied by a loop; beyond it `Buffer.copy` is faster (measured). */
const LOOP_BYTES_MAX = 32

/**
 * What a serde writes into: bytes one after the other, in a buffer that grows. Integers are big-endian.
 *
 * @example
 * ```ts
 * // A serde that writes a point as a byte for its kind, two numbers and a name.
 * const points: Serde<{ x: number; y: number; name: string }> = {
 *   name: 'point',
 *   write({ x, y, name }, output) {
 *     output.writeUint8(1)
 *     output.writeFloat64(x)
 *     output.writeInt32(y)
 *     output.writeText(name)
 *   },
 *   read: (bytes, start, end) => ({
 *     x: bytes.readDoubleBE(start + 1),
 *     y: bytes.readInt32BE(start + 9),
 *     name: bytes.toString('utf8', start + 13, end),
 *   }),
 * }
 * // The others: of eight bytes, of two, of any number, and in place.
 * const stamps: Serde<{ at: number; kind: number; rest: Uint8Array; id: bigint }> = {
 *   name: 'stamp',
 *   write({ at, kind, rest, id }, output) {
 *     output.writeInt64(at)
 *     output.writeInt16(kind)
 *     const position = output.reserve(8)
 *     output.end = output.bytes.writeBigInt64BE(id, position)
 *     output.writeBytes(rest)
 *   },
 *   read: (bytes, start, end) => ({
 *     at: Number(bytes.readBigInt64BE(start)),
 *     kind: bytes.readInt16BE(start + 8),
 *     id: bytes.readBigInt64BE(start + 10),
 *     rest: new Uint8Array(bytes.subarray(start + 18, end)),
 *   }),
 * }
 * builder.stream('points', { key: points, value: stamps }).filter(({ x, y }, { at }) => x + y > at)
 * ```
 */
export class ByteWriter implements ByteRange {
  bytes: Buffer
  readonly start: 0 = 0
  end = 0

  constructor(capacity = 256) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  /** Begins anew, in the same buffer. @internal */
  reset(): this {
    this.end = 0
    return this
  }

  /** Makes room for `count` more bytes and returns the position to write them at. */
  reserve(count: number): number {
    const needed = this.end + count
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
      this.bytes.copy(grown, 0, 0, this.end)
      this.bytes = grown
    }
    return this.end
  }

  /** Text as UTF-8, without a length. */
  writeText(text: string): void {
    const length = text.length
    let position = this.reserve(length * 3)
    if (length <= LOOP_TEXT_MAX) {
      const bytes = this.bytes
      for (let index = 0; index < length; index++) {
        const code = text.charCodeAt(index)
        if (code > 127) {
          this.end += bytes.utf8Write(text, this.end)
          return
        }
        bytes[position++] = code
      }
      this.end = position
      return
    }
    this.end += this.bytes.utf8Write(text, position)
  }

  /** A range of bytes, without a length. */
  writeBytes(source: Uint8Array, start = 0, end: number = source.length): void {
    const length = end - start
    let position = this.reserve(length)
    if (length <= LOOP_BYTES_MAX) {
      const bytes = this.bytes
      for (let index = start; index < end; index++) bytes[position++] = source[index] as number
    } else {
      this.bytes.set(
        start === 0 && end === source.length ? source : source.subarray(start, end),
        position,
      )
    }
    this.end += length
  }

  /** One byte. */
  writeUint8(value: number): void {
    const position = this.reserve(1)
    this.bytes[position] = value
    this.end = position + 1
  }

  /** Two big-endian bytes. */
  writeInt16(value: number): void {
    const position = this.reserve(2)
    this.end = this.bytes.writeInt16BE(value, position)
  }

  /** Four big-endian bytes. */
  writeInt32(value: number): void {
    const position = this.reserve(4)
    this.end = this.bytes.writeInt32BE(value, position)
  }

  /** A safe integer as eight big-endian bytes. */
  writeInt64(value: number): void {
    const position = this.reserve(8)
    writeInt64At(value, this.bytes, position)
    this.end = position + 8
  }

  /** A double as eight big-endian bytes. */
  writeFloat64(value: number): void {
    const position = this.reserve(8)
    this.end = this.bytes.writeDoubleBE(value, position)
  }

  /** A copy of what was written, owned by the caller. @internal */
  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.end))
  }
}

/** Writes a safe integer as eight big-endian bytes. */
export function writeInt64At(value: number, bytes: Buffer, position: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  bytes.writeInt32BE(high, position)
  bytes.writeUInt32BE(value - high * 0x1_0000_0000, position + 4)
}

/** Reads the eight big-endian bytes that `writeInt64` wrote. */
export function readInt64(bytes: Buffer, position: number): number {
  return bytes.readInt32BE(position) * 0x1_0000_0000 + bytes.readUInt32BE(position + 4)
}
