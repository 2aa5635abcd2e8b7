/**
 * KStream: a stream of records, and the verbs on it: here those that bring records together or lead
 * elsewhere, in `stream-steps.ts` those that take one record at a time.
 *
 * Journey: StreamsBuilder.stream -> [KStream] -> ... -> to(...), foreach(...), or a table.
 *
 * Invariants:
 * - A verb changes no stream: it adds one node to the program and gives a new stream.
 * - Functions of a value only take the value first, `(value, key)`; all others take `(key, value)`.
 */

import * as operators from '../operators/transform.ts'
import type { StreamRecord } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { RecordContext } from '../topology/processor.ts'
import type { Partitioner, SinkNode } from '../topology/topology.ts'
import { checkFunction, checkOptions, checkTopic } from './arguments.ts'
import { type BranchPredicate, type BranchValue, readBranches } from './branches.ts'
import { type GlobalJoinOptions, GlobalKTable, joinGlobal } from './global-k-table.ts'
import { extend, type Place } from './graph.ts'
import { grouping } from './grouping.ts'
import {
  checkOther,
  joinStreams,
  joinTable,
  type StreamJoinVerb,
  type TableJoinOptions,
  type WindowJoinOptions,
} from './joins.ts'
import { KGroupedStream } from './k-grouped-stream.ts'
import { addTable, KTable, type NameOptions } from './k-table.ts'
import { repartitionThrough } from './repartition.ts'
import {
  type KeyOption,
  type OptionalKey,
  type OptionsArgument,
  type OtherValueOption,
  type Present,
  type RepartitionSerdes,
  type RequiredKey,
  type RequiredValue,
  type SerdeOptions,
  type StreamTraits,
  serdeFor,
  type TableTraits,
  type ValueOption,
} from './serde-options.ts'
import type {
  GroupOptions,
  RepartitionOptions,
  SinkOptions,
  SplitOptions,
  ToTableOptions,
} from './stream-options.ts'
import { StreamSteps } from './stream-steps.ts'
import type { TableParts } from './table-view.ts'
import { readTableStoreOptions } from './versioned.ts'
import { windowedPartitioner } from './windowed-partitioner.ts'

/** What is known of two streams merged: what holds for both, with the first one's serdes. */
type MergedTraits<K, V, Has, K2, V2, Has2> =
  | ('key' extends Has & Has2 ? ([K2] extends [K] ? 'key' : never) : never)
  | ('value' extends Has & Has2 ? ([V2] extends [V] ? 'value' : never) : never)
  | Extract<Has & Has2, 'partitioned'>

/** Options of a windowed join with a stream. */
type StreamJoinOptions<K, V, Has, O, HasOther> = WindowJoinOptions &
  KeyOption<K, Has> &
  ValueOption<V, Has> &
  OtherValueOption<O, HasOther>

/** What is known after a join with a table. */
type TableJoinTraits<Has> = Extract<Has, 'key'> | 'partitioned'

/**
 * A stream of records: each record stands for itself. Made by `StreamsBuilder.stream`, and by
 * every verb on a stream.
 *
 * `K` and `V` are the types of key and value. `Has` says which serdes are known and whether keys
 * are still as they were read; it is inferred. A function that takes any stream of a type writes
 * `KStream<string, Hit>`; one that needs the serdes known writes `KStream<string, Hit, 'key' | 'value'>`.
 *
 * @see org.apache.kafka.streams.kstream.KStream
 * @example
 * ```ts
 * builder
 *   .stream('lines', { value: text })
 *   .flatMapValues((line) => line.toLowerCase().split(' '))
 *   .groupBy((_key, word) => word)
 *   .count()
 *   .toStream()
 *   .to('word-counts')
 * ```
 */
export class KStream<K, V, Has extends StreamTraits = never> extends StreamSteps<K, V, Has> {
  /**
   * Brings the records of two streams together, in no particular order between them. Where both
   * have serdes, those of this stream go on.
   *
   * @example
   * ```ts
   * const hits = webHits.merge(appHits)
   * ```
   */
  merge<K2, V2, Has2 extends StreamTraits>(
    other: KStream<K2, V2, Has2>,
    options?: NameOptions,
  ): KStream<K | K2, V | V2, MergedTraits<K, V, Has, K2, V2, Has2>> {
    const call = this.#call('merge')
    checkOptions(options, call, ['name'])
    const left = this.place
    checkOther(left.graph, other, { call, kinds: 'a stream', isKind: other instanceof KStream })
    const right = other.place
    const { graph } = left
    const name = graph.name(left.lineage, 'merge', options?.name)
    const pass = { create: operators.passThrough(), keepsKey: true, keepsValue: true }
    // A stream merged with itself is that stream, as in Kafka Streams.
    graph.addProcessor(name, [...new Set([left.node, right.node])], pass)
    return new KStream<K | K2, V | V2, MergedTraits<K, V, Has, K2, V2, Has2>>({
      graph,
      node: name,
      lineage: name,
      topics: [...new Set([...left.topics, ...right.topics])],
      key: right.key === null ? null : left.key,
      value: right.value === null ? null : left.value,
      // Keys of one type written in two ways lie in different partitions.
      rekeyed: left.rekeyed || right.rekeyed || left.key?.name !== right.key?.name,
    })
  }

  /**
   * Sends each record to the first branch whose predicate holds, and only to that one. A type
   * guard narrows the values of its branch.
   *
   * @param branches - predicates by the names of their branches, tried in this order
   * @param options - `default` names a branch for the rest, which is left out otherwise
   * @returns the branches as streams, by name
   * @see org.apache.kafka.streams.kstream.BranchedKStream
   * @example
   * ```ts
   * const { failed, slow, rest } = hits.split(
   *   { failed: (_key, hit) => hit.status >= 500, slow: (_key, hit) => hit.ms > 1000 },
   *   { default: 'rest' },
   * )
   * ```
   */
  split<Branches extends Record<string, BranchPredicate<K, V>>, Rest extends string = never>(
    branches: Branches,
    options?: SplitOptions<Rest>,
  ): { readonly [Name in keyof Branches]: KStream<K, BranchValue<Branches[Name], V>, Has> } & {
    readonly [Name in Rest]: KStream<K, V, Has>
  } {
    const call = this.#call('split')
    checkOptions(options, call, ['default', 'name'])
    const predicates = readBranches<K, V>(branches, options?.default, call)
    const { graph, node, lineage } = this.place
    const name = graph.name(lineage, 'split', options?.name)
    const childOf = (branch: string): string => graph.operators.derive(`${name}-${branch}`, call)
    const children = predicates.map(({ branch, predicate }) => ({
      branch,
      child: childOf(branch),
      predicate,
    }))
    const rest = options?.default
    const restChild = rest === undefined ? null : childOf(rest)
    const keeps = { keepsKey: true, keepsValue: true }
    graph.addProcessor(name, [node], { create: operators.branch(children, restChild), ...keeps })
    const streams: Record<string, KStream<K, V, Has>> = {}
    const open = (branch: string, child: string): void => {
      graph.addProcessor(child, [name], { create: operators.passThrough(), ...keeps })
      streams[branch] = new KStream({ ...this.place, node: child, lineage: child })
    }
    for (const { branch, child } of children) open(branch, child)
    if (rest !== undefined && restChild !== null) open(rest, restChild)
    return Object.freeze(streams) as never
  }

  /**
   * Sends the stream through a topic of the application, so that records with one key meet in one
   * partition, or to have more partitions. Records without a key are dropped, and counted.
   *
   * A stateful verb below a re-keyed stream does this by itself.
   *
   * @param options - `name` (the topic is `<name>-repartition`), `key`, `value`, `partitions`, `partitioner`
   * @see org.apache.kafka.streams.kstream.Repartitioned
   * @example
   * ```ts
   * hits
   *   .selectKey((_key, hit) => hit.path)
   *   .repartition({ name: 'by-path', value: json<Hit>(), partitions: 8 })
   * ```
   */
  repartition(
    ...[options]: OptionsArgument<
      RepartitionOptions<K, V> & KeyOption<K, Has> & ValueOption<V, Has>
    >
  ): KStream<Present<K>, V, 'key' | 'value' | 'partitioned'> {
    const call = this.#call('repartition')
    checkOptions(options, call, ['name', 'key', 'value', 'partitions', 'partitioner'])
    const { graph, lineage } = this.place
    const place = repartitionThrough(this.place, {
      name: options?.name ?? graph.repartitionName(lineage, 'through', call),
      call,
      ...this.#serdes(options, call),
      partitions: options?.partitions,
      partitioner: options?.partitioner as Partitioner<Present<K>, V> | undefined,
    })
    return new KStream(place)
  }

  /**
   * Writes the stream to a topic; it ends here. A topic that does not exist is created, with as many
   * partitions as the tasks that write it; one that a function chooses has to exist.
   *
   * @param topic - its name, or a function that chooses it for each record, and is given its context too
   * @param options - `key` and `value` (required where no serde is known), `partitioner`, `name`
   * @see org.apache.kafka.streams.kstream.Produced
   * @example
   * ```ts
   * hits.to('hits-parsed', { value: json<Hit>() })
   * alerts.to((alert) => `alerts-${alert.value.severity}`)
   * ```
   */
  to(
    topic: string | ((record: StreamRecord<K, V>, context: RecordContext) => string),
    ...[options]: OptionsArgument<SinkOptions<K, V> & KeyOption<K, Has> & ValueOption<V, Has>>
  ): void {
    const call =
      typeof topic === 'string' ? `to('${topic}') on '${this.place.lineage}'` : this.#call('to')
    checkOptions(options, call, ['key', 'value', 'partitioner', 'name'])
    if (typeof topic !== 'function') checkTopic(topic, call)
    const { graph, node, lineage } = this.place
    const key = serdeFor(options?.key, this.place.key, call, 'key')
    const sink = {
      kind: 'sink',
      name: graph.name(lineage, 'to', options?.name),
      upstream: [node],
      topic: topic as SinkNode['topic'],
      keySerde: key,
      valueSerde: serdeFor(options?.value, this.place.value, call, 'value'),
      partitioner: (options?.partitioner ?? windowedPartitioner(key)) as SinkNode['partitioner'],
    } as const
    graph.add(() => sink)
  }

  /**
   * Reads the stream as changes of a table: the last value of a key is its row, null deletes it.
   * Records without a key are dropped, and counted. A re-keyed stream is repartitioned first.
   *
   * @param options - `store`, `key`, `value`, `name`
   * @example
   * ```ts
   * const profiles = updates.toTable({ store: 'profiles' })
   * ```
   */
  toTable(
    ...[options]: OptionsArgument<ToTableOptions & KeyOption<K, Has> & ValueOption<V, Has>>
  ): KTable<Present<K>, V, 'key' | 'value'> {
    const call = this.#call('toTable')
    checkOptions(options, call, ['store', 'ttl', 'key', 'value', 'name'])
    const { graph, lineage } = this.place
    const { key, value } = this.#serdes(options, call)
    const store = readTableStoreOptions(options?.store, call)
    const name = graph.name(store.name ?? lineage, 'toTable', options?.name)
    const keyed: Place<Present<K>, V> = { ...this.place, key, value } as Place<Present<K>, V>
    const input = keyed.rekeyed ? repartitionThrough(keyed, { name, call, key, value }) : keyed
    const below = options?.name ?? store.name ?? name
    return addTable(input, { name, lineage: below, store, ttl: options?.ttl, call })
  }

  /**
   * Groups the records by the key they have. A re-keyed stream is repartitioned before the first
   * aggregation; then the value needs a serde too.
   *
   * @param options - `key`, `value`, `name`, `partitions`
   * @see org.apache.kafka.streams.kstream.Grouped
   * @example
   * ```ts
   * readings.groupByKey().count({ store: 'readings-per-sensor' })
   * ```
   */
  groupByKey(
    options: GroupOptions & KeyOption<K, Has> & RequiredValue<V>,
  ): KGroupedStream<Present<K>, V, 'key' | 'value'>
  groupByKey(
    ...options: OptionsArgument<GroupOptions & KeyOption<K, Has> & RepartitionSerdes<K, V, Has>>
  ): KGroupedStream<Present<K>, V, 'key' | Extract<Has, 'value'>>
  groupByKey(
    options?: GroupOptions & SerdeOptions<K, V>,
  ): KGroupedStream<Present<K>, V, 'key' | 'value'> {
    const call = this.#call('groupByKey')
    checkOptions(options, call, ['key', 'value', 'name', 'partitions'])
    const { graph, lineage } = this.place
    const derived = (): string => graph.repartitionName(lineage, 'groupByKey', call)
    return new KGroupedStream(grouping(this.place, { lineage: derived, call, options }))
  }

  /**
   * Groups the records by a new key; they go through a repartition topic before the first
   * aggregation. A null key is dropped there, and counted.
   *
   * @param selector - gives the new key
   * @param options - `key` and `value` (required where no serde is known), `name`, `partitions`
   * @see org.apache.kafka.streams.kstream.Grouped
   * @example
   * ```ts
   * hits.groupBy((_key, hit) => hit.path, { value: json<Hit>() }).count()
   * ```
   */
  groupBy<KOut extends string | null>(
    selector: (key: K, value: V, context: RecordContext) => KOut,
    ...options: OptionsArgument<GroupOptions & OptionalKey<KOut> & ValueOption<V, Has>>
  ): KGroupedStream<Present<KOut>, V, 'key' | 'value'>
  groupBy<KOut>(
    selector: (key: K, value: V, context: RecordContext) => KOut,
    options: GroupOptions & RequiredKey<KOut> & ValueOption<V, Has>,
  ): KGroupedStream<Present<KOut>, V, 'key' | 'value'>
  groupBy<KOut>(
    selector: (key: K, value: V, context: RecordContext) => KOut,
    options?: GroupOptions & SerdeOptions<KOut, V>,
  ): KGroupedStream<Present<KOut>, V, 'key' | 'value'> {
    const call = this.#call('groupBy')
    checkFunction(selector, call, 'selector', '(key, value) => value.id')
    checkOptions(options, call, ['key', 'value', 'name', 'partitions'])
    const place = extend<KOut, V>(this.place, {
      verb: 'groupBy',
      name: options?.name,
      create: operators.selectKey(selector),
      keepsKey: false,
      keepsValue: true,
    })
    return new KGroupedStream(grouping(place, { lineage: () => place.lineage, call, options }))
  }

  /**
   * Joins with another stream: each pair of records with one key whose times lie within the window
   * gives a result, at the later of the two times. A record meets each record of the other side,
   * whichever comes first.
   *
   * Or joins with a table: each record is joined with the row its key has at that moment; a record
   * without a row is left out. An update of the table alone causes no result. Of a global table the
   * row of any key is looked up: the option `key` makes it of each record.
   *
   * Records without a key or without a value are dropped, and counted. Re-keyed streams are
   * repartitioned first. Both sides must have equal partition counts.
   *
   * @param other - a stream or a table
   * @param joiner - takes this stream's value, the other's, and the key
   * @param options - with a stream `within` or `before` and `after`, `grace`, `store`; `key`, `value`
   * and `otherValue` (required where no serde is known), `name`, `partitions`
   * @see org.apache.kafka.streams.kstream.JoinWindows
   * @example
   * ```ts
   * impressions.join(clicks, (impression, click) => ({ ...impression, at: click.at }), { within: '10m' })
   * orders.join(customers, (order, customer) => ({ ...order, city: customer.city }))
   * ```
   */
  join<O, HasOther extends StreamTraits, R>(
    other: KStream<K, O, HasOther>,
    joiner: (value: Present<V>, other: Present<O>, key: Present<K>) => R,
    ...options: OptionsArgument<StreamJoinOptions<K, V, Has, NoInfer<O>, HasOther>>
  ): KStream<Present<K>, R, 'key' | 'partitioned'>
  join<T, HasTable extends TableTraits, R>(
    other: KTable<Present<K>, T, HasTable>,
    joiner: (value: Present<V>, row: Present<T>, key: Present<K>) => R,
    ...options: OptionsArgument<TableJoinOptions & RepartitionSerdes<K, V, Has>>
  ): KStream<Present<K>, R, TableJoinTraits<Has>>
  join<TableKey, T, R>(
    other: GlobalKTable<TableKey, T>,
    joiner: (value: Present<V>, row: Present<T>, key: K) => R,
    options: GlobalJoinOptions<K, Present<V>, TableKey>,
  ): KStream<K, R, Exclude<Has, 'value'>>
  join(other: object, joiner: (...values: never[]) => unknown, options?: object): object {
    return this.#join('join', other, joiner as Joiner, options)
  }

  /**
   * Joins as `join` does, and joins with null what finds no match: with a stream, a record of this
   * side once stream time has passed its window and the grace, and at once when it has no key; with
   * a table, a record whose key has no row, or that has no key.
   *
   * @param other - a stream or a table
   * @param joiner - takes this stream's value, the other's or null, and the key
   * @param options - as for `join`
   * @example
   * ```ts
   * clicks.leftJoin(users, (click, user) => ({ ...click, name: user?.name ?? 'unknown' }))
   * ```
   */
  leftJoin<O, HasOther extends StreamTraits, R>(
    other: KStream<K, O, HasOther>,
    joiner: (value: Present<V>, other: Present<O> | null, key: K) => R,
    ...options: OptionsArgument<StreamJoinOptions<K, V, Has, NoInfer<O>, HasOther>>
  ): KStream<K, R, 'key' | 'partitioned'>
  leftJoin<T, HasTable extends TableTraits, R>(
    other: KTable<Present<K>, T, HasTable>,
    joiner: (value: Present<V>, row: Present<T> | null, key: K) => R,
    ...options: OptionsArgument<TableJoinOptions & RepartitionSerdes<K, V, Has>>
  ): KStream<K, R, TableJoinTraits<Has>>
  leftJoin<TableKey, T, R>(
    other: GlobalKTable<TableKey, T>,
    joiner: (value: Present<V>, row: Present<T> | null, key: K) => R,
    options: GlobalJoinOptions<K, Present<V>, TableKey>,
  ): KStream<K, R, Exclude<Has, 'value'>>
  leftJoin(other: object, joiner: (...values: never[]) => unknown, options?: object): object {
    return this.#join('leftJoin', other, joiner as Joiner, options)
  }

  /**
   * Joins with another stream as `leftJoin` does, and joins with null what finds no match on either
   * side.
   *
   * @param joiner - takes this stream's value or null, the other's or null (never both), and the key
   * @see org.apache.kafka.streams.kstream.JoinWindows
   * @example
   * ```ts
   * impressions.outerJoin(clicks, (seen, click) => ({ seen, click }), { within: '1h', grace: '5m' })
   * ```
   */
  outerJoin<O, HasOther extends StreamTraits, R>(
    other: KStream<K, O, HasOther>,
    joiner: (value: Present<V> | null, other: Present<O> | null, key: K) => R,
    ...[options]: OptionsArgument<StreamJoinOptions<K, V, Has, NoInfer<O>, HasOther>>
  ): KStream<K, R, 'key' | 'partitioned'> {
    return this.#join('outerJoin', other, joiner as Joiner, options) as never
  }

  #join(verb: StreamJoinVerb, other: object, joiner: Joiner, options?: object): object {
    const isTable = other instanceof KTable && verb !== 'outerJoin'
    const isGlobal = other instanceof GlobalKTable && verb !== 'outerJoin'
    const isKind = isTable || isGlobal || other instanceof KStream
    const kinds = verb === 'outerJoin' ? 'a stream' : 'a stream or a table'
    checkOther(this.place.graph, other, { call: this.#call(verb), kinds, isKind })
    if (isGlobal) {
      return new KStream(joinGlobal(this.place, other, { verb, joiner, options: options as never }))
    }
    if (isTable) return new KStream(this.#joinTable(other, joiner, verb === 'leftJoin', options))
    const right = (other as KStream<unknown, unknown>).place
    const left = this.place as Place<unknown, unknown>
    return new KStream(joinStreams(left, right, joiner, options, verb))
  }

  #joinTable<KOut, VOut>(
    table: TableParts<unknown, unknown>,
    joiner: Joiner,
    left: boolean,
    options: object | undefined,
  ): Place<KOut, VOut> {
    const stream = this.place as Place<unknown, unknown>
    const joined = joinTable(stream, { table, joiner, left, options })
    return joined as Place<KOut, VOut>
  }

  #call(verb: string): string {
    return `${verb}(...) on '${this.place.lineage}'`
  }

  /** The serdes to write this stream with, null keys aside: those passed, those known, or text. */
  #serdes(
    options: SerdeOptions<K, V> | undefined,
    call: string,
  ): { key: Serde<Present<K>>; value: Serde<V> } {
    return {
      key: serdeFor(options?.key, this.place.key, call, 'key') as Serde<Present<K>>,
      value: serdeFor(options?.value, this.place.value, call, 'value'),
    }
  }
}

type Joiner = (value: unknown, other: unknown, key: unknown) => unknown
