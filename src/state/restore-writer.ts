/**
 * Restore writer: takes a store's changelog records at full speed into its byte store.
 *
 * Journey: the runtime reads the changelog from the store's offset and adds each record; rows go
 * straight to the database, past the buffer. Only a store whose changelog records are parts of rows
 * merges them in memory first.
 *
 * Invariants:
 * - One batch is in flight while the next one fills: later records of a key never lose.
 * - The changelog offset is written after all rows it covers, and no batch after one that failed: a
 *   restore that was cut off goes on from there. It writes some rows again, and nobody reads them
 *   before a restore has come to its end. A store that merges does: its batches are written whole.
 * - Memory: two batches; one is full at `RESTORE_BATCH_ROWS` or `RESTORE_BATCH_BYTES`, and has at
 *   most one batch of the changelog more.
 */
import type { ByteRange } from '../record/record.ts'
import type { ByteStore } from './byte-store.ts'
import type { ByteBatch, StateStore } from './store.ts'
import type { WriteBatch } from './write-batch.ts'

/** Rows of one batch: sorted in one go, 20 to 50 k are written fastest (measured). */
const RESTORE_BATCH_ROWS = 32 * 1024
/** Large rows fill a batch sooner: two of them stay below the write buffer. */
const RESTORE_BATCH_BYTES = 8 * 1024 * 1024

export interface RestoreWriterOptions {
  readonly store: StateStore
  readonly bytes: ByteStore
  /** Puts the store's changelog offset into the batch. */
  readonly writeOffset: (batch: WriteBatch, offset: number) => void
}

/** A changelog value becomes the row of the key just written to the batch; null deletes it. */
export function endRestoredRow(batch: ByteBatch, value: ByteRange | null, timestamp: number): void {
  if (value === null) {
    batch.endDelete()
    return
  }
  const { output } = batch
  output.writeInt64(timestamp)
  output.writeBytes(value.bytes, value.start, value.end)
  batch.endPut()
}

export class RestoreWriter {
  readonly #options: RestoreWriterOptions
  #batch: WriteBatch
  #inFlight: Promise<void> = Promise.resolve()

  constructor(options: RestoreWriterOptions) {
    this.#options = options
    this.#batch = options.bytes.newBatch()
  }

  /** True when `write` should be called before the next record is added. */
  get isFull(): boolean {
    const bytes = this.#batch.byteLength + this.#options.store.dirtyBytes()
    return this.#batch.count >= RESTORE_BATCH_ROWS || bytes >= RESTORE_BATCH_BYTES
  }

  /** Adds a changelog record; its bytes are copied. A null value deletes the row. */
  add(key: ByteRange, value: ByteRange | null, timestamp: number): void {
    this.#options.store.restore(this.#batch, key, value, timestamp)
  }

  /**
   * Writes what was added, after the batch before it. Does not wait for its end, so that the next
   * one can be filled meanwhile.
   *
   * @param nextOffset the changelog offset to go on from
   */
  async write(nextOffset: number): Promise<void> {
    await this.#inFlight
    const { bytes, store, writeOffset } = this.#options
    if (store.mergeRestored !== undefined) {
      store.evict()
      await store.mergeRestored()
    }
    const batch = this.#batch
    // Nothing was put, so this adds only what restored records moved on (the store's time and expiry),
    // and what it merged them into.
    store.save(batch)
    writeOffset(batch, nextOffset)
    this.#inFlight = store.mergeRestored === undefined ? bytes.load(batch) : bytes.write(batch)
    // Its error is reported by the next call, which awaits it.
    this.#inFlight.catch(() => {})
    this.#batch = bytes.newBatch()
  }

  /** Writes the rest and waits for all of it. */
  async finish(nextOffset: number): Promise<void> {
    await this.write(nextOffset)
    await this.#inFlight
    this.#options.store.evict()
  }
}
