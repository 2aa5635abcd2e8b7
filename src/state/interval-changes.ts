/**
 * Interval changes: which interval rows changed since they were last emitted, in the order of their
 * last change, and what was last said of each.
 *
 * Journey: a put of `interval-rows.ts` notes the row here; at commit `forEachChanged` emits it.
 *
 * Invariants:
 * - A row is listed once; a row that moves or goes leaves a deletion behind if it was ever emitted,
 *   and nothing if it came and went between two emissions.
 * - Deletions come before the row that took their place: the order of Kafka's record cache.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { ChangedRow } from './store.ts'

/** A row with bounds of its own. `key` is set from its first change on. */
export interface IntervalRow<K, V> {
  key: K | null
  start: number
  end: number
  timestamp: number
  value: V
  /** Where it is among the changed rows, -1 when it is not. */
  slot: number
  isEmitted: boolean
  /** The value last emitted: its bytes, or itself when it is a primitive. */
  before: Buffer | V | null
}

/** Rows are changed over and over between two emissions; the holes they leave are closed at times. */
const COMPACT_FROM = 1024

/** Takes a changed row. */
export type ChangedInterval<K, V> = (
  key: K,
  bounds: { readonly start: number; readonly end: number },
  row: ChangedRow<V>,
) => PromiseOrValue<void>

export class IntervalChanges<K, V> {
  readonly #valueSerde: Serde<V>
  readonly #keepsBefore: boolean
  readonly #output = new ByteWriter()
  #rows: (IntervalRow<K, V | null> | null)[] = []
  #holes = 0

  constructor(valueSerde: Serde<V>, keepsBefore: boolean) {
    this.#valueSerde = valueSerde
    this.#keepsBefore = keepsBefore
  }

  /** A row was written: it is the last one changed. */
  put(key: K, row: IntervalRow<K, V>): void {
    const last = this.#rows.length - 1
    if (row.slot === last && last >= 0) return
    this.#leave(row)
    row.key = key
    row.slot = this.#rows.length
    this.#rows.push(row)
  }

  /** A row is gone. */
  removed(key: K, row: IntervalRow<K, V>): void {
    this.#leave(row)
    if (!row.isEmitted) return
    const deletion = { ...row, key, value: null, slot: this.#rows.length }
    this.#rows.push(deletion)
  }

  /** A row is about to take other bounds: a deletion of the old ones, and a row nobody knows. */
  moved(key: K, row: IntervalRow<K, V>): void {
    this.removed(key, row)
    row.isEmitted = false
    row.before = null
  }

  forEachChanged(callback: ChangedInterval<K, V>, copies: boolean): PromiseOrValue<void> {
    return this.#emitFrom(0, callback, copies && this.#valueSerde.primitive !== true)
  }

  /** Changes that nobody asked for count as emitted: the operator forwards each itself. */
  clear(): void {
    for (const row of this.#rows) {
      if (row === null) continue
      row.slot = -1
      row.isEmitted = true
    }
    this.#rows = []
    this.#holes = 0
  }

  copyValue(value: V): V {
    const output = this.#output.reset()
    this.#valueSerde.write(value, output)
    return this.#valueSerde.read(output.bytes, 0, output.end)
  }

  #emitFrom(index: number, callback: ChangedInterval<K, V>, copies: boolean): PromiseOrValue<void> {
    for (; index < this.#rows.length; index++) {
      const row = this.#rows[index] as IntervalRow<K, V | null> | null
      if (row === null) continue
      const before = this.#takeBefore(row)
      const { value } = row
      const after = copies && value !== null ? this.copyValue(value) : value
      const { timestamp } = row
      row.slot = -1
      row.isEmitted = true
      this.#rows[index] = null
      this.#holes++
      const pending = callback(row.key as K, row, { before, after, timestamp })
      if (pending instanceof Promise) {
        const next = index + 1
        return pending.then(() => this.#emitFrom(next, callback, copies))
      }
    }
    this.#rows = []
    this.#holes = 0
  }

  /** The value as last emitted; from here on that is the present one. */
  #takeBefore(row: IntervalRow<K, V | null>): V | null {
    if (!this.#keepsBefore) return null
    const { before, value } = row
    if (this.#valueSerde.primitive === true) {
      row.before = value
      return before as V | null
    }
    if (value === null) row.before = null
    else {
      this.#valueSerde.write(value, this.#output.reset())
      row.before = this.#output.copy()
    }
    if (before === null) return null
    const bytes = before as Buffer
    return this.#valueSerde.read(bytes, 0, bytes.length)
  }

  #leave(row: IntervalRow<K, V>): void {
    if (row.slot < 0) return
    this.#rows[row.slot] = null
    row.slot = -1
    this.#holes++
    if (this.#rows.length >= COMPACT_FROM && this.#holes * 2 > this.#rows.length) this.#compact()
  }

  #compact(): void {
    this.#rows = this.#rows.filter((row) => row !== null)
    this.#rows.forEach((row, slot) => {
      if (row !== null) row.slot = slot
    })
    this.#holes = 0
  }
}
