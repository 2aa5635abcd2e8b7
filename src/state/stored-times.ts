/**
 * Stored times: which windows, or time buckets, of a store have rows in the byte store.
 *
 * A window that is not among them began while the task runs, and needs no read. Each time is an
 * empty row under the store's number with the highest bit set, written with the first row of that
 * time, so that an open reads a few thousand keys instead of scanning all rows.
 *
 * The number alone, without a time, holds the largest time observed by stores that need it finer.
 *
 * Invariant: every time with a row in the byte store is listed; one without rows may be.
 */

import type { ByteStore } from './byte-store.ts'
import { rangeOf } from './byte-store.ts'
import type { ByteBatch } from './store.ts'
import { storeEnd, storePrefix, TIMES_BIT, timeKey } from './store-options.ts'
import { readTimestamp } from './write-buffer.ts'

const NOTHING = rangeOf(Buffer.alloc(0))

export class StoredTimes {
  readonly #number: number
  readonly #times = new Set<number>()
  #smallest = Number.POSITIVE_INFINITY
  #lastAdded = Number.NaN
  #observed = -1

  private constructor(number: number) {
    this.#number = number
  }

  static async open(bytes: ByteStore, number: number): Promise<StoredTimes> {
    const times = new StoredTimes(number)
    const from = storePrefix(number | TIMES_BIT)
    for await (const chunk of bytes.scan({ from, to: storeEnd(number | TIMES_BIT) })) {
      for (const { key, value } of chunk) {
        if (key.length === from.length) times.#observed = readTimestamp(value)
        else times.#remember(readTimestamp(key.subarray(2)))
      }
    }
    return times
  }

  has(time: number): boolean {
    return this.#times.has(time)
  }

  values(): IterableIterator<number> {
    return this.#times.values()
  }

  /** The largest time there was at the last save, -1 for none. */
  largest(): number {
    let largest = this.#observed
    for (const time of this.#times) if (time > largest) largest = time
    return largest
  }

  /** A row of this time is in the batch. */
  add(time: number, batch: ByteBatch): void {
    if (time === this.#lastAdded) return
    this.#lastAdded = time
    if (this.#times.has(time)) return
    this.#remember(time)
    batch.put(rangeOf(timeKey(this.#number | TIMES_BIT, time)), NOTHING)
  }

  /** Keeps a time that is finer than the times of the rows. */
  observe(time: number, batch: ByteBatch): void {
    if (time <= this.#observed) return
    this.#observed = time
    batch.output.writeBytes(storePrefix(this.#number | TIMES_BIT))
    batch.endKey()
    batch.output.writeInt64(time)
    batch.endPut()
  }

  /** Removes the rows of all times up to this one: two range deletes, whatever their number. */
  deleteUpTo(time: number, batch: ByteBatch): void {
    if (this.#smallest > time) return
    for (const number of [this.#number, this.#number | TIMES_BIT]) {
      batch.deleteRange(timeKey(number, 0), timeKey(number, time + 1))
    }
    this.#smallest = Number.POSITIVE_INFINITY
    this.#lastAdded = Number.NaN
    for (const stored of this.#times) {
      if (stored <= time) this.#times.delete(stored)
      else if (stored < this.#smallest) this.#smallest = stored
    }
  }

  #remember(time: number): void {
    this.#times.add(time)
    if (time < this.#smallest) this.#smallest = time
  }
}
