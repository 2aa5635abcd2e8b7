/**
 * Snappy, read side: the raw block format, and the framing that the Java client puts around it.
 *
 *   xerial framing   0x82 'S' 'N' 'A' 'P' 'P' 'Y' 0x00 | version i32 | compatible i32 |
 *                    { length i32 | raw block } ...
 *   raw block        uncompressed length (unsigned varint) | elements ...
 *   element          low two bits of the tag: 0 literal, 1..3 copy with a 1, 2 or 4 byte distance
 *
 * Journey: compressed payload of a fetched batch -> [bytes of its records].
 *
 * Read here and not by the WebAssembly codec, because that one traps on malformed input, leaks its
 * memory and stays broken. Invariant: the stated sizes are checked before anything is allocated,
 * and a malformed input ends in `record-batch-invalid`.
 */
import { StreamsError } from '../errors.ts'

/** "\x82SNAPPY\0", version 1, compatible with version 1. */
export const XERIAL_HEADER: Buffer = Buffer.from('82534e41505059000000000100000001', 'hex')
const XERIAL_MAGIC_BYTES = 8

/** Most bytes a copy element of 2 bytes yields per byte: no block can expand more than this. */
const EXPANSION_MAX = 33

export function decompressSnappy(input: Buffer, bytesMax: number): Buffer {
  if (!isXerial(input)) return decompressBlocks(input, [0, input.length], bytesMax)
  const ranges: number[] = []
  let position = XERIAL_HEADER.length
  while (position < input.length) {
    if (position + 4 > input.length) throw invalid('the length of a block is cut off')
    if (isXerial(input, position)) {
      // A stream that was closed and appended to: its header is repeated.
      position += XERIAL_HEADER.length
      continue
    }
    const length = input.readInt32BE(position)
    position += 4
    if (length < 0 || length > input.length - position) throw invalid('a block is cut off')
    ranges.push(position, position + length)
    position += length
  }
  return decompressBlocks(input, ranges, bytesMax)
}

function isXerial(input: Buffer, position = 0): boolean {
  if (input.length - position < XERIAL_HEADER.length) return false
  for (let index = 0; index < XERIAL_MAGIC_BYTES; index++) {
    if (input[position + index] !== XERIAL_HEADER[index]) return false
  }
  return true
}

/** Two passes: the stated sizes, so that the output is allocated once, then the bytes. */
function decompressBlocks(input: Buffer, ranges: readonly number[], bytesMax: number): Buffer {
  let total = 0
  for (let index = 0; index < ranges.length; index += 2) {
    const start = ranges[index]!
    const end = ranges[index + 1]!
    const size = uncompressedLength(input, start, end)
    if (size > (end - start) * EXPANSION_MAX) throw invalid('a block states an impossible size')
    total += size
    if (total > bytesMax) throw invalid(`more than ${bytesMax} bytes when decompressed`)
  }
  const output = Buffer.allocUnsafeSlow(total)
  let written = 0
  for (let index = 0; index < ranges.length; index += 2) {
    const start = ranges[index]!
    const end = ranges[index + 1]!
    const size = uncompressedLength(input, start, end)
    decompressBlock(input, start, end, output, written, written + size)
    written += size
  }
  return output
}

function uncompressedLength(input: Buffer, start: number, end: number): number {
  let value = 0
  let scale = 1
  for (let position = start; position < end && position < start + 5; position++) {
    const byte = input[position]!
    value += (byte & 127) * scale
    if (byte < 128) return value
    scale *= 128
  }
  throw invalid('the size of a block is cut off')
}

function lengthOfVarint(input: Buffer, start: number): number {
  let position = start
  while (input[position]! > 127) position++
  return position + 1 - start
}

function decompressBlock(
  input: Buffer,
  start: number,
  end: number,
  output: Buffer,
  outputStart: number,
  outputEnd: number,
): void {
  let position = start + lengthOfVarint(input, start)
  let written = outputStart
  while (position < end) {
    const tag = input[position++]!
    const kind = tag & 3
    let length: number
    if (kind === 0) {
      length = (tag >>> 2) + 1
      if (length > 60) {
        const extra = length - 60
        if (position + extra > end) throw invalid('a literal is cut off')
        length = input.readUIntLE(position, extra) + 1
        position += extra
      }
      if (length > end - position || length > outputEnd - written) {
        throw invalid('a literal runs past the end')
      }
      copyForward(input, position, output, written, length)
      position += length
      written += length
      continue
    }
    const distanceBytes = kind === 3 ? 4 : kind
    if (position + distanceBytes > end) throw invalid('a copy is cut off')
    let distance: number
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4
      distance = ((tag >>> 5) << 8) | input[position]!
    } else {
      length = (tag >>> 2) + 1
      distance = kind === 2 ? input.readUInt16LE(position) : input.readUInt32LE(position)
    }
    position += distanceBytes
    if (distance === 0 || distance > written - outputStart || length > outputEnd - written) {
      throw invalid('a copy refers outside of its block')
    }
    for (let from = written - distance, last = written + length; written < last; ) {
      output[written++] = output[from++]!
    }
  }
  if (written !== outputEnd) throw invalid('a block is shorter than it states')
}

/** Literals are mostly short: a loop up to 32 bytes, the native copy above. */
function copyForward(
  source: Buffer,
  start: number,
  target: Buffer,
  targetStart: number,
  length: number,
): void {
  if (length > 32) {
    source.copy(target, targetStart, start, start + length)
    return
  }
  for (let index = 0; index < length; index++) target[targetStart + index] = source[start + index]!
}

function invalid(message: string): StreamsError {
  return new StreamsError('record-batch-invalid', `Snappy data is malformed: ${message}`)
}
