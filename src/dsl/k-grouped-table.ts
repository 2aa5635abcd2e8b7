/**
 * KGroupedTable: a table whose rows are about to be brought together by another key. A row that
 * changes is taken out of its group and put in again.
 *
 * Journey: KTable.groupBy -> [KGroupedTable] -> repartition topic -> aggregate -> KTable.
 */
import { foldChanges } from '../operators/table-group.ts'
import type { Serde } from '../record/serde.ts'
import { int64 } from '../record/serdes.ts'
import type { Change } from '../topology/processor.ts'
import {
  type AggregationOptions,
  type AggregationPlan,
  addAggregation,
  type TablePlace,
} from './aggregation.ts'
import { checkFunction } from './arguments.ts'
import type { KTable } from './k-table.ts'
import type { OptionsArgument, ValueOption } from './serde-options.ts'
import type { TableGrouping } from './table-verbs.ts'

type Open = <K, A>(table: TablePlace<K, A>) => KTable<K, A, 'key' | 'value'>

/**
 * A table grouped by another key, ready to be counted, reduced or aggregated. Made by
 * `KTable.groupBy`.
 *
 * A change of a row reaches the group of the row before, which subtracts it, and then the group of
 * the row after, which adds it. When both are one group it does both in one step.
 *
 * @see org.apache.kafka.streams.kstream.KGroupedTable
 * @example
 * ```ts
 * users.groupBy((id, user) => [user.city, id]).count({ store: 'users-per-city' })
 * ```
 */
export class KGroupedTable<K, V> {
  readonly #grouping: TableGrouping<K, V>
  readonly #open: Open

  /** @internal */
  constructor(grouping: TableGrouping<K, V>, open: Open) {
    this.#grouping = grouping
    this.#open = open
  }

  /**
   * Counts the rows of each group. A group that loses its last row has the count 0.
   *
   * @param options - `name`, `store`, `emit`
   * @returns a table of numbers, written as int64 (Kafka's Long)
   * @example
   * ```ts
   * users.groupBy((id, user) => [user.city, id]).count()
   * ```
   */
  count(options?: AggregationOptions): KTable<K, number, 'key' | 'value'> {
    const fold = foldChanges<K, V, number>({
      initial: () => 0,
      add: (_key, _value, count) => count + 1,
      subtract: (_key, _value, count) => count - 1,
      startsWithRow: false,
    })
    return this.#aggregated('count', fold, options, int64)
  }

  /**
   * Brings the rows of each group down to one value of the same type. The first row of a group is
   * kept as it is.
   *
   * @param adder - takes the value so far and a row that came in
   * @param subtractor - takes the value so far and a row that went out; null deletes the group
   * @param options - `name`, `store`, `value`, `emit`
   * @example
   * ```ts
   * customers
   *   .groupBy((_id, customer) => [customer.city, customer.credit], { value: float64 })
   *   .reduce((sum, credit) => sum + credit, (sum, credit) => sum - credit)
   * ```
   */
  reduce(
    adder: (aggregate: V, value: V) => V | null,
    subtractor: (aggregate: V, value: V) => V | null,
    options?: AggregationOptions & { readonly value?: Serde<V> | undefined },
  ): KTable<K, V, 'key' | 'value'> {
    const call = `reduce(...) of a grouped table`
    checkFunction(adder, call, 'adder', '(sum, value) => sum + value')
    checkFunction(subtractor, call, 'subtractor', '(sum, value) => sum - value')
    const fold = foldChanges<K, V, V>({
      initial: (first) => first,
      add: (_key, value, aggregate) => adder(aggregate, value),
      subtract: (_key, value, aggregate) => subtractor(aggregate, value),
      startsWithRow: true,
    })
    return this.#aggregated('reduce', fold, options, this.#grouping.value)
  }

  /**
   * Folds the rows of each group into a result of another type.
   *
   * @param initializer - makes the result a group begins with
   * @param adder - takes key, a row that came in, and the result so far; gives the next one
   * @param subtractor - the same for a row that went out; null deletes the group
   * @param options - `value` (serde of the result, required unless it is text), `name`, `store`, `emit`
   * @example
   * ```ts
   * customers
   *   .groupBy((_id, customer) => [customer.city, customer], { value: json() })
   *   .aggregate(
   *     () => ({ customers: 0, credit: 0 }),
   *     (_city, customer, sum) => ({ customers: sum.customers + 1, credit: sum.credit + customer.credit }),
   *     (_city, customer, sum) => ({ customers: sum.customers - 1, credit: sum.credit - customer.credit }),
   *     { value: json() },
   *   )
   * ```
   */
  aggregate<A>(
    initializer: () => A,
    adder: (key: K, value: V, aggregate: A) => A | null,
    subtractor: (key: K, value: V, aggregate: A) => A | null,
    ...[options]: OptionsArgument<AggregationOptions & ValueOption<NoInfer<A>, never>>
  ): KTable<K, A, 'key' | 'value'> {
    const call = `aggregate(...) of a grouped table`
    checkFunction(initializer, call, 'initializer', '() => 0')
    checkFunction(adder, call, 'adder', '(key, value, sum) => sum + value')
    checkFunction(subtractor, call, 'subtractor', '(key, value, sum) => sum - value')
    const fold = foldChanges<K, V, A>({
      initial: () => initializer(),
      add: adder,
      subtract: subtractor,
      startsWithRow: false,
    })
    return this.#aggregated('aggregate', fold, options, null)
  }

  #aggregated<A>(
    verb: string,
    fold: AggregationPlan<K, Change<V>, A>['fold'],
    options: AggregationPlan<K, Change<V>, A>['options'],
    known: Serde<A> | null,
  ): KTable<K, A, 'key' | 'value'> {
    const input = this.#grouping.input()
    const call = `${verb}(...) on '${input.lineage}'`
    return this.#open(addAggregation(input, { verb, call, options, fold, known }))
  }
}
