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
import {
  NO_HEADERS,
  type PromiseOrValue,
  type RecordHeaders,
  type StreamRecord,
} from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { Windowed } from '../record/windowed.ts'
import type { Row, WindowStore } from '../state/store.ts'
import type { Change, ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { Closing, sendWindows } from './closing.ts'
import { beforeFirst, type Emission, type Fold } from './emission.ts'

/** Windows of equal size that start at every multiple of the advance; tumbling: advance = size. */
export interface TimeWindows {
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
}

/** A window: `start` inclusive, `end` exclusive. */
export interface Window {
  readonly start: number
  readonly end: number
}

/** Windows that a function chooses, such as days of a calendar. A start has one end. */
export interface CustomWindows {
  /** The windows that contain a time; the same for every time in them. */
  windowsFor(timestamp: number): Iterable<Window>
  /** The longest that a window gets. */
  readonly sizeMs: number
  readonly graceMs: number
}

export interface WindowAggregateOptions<K, V, A> {
  readonly store: string
  readonly windows: TimeWindows | CustomWindows
  readonly fold: Fold<K, V, A>
  readonly emit: Emission
  /** After so long without a record windows close by the clock; null: never. */
  readonly idleMs: number | null
  /** The name of the time that several inputs share. Default: the node's own. */
  readonly time?: string | undefined
  readonly keepsBefore: boolean
}

/** The start of the first window that contains `timestamp`, never below 0. */
export function firstWindowStart(timestamp: number, windows: TimeWindows): number {
  const { sizeMs, advanceMs } = windows
  const first = Math.floor((timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs
  return first < 0 ? 0 : first
}

/** The windows that custom windows have for a time, by their start; checked, a user wrote them. */
export function customWindowsFor(timestamp: number, windows: CustomWindows): Window[] {
  const chosen = [...windows.windowsFor(timestamp)]
  for (const { start, end } of chosen) {
    const isWindow = Number.isSafeInteger(start) && start >= 0 && end > timestamp
    if (isWindow && start <= timestamp && end - start <= windows.sizeMs) continue
    throw new RangeError(
      `windowsFor(${timestamp}) gave the window [${start}, ${end}); give windows that contain the time, start at a whole number from 0, and are at most ${windows.sizeMs} ms long, as option size says`,
    )
  }
  return chosen.sort((one, other) => one.start - other.start)
}

/** Where the window with this start ends. */
export function windowEnd(start: number, windows: TimeWindows | CustomWindows): number {
  if (!('windowsFor' in windows)) return start + windows.sizeMs
  for (const window of customWindowsFor(start, windows))
    if (window.start === start) return window.end
  throw new RangeError(
    `windowsFor(${start}) gives no window that starts at ${start}, as it did for a later time; give the same windows for every time in them`,
  )
}

/** The first end after `closed` of windows of one size. */
function nextWindowEnd(closed: number, { sizeMs, advanceMs }: TimeWindows): number {
  return (Math.floor((closed - sizeMs) / advanceMs) + 1) * advanceMs + sizeMs
}

/** A new window aggregate processor for each task. */
export function windowAggregate<K, V, A>(
  options: WindowAggregateOptions<K, V, A>,
): () => Processor<K, V, Windowed<K>, Change<A>> {
  return () => new WindowAggregate(options)
}

class WindowAggregate<K, V, A> implements Processor<K, V, Windowed<K>, Change<A>> {
  readonly #options: WindowAggregateOptions<K, V, A>
  readonly #windows: TimeWindows | CustomWindows
  readonly #fold: Fold<K, V, A>
  #context!: ProcessorContext<Windowed<K>, Change<A>>
  #store!: WindowStore<K, A>
  #time!: ObservedTime
  #copies = false
  /** Of custom windows the last one met: many rows share it. */
  #lastWindow: Window | null = null
  #closing: Closing | null = null

  constructor(options: WindowAggregateOptions<K, V, A>) {
    this.#options = options
    this.#windows = options.windows
    this.#fold = options.fold
  }

  init(context: ProcessorContext<Windowed<K>, Change<A>>): void {
    this.#context = context
    this.#copies = context.valuesEscape
    this.#store = context.store(this.#options.store)
    this.#time = context.observedTime(this.#options.time)
    if (this.#options.emit !== 'close') return
    const windows = this.#windows
    const { sizeMs, graceMs } = windows
    this.#closing = new Closing({
      context,
      store: this.#store,
      time: this.#time,
      idleMs: this.#options.idleMs,
      delayMs: graceMs,
      lagMs: 0,
      nextEnd: (closed) =>
        'windowsFor' in windows ? Number.POSITIVE_INFINITY : nextWindowEnd(closed, windows),
      send: (after, upTo, headers) =>
        'windowsFor' in windows
          ? this.#sendCustom(after, upTo, headers)
          : sendWindows({ context, store: this.#store, sizeMs, headers }, after, upTo),
    })
  }

  /** Sends the rows of custom windows with `after < end <= upTo`; the open ones are expected. */
  #sendCustom(after: number, upTo: number, headers: RecordHeaders): PromiseOrValue<void> {
    return this.#store.visitWindows(
      after - this.#windows.sizeMs + 1,
      this.#time.max,
      (key, start, row, timestamp) => {
        const end = this.#endOf(start)
        if (end > upTo) return this.#closing?.expect(end)
        if (end <= after) return
        const value = { before: null, after: row }
        return this.#context.forward({ key: { key, start, end }, value, timestamp, headers })
      },
      this.#copies,
    )
  }

  process(record: StreamRecord<K, V>): PromiseOrValue<void> {
    if (record.key === null) return this.#context.drop('null-key', record)
    if (this.#closing !== null) {
      const closing = this.#closing.observe(record)
      if (closing instanceof Promise) return closing.then(() => this.#foldInto(record))
    } else if (record.timestamp > this.#time.max) this.#time.max = record.timestamp
    return this.#foldInto(record)
  }

  #foldInto(record: StreamRecord<K, V>): PromiseOrValue<void> {
    const windows = this.#windows
    if ('windowsFor' in windows) {
      return inOrder(customWindowsFor(record.timestamp, windows), (window) => {
        this.#lastWindow = window
        this.#closing?.expect(window.end)
        return this.#foldOne(record, window.start, window.end)
      })
    }
    return this.#foldFrom(record, firstWindowStart(record.timestamp, windows), windows)
  }

  /** Folds into the windows from `start` on; a window whose row must be read first waits for it. */
  #foldFrom(record: StreamRecord<K, V>, start: number, windows: TimeWindows): PromiseOrValue<void> {
    const { sizeMs, advanceMs } = windows
    for (; start <= record.timestamp; start += advanceMs) {
      const pending = this.#foldOne(record, start, start + sizeMs)
      if (pending instanceof Promise) {
        const next = start + advanceMs
        return pending.then(() => this.#foldFrom(record, next, windows))
      }
    }
  }

  #foldOne(record: StreamRecord<K, V>, start: number, end: number): PromiseOrValue<void> {
    if (end <= this.#time.max - this.#windows.graceMs) {
      return this.#context.drop('late', record, start, end)
    }
    const row = this.#store.get(record.key, start)
    return row instanceof Promise
      ? row.then((found) => this.#update(record, start, found))
      : this.#update(record, start, row)
  }

  #endOf(start: number): number {
    if (this.#lastWindow?.start === start) return this.#lastWindow.end
    const end = windowEnd(start, this.#windows)
    if ('windowsFor' in this.#windows) this.#lastWindow = { start, end }
    return end
  }

  #update(record: StreamRecord<K, V>, start: number, row: Row<A> | null): PromiseOrValue<void> {
    const { emit, keepsBefore } = this.#options
    const stored = row === null ? null : row.value
    const timestamp = row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp)
    let before: A | null = null
    if (keepsBefore && emit === 'updates') {
      before = stored === null ? beforeFirst(this.#fold) : this.#store.copyValue(stored)
    }
    const folded = this.#fold(record.key, record.value, stored)
    this.#store.put(record.key, start, folded, timestamp)
    if (emit !== 'updates') return
    const after = this.#handedOn(folded)
    const key = { key: record.key, start, end: this.#endOf(start) }
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

  timeMoved(): PromiseOrValue<void> {
    return this.#closing?.timeMoved()
  }

  prefetch(records: readonly StreamRecord<K, V>[]): PromiseOrValue<void> {
    const keys: K[] = []
    const starts: number[] = []
    const windows = this.#windows
    const add = (key: K, start: number): void => {
      if (!this.#store.mayRead(start)) return
      keys.push(key)
      starts.push(start)
    }
    for (const { key, timestamp } of records) {
      if (key === null) continue
      if ('windowsFor' in windows) {
        for (const { start } of customWindowsFor(timestamp, windows)) add(key, start)
        continue
      }
      const first = firstWindowStart(timestamp, windows)
      for (let start = first; start <= timestamp; start += windows.advanceMs) add(key, start)
    }
    if (keys.length > 0) return this.#store.prefetch(keys, starts)
  }

  flush(): PromiseOrValue<void> {
    if (this.#options.emit !== 'commit') return
    return this.#store.forEachChanged(
      (key, start, { before, after, timestamp }) =>
        this.#context.forward({
          key: { key, start, end: this.#endOf(start) },
          value: { before, after },
          timestamp,
          headers: NO_HEADERS,
        }),
      this.#copies,
    )
  }
}
