/**
 * Closing: when stream time has passed the end of windows by the grace, has their rows sent on.
 *
 * Journey: a window aggregate that emits on close tells it that its time moved; the rows go to the
 * operators below, each once.
 *
 * What has been sent is what the observed time has passed: nothing else is kept. That time is
 * committed with the offsets, in one transaction with the rows, so a restart neither repeats a
 * window nor forgets one. (Kafka Streams sends after it has written the record that closes windows,
 * and loses those that expire by that write; here they leave before it.)
 *
 * The inputs of a cogroup fold into one store: they share its time, and what has been sent of it.
 *
 * Finding the rows costs a look at the store, so where windows end at any millisecond they are sent
 * together: with the commit, or before time has moved so far that the first of them would expire.
 *
 * Invariants:
 * - `observe` is called with each record, before it is written.
 * - At a commit everything that has closed is sent.
 */
import {
  NO_HEADERS,
  type PromiseOrValue,
  type RecordHeaders,
  type StreamRecord,
} from '../record/record.ts'
import type { Windowed } from '../record/windowed.ts'
import type { WindowStore } from '../state/store.ts'
import type { Change, ObservedTime, ProcessorContext } from '../topology/processor.ts'
import { type IdleTime, sharedIdleTime } from './idle-time.ts'

export interface ClosingOptions {
  readonly context: ProcessorContext<never, never>
  /** The store of the windows: nodes that fold into the same one send each window once. */
  readonly store: object
  /** The time of all of those nodes. */
  readonly time: ObservedTime
  /** After so long without a record time goes on with the clock; null: never. */
  readonly idleMs: number | null
  /** How far time must be past the end of a window. */
  readonly delayMs: number
  /** How far time may move on before what has closed must be sent. */
  readonly lagMs: number
  /** Where no window ends between `closed` and the answer, the answer; absent: ends anywhere. */
  readonly nextEnd?: (closed: number) => number
  /** Sends the rows of windows with `after < end <= upTo`. */
  readonly send: (after: number, upTo: number, headers: RecordHeaders) => PromiseOrValue<void>
}

/** How far the windows of a store are sent. */
interface Progress {
  /** Windows that end here or before are sent. */
  sentUpTo: number
  /** Nothing has to be sent while this end has not closed. */
  next: number
  /** Those of the last record that moved time on. */
  headers: RecordHeaders
}

const ofStore = new WeakMap<object, Progress>()

export class Closing {
  readonly #options: ClosingOptions
  readonly #progress: Progress
  readonly #idle: IdleTime | null

  constructor(options: ClosingOptions) {
    const { context, store, time, idleMs, delayMs } = options
    const advance = () => this.timeMoved()
    this.#options = options
    time.closes = true
    this.#idle = idleMs === null ? null : sharedIdleTime(context, { time, idleMs, advance })
    const progress = ofStore.get(store) ?? {
      sentUpTo: time.max < 0 ? Number.NEGATIVE_INFINITY : time.max - delayMs,
      next: Number.NEGATIVE_INFINITY,
      headers: NO_HEADERS,
    }
    ofStore.set(store, progress)
    this.#progress = progress
  }

  /** Windows that end here or before are closed. */
  get #closed(): number {
    return this.#options.time.max - this.#options.delayMs
  }

  /** A record has come, and is not written yet: time is what it says, if that is later. */
  observe({ timestamp, headers }: StreamRecord<unknown, unknown>): PromiseOrValue<void> {
    this.#idle?.touch()
    const { time } = this.#options
    if (timestamp <= time.max) return
    time.max = timestamp
    return this.#advance(headers)
  }

  /** A window that ends then has rows to send; for windows whose ends `nextEnd` does not know. */
  expect(end: number): void {
    if (end < this.#progress.next) this.#progress.next = end
  }

  /** Time moved without a record that came here. */
  timeMoved(): PromiseOrValue<void> {
    return this.#advance(NO_HEADERS)
  }

  /** `headers` are those of the rows that close. */
  #advance(headers: RecordHeaders): PromiseOrValue<void> {
    if (this.#options.lagMs > 0) this.#progress.headers = headers
    if (this.#closed >= this.#progress.next) return this.#send(headers)
  }

  /** At a commit: sends what has closed since. */
  flush(): PromiseOrValue<void> {
    if (this.#options.lagMs > 0 && this.#options.time.max >= 0)
      return this.#send(this.#progress.headers)
  }

  #send(headers: RecordHeaders): PromiseOrValue<void> {
    const closed = this.#closed
    const progress = this.#progress
    const after = progress.sentUpTo
    if (closed <= after) return
    const { nextEnd, lagMs, send } = this.#options
    progress.sentUpTo = closed
    progress.next = nextEnd === undefined ? closed + lagMs + 1 : nextEnd(closed)
    return send(after, closed, headers)
  }
}

/** Sends the rows of windows of one size with `after < end <= upTo`, by start, then key bytes. */
export function sendWindows<K, A>(
  place: {
    readonly context: ProcessorContext<Windowed<K>, Change<A>>
    readonly store: Pick<WindowStore<K, A>, 'visitWindows'>
    readonly sizeMs: number
    readonly headers: RecordHeaders
  },
  after: number,
  upTo: number,
): PromiseOrValue<void> {
  const { context, store, sizeMs, headers } = place
  return store.visitWindows(
    after - sizeMs + 1,
    upTo - sizeMs,
    (key, start, row, timestamp) =>
      context.forward({
        key: { key, start, end: start + sizeMs },
        value: { before: null, after: row },
        timestamp,
        headers,
      }),
    context.valuesEscape,
  )
}
