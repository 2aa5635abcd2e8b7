/**
 * Suppress: holds back the changes of a table, a row at a time, until its time has come; of the
 * changes of a row in between only the last is sent.
 *
 * Journey: aggregate or table -> [suppress] -> toStream, join or grouping; what is held lies in a
 * suppress store, with a changelog.
 *
 * Invariants:
 * - Time is the largest timestamp of the rows that came here (Kafka's KTableSuppressProcessor), and
 *   is committed: a restart holds back what was held back.
 * - Rows leave by the time they were held to, then by key bytes.
 * - Until a window closes: its row is sent once, at the moment Kafka sends it. A change that comes
 *   after that is late. (Where the end is inclusive, windows still take records of that very moment:
 *   Kafka sends the row twice then.)
 * - Rows that come with a commit (emit: 'commit' above) are judged when all of them are here.
 */
import { StreamsError } from '../errors.ts'
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { Windowed } from '../record/windowed.ts'
import type { HeldRow, KeyValueStore, SuppressStore } from '../state/store.ts'
import type { Change, ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { IdleTime } from './idle-time.ts'

export interface SuppressOptions {
  readonly store: string
  /** Where the rows sent are kept, when somebody looks them up or needs the row before a change. */
  readonly sentRows: string | null
  /** `closes`: until the end of the row's window; `limit`: from the time of its first change on. */
  readonly until: 'closes' | 'limit'
  /** True for windows that take records of their very end: those come after the row was sent. */
  readonly endInclusive: boolean
  /** How long past that time a row is held. */
  readonly delayMs: number
  readonly recordsMax: number
  readonly bytesMax: number
  /** What to do with more than that: send the first of them early, or fail. */
  readonly whenFull: 'emit' | 'stop'
  /** After so long without a change time goes on with the clock; null: never. */
  readonly idleMs: number | null
}

/** A new suppress processor for each task. */
export function suppress<K, V>(
  options: SuppressOptions,
): () => Processor<K, Change<V>, K, Change<V>> {
  return () => new Suppress(options)
}

class Suppress<K, V> implements Processor<K, Change<V>, K, Change<V>> {
  readonly #options: SuppressOptions
  #context!: ProcessorContext<K, Change<V>>
  #held!: SuppressStore<K, V>
  #sent: KeyValueStore<K, V> | null = null
  #time!: ObservedTime
  #idle: IdleTime | null = null
  /** Windows that end here or before have been sent. */
  #closedUpTo = Number.NEGATIVE_INFINITY

  constructor(options: SuppressOptions) {
    this.#options = options
  }

  init(context: ProcessorContext<K, Change<V>>): void {
    const { store, sentRows, idleMs, delayMs } = this.#options
    this.#context = context
    this.#held = context.store(store)
    if (sentRows !== null) this.#sent = context.store(sentRows)
    this.#time = context.observedTime()
    this.#time.closes = true
    if (this.#time.max >= 0) this.#closedUpTo = this.#time.max - delayMs
    const [time, advance] = [this.#time, () => this.#release()]
    if (idleMs !== null) this.#idle = new IdleTime(context, { time, idleMs, advance })
  }

  process(record: StreamRecord<K, Change<V>>): PromiseOrValue<void> {
    const { key, timestamp, headers } = record
    const value = record.value.after
    this.#idle?.touch()
    if (timestamp > this.#time.max) this.#time.max = timestamp
    let until = timestamp
    if (this.#options.until === 'closes') {
      until = (key as Windowed<unknown>).end
      if (until <= this.#closedUpTo && this.#wasSent(key, until)) {
        // Sent, and nobody has to hear that a session merged into another.
        return value === null ? undefined : this.#late(record)
      }
    }
    this.#held.hold(until, { key, value, timestamp, headers })
    if (this.#context.metadata() !== null) return this.#release()
  }

  /** True when the window of this key, which closed at `end`, takes nothing any more. */
  #wasSent(key: K, end: number): boolean {
    const isAtEdge = this.#options.endInclusive && end === this.#closedUpTo
    return !isAtEdge || this.#held.isMarked(key)
  }

  #late(record: StreamRecord<K, Change<V>>): void {
    const { start, end } = record.key as Windowed<unknown>
    this.#context.drop('late', record, start, end)
  }

  timeMoved(): PromiseOrValue<void> {
    return this.#release()
  }

  flush(): PromiseOrValue<void> {
    return this.#release()
  }

  /** Sends what is due, then what is too much. */
  #release(): PromiseOrValue<void> {
    if (this.#time.max < 0) return
    const due = this.#time.max - this.#options.delayMs
    if (due > this.#closedUpTo) this.#closedUpTo = due
    while (this.#held.firstTime <= due || this.#isFull()) {
      const row = this.#held.take()
      if (row === null) continue
      const pending = this.#send(row, due)
      if (pending instanceof Promise) return pending.then(() => this.#release())
    }
  }

  /** True when a row must leave early; fails when it must not. */
  #isFull(): boolean {
    const { recordsMax, bytesMax, whenFull, store } = this.#options
    const { heldKeys, heldBytes } = this.#held
    if (heldKeys <= recordsMax && heldBytes <= bytesMax) return false
    if (whenFull === 'emit') return true
    const bound = heldKeys > recordsMax ? `${recordsMax} records` : `${bytesMax} bytes`
    throw new StreamsError(
      'suppress-buffer-full',
      `More than ${bound} are held back, and the suppression is to stop when it is full`,
      { place: { store } },
    )
  }

  #send(row: HeldRow<K, V>, due: number): PromiseOrValue<void> {
    const { until, endInclusive } = this.#options
    if (until === 'closes') {
      const { end } = row.key as Windowed<unknown>
      if (endInclusive && end === due) this.#held.mark(end + 1, row.key, row.timestamp)
      // Nobody has heard of a window that was deleted before it closed.
      return row.value === null ? undefined : this.#forward(row, null)
    }
    const before = this.#sent === null ? null : this.#sent.get(row.key)
    return before instanceof Promise
      ? before.then((found) => this.#forward(row, found === null ? null : found.value))
      : this.#forward(row, before === null ? null : before.value)
  }

  #forward(row: HeldRow<K, V>, before: V | null): PromiseOrValue<void> {
    const { key, value, timestamp, headers } = row
    const sent = this.#sent
    sent?.put(key, value, timestamp)
    const copies = sent !== null && this.#context.valuesEscape
    const after = copies && value !== null ? sent.copyValue(value) : value
    return this.#context.forward({ key, value: { before, after }, timestamp, headers })
  }
}
