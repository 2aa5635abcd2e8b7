/**
 * GlobalKTable, global stores and the join of a stream with a global table.
 *
 * Journey: builder.globalTable(...) -> [GlobalKTable] -> KStream.join with the option `key`. Global
 * stores stand beside the program's nodes: no task reads their topics, each process does.
 */
import { globalJoin } from '../operators/global-join.ts'
import { userProcessor } from '../operators/process.ts'
import { tableSource } from '../operators/table-source.ts'
import type { Serde } from '../record/serde.ts'
import { bytes } from '../record/serdes.ts'
import type { StoreDefinition } from '../state/store.ts'
import { show } from '../topology/names.ts'
import type { Processor } from '../topology/processor.ts'
import type { SourceNode, TimestampExtractor } from '../topology/topology.ts'
import { checkFunction, checkOptions, checkTopic } from './arguments.ts'
import type { Graph, Place } from './graph.ts'
import { readStoreOptions, type StoreOptions, storeBasics } from './store-options.ts'

/** Options of `globalTable`. */
export interface GlobalTableOptions<K, V> {
  /** Serde of the keys. Default `bytes`. */
  readonly key?: Serde<K> | undefined
  /** Serde of the rows. Default `bytes`. */
  readonly value?: Serde<V> | undefined
  /** Event time of a record. Default: the log's. */
  readonly timestamp?: TimestampExtractor<K, V> | undefined
  /** Name of the store, or where its rows lie; it never has a changelog. Default: by the topic. */
  readonly store?: string | Pick<StoreOptions, 'name' | 'storage'> | undefined
  /** Name of the operator. Default: by the topic. */
  readonly name?: string | undefined
}

/** Options of a join with a global table. */
export interface GlobalJoinOptions<K, V, TableKey> {
  /** The key to look up, from the record's key and value; null: there is none. */
  readonly key: (key: K, value: V) => TableKey | null
  /** Name of the operator, and what names below it are derived from. Default: its lineage. */
  readonly name?: string | undefined
}

/**
 * A table of which every process of the application has all rows. Made by
 * `StreamsBuilder.globalTable`; a stream joins with it by any key, without a repartition.
 *
 * @see org.apache.kafka.streams.kstream.GlobalKTable
 * @example
 * ```ts
 * const products = builder.globalTable('products', { key: text, value: json<Product>() })
 * orders.join(products, (order, product) => ({ ...order, price: product.price }), {
 *   key: (_id, order) => order.product,
 * })
 * ```
 */
export class GlobalKTable<K, V> {
  /** @internal */
  readonly place: { readonly graph: Graph }
  /** Name of the store that has the rows. */
  readonly storeName: string
  /** Never there: carries the types. */
  readonly rows?: (key: K) => V

  /** @internal */
  constructor(graph: Graph, storeName: string) {
    this.place = Object.freeze({ graph })
    this.storeName = storeName
  }
}

/** Adds a global table. */
export function addGlobalTable<K, V>(
  graph: Graph,
  topic: string,
  options: GlobalTableOptions<K, V> = {},
): GlobalKTable<K, V> {
  const call = `globalTable(${show(topic)})`
  checkOptions(options, call, ['key', 'value', 'timestamp', 'store', 'name'])
  checkTopic(topic, call)
  const { store, key = bytes as Serde<unknown>, value = bytes as Serde<unknown> } = options
  if (typeof store === 'object' && 'history' in store) {
    throw new TypeError(
      `option store of ${call} has a history; a global table keeps the latest rows only`,
    )
  }
  const read = readStoreOptions(store, call)
  const basics = storeBasics(graph, { ...read, changelog: false }, `${topic}-global`, call)
  const definition: StoreDefinition = {
    kind: 'key-value',
    ...basics,
    keySerde: key as Serde<unknown>,
    valueSerde: value as Serde<unknown>,
    keepsBefore: false,
  }
  addGlobal(graph, {
    call,
    topic,
    definition,
    name: options.name,
    timestamp: options.timestamp as SourceNode['timestamp'] | undefined,
    create: tableSource({ store: definition.name, keepsBefore: false }),
  })
  return new GlobalKTable(graph, definition.name)
}

/** Adds a store that a processor of the user's fills from all partitions of a topic. */
export function addGlobalStore<K, V>(
  graph: Graph,
  definition: StoreDefinition,
  topic: string,
  create: () => Processor<K, V, never, never>,
): void {
  const call = `addGlobalStore(...) of ${show(topic)}`
  checkTopic(topic, call)
  checkFunction(create, call, 'processor', '() => ({ init(context) {}, process(record) {} })')
  const name = (definition as Partial<StoreDefinition> | null)?.name
  if (name === undefined) {
    throw new TypeError(
      `store of ${call} is ${show(definition)}; pass a definition such as keyValueStore({ name, key, value })`,
    )
  }
  graph.storeNames.take(name, call)
  const logless = { ...definition, changelog: false }
  const processor = userProcessor(create, { fixedKey: false })
  addGlobal(graph, { call, topic, definition: logless, create: processor })
}

function addGlobal(
  graph: Graph,
  plan: {
    readonly call: string
    readonly topic: string
    readonly definition: StoreDefinition
    readonly name?: string | undefined
    readonly timestamp?: SourceNode['timestamp'] | undefined
    readonly create: () => unknown
  },
): void {
  const { call, topic, definition, timestamp = null } = plan
  const name =
    plan.name === undefined
      ? graph.operators.derive(`${topic}-globalTable`, call)
      : graph.operators.take(plan.name, call)
  const { keySerde, valueSerde } = definition
  const source: SourceNode = {
    kind: 'source',
    name: graph.operators.derive(`${name}-source`, call),
    topics: [topic],
    keySerde,
    valueSerde,
    timestamp,
    offsetReset: 'earliest',
  }
  graph.addGlobal({
    source,
    store: definition,
    processor: {
      kind: 'processor',
      name,
      upstream: [source.name],
      stores: [definition.name],
      create: plan.create as () => Processor,
      keepsKey: false,
      keepsValue: false,
    },
  })
}

/** Joins a stream with the rows of a global table, by a key made of each record. */
export function joinGlobal<K, V, R>(
  stream: Place<K, V>,
  table: GlobalKTable<unknown, unknown>,
  plan: {
    readonly verb: 'join' | 'leftJoin'
    readonly joiner: (value: V, row: unknown, key: K) => R
    readonly options: GlobalJoinOptions<K, V, unknown> | undefined
  },
): Place<K, R> {
  const { verb, joiner, options } = plan
  const { graph, lineage } = stream
  const call = `${verb}(...) on '${lineage}'`
  const { key: selector, ...rest } = options ?? {}
  checkOptions(rest, call, ['name'])
  checkFunction(joiner, call, 'joiner', '(value, row, key) => ({ ...value, ...row })')
  checkFunction(selector, call, 'option key', '(key, value) => value.product')
  const name = graph.name(lineage, verb, options?.name)
  const left = verb === 'leftJoin'
  if (left) graph.nullKeys.addJoin(name)
  graph.addProcessor(name, [stream.node], {
    create: globalJoin({
      store: table.storeName,
      selector: selector as (key: K, value: V) => unknown,
      joiner,
      left,
    }),
    keepsKey: true,
  })
  return { ...stream, node: name, lineage: name, value: null }
}
