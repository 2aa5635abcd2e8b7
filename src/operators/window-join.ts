/**
 * Window join: one side of a stream-stream join. Each record meets the records of the other side
 * that have its key and a time within the window, then is kept for those still to come.
 *
 * Journey: source -> [window join, left | right] -> merge -> sink. Both sides connect both stores
 * and share one stream time.
 *
 * Invariants:
 * - A pair is handed on once: by whichever of the two arrives later.
 * - A result has the larger of the two timestamps, and the headers of the record that caused it.
 * - Matches leave in the order of the other side's time, then of its arrival.
 *
 * Follows KStreamKStreamJoin: null keys and null values are dropped and not kept, but for a null key
 * on a side of a left or outer join, which is handed on alone. A record too old for its own store
 * still meets what the other side holds, and is then counted as `late`. What a left or outer join
 * does with records that find no match is in unmatched.ts.
 */
import { NO_HEADERS, type PromiseOrValue, type StreamRecord } from '../record/record.ts'
import { when } from '../record/when.ts'
import type { JoinStore } from '../state/store.ts'
import type { ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { type IdleTime, sharedIdleTime } from './idle-time.ts'
import { openUnmatched, type Unmatched, type UnmatchedOptions } from './unmatched.ts'

export interface WindowJoinOptions<K, V, O, R> {
  /** The join's name: the sides share its stream time. */
  readonly name: string
  readonly ownStore: string
  readonly otherStore: string
  /** The other side's record may be this much earlier, or later, than this side's. */
  readonly beforeMs: number
  readonly afterMs: number
  /** `other` is null for a record that found no match. */
  readonly joiner: (own: V, other: O | null, key: K) => R
  /** Of a left or outer join: where records of either side wait for their match. */
  readonly unmatched?: UnmatchedOptions<K, R>
}

/** A new window join processor for each task. */
export function windowJoin<K, V, O, R>(
  options: WindowJoinOptions<K, V, O, R>,
): () => Processor<K, V, K, R> {
  const { beforeMs, afterMs, joiner } = options
  return () => {
    let context: ProcessorContext<K, R>
    let own: JoinStore<K, V>
    let other: JoinStore<K, O>
    let time: ObservedTime
    let unmatched: Unmatched<K, V> | null = null
    let idle: IdleTime | null = null

    /** A result that nothing met: the record itself, joined with null. */
    function alone({ key, value, timestamp, headers }: StreamRecord<K, V>): PromiseOrValue<void> {
      return context.forward({ key, value: joiner(value, null, key), timestamp, headers })
    }

    /** Joins with all matches, then keeps the record; without any it may leave alone, or wait. */
    function meet(record: StreamRecord<K, V>): PromiseOrValue<void> {
      const { key, value, timestamp, headers } = record
      let found = false
      const forward = (match: O, matchTimestamp: number): PromiseOrValue<void> =>
        context.forward({
          key,
          value: joiner(value, match, key),
          timestamp: Math.max(timestamp, matchTimestamp),
          headers,
        })
      const waiting = unmatched
      const visit =
        waiting === null
          ? forward
          : (match: O, matchTimestamp: number): PromiseOrValue<void> => {
              found = true
              const removed = waiting.matched(key, matchTimestamp)
              return removed instanceof Promise
                ? removed.then(() => forward(match, matchTimestamp))
                : forward(match, matchTimestamp)
            }
      const from = Math.max(0, timestamp - beforeMs)
      const met = other.fetch(key, from, timestamp + afterMs, visit)
      if (waiting === null)
        return met instanceof Promise ? met.then(() => keep(record)) : keep(record)
      return when(met, () =>
        when(found ? undefined : waiting.park(record, alone), () => keep(record)),
      )
    }

    function keep(record: StreamRecord<K, V>): PromiseOrValue<void> {
      const bytes = context.valueBytes(own.valueSerde)
      const kept = own.add(record.key, record.timestamp, record.value, bytes)
      if (kept instanceof Promise) {
        return kept.then((inTime) => (inTime ? undefined : context.drop('late', record)))
      }
      if (!kept) context.drop('late', record)
    }

    return {
      init(processorContext) {
        context = processorContext
        own = context.store(options.ownStore)
        other = context.store(options.otherStore)
        time = context.observedTime(options.name)
        if (options.unmatched !== undefined) {
          const { idleMs } = options.unmatched
          const rows = openUnmatched<K, V, R>(options.unmatched, { context, time, afterMs })
          const advance = () => rows.close(NO_HEADERS)
          if (idleMs !== null) idle = sharedIdleTime(context, { time, idleMs, advance })
          unmatched = rows
        }
      },

      process(record) {
        const { key, value, timestamp } = record
        idle?.touch()
        if (timestamp > time.max) time.max = timestamp
        if (value === null) return context.drop('null-value', record)
        if (key === null) {
          return unmatched?.keepsOwn === true ? alone(record) : context.drop('null-key', record)
        }
        if (unmatched === null || timestamp < time.max) return meet(record)
        const closed = unmatched.close(record.headers)
        return closed instanceof Promise ? closed.then(() => meet(record)) : meet(record)
      },

      prefetch(records) {
        const keys: K[] = []
        const timestamps: number[] = []
        for (const record of records) {
          if (record.key === null || record.value === null) continue
          keys.push(record.key)
          timestamps.push(record.timestamp)
        }
        if (keys.length === 0) return
        const mine = own.prefetch(keys, timestamps, { beforeMs: 0, afterMs: 0 })
        const theirs = other.prefetch(keys, timestamps, { beforeMs, afterMs })
        if (mine instanceof Promise || theirs instanceof Promise) {
          return Promise.all([mine, theirs]).then(() => undefined)
        }
      },
    }
  }
}
