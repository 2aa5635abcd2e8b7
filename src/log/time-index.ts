/**
 * The time index of a segment: the highest timestamp so far, and the batch that has it.
 *
 *   0  timestamp                i64
 *   8  lastOffset - baseOffset  i32   of the batch whose max timestamp it is
 *
 * Invariants: timestamps ascend strictly, offsets ascend. The last entry of a closed segment is the
 * highest timestamp of the segment.
 *
 * @see org.apache.kafka.storage.internals.log.TimeIndex
 */
import type { FileSystem } from '../file-system.ts'
import { writeInt64 } from '../record/batch-format.ts'
import { readInt64 } from '../record/byte-writer.ts'
import { countBelow, IndexFile } from './index-file.ts'

const ENTRY_BYTES = 12

export interface TimestampOffset {
  /** -1 when no entry is meant. */
  readonly timestamp: number
  readonly offset: number
}

export class TimeIndex {
  readonly file: IndexFile
  readonly #baseOffset: number

  constructor(fileSystem: FileSystem, path: string, baseOffset: number) {
    this.file = new IndexFile(fileSystem, path, ENTRY_BYTES)
    this.#baseOffset = baseOffset
  }

  /** Appends when the timestamp is higher than that of the last entry. */
  append(timestamp: number, lastOffset: number): void {
    if (timestamp <= this.last().timestamp) return
    const at = this.file.append()
    writeInt64(this.file.bytes, timestamp, at)
    this.file.bytes.writeInt32BE(lastOffset - this.#baseOffset, at + 8)
  }

  /** The last entry below `timestamp`: up to its offset, no record has that timestamp or a higher one. */
  lookupBelow(timestamp: number): TimestampOffset {
    return this.entry(
      countBelow(this.file.count, (entry) => this.#timestamp(entry) < timestamp) - 1,
    )
  }

  entry(entry: number): TimestampOffset {
    if (entry < 0) return { timestamp: -1, offset: this.#baseOffset }
    return { timestamp: this.#timestamp(entry), offset: this.#offset(entry) }
  }

  last(): TimestampOffset {
    return this.entry(this.file.count - 1)
  }

  /** Drops entries of batches that end at `offset` or later. */
  truncateTo(offset: number): void {
    this.file.truncate(countBelow(this.file.count, (entry) => this.#offset(entry) < offset))
  }

  isSane(): boolean {
    let timestamp = -1
    let offset = this.#baseOffset - 1
    for (let entry = 0; entry < this.file.count; entry++) {
      const next = this.entry(entry)
      if (next.timestamp <= timestamp || next.offset <= offset) return false
      timestamp = next.timestamp
      offset = next.offset
    }
    return Number.isSafeInteger(timestamp)
  }

  #timestamp(entry: number): number {
    return readInt64(this.file.bytes, entry * ENTRY_BYTES)
  }

  #offset(entry: number): number {
    return this.#baseOffset + this.file.bytes.readInt32BE(entry * ENTRY_BYTES + 8)
  }
}
