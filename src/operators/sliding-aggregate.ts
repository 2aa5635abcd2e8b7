/**
 * Sliding aggregate: for every record one window that ends with it and one that begins right after
 * it, each as long as the time difference and both ends inclusive; of those, the ones with records.
 *
 * Journey: source -> [sliding aggregate] -> sliding store -> changelog; downstream it is a change of
 * a table whose keys are `Windowed`.
 *
 * Invariants:
 * - A key has at most one window for a start. Records before the first full difference of time share
 *   the window that starts at 0.
 * - A record is folded into every open window it falls in, once.
 * - A window takes records until stream time less the grace has passed its end; what comes later
 *   is dropped and counted as `late`.
 * - What a new window begins with is a copy of another one's row before this record was folded.
 *
 * Follows KStreamSlidingWindowAggregate (backward), whose order of rows this is: windows that are
 * there from the latest to the earliest, the one after the previous record, the one that ends with
 * this record, the one after it. Unlike there, a window that is both of the middle two is sent once.
 */
import { NO_HEADERS, type PromiseOrValue, type StreamRecord } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { Windowed } from '../record/windowed.ts'
import type { SlidingStore, WindowRow } from '../state/store.ts'
import type { Change, ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { Closing, sendWindows } from './closing.ts'
import type { Emission, Fold } from './emission.ts'

/** Windows around the records themselves. */
export interface SlidingWindows {
  readonly differenceMs: number
  readonly graceMs: number
}

export interface SlidingAggregateOptions<K, V, A> {
  readonly store: string
  readonly windows: SlidingWindows
  readonly fold: Fold<K, V, A>
  readonly emit: Emission
  /** After so long without a record windows close by the clock; null: never. */
  readonly idleMs: number | null
  /** The name of the time that several inputs share. Default: the node's own. */
  readonly time?: string | undefined
  readonly keepsBefore: boolean
}

/** A row to write: what it begins with is folded with the record, or stays as it is. */
interface Update<A> {
  readonly start: number
  readonly seed: A | null
  readonly timestamp: number
  /** True when the window has a row already, which `seed` is. */
  readonly isStored: boolean
  readonly takesRecord: boolean
}

/** A new sliding aggregate processor for each task. */
export function slidingAggregate<K, V, A>(
  options: SlidingAggregateOptions<K, V, A>,
): () => Processor<K, V, Windowed<K>, Change<A>> {
  return () => new SlidingAggregate(options)
}

class SlidingAggregate<K, V, A> implements Processor<K, V, Windowed<K>, Change<A>> {
  readonly #options: SlidingAggregateOptions<K, V, A>
  readonly #fold: Fold<K, V, A>
  readonly #differenceMs: number
  readonly #graceMs: number
  #context!: ProcessorContext<Windowed<K>, Change<A>>
  #store!: SlidingStore<K, A>
  #time!: ObservedTime
  #copies = false
  #closing: Closing | null = null

  constructor(options: SlidingAggregateOptions<K, V, A>) {
    this.#options = options
    this.#fold = options.fold
    this.#differenceMs = options.windows.differenceMs
    this.#graceMs = options.windows.graceMs
  }

  init(context: ProcessorContext<Windowed<K>, Change<A>>): void {
    this.#context = context
    this.#copies = context.valuesEscape
    this.#store = context.store(this.#options.store)
    this.#time = context.observedTime(this.#options.time)
    if (this.#options.emit !== 'close') return
    const sizeMs = this.#differenceMs
    this.#closing = new Closing({
      context,
      store: this.#store,
      time: this.#time,
      idleMs: this.#options.idleMs,
      // Its last millisecond is inside a window: it takes records until time is past it.
      delayMs: this.#graceMs + 1,
      // The store keeps a window for as long after its end, and no window ends later than that.
      lagMs: Math.max(0, sizeMs - 1),
      send: (after, upTo, headers) =>
        sendWindows({ context, store: this.#store, sizeMs, headers }, after, upTo),
    })
  }

  process(record: StreamRecord<K, V>): PromiseOrValue<void> {
    if (record.key === null) return this.#context.drop('null-key', record)
    if (record.value === null) return this.#context.drop('null-value', record)
    if (this.#closing !== null) {
      const closing = this.#closing.observe(record)
      if (closing instanceof Promise) return closing.then(() => this.#foldInto(record))
    } else if (record.timestamp > this.#time.max) this.#time.max = record.timestamp
    return this.#foldInto(record)
  }

  #foldInto(record: StreamRecord<K, V>): PromiseOrValue<void> {
    const { key, timestamp } = record
    const end = timestamp + this.#differenceMs
    if (end < this.#closed()) return this.#context.drop('late', record, timestamp, end)
    const rows = this.#store.find(key, this.#earliestStart(timestamp), timestamp + 1)
    return rows instanceof Promise
      ? rows.then((found) => this.#apply(record, found))
      : this.#apply(record, rows)
  }

  /** Windows that end before this are closed. */
  #closed(): number {
    return this.#time.max - this.#graceMs
  }

  /** The window that ends with the record before this one may begin two differences back. */
  #earliestStart(timestamp: number): number {
    return Math.max(0, timestamp - 2 * this.#differenceMs)
  }

  #apply(record: StreamRecord<K, V>, rows: readonly WindowRow<A>[]): PromiseOrValue<void> {
    const updates =
      record.timestamp < this.#differenceMs
        ? this.#earlyUpdates(record.timestamp, rows)
        : this.#updates(record.timestamp, rows)
    return inOrder(updates, (update) => this.#update(record, update))
  }

  /** What a record changes: `rows` are the windows that start in [t - 2d, t + 1], ascending. */
  #updates(timestamp: number, rows: readonly WindowRow<A>[]): Update<A>[] {
    const updates: Update<A>[] = []
    let latest: WindowRow<A> | null = null
    let previousRow: WindowRow<A> | null = null
    let previous = -1
    let hasLeft = false
    let hasRight = false
    for (let index = rows.length - 1; index >= 0; index--) {
      const row = rows[index] as WindowRow<A>
      if (row.start === timestamp + 1) {
        hasRight = true
        continue
      }
      if (row.end < timestamp) {
        previousRow = row
        previous = row.timestamp
        break
      }
      if (row.end > timestamp) latest ??= row
      else {
        hasLeft = true
        if (row.timestamp < timestamp) previous = row.timestamp
      }
      updates.push(stored(row))
    }
    const right = !hasRight && latest !== null && latest.timestamp > timestamp ? latest : null
    // Taken before the record is folded into the row it comes from.
    const rightSeed = right === null ? null : this.#store.copyValue(right.value)
    const left = timestamp - this.#differenceMs
    if (previous >= 0) {
      const start = previous + 1
      const isNew = !rows.some((row) => row.start === start)
      if (isNew && start + this.#differenceMs >= timestamp && start !== left) {
        updates.push(fresh<A>(start, null, timestamp))
      }
    }
    if (!hasLeft) {
      const isSeeded = previousRow !== null && previous >= left
      const seed = isSeeded ? this.#store.copyValue((previousRow as WindowRow<A>).value) : null
      updates.push(fresh(left, seed, timestamp))
    }
    if (right !== null) updates.push(after(timestamp, rightSeed, right.timestamp))
    return updates
  }

  /** The same within the first difference of time: the window that ends with a record starts at 0. */
  #earlyUpdates(timestamp: number, rows: readonly WindowRow<A>[]): Update<A>[] {
    const updates: Update<A>[] = []
    let combined: WindowRow<A> | null = null
    let latest: WindowRow<A> | null = null
    let previous = -1
    let hasRight = false
    for (const row of rows) {
      if (row.start === 0) {
        combined = row
        if (row.timestamp < timestamp) previous = row.timestamp
      } else if (row.start <= timestamp) {
        latest = row
        updates.push(stored(row))
      } else {
        hasRight = true
      }
    }
    const source = latest ?? combined
    if (!hasRight && source !== null && source.timestamp > timestamp) {
      updates.push(after(timestamp, this.#store.copyValue(source.value), source.timestamp))
    }
    if (previous >= 0 && !rows.some((row) => row.start === previous + 1)) {
      updates.push(fresh<A>(previous + 1, null, timestamp))
    }
    updates.push(combined === null ? fresh<A>(0, null, timestamp) : stored(combined))
    return updates
  }

  #update(record: StreamRecord<K, V>, update: Update<A>): PromiseOrValue<void> {
    const { start, seed, isStored } = update
    if (update.takesRecord && start + this.#differenceMs < this.#closed()) {
      return this.#context.drop('late', record, start, start + this.#differenceMs)
    }
    const { emit, keepsBefore } = this.#options
    const needsBefore = keepsBefore && emit === 'updates' && isStored && seed !== null
    const before = needsBefore ? this.#store.copyValue(seed) : null
    const value = update.takesRecord ? this.#fold(record.key, record.value, seed) : seed
    const timestamp =
      seed === null || !update.takesRecord
        ? update.timestamp
        : Math.max(update.timestamp, record.timestamp)
    const pending = this.#store.put(record.key, start, value, timestamp)
    if (emit !== 'updates') return pending
    const result = this.#copies && value !== null ? this.#store.copyValue(value) : value
    const forward = (): PromiseOrValue<void> =>
      this.#context.forward({
        key: { key: record.key, start, end: start + this.#differenceMs },
        value: { before, after: result },
        timestamp,
        headers: record.headers,
      })
    return pending instanceof Promise ? pending.then(forward) : forward()
  }

  timeMoved(): PromiseOrValue<void> {
    return this.#closing?.timeMoved()
  }

  prefetch(records: readonly StreamRecord<K, V>[]): PromiseOrValue<void> {
    const keys: K[] = []
    const from: number[] = []
    const to: number[] = []
    for (const { key, value, timestamp } of records) {
      if (key === null || value === null) continue
      keys.push(key)
      from.push(this.#earliestStart(timestamp))
      to.push(timestamp + 1)
    }
    if (keys.length > 0) return this.#store.prefetchRange(keys, from, to)
  }

  flush(): PromiseOrValue<void> {
    if (this.#closing !== null) return this.#closing.flush()
    if (this.#options.emit !== 'commit') return
    return this.#store.forEachChanged(
      (key, start, { before, after, timestamp }) =>
        this.#context.forward({
          key: { key, start, end: start + this.#differenceMs },
          value: { before, after },
          timestamp,
          headers: NO_HEADERS,
        }),
      this.#copies,
    )
  }
}

/** The row of a window that is there takes the record. */
function stored<A>({ start, value, timestamp }: WindowRow<A>): Update<A> {
  return { start, seed: value, timestamp, isStored: true, takesRecord: true }
}

/** A window is made of a seed and the record. */
function fresh<A>(start: number, seed: A | null, timestamp: number): Update<A> {
  return { start, seed, timestamp, isStored: false, takesRecord: true }
}

/** The window right after a record: of later ones only. */
function after<A>(timestamp: number, seed: A | null, latest: number): Update<A> {
  return { start: timestamp + 1, seed, timestamp: latest, isStored: false, takesRecord: false }
}
