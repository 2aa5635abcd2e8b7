/**
 * KGroupedStream: a stream whose records are about to be brought together by key. Grouping alone
 * adds no topic; the first aggregation of a re-keyed stream does, and later ones share it.
 */
import type { Serde } from '../record/serde.ts'
import { int64 } from '../record/serdes.ts'
import {
  type AggregationOptions,
  addAggregation,
  countFold,
  foldOf,
  reduction,
} from './aggregation.ts'
import { CogroupedKStream } from './cogroup.ts'
import type { Place } from './graph.ts'
import { KTable } from './k-table.ts'
import type { OptionsArgument, Present, ValueOption } from './serde-options.ts'
import { SessionWindowedKStream } from './session-windowed-k-stream.ts'
import { TimeWindowedKStream } from './time-windowed-k-stream.ts'
import { type AlignedWindows, checkWindows, type SessionWindows } from './windows.ts'

/**
 * A stream grouped by key, ready to be counted, reduced or aggregated. Made by `groupByKey` and
 * `groupBy`.
 *
 * A record without a key or without a value is left out, and counted.
 *
 * @see org.apache.kafka.streams.kstream.KGroupedStream
 * @example
 * ```ts
 * words.groupBy((_key, word) => word).count({ store: 'word-counts' })
 * ```
 */
export class KGroupedStream<K, V, Has extends 'key' | 'value' = never> {
  /** @internal Where the grouped records come out, repartitioned at the first call. */
  readonly input: () => Place<K, V, Has>

  /** @internal */
  constructor(input: () => Place<K, V, Has>) {
    this.input = input
  }

  /**
   * Counts the records of each key.
   *
   * @param options - `name`, `store`, `emit`
   * @returns a table of numbers, written as int64 (Kafka's Long)
   * @example
   * ```ts
   * clicks.groupByKey().count({ store: 'clicks-per-user' })
   * ```
   */
  count(options?: AggregationOptions): KTable<K, number, 'key' | 'value'> {
    const input = this.input()
    const call = `count(...) on '${input.lineage}'`
    const { place, rows } = addAggregation(input, {
      verb: 'count',
      call,
      options,
      fold: countFold,
      known: int64,
    })
    return new KTable(place, rows)
  }

  /**
   * Brings the values of each key down to one, of the same type. The first value of a key is kept
   * as it is.
   *
   * @param reducer - takes the value so far and the next one
   * @param options - `name`, `store`, `value`, `emit`
   * @example
   * ```ts
   * readings.groupByKey().reduce((highest, reading) => Math.max(highest, reading))
   * ```
   */
  reduce(
    reducer: (aggregate: Present<V>, value: Present<V>) => Present<V>,
    ...[options]: OptionsArgument<AggregationOptions & ValueOption<V, Has>>
  ): KTable<K, Present<V>, 'key' | 'value'> {
    const input = this.input()
    const call = `reduce(...) on '${input.lineage}'`
    const fold = reduction<K, V>(reducer as (aggregate: Present<V>, value: V) => Present<V>, call)
    const known = input.value as Serde<Present<V>> | null
    const { place, rows } = addAggregation(input, { verb: 'reduce', call, options, fold, known })
    return new KTable(place, rows)
  }

  /**
   * Folds the values of each key into a result of another type.
   *
   * @param initializer - makes the result a key begins with
   * @param aggregator - takes key, value and the result so far; gives the next result, which may be
   * the same object changed in place. Null deletes the row, and the key begins anew.
   * @param options - `value` (serde of the result, required unless it is text), `name`, `store`, `emit`
   * @example
   * ```ts
   * orders.groupByKey().aggregate(() => 0, (_customer, order, total) => total + order.amount, {
   *   value: float64,
   * })
   * ```
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: Present<V>, aggregate: A) => A,
    ...[options]: OptionsArgument<AggregationOptions & ValueOption<NoInfer<A>, never>>
  ): KTable<K, A, 'key' | 'value'> {
    const input = this.input()
    const call = `aggregate(...) on '${input.lineage}'`
    const fold = foldOf<K, V, A>(
      initializer,
      aggregator as (key: K, value: V, before: A) => A,
      call,
    )
    const { place, rows } = addAggregation<K, V, A>(input, {
      verb: 'aggregate',
      call,
      options,
      fold,
      known: null,
    })
    return new KTable(place, rows)
  }

  /**
   * Begins an aggregation of several grouped streams into one result: each has a function that folds
   * its values into it.
   *
   * @param aggregator - takes key, value of this stream, and the result so far; gives the next one
   * @see org.apache.kafka.streams.kstream.CogroupedKStream
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .cogroup((_user, click, visit: { clicks: number; orders: number }) => ({
   *     ...visit,
   *     clicks: visit.clicks + 1,
   *   }))
   *   .cogroup(orders.groupByKey(), (_user, order, visit) => ({ ...visit, orders: visit.orders + 1 }))
   *   .aggregate(() => ({ clicks: 0, orders: 0 }), { value: json(), store: 'visits' })
   * ```
   */
  cogroup<A>(aggregator: (key: K, value: Present<V>, aggregate: A) => A): CogroupedKStream<K, A> {
    return new CogroupedKStream<K, A>([]).cogroup(this, aggregator)
  }

  /**
   * Cuts the groups into sessions: each key has one result per session.
   *
   * @param windows - `session(...)`
   * @example
   * ```ts
   * clicks.groupByKey().windowedBy(session('30m')).count()
   * ```
   */
  windowedBy(windows: SessionWindows): SessionWindowedKStream<K, V, Has>
  /**
   * Cuts the groups into windows of time: each key has one result per window.
   *
   * @param windows - `tumbling(...)`, `hopping(...)`, `sliding(...)`, `unlimited(...)` or
   * `customWindows(...)`
   * @example
   * ```ts
   * hits.groupByKey().windowedBy(tumbling('1h', { grace: '5m' })).count()
   * ```
   */
  windowedBy(windows: AlignedWindows): TimeWindowedKStream<K, V, Has>
  windowedBy(
    windows: SessionWindows | AlignedWindows,
  ): SessionWindowedKStream<K, V, Has> | TimeWindowedKStream<K, V, Has> {
    checkWindows(windows, 'windowedBy(...)')
    return 'gapMs' in windows
      ? new SessionWindowedKStream(this.input, windows)
      : new TimeWindowedKStream(this.input, windows)
  }
}
