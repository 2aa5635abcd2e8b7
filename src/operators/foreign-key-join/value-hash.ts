/**
 * The hash by which a response of a foreign-key join is told from a stale one: of the bytes of the
 * left row that asked.
 *
 * Journey: subscription send hashes the new row -> subscription and response carry the hash ->
 * response join compares it with that of the present row.
 *
 * Murmur3 with 128 bits, as in Kafka Streams, but the variant of 32-bit arithmetic, which JavaScript
 * does without big integers.
 */
import type { ByteRange } from '../../record/record.ts'

/** Bytes of a hash. */
export const HASH_BYTES = 16

const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

const scratch = Buffer.alloc(HASH_BYTES)

/** True when the hash of a range is the one that lies in `other` at a position. */
export function hasHash(range: ByteRange, other: Buffer, position: number): boolean {
  const hash = valueHash(range)
  for (let at = 0; at < HASH_BYTES; at++) if (hash[at] !== other[position + at]) return false
  return true
}

/** The hash of a range, as bytes that the next call overwrites. */
export function valueHash({ bytes, start, end }: ByteRange): Buffer {
  const length = end - start
  const tail = end - (length % HASH_BYTES)
  let h1 = 0
  let h2 = 0
  let h3 = 0
  let h4 = 0
  for (let at = start; at < tail; at += HASH_BYTES) {
    h1 ^= mix(bytes.readInt32LE(at), C1, 15, C2)
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0
    h2 ^= mix(bytes.readInt32LE(at + 4), C2, 16, C3)
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0
    h3 ^= mix(bytes.readInt32LE(at + 8), C3, 17, C4)
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0
    h4 ^= mix(bytes.readInt32LE(at + 12), C4, 18, C1)
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0
  }
  // A tail shorter than a block: an absent byte is zero, and a zero word changes nothing.
  h4 ^= mix(wordOf(bytes, tail + 12, end), C4, 18, C1)
  h3 ^= mix(wordOf(bytes, tail + 8, end), C3, 17, C4)
  h2 ^= mix(wordOf(bytes, tail + 4, end), C2, 16, C3)
  h1 ^= mix(wordOf(bytes, tail, end), C1, 15, C2)
  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = avalanche(h1)
  h2 = avalanche(h2)
  h3 = avalanche(h3)
  h4 = avalanche(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  scratch.writeInt32BE(h1, 0)
  scratch.writeInt32BE((h2 + h1) | 0, 4)
  scratch.writeInt32BE((h3 + h1) | 0, 8)
  scratch.writeInt32BE((h4 + h1) | 0, 12)
  return scratch
}

function mix(word: number, by: number, bits: number, then: number): number {
  return Math.imul(rotate(Math.imul(word, by), bits), then)
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** Up to four bytes as a little-endian word. */
function wordOf(bytes: Buffer, from: number, end: number): number {
  let word = 0
  for (let at = Math.min(from + 4, end) - 1; at >= from; at--) {
    word = (word << 8) | (bytes[at] as number)
  }
  return word
}

function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
