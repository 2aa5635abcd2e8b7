/**
 * The offset index of a segment: about every 4096 bytes, where a batch is.
 *
 *   0  lastOffset - baseOffset  i32   of the batch
 *   4  position                 i32   of its first byte in the .log
 *
 * @see org.apache.kafka.storage.internals.log.OffsetIndex
 */
import type { FileSystem } from '../file-system.ts'
import { countBelow, IndexFile } from './index-file.ts'

const ENTRY_BYTES = 8

export interface OffsetPosition {
  /** The last offset of the batch at `position`; null at position 0, where no entry is needed. */
  readonly lastOffset: number | null
  readonly position: number
}

export class OffsetIndex {
  readonly file: IndexFile
  readonly #baseOffset: number

  constructor(fileSystem: FileSystem, path: string, baseOffset: number) {
    this.file = new IndexFile(fileSystem, path, ENTRY_BYTES)
    this.#baseOffset = baseOffset
  }

  append(lastOffset: number, position: number): void {
    const at = this.file.append()
    this.file.bytes.writeInt32BE(lastOffset - this.#baseOffset, at)
    this.file.bytes.writeInt32BE(position, at + 4)
  }

  /** Where to start to look for `offset`: the last indexed batch that does not end after it. */
  lookup(offset: number): OffsetPosition {
    return this.entry(countBelow(this.file.count, (entry) => this.#lastOffset(entry) <= offset) - 1)
  }

  entry(entry: number): OffsetPosition {
    if (entry < 0) return { lastOffset: null, position: 0 }
    const position = this.file.bytes.readInt32BE(entry * ENTRY_BYTES + 4)
    return { lastOffset: this.#lastOffset(entry), position }
  }

  last(): OffsetPosition {
    return this.entry(this.file.count - 1)
  }

  /** Drops entries of batches that end at `offset` or later. */
  truncateTo(offset: number): void {
    this.file.truncate(countBelow(this.file.count, (entry) => this.#lastOffset(entry) < offset))
  }

  /** True when the entries ascend and lie within a log of `logBytes` bytes. */
  isSane(logBytes: number): boolean {
    let offset = this.#baseOffset - 1
    let position = 0
    for (let entry = 0; entry < this.file.count; entry++) {
      const next = this.entry(entry)
      if ((next.lastOffset as number) <= offset || next.position <= position) return false
      offset = next.lastOffset as number
      position = next.position
    }
    return position < Math.max(1, logBytes)
  }

  #lastOffset(entry: number): number {
    return this.#baseOffset + this.file.bytes.readInt32BE(entry * ENTRY_BYTES)
  }
}
