/**
 * Window aggregate: folds each record into the row of its key in every window its time falls in.
 *
 * Journey: source -> [window aggregate] -> window store -> changelog; downstream it is a change of
 * a table whose keys are `Windowed`.
 *
 * Invariants:
 * - A window takes records until the operator's stream time passes its end by the grace; what
 *   comes later is dropped and counted as `late`, once per window it missed.
 * - Windows of one record are folded in ascending order of their start.
 * - The stored timestamp of a row never goes backward.
 * - With `emit: 'close'` a row is handed on once, when its window closes: what has closed is what
 *   the committed stream time has passed, so a restart neither repeats nor forgets one.
 *
 * Follows KStreamWindowAggregate: a null key is dropped, a null value is folded.
 */
import { NO_HEADERS, type PromiseOrValue, type StreamRecord } from '../record/record.ts'
import type { Windowed } from '../record/windowed.ts'
import type { Row, WindowStore } from '../state/store.ts'
import type { Change, ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { Closing } from './closing.ts'
import type { Emission, Fold } from './emission.ts'

/** Windows of equal size that start at every multiple of the advance; tumbling: advance = size. */
export interface TimeWindows {
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
}

export interface WindowAggregateOptions<K, V, A> {
  readonly store: string
  readonly windows: TimeWindows
  readonly fold: Fold<K, V, A>
  readonly emit: Emission
  readonly keepsBefore: boolean
}

/** The start of the first window that contains `timestamp`, never below 0. */
export function firstWindowStart(timestamp: number, windows: TimeWindows): number {
  const { sizeMs, advanceMs } = windows
  const first = Math.floor((timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs
  return first < 0 ? 0 : first
}

/** A new window aggregate processor for each task. */
export function windowAggregate<K, V, A>(
  options: WindowAggregateOptions<K, V, A>,
): () => Processor<K, V, Windowed<K>, Change<A>> {
  return () => new WindowAggregate(options)
}

class WindowAggregate<K, V, A> implements Processor<K, V, Windowed<K>, Change<A>> {
  readonly #options: WindowAggregateOptions<K, V, A>
  readonly #windows: TimeWindows
  readonly #fold: Fold<K, V, A>
  #context!: ProcessorContext<Windowed<K>, Change<A>>
  #store!: WindowStore<K, A>
  #time!: ObservedTime
  #copies = false
  #closing: Closing<K, A> | null = null

  constructor(options: WindowAggregateOptions<K, V, A>) {
    this.#options = options
    this.#windows = options.windows
    this.#fold = options.fold
  }

  init(context: ProcessorContext<Windowed<K>, Change<A>>): void {
    this.#context = context
    this.#copies = context.valuesEscape
    this.#store = context.store(this.#options.store)
    this.#time = context.observedTime()
    if (this.#options.emit !== 'close') return
    const { sizeMs, advanceMs: stepMs, graceMs: delayMs } = this.#windows
    const [store, time] = [this.#store, this.#time]
    this.#closing = new Closing({ context, store, time, sizeMs, delayMs, stepMs })
  }

  process(record: StreamRecord<K, V>): PromiseOrValue<void> {
    if (record.key === null) return this.#context.drop('null-key', record)
    if (record.timestamp > this.#time.max) {
      this.#time.max = record.timestamp
      const closing = this.#closing?.advance(record.headers)
      if (closing instanceof Promise) return closing.then(() => this.#foldInto(record))
    }
    return this.#foldInto(record)
  }

  #foldInto(record: StreamRecord<K, V>): PromiseOrValue<void> {
    return this.#foldFrom(record, firstWindowStart(record.timestamp, this.#windows))
  }

  /** Folds into the windows from `start` on; a window whose row must be read first waits for it. */
  #foldFrom(record: StreamRecord<K, V>, start: number): PromiseOrValue<void> {
    const { sizeMs, advanceMs, graceMs } = this.#windows
    const closed = this.#time.max - graceMs
    for (; start <= record.timestamp; start += advanceMs) {
      if (start + sizeMs <= closed) {
        this.#context.drop('late', record)
        continue
      }
      const row = this.#store.get(record.key, start)
      const pending =
        row instanceof Promise
          ? row.then((found) => this.#update(record, start, found))
          : this.#update(record, start, row)
      if (pending instanceof Promise) {
        const next = start + advanceMs
        return pending.then(() => this.#foldFrom(record, next))
      }
    }
  }

  #update(record: StreamRecord<K, V>, start: number, row: Row<A> | null): PromiseOrValue<void> {
    const { emit, keepsBefore } = this.#options
    const stored = row === null ? null : row.value
    const timestamp = row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp)
    const needsBefore = keepsBefore && emit === 'updates' && stored !== null
    const before = needsBefore ? this.#store.copyValue(stored) : null
    const folded = this.#fold(record.key, record.value, stored)
    this.#store.put(record.key, start, folded, timestamp)
    if (emit !== 'updates') return
    const after = this.#handedOn(folded)
    const key = { key: record.key, start, end: start + this.#windows.sizeMs }
    return this.#context.forward({
      key,
      value: { before, after },
      timestamp,
      headers: record.headers,
    })
  }

  /** A row as it is handed on: the fold may change the one that is kept. */
  #handedOn(row: A | null): A | null {
    return this.#copies && row !== null ? this.#store.copyValue(row) : row
  }

  prefetch(records: readonly StreamRecord<K, V>[]): PromiseOrValue<void> {
    const keys: K[] = []
    const starts: number[] = []
    for (const record of records) {
      if (record.key === null) continue
      const first = firstWindowStart(record.timestamp, this.#windows)
      for (let start = first; start <= record.timestamp; start += this.#windows.advanceMs) {
        if (!this.#store.mayRead(start)) continue
        keys.push(record.key)
        starts.push(start)
      }
    }
    if (keys.length > 0) return this.#store.prefetch(keys, starts)
  }

  flush(): PromiseOrValue<void> {
    if (this.#options.emit !== 'commit') return
    const { sizeMs } = this.#windows
    return this.#store.forEachChanged(
      (key, start, { before, after, timestamp }) =>
        this.#context.forward({
          key: { key, start, end: start + sizeMs },
          value: { before, after },
          timestamp,
          headers: NO_HEADERS,
        }),
      this.#copies,
    )
  }
}
