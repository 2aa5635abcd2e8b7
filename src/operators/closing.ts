/**
 * Closing: hands on the rows of windows when stream time has passed their end by the grace.
 *
 * Journey: a window aggregate that emits on close tells it that its time moved; the rows go to the
 * operators below, each once.
 *
 * What has been sent is what the observed time has passed: nothing else is kept. That time is
 * committed with the offsets, in one transaction with the rows, so a restart neither repeats a
 * window nor forgets one. (Kafka Streams sends after it has written the record that closes windows,
 * and loses those that expire by that write; here they leave before it.)
 *
 * Invariants:
 * - Rows leave by window start, then key bytes.
 * - Called before the record that moved the time is written.
 */
import type { PromiseOrValue, RecordHeaders } from '../record/record.ts'
import type { Windowed } from '../record/windowed.ts'
import type { WindowStore } from '../state/store.ts'
import type { Change, ObservedTime, ProcessorContext } from '../topology/processor.ts'

export interface ClosingOptions<K, A> {
  readonly context: ProcessorContext<Windowed<K>, Change<A>>
  readonly store: WindowStore<K, A>
  readonly time: ObservedTime
  /** From the start of a window to its end. */
  readonly sizeMs: number
  /** How far time must be past the end of a window. */
  readonly delayMs: number
  /** Windows start at multiples of this. */
  readonly stepMs: number
}

export class Closing<K, A> {
  readonly #options: ClosingOptions<K, A>
  /** Windows that end here or before are sent. */
  #closedUpTo: number
  /** No window that is not sent ends before this. */
  #nextEnd = Number.NEGATIVE_INFINITY

  constructor(options: ClosingOptions<K, A>) {
    const { time, delayMs } = options
    this.#options = options
    this.#closedUpTo = time.max < 0 ? Number.NEGATIVE_INFINITY : time.max - delayMs
  }

  /** Sends what has closed by now. `headers` are those of the record that moved the time. */
  advance(headers: RecordHeaders): PromiseOrValue<void> {
    const { context, store, time, sizeMs, delayMs, stepMs } = this.#options
    const closed = time.max - delayMs
    if (closed < this.#nextEnd || closed <= this.#closedUpTo) return
    const from = this.#closedUpTo - sizeMs + 1
    this.#closedUpTo = closed
    this.#nextEnd = (Math.floor((closed - sizeMs) / stepMs) + 1) * stepMs + sizeMs
    return store.visitWindows(
      from,
      closed - sizeMs,
      (key, start, after, timestamp) =>
        context.forward({
          key: { key, start, end: start + sizeMs },
          value: { before: null, after },
          timestamp,
          headers,
        }),
      context.valuesEscape,
    )
  }
}
