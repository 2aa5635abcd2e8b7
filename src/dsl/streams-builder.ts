/**
 * StreamsBuilder: where a program begins. It reads topics as streams and tables, and builds the
 * topology once everything is said.
 *
 * Journey: [StreamsBuilder] -> streams and tables -> build -> topology -> Streams.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { Serde } from '../record/serde.ts'
import { bytes } from '../record/serdes.ts'
import type { KeyValueStore, StoreDefinition, TypedStore } from '../state/store.ts'
import { show } from '../topology/names.ts'
import type { Processor } from '../topology/processor.ts'
import type { OffsetReset, SourceNode, TimestampExtractor, Topology } from '../topology/topology.ts'
import { checkFunction, checkOptions, checkTopic } from './arguments.ts'
import type { TimeToLiveOption } from './expiring-table.ts'
import {
  addGlobalStore,
  addGlobalTable,
  type GlobalKTable,
  type GlobalTableOptions,
} from './global-k-table.ts'
import { Graph, type Place } from './graph.ts'
import { KStream } from './k-stream.ts'
import { addTable, type KTable } from './k-table.ts'
import { addReadOnlyStore, checkReadOnlyStore } from './read-only-store.ts'
import { checkRequiredNames } from './required-names.ts'
import type { Present } from './serde-options.ts'
import { readTableStoreOptions, type TableStoreOptions } from './versioned.ts'

/** How a program is written. */
export interface BuilderOptions {
  /**
   * True: `build` fails where a store or a repartition topic has a derived name, which a change of
   * the program above it would change. Default false.
   */
  readonly requireNames?: boolean | undefined
}

/** How a topic is read. */
export interface SourceOptions<K, V> {
  /** Serde of the key. Default: bytes as they are, or null. */
  readonly key?: Serde<K> | undefined
  /** Serde of the value. Default: bytes as they are, or null. */
  readonly value?: Serde<V> | undefined
  /**
   * Event time of a record, in milliseconds since the epoch; a negative answer drops the record,
   * counted. Default: the timestamp the log keeps.
   */
  readonly timestamp?: TimestampExtractor<K, V> | undefined
  /**
   * Where to begin when no offset is committed. `{ ago: '1h' }`: with the first record of the last hour
   * before the application starts, by the timestamps the log keeps. `'none'`: the start fails, so that
   * what was read is never read again by mistake. Default `'earliest'`.
   *
   * @see org.apache.kafka.streams.AutoOffsetReset, KIP-1106
   */
  readonly offsetReset?: 'earliest' | 'latest' | 'none' | { readonly ago: Duration } | undefined
  /** Name of the source, and what names below it are derived from. Default: the topic. */
  readonly name?: string | undefined
}

/** How a topic is read as a table. */
export interface TableOptions<K, V> extends SourceOptions<K, V>, TimeToLiveOption {
  /** The store of the rows, by name or with more. Default: kept when looked up, named by lineage. */
  readonly store?: string | TableStoreOptions | undefined
}

const SOURCE_OPTIONS = ['key', 'value', 'timestamp', 'offsetReset', 'name']

/**
 * Builds a topology: read topics, say what happens to their records, build.
 *
 * @see org.apache.kafka.streams.StreamsBuilder
 * @example
 * ```ts
 * const builder = new StreamsBuilder()
 * builder
 *   .stream('access-log', { value: text })
 *   .filter((_key, line) => line.includes(' 500 '))
 *   .to('server-errors')
 * const topology = builder.build()
 * console.log(topology.describe())
 * ```
 */
export class StreamsBuilder {
  readonly #graph = new Graph((place) => new KStream(place))
  readonly #sources: SourceNode[] = []
  readonly #requiresNames: boolean

  /** @param options - `requireNames` */
  constructor(options: BuilderOptions = {}) {
    checkOptions(options, 'new StreamsBuilder(...)', ['requireNames'])
    this.#requiresNames = options.requireNames ?? false
  }

  /**
   * Reads one or several topics as a stream.
   *
   * Without a serde a key or value is `Uint8Array | null`. With one, its type is what the serde
   * says; say `nullable(serde)` where null occurs.
   *
   * A topic may be read twice with the same options; the records are read once.
   *
   * A regular expression reads every topic whose whole name it matches when the application starts;
   * topics made later are read from its next start on.
   *
   * @param topic - the topic, or several that are read as one, or a regular expression
   * @param options - `key`, `value`, `timestamp`, `offsetReset`, `name`
   * @throws TypeError when a topic is already read with other options
   * @see org.apache.kafka.streams.Consumed
   * @example
   * ```ts
   * builder.stream('access-log', { value: text, timestamp: ({ value }) => parseTime(value) })
   * builder.stream(/sensor-\d+/, { value: text, name: 'sensors' })
   * ```
   */
  stream<K = Uint8Array | null, V = Uint8Array | null>(
    topic: string | readonly string[] | RegExp,
    options: SourceOptions<K, V> = {},
  ): KStream<K, V, 'key' | 'value' | 'partitioned'> {
    const call = `stream(${topic instanceof RegExp ? topic : typeof topic === 'string' ? show(topic) : '...'})`
    checkOptions(options, call, SOURCE_OPTIONS)
    return new KStream(this.#read(topic, options, call))
  }

  /**
   * Reads a topic as a table: the last value of a key is its row, null deletes it. A record without
   * a key is dropped, and counted.
   *
   * @param topic - the topic
   * @param options - `key`, `value`, `timestamp`, `offsetReset`, `store`, `name`
   * @throws TypeError when the topic is already read with other options, or the store's name is taken
   * @example
   * ```ts
   * const users = builder.table('users', { key: text, value: json<User>() })
   * ```
   */
  table<K = Uint8Array, V = Uint8Array>(
    topic: string,
    options: TableOptions<K, V> = {},
  ): KTable<Present<K>, V | null, 'key' | 'value'> {
    const call = `table(${show(topic)})`
    checkOptions(options, call, [...SOURCE_OPTIONS, 'store', 'ttl'])
    if (typeof topic !== 'string') {
      throw new TypeError(`topic of ${call} is ${show(topic)}; a table reads one topic`)
    }
    const store = readTableStoreOptions(options.store, call)
    const { name, ttl, ...source } = options
    const place: Place<Present<K>, V | null> = this.#read(topic, source, call)
    const node = this.#graph.name(store.name ?? place.lineage, 'table', name)
    const lineage = name ?? store.name ?? node
    return addTable(place, { name: node, lineage, store, ttl, call })
  }

  /**
   * Adds a store for processors: `process(processor, { stores: [name] })` connects it to one. The
   * same definition may be added again.
   *
   * @throws TypeError when its name is taken, and at `build` when no processor is connected to it
   * @see org.apache.kafka.streams.StreamsBuilder#addStateStore
   * @example
   * ```ts
   * builder.addStateStore(keyValueStore({ name: 'last-seen', key: text, value: int64 }))
   * clicks.process(() => ({ process(click) {} }), { stores: ['last-seen'] })
   * ```
   */
  addStateStore(definition: StoreDefinition): void {
    this.#graph.addStateStore(definition, 'addStateStore(...)')
  }

  /**
   * Adds a store that has the rows of a topic, for processors to look up: a key's last value, null
   * deletes it. A processor that names it sees it read-only, and is in its partition: keys of both are
   * partitioned alike, and the partition counts have to be equal.
   *
   * There is no changelog: rows that are lost come back from the topic, up to where it was processed.
   *
   * @param definition - `keyValueStore(...)`, whose serdes read the topic
   * @param topic - keeps the last value of each key, so it is compacted or never deletes
   * @throws TypeError when the store is not one of a row for each key, or the topic is already read with
   * other options
   * @see org.apache.kafka.streams.Topology#addReadOnlyStateStore, KIP-813
   * @example
   * ```ts
   * const rates = keyValueStore({ name: 'rates', key: text, value: float64 })
   * builder.addReadOnlyStore(rates, 'rates')
   * orders.process({
   *   stores: [rates],
   *   create: () => {
   *     let context: ProcessorContext<string, number>
   *     return {
   *       init(given) {
   *         context = given
   *       },
   *       async process(order) {
   *         const rate = await context.store(rates).get(order.key)
   *         await context.forward({ ...order, value: order.value.amount * (rate?.value ?? 1) })
   *       },
   *     }
   *   },
   * })
   * ```
   */
  addReadOnlyStore<K, V>(definition: TypedStore<KeyValueStore<K, V>>, topic: string): void {
    const call = `addReadOnlyStore(...) of ${show(topic)}`
    checkReadOnlyStore(definition, call)
    const { keySerde: key, valueSerde: value } = definition
    addReadOnlyStore(this.#read(checkTopic(topic, call), { key, value }, call), definition, call)
  }

  /**
   * Reads all partitions of a topic as a table in every process of the application, so that a stream
   * joins with it by any key. It is read to its end before records are processed, and updated while
   * they are; an update is not in step with the records.
   *
   * @param options - `key`, `value`, `timestamp`, `store`, `name`
   * @throws TypeError when the topic is read otherwise too, or the store's name is taken
   * @see org.apache.kafka.streams.StreamsBuilder#globalTable
   * @example
   * ```ts
   * const products = builder.globalTable('products', { key: text, value: json<Product>() })
   * ```
   */
  globalTable<K = Uint8Array, V = Uint8Array>(
    topic: string,
    options?: GlobalTableOptions<K, V>,
  ): GlobalKTable<K, V> {
    return addGlobalTable(this.#graph, topic, options)
  }

  /**
   * Adds a store that a processor fills from all partitions of a topic, in every process; processors
   * of tasks read it by `context.store(name)`, without being connected. At each start the topic is
   * processed again from its beginning.
   *
   * @param definition - such as `keyValueStore({ ... })`; the topic is read with its serdes
   * @param processor - makes the processor, which alone writes the store and forwards nothing
   * @see org.apache.kafka.streams.StreamsBuilder#addGlobalStore
   * @example
   * ```ts
   * const rates = keyValueStore({ name: 'rates', key: text, value: float64 })
   * builder.addGlobalStore(rates, 'rates', () => {
   *   let store: KeyValueStore<string, number>
   *   return {
   *     init(context) {
   *       store = context.store(rates)
   *     },
   *     process({ key, value, timestamp }) {
   *       store.put(key.toUpperCase(), value, timestamp)
   *     },
   *   }
   * })
   * ```
   */
  addGlobalStore<K, V>(
    definition: TypedStore<KeyValueStore<K, V>>,
    topic: string,
    processor: () => Processor<K, V, never, never>,
  ): void {
    addGlobalStore(this.#graph, definition, topic, processor)
  }

  /**
   * Checks the program and freezes it as a topology, for `Streams` or the test driver.
   *
   * @throws TypeError when the program reads no topic, or names are missing that are required
   * @example
   * ```ts
   * const topology = builder.build()
   * console.log(topology.describe())
   * ```
   */
  build(): Topology {
    const topology = this.#graph.build()
    if (this.#requiresNames) checkRequiredNames(topology, this.#graph)
    return topology
  }

  /** The source that reads these topics so, the one there is or a new one. */
  #read<K, V, KOut = K, VOut = V>(
    topic: string | readonly string[] | RegExp,
    options: SourceOptions<K, V>,
    call: string,
  ): Place<KOut, VOut> {
    const isPattern = topic instanceof RegExp
    const topics = isPattern ? [String(topic)] : checkTopics(topic, call)
    checkSourceOptions(options, call)
    const node = {
      kind: 'source',
      topics,
      ...(isPattern ? { pattern: checkPattern(topic, call) } : {}),
      keySerde: options.key ?? bytes,
      valueSerde: options.value ?? bytes,
      timestamp: (options.timestamp ?? null) as SourceNode['timestamp'],
      offsetReset: offsetResetOf(options, call),
    } as const
    const source = this.#sameSource(node, call) ?? this.#addSource(node, options.name, call)
    return {
      graph: this.#graph,
      node: source.name,
      lineage: options.name ?? source.name,
      topics,
      key: node.keySerde as Serde<unknown> as Serde<KOut>,
      value: node.valueSerde as Serde<unknown> as Serde<VOut>,
      rekeyed: false,
    }
  }

  #addSource(node: Omit<SourceNode, 'name'>, name: string | undefined, call: string): SourceNode {
    const { operators } = this.#graph
    const taken =
      name === undefined
        ? operators.derive(node.topics.map(nameOfTopic).join('-'), call)
        : operators.take(name, call)
    const source = { ...node, name: taken }
    this.#graph.add(() => source)
    this.#sources.push(source)
    return source
  }

  /** A source of the same topics that reads them in the same way. */
  #sameSource(node: Omit<SourceNode, 'name'>, call: string): SourceNode | undefined {
    for (const source of this.#sources) {
      const shared = source.topics.filter((topic) => node.topics.includes(topic))
      if (shared.length === 0) continue
      const difference = differenceOf(source, node)
      if (difference === null) return source
      throw new TypeError(
        `${call} reads topic '${shared[0]}', which source '${source.name}' reads with other ${difference}; use that stream, or read both in the same way`,
      )
    }
    return undefined
  }
}

/** What two sources of a topic differ in, or null. */
function differenceOf(
  source: Omit<SourceNode, 'name'>,
  other: Omit<SourceNode, 'name'>,
): string | null {
  if (source.topics.join() !== other.topics.join()) return 'topics beside it'
  if (source.keySerde !== other.keySerde) return 'key serde'
  if (source.valueSerde !== other.valueSerde) return 'value serde'
  if (source.timestamp !== other.timestamp) return 'timestamp function'
  if (source.offsetReset !== other.offsetReset) return 'offset reset'
  return null
}

function checkTopics(topic: string | readonly string[], call: string): readonly string[] {
  if (typeof topic === 'string') return [checkTopic(topic, call)]
  if (!Array.isArray(topic) || topic.length === 0) {
    throw new TypeError(
      `topic of ${call} is ${show(topic)}; pass a topic, or an array of at least one`,
    )
  }
  const topics = topic.map((name) => checkTopic(name, call))
  return [...new Set(topics)]
}

function checkSourceOptions<K, V>(options: SourceOptions<K, V>, call: string): void {
  const { timestamp } = options
  if (timestamp !== undefined) {
    checkFunction(timestamp, call, 'option timestamp', '({ value }) => value.time')
  }
}

function offsetResetOf<K, V>(
  { offsetReset = 'earliest' }: SourceOptions<K, V>,
  call: string,
): OffsetReset {
  const option = `option offsetReset of ${call}`
  if (typeof offsetReset === 'object' && offsetReset !== null && 'ago' in offsetReset) {
    return milliseconds(offsetReset.ago, `ago of ${option}`)
  }
  if (['earliest', 'latest', 'none'].includes(offsetReset)) return offsetReset
  throw new TypeError(
    `${option} is ${show(offsetReset)}; pass 'earliest', 'latest', 'none' or { ago: '1h' }`,
  )
}

/** A pattern keeps no position between two uses. */
function checkPattern(pattern: RegExp, call: string): RegExp {
  if (!pattern.global && !pattern.sticky) return pattern
  throw new TypeError(
    `topic of ${call} is ${String(pattern)}; leave out the flags g and y, a pattern matches whole names`,
  )
}

/** What a source is called after: its topic, or what of its pattern can be in a name. */
function nameOfTopic(topic: string): string {
  const readable = topic.replace(/[^A-Za-z0-9_]+/g, '-').replace(/^-+|-+$/g, '')
  return topic.startsWith('/') ? readable || 'pattern' : topic
}
