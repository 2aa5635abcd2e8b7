/**
 * The byte store: a task's database, as its stores see it. `rocksdb.ts` keeps it in a folder,
 * `memory-byte-store.ts` in memory; both pass `test/contract/byte-store.ts`.
 *
 * Journey: a store's miss reads here (`getMany`), a save writes here (one batch), a query scans.
 *
 * Invariants:
 * - A batch is applied whole or not at all, save for those of a `load`; batches in the order of the
 *   calls, and none after one that failed.
 * - A row is seen by scans begun after its `write` was called, and by `getMany` after that resolved.
 * - Keys and values are plain bytes, compared byte by byte, unsigned; an empty value is a value.
 */
import type { ByteRange } from '../record/record.ts'
import type { WriteBatch } from './write-batch.ts'

/** The rows a scan visits: `from <= key < to`, all of them when an end is omitted. */
export interface ScanRange {
  readonly from?: Buffer
  readonly to?: Buffer
  /** From the largest key down. Default false. */
  readonly reverse?: boolean
  /** At most this many rows. Default: no limit. */
  readonly limit?: number
}

export interface ByteRow {
  readonly key: Buffer
  readonly value: Buffer
}

export interface ByteStore {
  /** The folder, or a name that says it is in memory. Shown in errors. */
  readonly location: string
  /** The value of each key, null where there is none. The keys must not change until it resolves. */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | null)[]>
  /** An empty batch. It is written once, and not touched after. */
  newBatch(): WriteBatch
  /** Applies a batch; calls are queued, one at a time is in flight. */
  write(batch: WriteBatch): Promise<void>
  /**
   * Applies a batch in pieces: faster than `write`, but a crash may leave some of its rows. Stores
   * are written in the order in which the batch has them, so that what follows the rows of all
   * stores, such as an offset that stands for them, is there only when they are.
   */
  load(batch: WriteBatch): Promise<void>
  /** Rows in the order of their keys, in chunks, as they were when the scan was started. */
  scan(range: ScanRange): AsyncIterable<ByteRow[]>
  /** Gives back the space of deleted rows with `from <= key < to`; changes no row. */
  compact(from: Buffer, to: Buffer): Promise<void>
  /** Makes the next open quick: what is only in the write-ahead log goes to its files. */
  flush(): Promise<void>
  /** Ends open scans with an error, waits for writes, flushes and closes. May be called twice. */
  close(): Promise<void>
  /** Closes and deletes everything. */
  destroy(): Promise<void>
}

/** Rows per chunk of a scan: the fastest size measured with RocksDB. */
export const SCAN_CHUNK_ROWS = 1024

/** A whole buffer as a byte range. */
export function rangeOf(bytes: Buffer): ByteRange {
  return { bytes, start: 0, end: bytes.length }
}

/** The smallest key that is larger than every key starting with `prefix`; null when none is. */
export function prefixEnd(prefix: Buffer): Buffer | null {
  for (let index = prefix.length - 1; index >= 0; index--) {
    const byte = prefix[index] as number
    if (byte === 0xff) continue
    const end = Buffer.from(prefix.subarray(0, index + 1))
    end[index] = byte + 1
    return end
  }
  return null
}
