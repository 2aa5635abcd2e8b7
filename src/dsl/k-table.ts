/**
 * KTable: a stream read as the changes of a table, one row per key.
 *
 * Journey: table(...), toTable or an aggregation -> [KTable] -> toStream, or a join that looks
 * rows up.
 */
import { changesToStream, tableSource } from '../operators/table-source.ts'
import type { Serde } from '../record/serde.ts'
import { checkOptions } from './arguments.ts'
import { extend, type Place, type StoreDraft } from './graph.ts'
import type { KStream } from './k-stream.ts'
import type { StreamTraits, TableTraits } from './serde-options.ts'
import { type StoreOptions, storeBasics } from './store-options.ts'

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
  readonly rows: StoreDraft

  /** @internal */
  constructor(place: Place<K, V>, rows: StoreDraft) {
    this.place = place as Place<K, V, Has>
    this.rows = rows
  }

  /** Name of the store that keeps the rows, or null while nothing needs one. */
  get storeName(): string | null {
    return this.rows.kept ? this.rows.definition.name : null
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
}

export interface TablePlan {
  readonly name: string
  readonly lineage: string
  readonly store: StoreOptions
  readonly call: string
}

/** Adds a table below a place whose serdes are known. Its rows are kept when named or looked up. */
export function addTable<K, V>(place: Place<K, V>, plan: TablePlan): KTable<K, V, 'key' | 'value'> {
  const { graph } = place
  const { name, store, call } = plan
  const rows = graph.addStore(
    {
      kind: 'key-value',
      ...storeBasics(graph, store, plan.lineage, call),
      keySerde: place.key as Serde<unknown>,
      valueSerde: place.value as Serde<unknown>,
      keepsBefore: false,
    },
    store.name !== undefined,
  )
  graph.addTableProcessor(name, place.node, rows, {
    create: ({ store, kept, keepsBefore }) =>
      tableSource({ store: kept ? store : null, keepsBefore }),
    keepsKey: true,
  })
  return new KTable({ ...place, node: name, lineage: plan.lineage }, rows)
}
