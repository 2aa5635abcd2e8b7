/**
 * The transaction index of a segment: the transactions whose abort marker lies in it.
 *
 *    0  version           i16   0
 *    2  producerId        i64
 *   10  firstOffset       i64   of the transaction, perhaps in an earlier segment
 *   18  lastOffset        i64   of the marker
 *   26  lastStableOffset  i64   of the partition after the marker
 *
 * The file always exists, so that a missing one is known to be lost (Kafka creates it when the
 * first entry comes; an empty one means the same to it). It has no checksum of its own, and a wrong
 * entry would let aborted records through: the partition's checkpoint keeps its checksum.
 *
 * @see org.apache.kafka.storage.internals.log.TransactionIndex, AbortedTxn
 */
import type { FileSystem } from '../file-system.ts'
import { writeInt64 } from '../record/batch-format.ts'
import { readInt64 } from '../record/byte-writer.ts'
import { crc32c } from '../record/crc32c.ts'
import { countBelow, IndexFile } from './index-file.ts'

const ENTRY_BYTES = 34
const VERSION = 0

/** The CRC-32C of no bytes: of the index of a segment without aborted transactions. */
export const EMPTY_CHECKSUM = 0

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface AbortedEntry extends AbortedTransaction {
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export class TransactionIndex {
  readonly file: IndexFile

  constructor(fileSystem: FileSystem, path: string) {
    this.file = new IndexFile(fileSystem, path, ENTRY_BYTES)
  }

  append(entry: AbortedEntry): void {
    const at = this.file.append()
    const bytes = this.file.bytes
    bytes.writeInt16BE(VERSION, at)
    writeInt64(bytes, entry.producerId, at + 2)
    writeInt64(bytes, entry.firstOffset, at + 10)
    writeInt64(bytes, entry.lastOffset, at + 18)
    writeInt64(bytes, entry.lastStableOffset, at + 26)
  }

  entry(entry: number): AbortedEntry {
    const bytes = this.file.bytes
    const at = entry * ENTRY_BYTES
    return {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26),
    }
  }

  /**
   * Adds to `found` what a reader of `from` up to `to` must know.
   *
   * @returns true when no later segment can add to it
   */
  collect(from: number, to: number, found: AbortedTransaction[]): boolean {
    for (let index = 0; index < this.file.count; index++) {
      const { producerId, firstOffset, lastOffset, lastStableOffset } = this.entry(index)
      if (lastOffset >= from && firstOffset < to) found.push({ producerId, firstOffset })
      if (lastStableOffset >= to) return true
    }
    return false
  }

  /** Drops transactions whose marker is at `offset` or later. */
  truncateTo(offset: number): void {
    const isBelow = (entry: number) => this.entry(entry).lastOffset < offset
    this.file.truncate(countBelow(this.file.count, isBelow))
  }

  checksum(): number {
    return crc32c(this.file.bytes, 0, this.file.count * ENTRY_BYTES)
  }
}
