/**
 * Walks the batches of a segment file in order and judges each: for recovery, for building indexes
 * and producer state, and to find a place in the log.
 *
 * Invariants:
 * - A batch counts as `valid` only when its CRC holds and it starts at the offset that must follow:
 *   the base offset is outside of the CRC, so only the sequence of batches vouches for it.
 * - After a `bad` batch the walk goes on at the next good one: where its length leads, or else where
 *   the bytes look like a batch whose CRC holds and that the next batch follows. When there is none
 *   the walk ends, `broken`.
 */
import { StreamsError } from '../errors.ts'
import type { FileHandle } from '../file-system.ts'
import {
  BASE_OFFSET_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  LENGTH_PREFIX_BYTES,
  MAGIC_AT,
  MAGIC_V2,
} from '../record/batch-format.ts'
import { readInt64 } from '../record/byte-writer.ts'
import { BatchReader } from '../record/record-batch.ts'

const CHUNK_BYTES = 1024 * 1024
const VERIFY = { verifyCrc: true } as const

export type ScanOutcome = 'valid' | 'bad' | 'broken' | 'end'

export interface ScanRange {
  readonly file: FileHandle
  readonly position: number
  readonly end: number
  /** The base offset of the first batch; -1 when it is not known. */
  readonly expectedOffset: number
  /** Offsets may skip forward: the log is compacted. */
  readonly gaps: boolean
}

export class BatchScan {
  readonly batch: BatchReader = new BatchReader()
  /** Position in the file of the batch of the last outcome. */
  position: number
  /** Base offset of the next batch; -1 when it is not known. */
  expectedOffset: number
  /** Why the last outcome was `bad` or `broken`. */
  reason = ''
  #next: number
  #buffer: Buffer
  #bufferStart = 0
  #bufferEnd = 0
  readonly #range: ScanRange

  constructor(range: ScanRange) {
    this.#range = range
    this.position = range.position
    this.#next = range.position
    this.expectedOffset = range.expectedOffset
    const length = Math.min(CHUNK_BYTES, Math.max(0, range.end - range.position))
    this.#buffer = Buffer.allocUnsafeSlow(length)
  }

  next(): ScanOutcome {
    this.position = this.#next
    const left = this.#range.end - this.position
    if (left <= 0) return 'end'
    const size = this.#sizeAt(this.position)
    if (size < 0) return this.#goOn(`${left} bytes are left, no header of a batch`)
    if (size > left) return this.#goOn(`a batch of ${size} bytes is cut off after ${left}`)
    const at = this.#fill(this.position, size)
    const fault = this.#judge(at, this.expectedOffset)
    this.#next = this.position + size
    if (fault === null) {
      this.expectedOffset = this.batch.lastOffset + 1
      return 'valid'
    }
    if (!this.#canStepOver()) return this.#goOn(fault)
    this.reason = fault
    return 'bad'
  }

  #judge(at: number, expected: number): string | null {
    try {
      if (!this.batch.open(this.#buffer, at, VERIFY)) return 'it is cut off'
    } catch (error) {
      if (error instanceof StreamsError) return error.message
      throw error
    }
    return offsetFault(this.batch.baseOffset, expected, this.#range.gaps)
  }

  /** After a bad batch: whether what follows it looks like a batch further on in the log. */
  #canStepOver(): boolean {
    if (this.#next >= this.#range.end || this.#sizeAt(this.#next) < 0) return false
    const at = this.#fill(this.#next, BATCH_HEADER_BYTES)
    const offset = readInt64(this.#buffer, at + BASE_OFFSET_AT)
    if (!Number.isSafeInteger(offset) || offset <= this.expectedOffset) return false
    this.expectedOffset = offset
    return true
  }

  /** The size of the batch at `position`, or -1 when there is none. */
  #sizeAt(position: number): number {
    if (this.#range.end - position < BATCH_HEADER_BYTES) return -1
    const at = this.#fill(position, BATCH_HEADER_BYTES)
    const size = this.#buffer.readInt32BE(at + BATCH_LENGTH_AT) + LENGTH_PREFIX_BYTES
    return size < BATCH_HEADER_BYTES || this.#buffer[at + MAGIC_AT] !== MAGIC_V2 ? -1 : size
  }

  #goOn(reason: string): ScanOutcome {
    this.reason = reason
    return this.#findGoodBatch() ? 'bad' : 'broken'
  }

  /** Looks for the format version byte of a batch after the one that leads nowhere. */
  #findGoodBatch(): boolean {
    const { end } = this.#range
    let position = this.position + 1
    while (end - position >= BATCH_HEADER_BYTES) {
      const at = this.#fill(position, BATCH_HEADER_BYTES)
      const buffered = this.#bufferEnd - this.#bufferStart
      const magic = this.#buffer.indexOf(MAGIC_V2, at + MAGIC_AT)
      const isFound = magic >= 0 && magic < buffered
      position = this.#bufferStart + (isFound ? magic : buffered) - MAGIC_AT
      if (isFound && this.#isGoodBatch(position)) {
        this.#next = position
        this.expectedOffset = this.batch.baseOffset
        return true
      }
      position += isFound ? 1 : 0
    }
    return false
  }

  #isGoodBatch(position: number): boolean {
    const size = this.#sizeAt(position)
    const next = position + size
    if (size < 0 || next > this.#range.end) return false
    if (this.#judge(this.#fill(position, size), -1) !== null) return false
    const { baseOffset, lastOffset } = this.batch
    if (baseOffset <= this.expectedOffset) return false
    if (next === this.#range.end) return true
    if (this.#sizeAt(next) < 0) return false
    const following = readInt64(this.#buffer, this.#fill(next, BATCH_HEADER_BYTES) + BASE_OFFSET_AT)
    return offsetFault(following, lastOffset + 1, this.#range.gaps) === null
  }

  /** Makes `length` bytes from `position` on available; returns where they are in the buffer. */
  #fill(position: number, length: number): number {
    if (position >= this.#bufferStart && position + length <= this.#bufferEnd) {
      return position - this.#bufferStart
    }
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length)
    const wanted = Math.min(this.#buffer.length, this.#range.end - position)
    const count = this.#range.file.read(this.#buffer, 0, wanted, position)
    if (count < length) this.#buffer.fill(0, count, length)
    this.#bufferStart = position
    this.#bufferEnd = position + Math.max(count, length)
    return 0
  }
}

/** What is wrong with a base offset where `expected` (-1: unknown) must follow, or null. */
export function offsetFault(offset: number, expected: number, gaps: boolean): string | null {
  if (expected < 0 || offset === expected || (gaps && offset > expected)) return null
  return `its base offset is ${offset}, not ${expected}`
}
