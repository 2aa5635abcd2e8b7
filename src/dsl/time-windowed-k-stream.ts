/**
 * TimeWindowedKStream: a grouped stream cut into windows of time, ready to be counted, reduced or
 * aggregated.
 */
import type { Serde } from '../record/serde.ts'
import { int64 } from '../record/serdes.ts'
import type { Windowed } from '../record/windowed.ts'
import {
  addWindowAggregation,
  countFold,
  foldOf,
  reduction,
  type WindowAggregationOptions,
} from './aggregation.ts'
import type { Place } from './graph.ts'
import { KTable } from './k-table.ts'
import type { OptionsArgument, Present, ValueOption } from './serde-options.ts'
import type { AlignedWindows } from './windows.ts'

/**
 * A grouped stream with a result for each key and window. Made by `KGroupedStream.windowedBy`.
 *
 * A window takes records until stream time passes its end by the grace; what comes later is
 * dropped and counted as late. A record without a key is dropped; one without a value is not: the
 * aggregator sees null, and it counts (but in sliding windows, which drop it). The keys of the table
 * are `Windowed`.
 *
 * @see org.apache.kafka.streams.kstream.TimeWindowedKStream
 * @example
 * ```ts
 * hits.groupByKey().windowedBy(tumbling('1m', { grace: '10s' })).count().toStream().to('hits-per-minute')
 * ```
 */
export class TimeWindowedKStream<K, V, Has extends 'key' | 'value' = never> {
  readonly #input: () => Place<K, V, Has>
  readonly #windows: AlignedWindows

  /** @internal */
  constructor(input: () => Place<K, V, Has>, windows: AlignedWindows) {
    this.#input = input
    this.#windows = windows
  }

  /**
   * Counts the records of each key and window.
   *
   * @param options - `name`, `store`, `emit`
   * @returns a table of numbers, written as int64 (Kafka's Long)
   * @example
   * ```ts
   * hits.groupByKey().windowedBy(tumbling('1h')).count({ store: 'hits-per-hour' })
   * ```
   */
  count(options?: WindowAggregationOptions): KTable<Windowed<K>, number, 'key' | 'value'> {
    const input = this.#input()
    const call = `count(...) on '${input.lineage}'`
    const plan = { verb: 'count', call, options, fold: countFold, known: int64 }
    const { place, rows } = addWindowAggregation(input, this.#windows, plan)
    return new KTable(place, rows)
  }

  /**
   * Brings the values of each key and window down to one, of the same type.
   *
   * @param reducer - takes the value so far and the next one
   * @param options - `name`, `store`, `value`, `emit`
   * @example
   * ```ts
   * readings.groupByKey().windowedBy(tumbling('1m')).reduce((highest, reading) => Math.max(highest, reading))
   * ```
   */
  reduce(
    reducer: (aggregate: Present<V>, value: V) => Present<V>,
    ...[options]: OptionsArgument<WindowAggregationOptions & ValueOption<V, Has>>
  ): KTable<Windowed<K>, Present<V>, 'key' | 'value'> {
    const input = this.#input()
    const call = `reduce(...) on '${input.lineage}'`
    const fold = reduction<K, V>(reducer, call)
    const known = input.value as Serde<Present<V>> | null
    const plan = { verb: 'reduce', call, options, fold, known }
    const { place, rows } = addWindowAggregation(input, this.#windows, plan)
    return new KTable(place, rows)
  }

  /**
   * Folds the values of each key and window into a result of another type.
   *
   * @param initializer - makes the result a window begins with
   * @param aggregator - takes key, value and the result so far; gives the next result, which may be
   * the same object changed in place. Null deletes the row.
   * @param options - `value` (serde of the result, required unless it is text), `name`, `store`, `emit`
   * @example
   * ```ts
   * hits
   *   .groupBy((_key, hit) => hit.path, { value: json<Hit>() })
   *   .windowedBy(tumbling('1m', { grace: '10s' }))
   *   .aggregate(() => 0, (_path, hit, bytes) => bytes + hit.bytes, { value: int64 })
   * ```
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: (key: K, value: V, aggregate: A) => A,
    ...[options]: OptionsArgument<WindowAggregationOptions & ValueOption<NoInfer<A>, never>>
  ): KTable<Windowed<K>, A, 'key' | 'value'> {
    const input = this.#input()
    const call = `aggregate(...) on '${input.lineage}'`
    const fold = foldOf(initializer, aggregator, call)
    const plan = { verb: 'aggregate', call, options, fold, known: null }
    const { place, rows } = addWindowAggregation<K, V, A>(input, this.#windows, plan)
    return new KTable(place, rows)
  }
}
