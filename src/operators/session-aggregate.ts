/**
 * Session aggregate: folds each record into the session of its key that it belongs to, merging
 * those that it brings together.
 *
 * Journey: source -> [session aggregate] -> session store -> changelog; downstream it is a change of
 * a table whose keys are `Windowed`, start and end both inclusive.
 *
 * Invariants:
 * - Sessions of a key are further apart than the gap; a record at most the gap away from one is in it.
 * - A session that grew or merged is another row: the rows it replaces are deleted first.
 * - A record is late, dropped and counted, when the session it would make ended before stream time
 *   less gap and grace; one that is older still counts where it joins a session that did not.
 *
 * Follows KStreamSessionWindowAggregate: a null key is dropped, a null value is folded; rows carry
 * the session's end as their timestamp, and no headers.
 */
import { NO_HEADERS, type PromiseOrValue, type StreamRecord } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { Windowed } from '../record/windowed.ts'
import type { Session, SessionStore } from '../state/store.ts'
import type { Change, ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { Closing } from './closing.ts'
import type { Emission } from './emission.ts'

/** Sessions end when their key is quiet for longer than the gap. */
export interface SessionWindows {
  readonly gapMs: number
  readonly graceMs: number
}

/**
 * Of sessions that are sent when they close: how far stream time may move on before they must be.
 * Their store keeps them for that much longer.
 */
export function sessionCloseLagMs({ gapMs, graceMs }: SessionWindows): number {
  return Math.floor((gapMs + graceMs) / 4)
}

/** What becomes of values and of sessions that meet. */
export interface SessionFold<K, V, A> {
  /** What a session begins with; sessions merge into it. Null: with its first value. */
  initial(): A | null
  add(key: K, value: V, before: A | null): A | null
  merge(key: K, one: A | null, other: A): A | null
}

export interface SessionAggregateOptions<K, V, A> {
  readonly store: string
  readonly windows: SessionWindows
  readonly fold: SessionFold<K, V, A>
  readonly emit: Emission
  /** After so long without a record windows close by the clock; null: never. */
  readonly idleMs: number | null
  /** The name of the time that several inputs share. Default: the node's own. */
  readonly time?: string | undefined
  readonly keepsBefore: boolean
}

/** The bounds and value of a session that is no more. */
interface Replaced<A> {
  readonly start: number
  readonly end: number
  readonly before: A | null
}

/** A new session aggregate processor for each task. */
export function sessionAggregate<K, V, A>(
  options: SessionAggregateOptions<K, V, A>,
): () => Processor<K, V, Windowed<K>, Change<A>> {
  return () => new SessionAggregate(options)
}

class SessionAggregate<K, V, A> implements Processor<K, V, Windowed<K>, Change<A>> {
  readonly #options: SessionAggregateOptions<K, V, A>
  readonly #fold: SessionFold<K, V, A>
  readonly #gapMs: number
  readonly #graceMs: number
  #context!: ProcessorContext<Windowed<K>, Change<A>>
  #store!: SessionStore<K, A>
  #time!: ObservedTime
  #copies = false
  #closing: Closing | null = null

  constructor(options: SessionAggregateOptions<K, V, A>) {
    this.#options = options
    this.#fold = options.fold
    this.#gapMs = options.windows.gapMs
    this.#graceMs = options.windows.graceMs
  }

  init(context: ProcessorContext<Windowed<K>, Change<A>>): void {
    this.#context = context
    this.#copies = context.valuesEscape
    this.#store = context.store(this.#options.store)
    this.#time = context.observedTime(this.#options.time)
    if (this.#options.emit !== 'close') return
    this.#closing = new Closing({
      context,
      store: this.#store,
      time: this.#time,
      idleMs: this.#options.idleMs,
      // A record as far from the end as the gap belongs to it still.
      delayMs: this.#graceMs + this.#gapMs + 1,
      lagMs: sessionCloseLagMs(this.#options.windows),
      send: (after, upTo, headers) =>
        this.#store.visitSessions(
          after + 1,
          upTo,
          (key, { start, end, value }) =>
            context.forward({
              key: { key, start, end },
              value: { before: null, after: value },
              timestamp: end,
              headers,
            }),
          this.#copies,
        ),
    })
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
    const { key, timestamp } = record
    const earliest = this.#earliestEnd(timestamp)
    const found = this.#store.find(key, earliest, timestamp + this.#gapMs)
    return found instanceof Promise
      ? found.then((sessions) => this.#meet(record, earliest, sessions))
      : this.#meet(record, earliest, found)
  }

  /** A session before this end is of no use to a record: beyond the gap, or both are closed. */
  #earliestEnd(timestamp: number): number {
    const closed = this.#time.max - this.#graceMs - this.#gapMs
    return timestamp < closed ? closed : timestamp - this.#gapMs
  }

  /** @param earliest from which end on `sessions` were looked for */
  #meet(
    record: StreamRecord<K, V>,
    earliest: number,
    sessions: readonly Session<A>[],
  ): PromiseOrValue<void> {
    const { key, timestamp } = record
    const from = timestamp - this.#gapMs
    if (earliest <= from) return this.#merge(record, sessions)
    if (sessions.length === 0) return this.#context.drop('late', record, timestamp, timestamp)
    // Late, but next to a session that is not: closed ones in reach are merged too.
    const found = this.#store.find(key, from, timestamp + this.#gapMs)
    return found instanceof Promise
      ? found.then((all) => this.#merge(record, all))
      : this.#merge(record, found)
  }

  #merge(record: StreamRecord<K, V>, sessions: readonly Session<A>[]): PromiseOrValue<void> {
    const { key, timestamp } = record
    const { emit, keepsBefore } = this.#options
    const fold = this.#fold
    const store = this.#store
    const copiesBefore = keepsBefore && emit === 'updates'
    const isEmitted = emit === 'updates'
    const replaced: Replaced<A>[] = []
    let start = timestamp
    let end = timestamp
    let aggregate = fold.initial()
    for (const session of sessions) {
      if (session.start < start) start = session.start
      if (session.end > end) end = session.end
      if (isEmitted) {
        const before = copiesBefore ? store.copyValue(session.value) : null
        replaced.push({ start: session.start, end: session.end, before })
      }
      aggregate = fold.merge(key, aggregate, session.value)
    }
    const value = fold.add(key, record.value, aggregate)
    const pending = store.put(key, { start, end, value }, sessions)
    if (!isEmitted) return pending
    const after = this.#copies && value !== null ? store.copyValue(value) : value
    const windowed = { key, start, end }
    return pending instanceof Promise
      ? pending.then(() => this.#emit(windowed, timestamp, replaced, after))
      : this.#emit(windowed, timestamp, replaced, after)
  }

  /** Deletes the rows that were replaced, then hands on the new one. */
  #emit(
    key: Windowed<K>,
    timestamp: number,
    replaced: readonly Replaced<A>[],
    after: A | null,
  ): PromiseOrValue<void> {
    // Equal times share a session of one moment: its row is updated, not replaced.
    if (key.start === timestamp && key.end === timestamp) {
      return this.#forward(key, replaced[0]?.before ?? null, after)
    }
    if (replaced.length === 0) return this.#forward(key, null, after)
    const deleted = inOrder(replaced, ({ start, end, before }) =>
      this.#forward({ key: key.key, start, end }, before, null),
    )
    return deleted instanceof Promise
      ? deleted.then(() => this.#forward(key, null, after))
      : this.#forward(key, null, after)
  }

  #forward(key: Windowed<K>, before: A | null, after: A | null): PromiseOrValue<void> {
    return this.#context.forward({
      key,
      value: { before, after },
      timestamp: key.end,
      headers: NO_HEADERS,
    })
  }

  timeMoved(): PromiseOrValue<void> {
    return this.#closing?.timeMoved()
  }

  prefetch(records: readonly StreamRecord<K, V>[]): PromiseOrValue<void> {
    const keys: K[] = []
    const earliest: number[] = []
    for (const { key, timestamp } of records) {
      if (key === null) continue
      keys.push(key)
      earliest.push(this.#earliestEnd(timestamp))
    }
    if (keys.length > 0) return this.#store.prefetch(keys, earliest)
  }

  flush(): PromiseOrValue<void> {
    if (this.#closing !== null) return this.#closing.flush()
    if (this.#options.emit !== 'commit') return
    return this.#store.forEachChanged(
      (key, { start, end }, { before, after }) => this.#forward({ key, start, end }, before, after),
      this.#copies,
    )
  }
}
