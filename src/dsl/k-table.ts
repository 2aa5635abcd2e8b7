/**
 * KTable: a stream read as the changes of a table, one row per key.
 *
 * Journey: table(...), toTable or an aggregation -> [KTable] -> toStream, or a join that looks
 * rows up.
 *
 * Invariants:
 * - A verb changes no table: it adds to the program and gives a new table.
 * - Functions of a row only take the row first, `(row, key)`; all others `(key, row)`.
 */
import type { Duration } from '../duration.ts'
import type { RowSelector } from '../operators/table-group.ts'
import type { RowStep } from '../operators/table-rows.ts'
import { changesToStream, tableSource } from '../operators/table-source.ts'
import { versionedTableSource } from '../operators/versioned-source.ts'
import { checkOptions } from './arguments.ts'
import { addExpiringTable, timeToLive } from './expiring-table.ts'
import { type ForeignKeyOptions, joinByForeignKey, namesForeignKey } from './foreign-key-join.ts'
import { extend, type Place, type StoreDraft } from './graph.ts'
import { checkOther } from './joins.ts'
import { KGroupedTable } from './k-grouped-table.ts'
import type { KStream } from './k-stream.ts'
import type {
  OptionalKey,
  OptionalValue,
  OptionsArgument,
  Present,
  RequiredKey,
  RequiredValue,
  SerdeOptions,
  StreamTraits,
  TableTraits,
  ValueOption,
} from './serde-options.ts'
import type { GroupOptions } from './stream-options.ts'
import { addSuppression, type Suppressed, type SuppressOptions } from './suppressed.ts'
import {
  addTableTransform,
  type RowTransformerSource,
  type TransformOptions,
} from './table-transform.ts'
import {
  addTableStep,
  joinTables,
  regroupTable,
  type TableJoinVerb,
  type TableStepOptions,
} from './table-verbs.ts'
import { storedView, type TableParts, type TableView } from './table-view.ts'
import { addRows, type TableStoreOptions } from './versioned.ts'

/** Options of a verb that takes no more than a name. */
export interface NameOptions {
  /** Name of the operator, and what names below it are derived from. Default: its lineage. */
  readonly name?: string | undefined
}

/**
 * A table: for each key the last value, kept in a store where something looks it up. Made by
 * `StreamsBuilder.table`, `KStream.toTable` and by aggregations.
 *
 * `K` is the type of the key, `V` that of the rows, with null where rows may be deleted. `Has` says
 * which serdes are known, and is inferred.
 *
 * @see org.apache.kafka.streams.kstream.KTable
 * @example
 * ```ts
 * const users = builder.table('users', { key: text, value: json<User>(), store: 'users' })
 * const named = clicks.join(users, (click, user) => ({ ...click, name: user.name }))
 * ```
 */
export class KTable<K, V, Has extends TableTraits = never> {
  /** @internal */
  readonly place: Place<K, V, Has>
  /** @internal */
  readonly view: TableView<K, V>

  /** @internal `rows` is the store of the rows, or a view of where they are. */
  constructor(place: Place<K, V>, rows: StoreDraft | TableView<K, V>) {
    this.place = place as Place<K, V, Has>
    this.view = 'lookUp' in rows ? rows : storedView(rows)
  }

  /**
   * Name of the store that keeps the rows, or null while nothing needs one.
   *
   * @example
   * ```ts
   * const counts = clicks.groupByKey().count({ store: 'clicks-per-user' })
   * console.log(counts.storeName)
   * ```
   */
  get storeName(): string | null {
    const { store } = this.view
    return store?.kept === true ? store.definition.name : null
  }

  /**
   * Holds changes back, so that of each row fewer leave: until its window closes, or for a time.
   *
   * Who joins the result meets the row that was sent last.
   *
   * @param suppressed - `untilWindowCloses()` (of tables of windows only) or `untilTimeLimit('10s')`
   * @param options - `name`, `store` (of what is held back), `value`
   * @throws TypeError when it is to wait for windows to close and the table has none
   * @see org.apache.kafka.streams.kstream.KTable#suppress
   * @example
   * ```ts
   * hits.groupByKey().windowedBy(tumbling('1m')).count().suppress(untilWindowCloses()).toStream().to('final')
   * ```
   */
  suppress(
    suppressed: Suppressed<K>,
    ...[options]: OptionsArgument<SuppressOptions & ValueOption<V, Has>>
  ): KTable<K, V, Has | 'value'> {
    const { place, view } = addSuppression<K, V>(this, suppressed, options)
    return new KTable(place, view)
  }

  /**
   * The changes of the table as a stream of new values; null where a row was deleted.
   *
   * A table of windows gives `Windowed` keys. Serdes stay known, so that `to` needs none.
   *
   * @example
   * ```ts
   * words.groupByKey().count().toStream().to('word-counts')
   * ```
   */
  toStream(options?: NameOptions): KStream<K, V, Has | 'partitioned'> {
    checkOptions(options, `toStream(...) on '${this.place.lineage}'`, ['name'])
    const place = extend<K, V>(this.place, {
      verb: 'toStream',
      name: options?.name,
      create: changesToStream(),
      keepsKey: true,
      keepsValue: true,
    })
    return this.place.graph.openStream(place) as KStream<K, V, StreamTraits>
  }

  /**
   * Keeps the rows for which the predicate holds; a row that no longer does is deleted from the
   * result. The predicate is not asked about deletions. A type guard narrows the rows.
   *
   * @param predicate - takes key and row
   * @param options - `store` keeps the resulting rows (without it they are looked up in the table
   * above), `name`
   * @see org.apache.kafka.streams.kstream.KTable#filter
   * @example
   * ```ts
   * const adults = users.filter((_id, user) => user.age >= 18, { store: 'adults' })
   * ```
   */
  filter<Narrow extends Present<V>>(
    predicate: (key: K, row: Present<V>) => row is Narrow,
    options?: FilterOptions<Has>,
  ): KTable<K, Narrow | null, Has>
  filter(
    predicate: (key: K, row: Present<V>) => boolean,
    options?: FilterOptions<Has>,
  ): KTable<K, V | null, Has>
  filter(
    predicate: (key: K, row: Present<V>) => boolean,
    options?: FilterOptions<Has>,
  ): KTable<K, V | null, Has> {
    const step = (row: Present<V>, key: K): V | null => (predicate(key, row) ? row : null)
    const plan = { ...PREDICATE, verb: 'filter', given: predicate, options }
    return this.#step<V | null, Has>(step, plan)
  }

  /**
   * Keeps the rows for which the predicate does not hold.
   *
   * @param predicate - takes key and row
   * @param options - as of `filter`
   * @example
   * ```ts
   * users.filterNot((_id, user) => user.blocked).toStream().to('active-users')
   * ```
   */
  filterNot(
    predicate: (key: K, row: Present<V>) => boolean,
    options?: FilterOptions<Has>,
  ): KTable<K, V | null, Has> {
    const step = (row: Present<V>, key: K): V | null => (predicate(key, row) ? null : row)
    const plan = { ...PREDICATE, verb: 'filterNot', given: predicate, options }
    return this.#step<V | null, Has>(step, plan)
  }

  /**
   * Gives each row another value. Null deletes the row from the result. A deletion stays one: the
   * mapper is not asked.
   *
   * Without a store the mapper also runs when something looks a row up, so it should give the same
   * answer again.
   *
   * @param mapper - takes row and key
   * @param options - `value` (serde of the result), `store` (keeps the result; needs `value`), `name`
   * @see org.apache.kafka.streams.kstream.KTable#mapValues
   * @example
   * ```ts
   * const cities = users.mapValues((user) => user.city, { value: text, store: 'cities' })
   * ```
   */
  mapValues<R>(
    mapper: (row: Present<V>, key: K) => R,
    options: TableStepOptions & RequiredValue<NoInfer<R>>,
  ): KTable<K, R | Extract<V, null>, 'value' | Extract<Has, 'key'>>
  mapValues<R>(
    mapper: (row: Present<V>, key: K) => R,
    options?: NameOptions,
  ): KTable<K, R | Extract<V, null>, Extract<Has, 'key'>>
  mapValues<R>(
    mapper: (row: Present<V>, key: K) => R,
    options?: TableStepOptions,
  ): KTable<K, R | Extract<V, null>, TableTraits> {
    const plan = { ...MAPPER, verb: 'mapValues', given: mapper, options }
    return this.#step<R | Extract<V, null>, TableTraits>(mapper, plan)
  }

  /**
   * Gives each row another value by an object of one's own, which may keep state in stores and is asked
   * about deletions too. The result is kept in a store: nothing is asked twice.
   *
   * @param transformer - `() => RowTransformer`, or `{ create, stores }` with definitions of its stores
   * @param options - `value` (serde of the result, required unless it is text), `store`, `stores`, `name`
   * @throws TypeError when a store is not there, or the function makes no new transformer each time
   * @see org.apache.kafka.streams.kstream.KTable#transformValues
   * @example
   * ```ts
   * const changes = keyValueStore({ name: 'changes', key: text, value: int64 })
   * users.transformValues<string>({
   *   stores: [changes],
   *   create: () => {
   *     let store: KeyValueStore<string, number>
   *     return {
   *       init(context) {
   *         store = context.store(changes)
   *       },
   *       async transform(user, id, { timestamp }) {
   *         const before = (await store.get(id))?.value ?? 0
   *         store.put(id, before + 1, timestamp)
   *         return user === null ? null : `${user.name}, ${before} times changed`
   *       },
   *     }
   *   },
   * })
   * ```
   */
  transformValues<R>(
    transformer: RowTransformerSource<K, Present<V>, R>,
    ...[options]: OptionsArgument<TransformOptions & ValueOption<NoInfer<R>, never>>
  ): KTable<K, R | null, 'value' | Extract<Has, 'key'>> {
    const { place, view } = addTableTransform(
      this as TableParts<K, Present<V>>,
      transformer,
      options,
    )
    return new KTable(place as Place<K, R | null>, view as TableView<K, R | null>)
  }

  /**
   * Groups the rows by another key, to count, reduce or aggregate them. Changes go through a
   * repartition topic; this table keeps its rows, since a group has to know what to take out.
   *
   * @param selector - gives the new key and the value of a row; null, or a null half, leaves it out
   * @param options - `key` and `value` (required unless they are text), `name`, `partitions`
   * @see org.apache.kafka.streams.kstream.KTable#groupBy
   * @example
   * ```ts
   * users.groupBy((id, user) => [user.city, id]).count({ store: 'users-per-city' })
   * ```
   */
  groupBy<KOut extends string | null, VOut extends string | null>(
    selector: (key: K, row: Present<V>) => readonly [KOut, VOut] | null,
    options?: GroupOptions & OptionalKey<KOut> & OptionalValue<VOut>,
  ): KGroupedTable<Present<KOut>, Present<VOut>>
  groupBy<KOut extends string | null, VOut>(
    selector: (key: K, row: Present<V>) => readonly [KOut, VOut] | null,
    options: GroupOptions & OptionalKey<KOut> & RequiredValue<NoInfer<VOut>>,
  ): KGroupedTable<Present<KOut>, Present<VOut>>
  groupBy<KOut, VOut extends string | null>(
    selector: (key: K, row: Present<V>) => readonly [KOut, VOut] | null,
    options: GroupOptions & RequiredKey<NoInfer<KOut>> & OptionalValue<VOut>,
  ): KGroupedTable<Present<KOut>, Present<VOut>>
  groupBy<KOut, VOut>(
    selector: (key: K, row: Present<V>) => readonly [KOut, VOut] | null,
    options: GroupOptions & RequiredKey<NoInfer<KOut>> & RequiredValue<NoInfer<VOut>>,
  ): KGroupedTable<Present<KOut>, Present<VOut>>
  groupBy<KOut, VOut>(
    selector: (key: K, row: Present<V>) => readonly [KOut, VOut] | null,
    options?: GroupOptions & SerdeOptions<KOut, VOut>,
  ): KGroupedTable<Present<KOut>, Present<VOut>> {
    type Row = Present<VOut>
    const grouping = regroupTable<K, V, Present<KOut>, Row>(this, {
      selector: selector as RowSelector<K, V, Present<KOut>, Row>,
      options: options as (GroupOptions & SerdeOptions<Present<KOut>, Row>) | undefined,
    })
    return new KGroupedTable(grouping, ({ place, rows }) => new KTable(place, rows))
  }

  /**
   * Joins with the rows of another table that this table's rows name: many rows may name one, in any
   * partition, so that the tables need not have equal partition counts. A change of a row, or of
   * the row it names, gives the result anew; without the row it names there is no result.
   *
   * Both tables keep their rows; which row names which is kept with the other table.
   *
   * @param other - the other table
   * @param joiner - takes this table's row, the row it names, and this table's key
   * @param options - `foreignKey` (gives the other table's key from a row; null: none), `value`
   * (serde of the result), `store` (keeps the result; needs `value`), `name`; `key`, `rowValue`,
   * `otherKey` and `otherValue` where a table's serdes are not known
   * @see org.apache.kafka.streams.kstream.KTable#join, KIP-213
   * @example
   * ```ts
   * const bills = builder.table('bills', { key: text, value: json<Bill>() })
   * bills.join(customers, (bill, customer) => ({ ...bill, name: customer.name }), {
   *   foreignKey: (bill) => bill.customer,
   *   store: 'addressed-bills',
   *   value: json(),
   * })
   * ```
   */
  join<F, O, HasOther extends TableTraits, R>(
    other: KTable<F, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O>, key: K) => R,
    options: ForeignKeyOptions<K, V, F, O, Has, HasOther> &
      TableStepOptions &
      RequiredValue<NoInfer<R>>,
  ): KTable<K, R | null, 'key' | 'value'>
  join<F, O, HasOther extends TableTraits, R>(
    other: KTable<F, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O>, key: K) => R,
    options: ForeignKeyOptions<K, V, F, O, Has, HasOther>,
  ): KTable<K, R | null, 'key'>
  /**
   * Joins with another table by key: a row for each key that both have. A change of either side
   * gives the result anew, at the later of the two rows' times; a row that goes on either side
   * deletes it. Both sides keep their rows, and must have equal partition counts.
   *
   * @param other - the other table
   * @param joiner - takes this table's row, the other's, and the key
   * @param options - `value` (serde of the result), `store` (keeps the result; needs `value`), `name`
   * @see org.apache.kafka.streams.kstream.KTable#join
   * @example
   * ```ts
   * users.join(customers, (user, customer) => ({ ...user, credit: customer.credit }))
   * ```
   */
  join<O, HasOther extends TableTraits, R>(
    other: KTable<K, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O>, key: K) => R,
    options: TableStepOptions & RequiredValue<NoInfer<R>>,
  ): KTable<K, R | null, 'value' | Extract<Has | HasOther, 'key'>>
  join<O, HasOther extends TableTraits, R>(
    other: KTable<K, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O>, key: K) => R,
    options?: NameOptions,
  ): KTable<K, R | null, Extract<Has | HasOther, 'key'>>
  join<R>(
    other: KTable<K, unknown> | KTable<unknown, unknown>,
    joiner: Joiner<R>,
    options?: object,
  ): KTable<K, R, TableTraits> {
    return this.#join('join', other, joiner, options)
  }

  /**
   * Joins by foreign key as `join` does; a row that names none, or one that is not there, is joined
   * with null.
   *
   * @param other - the other table
   * @param joiner - takes this table's row, the row it names or null, and this table's key
   * @param options - as of `join` by foreign key
   * @example
   * ```ts
   * builder
   *   .table('bills', { key: text, value: json<Bill>() })
   *   .leftJoin(customers, (bill, customer) => ({ ...bill, name: customer?.name ?? null }), {
   *     foreignKey: (bill) => bill.customer,
   *   })
   * ```
   */
  leftJoin<F, O, HasOther extends TableTraits, R>(
    other: KTable<F, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O> | null, key: K) => R,
    options: ForeignKeyOptions<K, V, F, O, Has, HasOther> &
      TableStepOptions &
      RequiredValue<NoInfer<R>>,
  ): KTable<K, R | null, 'key' | 'value'>
  leftJoin<F, O, HasOther extends TableTraits, R>(
    other: KTable<F, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O> | null, key: K) => R,
    options: ForeignKeyOptions<K, V, F, O, Has, HasOther>,
  ): KTable<K, R | null, 'key'>
  /**
   * Joins with another table as `join` does; a key that only this table has is joined with null.
   *
   * @param other - the other table
   * @param joiner - takes this table's row, the other's or null, and the key
   * @param options - as of `join`
   * @example
   * ```ts
   * users.leftJoin(customers, (user, customer) => ({ ...user, credit: customer?.credit ?? 0 }))
   * ```
   */
  leftJoin<O, HasOther extends TableTraits, R>(
    other: KTable<K, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O> | null, key: K) => R,
    options: TableStepOptions & RequiredValue<NoInfer<R>>,
  ): KTable<K, R | null, 'value' | Extract<Has | HasOther, 'key'>>
  leftJoin<O, HasOther extends TableTraits, R>(
    other: KTable<K, O, HasOther>,
    joiner: (row: Present<V>, other: Present<O> | null, key: K) => R,
    options?: NameOptions,
  ): KTable<K, R | null, Extract<Has | HasOther, 'key'>>
  leftJoin<R>(
    other: KTable<K, unknown> | KTable<unknown, unknown>,
    joiner: Joiner<R>,
    options?: object,
  ): KTable<K, R, TableTraits> {
    return this.#join('leftJoin', other, joiner, options)
  }

  /**
   * Joins with another table as `join` does; a key that only one of the two has is joined with null.
   *
   * @param other - the other table
   * @param joiner - takes this table's row or null, the other's or null, and the key
   * @param options - as of `join`
   * @example
   * ```ts
   * users.outerJoin(customers, (user, customer) => ({ name: user?.name, credit: customer?.credit }))
   * ```
   */
  outerJoin<O, HasOther extends TableTraits, R>(
    other: KTable<K, O, HasOther>,
    joiner: (row: Present<V> | null, other: Present<O> | null, key: K) => R,
    options: TableStepOptions & RequiredValue<NoInfer<R>>,
  ): KTable<K, R | null, 'value' | Extract<Has | HasOther, 'key'>>
  outerJoin<O, HasOther extends TableTraits, R>(
    other: KTable<K, O, HasOther>,
    joiner: (row: Present<V> | null, other: Present<O> | null, key: K) => R,
    options?: NameOptions,
  ): KTable<K, R | null, Extract<Has | HasOther, 'key'>>
  outerJoin<R>(
    other: KTable<K, unknown>,
    joiner: Joiner<R>,
    options?: object,
  ): KTable<K, R, TableTraits> {
    return this.#join('outerJoin', other, joiner, options)
  }

  #join<R>(
    verb: TableJoinVerb,
    other: KTable<K, unknown> | KTable<unknown, unknown>,
    joiner: Joiner<R>,
    options: object | undefined,
  ): KTable<K, R, TableTraits> {
    const call = `${verb}(...) on '${this.place.lineage}'`
    checkOther(this.place.graph, other, { call, kinds: 'a table', isKind: other instanceof KTable })
    const plan = { verb, joiner: joiner as (left: unknown, right: unknown, key: K) => R, options }
    const { place, view } = namesForeignKey(plan)
      ? joinByForeignKey<K, unknown, unknown, unknown, R>(
          this,
          other as KTable<unknown, unknown>,
          plan,
        )
      : joinTables<K, unknown, unknown, R>(this, other as KTable<K, unknown>, plan)
    return new KTable(place, view)
  }

  #step<R, HasOut extends TableTraits>(
    step: RowStep<K, Present<V>, R>,
    plan: Omit<Parameters<typeof addTableStep>[1], 'step'>,
  ): KTable<K, R, HasOut> {
    const parts = this as TableParts<K, unknown> as TableParts<K, Present<V>>
    const { place, view } = addTableStep(parts, { ...plan, step })
    return new KTable(place, view as TableView<K, R>)
  }
}

type Joiner<R> = (...values: never[]) => R

/** Options of `filter`: rows can be kept where their serde is known. */
export type FilterOptions<Has> = 'value' extends Has ? TableStepOptions : NameOptions

const PREDICATE = {
  argument: 'predicate',
  example: '(key, row) => row.active',
  filters: true,
} as const

const MAPPER = { argument: 'mapper', example: '(row, key) => row.name', filters: false } as const

export interface TablePlan {
  readonly name: string
  readonly lineage: string
  readonly store: TableStoreOptions
  readonly ttl?: Duration | undefined
  readonly call: string
}

/** Adds a table below a place whose serdes are known. Its rows are kept when named or looked up. */
export function addTable<K, V>(place: Place<K, V>, plan: TablePlan): KTable<K, V, 'key' | 'value'> {
  const { graph } = place
  const { name } = plan
  const rows = addRows(place, plan)
  const ttlMs = timeToLive(plan.ttl, plan.store.history !== undefined, plan.call)
  const { history, maxEntries } = plan.store
  rows.isSource = ttlMs === undefined && history === undefined && maxEntries === undefined
  const table = new KTable<K, V, 'key' | 'value'>(
    { ...place, node: name, lineage: plan.lineage },
    rows,
  )
  if (ttlMs !== undefined) {
    addExpiringTable(place, rows, { name, ttlMs, call: plan.call })
    return table
  }
  graph.addTableProcessor(name, place.node, rows, {
    create: ({ store, kept, keepsBefore }) =>
      plan.store.history === undefined
        ? tableSource({ store: kept ? store : null, keepsBefore })
        : versionedTableSource(store),
    keepsKey: true,
  })
  return table
}
