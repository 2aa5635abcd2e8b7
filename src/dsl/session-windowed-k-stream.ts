/**
 * SessionWindowedKStream: a grouped stream cut into sessions, ready to be counted, reduced or
 * aggregated.
 */
import type { SessionWindows } from '../operators/session-aggregate.ts'
import type { Serde } from '../record/serde.ts'
import { int64 } from '../record/serdes.ts'
import type { Windowed } from '../record/windowed.ts'
import {
  addSessionAggregation,
  foldOf,
  reduction,
  type WindowAggregationOptions,
} from './aggregation.ts'
import { checkFunction } from './arguments.ts'
import type { Place } from './graph.ts'
import { KTable } from './k-table.ts'
import type { OptionsArgument, Present, ValueOption } from './serde-options.ts'

/** Options of an aggregation of sessions. */
export interface SessionMergeOption<K, A> {
  /**
   * Makes one result of two, when a record brings sessions together or makes one longer. The first
   * is what the initializer gives, or what was merged so far.
   */
  readonly merge: (key: K, one: A, other: A) => A
}

/**
 * A grouped stream with a result for each key and session. Made by `KGroupedStream.windowedBy` with
 * `session(...)`.
 *
 * A record at most the gap away from a session joins it; sessions that it connects become one. A
 * session that changes its bounds is another row of the table: the old row is deleted, then the new
 * one is there. A record that would make or extend a session closed for longer than gap and grace is
 * dropped and counted as late; so is one without a key; one without a value counts.
 *
 * @see org.apache.kafka.streams.kstream.SessionWindowedKStream
 * @example
 * ```ts
 * clicks.groupByKey().windowedBy(session('30m')).count().toStream().to('clicks-per-visit')
 * ```
 */
export class SessionWindowedKStream<K, V, Has extends 'key' | 'value' = never> {
  readonly #input: () => Place<K, V, Has>
  readonly #windows: SessionWindows

  /** @internal */
  constructor(input: () => Place<K, V, Has>, windows: SessionWindows) {
    this.#input = input
    this.#windows = windows
  }

  /**
   * Counts the records of each key and session.
   *
   * @param options - `name`, `store`, `emit`
   * @returns a table of numbers, written as int64 (Kafka's Long)
   * @example
   * ```ts
   * clicks.groupByKey().windowedBy(session('30m')).count({ store: 'clicks-per-visit' })
   * ```
   */
  count(options?: WindowAggregationOptions): KTable<Windowed<K>, number, 'key' | 'value'> {
    const input = this.#input()
    const call = `count(...) on '${input.lineage}'`
    const fold = {
      initial: () => 0,
      add: (_key: K, _value: V, before: number | null) => (before ?? 0) + 1,
      merge: (_key: K, one: number | null, other: number) => (one ?? 0) + other,
    }
    const plan = { verb: 'count', call, options, fold, known: int64 }
    const { place, rows } = addSessionAggregation(input, this.#windows, plan)
    return new KTable(place, rows)
  }

  /**
   * Brings the values of each key and session down to one, of the same type. Sessions that meet are
   * brought down to one by the same function.
   *
   * @param reducer - takes the value so far and the next one
   * @param options - `name`, `store`, `value`, `emit`
   * @example
   * ```ts
   * readings.groupByKey().windowedBy(session('1m')).reduce((highest, reading) => Math.max(highest, reading))
   * ```
   */
  reduce(
    reducer: (aggregate: Present<V>, value: V) => Present<V>,
    ...[options]: OptionsArgument<WindowAggregationOptions & ValueOption<V, Has>>
  ): KTable<Windowed<K>, Present<V>, 'key' | 'value'> {
    const input = this.#input()
    const call = `reduce(...) on '${input.lineage}'`
    const add = reduction<K, V>(reducer, call)
    const merge = (_key: K, one: Present<V> | null, other: Present<V>): Present<V> =>
      one === null ? other : reducer(one, other)
    const known = input.value as Serde<Present<V>> | null
    const fold = { initial: () => null, add, merge }
    const plan = { verb: 'reduce', call, options, fold, known }
    const { place, rows } = addSessionAggregation(input, this.#windows, plan)
    return new KTable(place, rows)
  }

  /**
   * Folds the values of each key and session into a result of another type.
   *
   * @param initializer - makes the result a session begins with; sessions that a record joins are
   * merged into it first
   * @param aggregator - takes key, value and the result so far; gives the next result, which may be
   * the same object changed in place. Null deletes the session.
   * @param options - `merge` (makes one result of two), `value` (serde of the result, required unless
   * it is text), `name`, `store`, `emit`
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .windowedBy(session('30m', { grace: '1m' }))
   *   .aggregate(() => 0, (_user, click, spent) => spent + click.price, {
   *     merge: (_user, one, other) => one + other,
   *     value: float64,
   *   })
   * ```
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    options: WindowAggregationOptions &
      ValueOption<NoInfer<A>, never> &
      SessionMergeOption<K, NoInfer<A>>,
  ): KTable<Windowed<K>, A, 'key' | 'value'> {
    const input = this.#input()
    const call = `aggregate(...) on '${input.lineage}'`
    const add = foldOf<K, V, A>(initializer, aggregator, call)
    if (options?.merge === undefined) {
      throw new TypeError(
        `${call} needs option merge, for sessions that meet; pass { merge: (key, one, other) => one + other }`,
      )
    }
    const { merge: merger } = options
    checkFunction(merger, call, 'option merge', '(key, one, other) => one + other')
    const merge = (key: K, one: A | null, other: A): A => merger(key, one ?? initializer(), other)
    const fold = { initial: initializer, add, merge }
    const moreOptions = ['merge']
    const plan = { verb: 'aggregate', call, options, fold, known: null, moreOptions }
    const { place, rows } = addSessionAggregation<K, V, A>(input, this.#windows, plan)
    return new KTable(place, rows)
  }
}
