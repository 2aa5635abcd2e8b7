/**
 * LZ4, read side: the frame format (version 1) and its blocks.
 *
 *   frame   magic 0x184d2204 LE | flags u8 | block descriptor u8 | [content size u64] |
 *           [dictionary u32] | header checksum u8 | { block } ... | 0 u32 | [content checksum u32]
 *   block   size u32 LE (high bit: stored as is) | bytes | [block checksum u32]
 *   bytes   { token u8: literals 4 bits, match 4 bits | [more lengths] | literals |
 *           distance u16 LE | [more lengths] } ..., the last sequence has literals only
 *
 * Journey: compressed payload of a fetched batch -> [bytes of its records].
 *
 * Read here and not by the WebAssembly codec, because that one traps on malformed input, leaks its
 * memory and stays broken. The checksums of the frame are passed over: the CRC of the batch covers
 * the same bytes. Kafka writes independent blocks; linked ones are read too.
 * Invariant: the output is sized by a walk over the blocks before it is allocated, and a malformed
 * input ends in `record-batch-invalid`.
 */
import { StreamsError } from '../errors.ts'

const FRAME_MAGIC = 0x184d2204
const FLAG_VERSION_MASK = 0xc0
const FLAG_VERSION_1 = 0x40
const FLAG_INDEPENDENT = 0x20
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_CONTENT_SIZE = 0x08
const FLAG_DICTIONARY = 0x01
const BLOCK_STORED = 0x8000_0000
const MATCH_BYTES_MIN = 4

interface Block {
  readonly start: number
  readonly end: number
  readonly stored: boolean
  readonly size: number
}

export function decompressLz4(input: Buffer, bytesMax: number): Buffer {
  const flags = input.length < 7 ? -1 : input[4]!
  if (flags < 0 || input.readUInt32LE(0) !== FRAME_MAGIC) throw invalid('not an LZ4 frame')
  if ((flags & FLAG_VERSION_MASK) !== FLAG_VERSION_1) throw invalid('unknown frame version')
  if ((flags & FLAG_DICTIONARY) !== 0) throw invalid('a dictionary is needed')
  const headerBytes = 7 + ((flags & FLAG_CONTENT_SIZE) !== 0 ? 8 : 0)
  const blocks = blocksOf(input, headerBytes, (flags & FLAG_BLOCK_CHECKSUM) !== 0, bytesMax)
  const output = Buffer.allocUnsafeSlow(blocks.reduce((sum, block) => sum + block.size, 0))
  let written = 0
  for (const block of blocks) {
    const windowStart = (flags & FLAG_INDEPENDENT) !== 0 ? written : 0
    if (block.stored) input.copy(output, written, block.start, block.end)
    else decompressBlock(input, block, output, written, windowStart)
    written += block.size
  }
  return output
}

function blocksOf(input: Buffer, from: number, checksums: boolean, bytesMax: number): Block[] {
  const blocks: Block[] = []
  let position = from
  let total = 0
  for (;;) {
    if (position + 4 > input.length) throw invalid('the end mark is missing')
    const word = input.readUInt32LE(position)
    position += 4
    if (word === 0) return blocks
    const stored = word >= BLOCK_STORED
    const length = stored ? word - BLOCK_STORED : word
    const end = position + length
    if (end > input.length) throw invalid('a block is cut off')
    const size = stored ? length : sizeOfBlock(input, position, end)
    total += size
    if (total > bytesMax) throw invalid(`more than ${bytesMax} bytes when decompressed`)
    blocks.push({ start: position, end, stored, size })
    position = checksums ? end + 4 : end
  }
}

/** Walks the sequences of a block without copying; also proves that every length is in bounds. */
function sizeOfBlock(input: Buffer, start: number, end: number): number {
  let position = start
  let size = 0
  while (position < end) {
    const token = input[position++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more = 255
      while (more === 255) {
        if (position >= end) throw invalid('a length is cut off')
        more = input[position++]!
        literals += more
      }
    }
    position += literals
    size += literals
    if (position > end) throw invalid('literals run past their block')
    if (position === end) return size
    position += 2
    let match = (token & 15) + MATCH_BYTES_MIN
    if ((token & 15) === 15) {
      let more = 255
      while (more === 255) {
        if (position >= end) throw invalid('a length is cut off')
        more = input[position++]!
        match += more
      }
    }
    size += match
  }
  throw invalid('a block does not end with literals')
}

function decompressBlock(
  input: Buffer,
  block: Block,
  output: Buffer,
  outputStart: number,
  windowStart: number,
): void {
  const end = block.end
  let position = block.start
  let written = outputStart
  for (;;) {
    const token = input[position++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        more = input[position++]!
        literals += more
      } while (more === 255)
    }
    if (literals > 32) {
      input.copy(output, written, position, position + literals)
      position += literals
      written += literals
    } else {
      for (const last = position + literals; position < last; ) {
        output[written++] = input[position++]!
      }
    }
    if (position >= end) return
    const distance = input[position]! | (input[position + 1]! << 8)
    position += 2
    if (distance === 0 || distance > written - windowStart) {
      throw invalid('a match refers outside of its window')
    }
    let match = (token & 15) + MATCH_BYTES_MIN
    if (match === 19) {
      let more: number
      do {
        more = input[position++]!
        match += more
      } while (more === 255)
    }
    for (let source = written - distance, last = written + match; written < last; ) {
      output[written++] = output[source++]!
    }
  }
}

function invalid(message: string): StreamsError {
  return new StreamsError('record-batch-invalid', `LZ4 data is malformed: ${message}`)
}
