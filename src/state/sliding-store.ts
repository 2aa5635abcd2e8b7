/**
 * Sliding store: a window store for windows that begin at any millisecond.
 *
 * Journey: a sliding aggregate finds the windows around a record, and gets and puts here.
 *
 * A window store has a bucket for every start, which suits windows that many keys share; windows
 * that begin where a record was are nearly all different, so here they are interval rows, whose end
 * is start + size. Layout and expiry are those of `interval-rows.ts`.
 */
import type { PromiseOrValue } from '../record/record.ts'
import type { IntervalRow } from './interval-changes.ts'
import { type IntervalParts, IntervalRows, openIntervals } from './interval-rows.ts'
import type {
  ChangedRow,
  Row,
  SlidingStore,
  SlidingStoreDefinition,
  VisitWindow,
  WindowRow,
  WindowStoreEntry,
} from './store.ts'
import type { StoreOptions } from './store-options.ts'

export async function openSlidingStore<K, V>(
  options: StoreOptions<SlidingStoreDefinition>,
): Promise<SlidingStore<K, V>> {
  const parts = await openIntervals<K, V>(options)
  return new BufferedSlidingStore<K, V>(parts, options.definition.windowSizeMs)
}

class BufferedSlidingStore<K, V> extends IntervalRows<K, V> implements SlidingStore<K, V> {
  readonly #sizeMs: number

  constructor(parts: IntervalParts<K, V>, sizeMs: number) {
    super(parts)
    this.#sizeMs = sizeMs
  }

  get(key: K, windowStart: number): PromiseOrValue<Row<V> | null> {
    const rows = this.find(key, windowStart, windowStart)
    return rows instanceof Promise ? rows.then((found) => found[0] ?? null) : (rows[0] ?? null)
  }

  find(key: K, from: number, to: number): PromiseOrValue<readonly WindowRow<V>[]> {
    return this.findRows(key, from + this.#sizeMs, to + this.#sizeMs)
  }

  put(key: K, windowStart: number, value: V | null, timestamp: number): PromiseOrValue<void> {
    const end = windowStart + this.#sizeMs
    return this.putRow(key, { start: windowStart, end, timestamp, value })
  }

  mayRead(windowStart: number): boolean {
    return this.mayReadEnd(windowStart + this.#sizeMs)
  }

  prefetch(keys: readonly K[], windowStarts: readonly number[]): PromiseOrValue<void> {
    return this.prefetchRange(keys, windowStarts, windowStarts)
  }

  prefetchRange(
    keys: readonly K[],
    from: readonly number[],
    to: readonly number[],
  ): PromiseOrValue<void> {
    const ends = (start: number): number => start + this.#sizeMs
    return this.prefetchRows(keys, from.map(ends), to.map(ends))
  }

  visitWindows(
    from: number,
    to: number,
    visit: VisitWindow<K, V>,
    copies = false,
  ): PromiseOrValue<void> {
    return this.visitRows(
      from + this.#sizeMs,
      to + this.#sizeMs,
      (key, { start, value, timestamp }) => visit(key, start, value, timestamp),
      copies,
    )
  }

  forEachChanged(
    callback: (key: K, windowStart: number, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies = false,
  ): PromiseOrValue<void> {
    return this.forEachChangedRow((key, { start }, row) => callback(key, start, row), copies)
  }

  async *fetch(key: K, from: number, to: number): AsyncIterable<WindowStoreEntry<K, V>> {
    for await (const { row } of this.rowsOf(key, from + this.#sizeMs, this.#endOf(to))) {
      yield entryOf(key, row)
    }
  }

  async *fetchAll(
    from = 0,
    to: number = Number.MAX_SAFE_INTEGER - 1,
  ): AsyncIterable<WindowStoreEntry<K, V>> {
    for await (const { key, row } of this.allRows(from + this.#sizeMs, this.#endOf(to))) {
      yield entryOf(key, row)
    }
  }

  #endOf(to: number): number {
    return Math.min(to + this.#sizeMs, Number.MAX_SAFE_INTEGER - 1)
  }
}

function entryOf<K, V>(key: K, row: IntervalRow<K, V>): WindowStoreEntry<K, V> {
  return { key, windowStart: row.start, value: row.value, timestamp: row.timestamp }
}
