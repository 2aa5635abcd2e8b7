/**
 * Kafka's variable-length integers: zigzag (0, -1, 1, -2 ...), then groups of seven bits, lowest
 * first, with the high bit of a byte set while more follow.
 *
 * Journey: the fields of a record inside a batch. The batch reader decodes the short forms inline
 * and comes here for the rest; the batch writer likewise.
 *
 * Invariants: a 64-bit value is a JavaScript number and a safe integer, on both ways.
 */
import { StreamsError } from '../errors.ts'

/** Kafka's own limit for the bytes of one integer. */
export const VARINT_BYTES_MAX = 10

/** Bytes that `writeVarint` takes for a 32-bit integer. */
export function sizeOfVarint(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Writes a 32-bit integer and returns the position after it. */
export function writeVarint(value: number, bytes: Buffer, position: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  while (zigzag > 127) {
    bytes[position++] = (zigzag & 127) | 128
    zigzag >>>= 7
  }
  bytes[position++] = zigzag
  return position
}

/** Bytes that `writeVarlong` takes for a safe integer. */
export function sizeOfVarlong(value: number): number {
  if ((value | 0) === value) return sizeOfVarint(value)
  // 2n and 2n+1 of the zigzag take the same bytes, so the half decides: 6 bits, then 7 each.
  let half = value < 0 ? -(value + 1) : value
  let size = 1
  for (half = Math.floor(half / 64); half > 0; half = Math.floor(half / 128)) size++
  return size
}

/** Writes a safe integer and returns the position after it. */
export function writeVarlong(value: number, bytes: Buffer, position: number): number {
  if ((value | 0) === value) return writeVarint(value, bytes, position)
  const sign = value < 0 ? 1 : 0
  let rest = sign === 1 ? -(value + 1) : value
  let group = (rest % 64) * 2 + sign
  rest = Math.floor(rest / 64)
  while (rest > 0) {
    bytes[position++] = group | 128
    group = rest % 128
    rest = Math.floor(rest / 128)
  }
  bytes[position++] = group
  return position
}

/** Reads a varint or varlong; `position` is then the one after it. Reused, so that nothing is allocated. */
export class VarintReader {
  position = 0

  /** The value at `position`, which must end at or before `end`. */
  read(bytes: Buffer, position: number, end: number): number {
    const last = Math.min(end, position + VARINT_BYTES_MAX)
    let byte = position < last ? (bytes[position++] as number) : 255
    const sign = byte & 1
    // The half of the zigzag is collected, so that a 54-bit zigzag still fits a safe integer.
    let half = (byte & 127) >>> 1
    let scale = 64
    while (byte > 127) {
      if (position >= last) throw invalid('a variable-length integer runs past its record')
      byte = bytes[position++] as number
      half += (byte & 127) * scale
      scale *= 128
    }
    if (half > Number.MAX_SAFE_INTEGER - sign) {
      throw invalid('a variable-length integer is beyond the safe integers')
    }
    this.position = position
    return sign === 1 ? -half - 1 : half
  }
}

function invalid(message: string): StreamsError {
  return new StreamsError('record-batch-invalid', message)
}
