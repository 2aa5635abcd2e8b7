/**
 * A file of fixed-size entries in ascending order: what the three indexes of a segment share.
 *
 * Entries live in memory once loaded; new ones are written when a page of them is pending, and by
 * `writePending`. An index can always be rebuilt from its log, so it is never what is waited for.
 *
 * Invariant: the file is a prefix of the entries in memory, a whole number of entries long.
 */
import type { FileHandle, FileSystem } from '../file-system.ts'

/** Pending entries are written when they fill a page. */
const PENDING_BYTES_MAX = 4096

export class IndexFile {
  readonly path: string
  readonly entryBytes: number
  count = 0
  /** The entries; valid up to `count * entryBytes`. */
  bytes: Buffer = Buffer.alloc(0)
  readonly #fileSystem: FileSystem
  #handle: FileHandle | null = null
  #written = 0

  constructor(fileSystem: FileSystem, path: string, entryBytes: number) {
    this.#fileSystem = fileSystem
    this.path = path
    this.entryBytes = entryBytes
  }

  /** Reads the file. Returns false when it is missing or not a whole number of entries long. */
  load(): boolean {
    const bytes = this.#fileSystem.readFile(this.path)
    this.bytes = bytes ?? Buffer.alloc(0)
    this.count = Math.floor(this.bytes.length / this.entryBytes)
    this.#written = this.count
    return bytes !== null && bytes.length % this.entryBytes === 0
  }

  /** Makes room for one more entry, counts it and returns the position of its first byte. */
  append(): number {
    if ((this.count - this.#written) * this.entryBytes >= PENDING_BYTES_MAX) this.writePending()
    const position = this.count * this.entryBytes
    if (position + this.entryBytes > this.bytes.length) {
      const grown = Buffer.alloc(Math.max(this.bytes.length * 2, this.entryBytes * 16))
      this.bytes.copy(grown, 0, 0, position)
      this.bytes = grown
    }
    this.count += 1
    return position
  }

  /** Writes what is in memory only; creates the file when there is none. */
  writePending(): void {
    this.#handle ??= this.#fileSystem.open(this.path)
    if (this.#written === this.count) return
    const start = this.#written * this.entryBytes
    this.#handle.write(this.bytes.subarray(start, this.count * this.entryBytes), start)
    this.#written = this.count
  }

  /** Drops entries from `count` on, in the file too. */
  truncate(count: number): void {
    this.count = Math.min(this.count, count)
    this.#written = Math.min(this.#written, count)
    this.#handle ??= this.#fileSystem.open(this.path)
    this.#handle.truncate(this.#written * this.entryBytes)
  }

  async sync(): Promise<void> {
    this.writePending()
    await this.#handle?.sync()
  }

  syncNow(): void {
    this.writePending()
    this.#handle?.syncNow()
  }

  close(): void {
    this.#handle?.close()
    this.#handle = null
  }
}

/**
 * The number of leading entries for which `isBelow` holds, by binary search.
 */
export function countBelow(count: number, isBelow: (entry: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(middle)) low = middle + 1
    else high = middle
  }
  return low
}
