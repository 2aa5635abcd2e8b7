/**
 * A join of two tables by a foreign key, as nodes, stores and topics: many rows on the left may name
 * one row on the right, in whatever partition it lies.
 *
 *   left table  -> subscribe -> [subscription topic] -> subscribed -\
 *                                        subscriptions, right rows    -> [response topic] -> joined
 *   right table -> changed ----------------------------------------/                        -> result
 *
 * Journey: KTable.join with `foreignKey` -> [foreign-key join] -> graph.
 *
 * Invariants:
 * - The subscription topic has as many partitions as the right table, the response topic as the left.
 * - Responses go to the partition that the left row lies in, whatever chose it.
 */
import { foreignTable } from '../operators/foreign-key-join/foreign-table.ts'
import {
  rangeSerde,
  responseSerde,
  subscriptionSerde,
} from '../operators/foreign-key-join/messages.ts'
import { responseJoin } from '../operators/foreign-key-join/response-join.ts'
import { subscriptionJoin } from '../operators/foreign-key-join/subscription-join.ts'
import { subscriptionSend } from '../operators/foreign-key-join/subscription-send.ts'
import { tableSource } from '../operators/table-source.ts'
import type { Serde } from '../record/serde.ts'
import { int32 } from '../record/serdes.ts'
import type { Partitioner, SinkNode, SourceNode } from '../topology/topology.ts'
import { checkFunction, checkOptions, checkSerde } from './arguments.ts'
import type { Graph, Place } from './graph.ts'
import { type OptionalKey, type Present, type RequiredKey, serdeFor } from './serde-options.ts'
import { storeBasics } from './store-options.ts'
import { keepVersions, nameResult } from './table-verbs.ts'
import { storedView, type TableParts } from './table-view.ts'
import type { TableStoreOptions } from './versioned.ts'
import { windowedPartitioner } from './windowed-partitioner.ts'

/** Options of a join by foreign key, serdes aside. */
export interface ForeignKeyJoinOptions<K, V, F> {
  /** The key of the other table that a row names; null when it names none. */
  readonly foreignKey: (row: Present<V>, key: K) => F | null | undefined
  /** Name of the operator and of its two topics and its store. Default: its lineage. */
  readonly name?: string | undefined
  /**
   * In which partition, 0 to `partitions - 1`, the other table has the row of a key; as its topic is
   * written, where that is not by the hash of the key. Answers find their way back without.
   *
   * @see org.apache.kafka.streams.kstream.TableJoined
   */
  readonly otherPartitioner?: ((key: F, partitions: number) => number) | undefined
}

interface OptionalRowValue<V> {
  /** Serde of this table's rows. Default: the table's, where it is known; text for strings. */
  readonly rowValue?: Serde<V> | undefined
}

interface RequiredRowValue<V> {
  /** Serde of this table's rows: none is known for this type. */
  readonly rowValue: Serde<V>
}

interface OptionalOther<F, O> {
  /** Serde of the other table's key. Default: the table's. */
  readonly otherKey?: Serde<F> | undefined
  /** Serde of the other table's rows. Default: the table's, where it is known; text for strings. */
  readonly otherValue?: Serde<O> | undefined
}

interface RequiredOtherKey<F> {
  /** Serde of the other table's key: none is known for this type. */
  readonly otherKey: Serde<F>
}

interface RequiredOtherRow<O> {
  /** Serde of the other table's rows: none is known for this type. */
  readonly otherValue: Serde<O>
}

type Knows<Trait, T, Has> = Trait extends Has ? true : [Present<T>] extends [string] ? true : false

/** The serdes a join by foreign key writes with, required where a table has none. */
type ForeignKeySerdes<K, V, F, O, Has, HasOther> = (Knows<'key', K, Has> extends true
  ? OptionalKey<K>
  : RequiredKey<K>) &
  (Knows<'value', V, Has> extends true
    ? OptionalRowValue<Present<V>>
    : RequiredRowValue<Present<V>>) &
  OptionalOther<F, Present<O>> &
  (Knows<'key', F, HasOther> extends true ? unknown : RequiredOtherKey<F>) &
  (Knows<'value', O, HasOther> extends true ? unknown : RequiredOtherRow<Present<O>>)

/** Options of a join by foreign key, with those serdes that its tables lack. */
export type ForeignKeyOptions<K, V, F, O, Has, HasOther> = ForeignKeyJoinOptions<K, V, F> &
  ForeignKeySerdes<K, V, F, O, Has, HasOther>

/** What the implementation sees: the types have asked for what is needed. */
interface PlanOptions<K, V, F, O, R> {
  readonly foreignKey: (row: V, key: K) => F | null
  readonly name?: string | undefined
  readonly otherPartitioner?: ((key: F, partitions: number) => number) | undefined
  readonly store?: string | TableStoreOptions | undefined
  readonly key?: Serde<K> | undefined
  readonly value?: Serde<R> | undefined
  readonly rowValue?: Serde<V> | undefined
  readonly otherKey?: Serde<F> | undefined
  readonly otherValue?: Serde<O> | undefined
}

export interface ForeignKeyJoinPlan<K, V, F, O, R> {
  readonly verb: 'join' | 'leftJoin'
  readonly joiner: (row: V, other: O | null, key: K) => R
  readonly options: PlanOptions<K, V, F, O, R>
}

/** True for a join that is by foreign key. */
export function namesForeignKey<K, R>(plan: {
  readonly verb: string
  readonly joiner: (row: unknown, other: unknown, key: K) => R
  readonly options: object | undefined
}): plan is ForeignKeyJoinPlan<K, unknown, unknown, unknown, R> {
  return (
    plan.verb !== 'outerJoin' &&
    typeof plan.options === 'object' &&
    plan.options !== null &&
    'foreignKey' in plan.options
  )
}

const OPTIONS = [
  'foreignKey',
  'name',
  'otherPartitioner',
  'store',
  'key',
  'value',
  'rowValue',
  'otherKey',
  'otherValue',
]

/** Joins a table with the rows of another that its rows name. */
export function joinByForeignKey<K, V, F, O, R>(
  left: TableParts<K, V>,
  right: TableParts<F, O>,
  { verb, joiner, options }: ForeignKeyJoinPlan<K, V, F, O, R>,
): TableParts<K, R> {
  const { graph, lineage } = left.place
  const call = `${verb}(...) on '${lineage}'`
  checkForeignKeyOptions(options, joiner, call)
  const isLeft = verb === 'leftJoin'
  const serdes = serdesOf(left.place, right.place, { options, call })
  left.view.keepBefore(true)
  right.view.keepBefore(true)
  const putsRows = left.view.keepBytes?.() === true
  right.view.keepBytes?.()
  const lefts = left.view.lookUp(call)
  const rights = right.view.lookUp(call)

  const value = options.value ?? null
  const named = nameResult(left.place, { verb, call, options, key: serdes.key, value })
  const { name, rows } = named
  const ofJoin = (part: string) => graph.operators.derive(`${name}-${part}`, call)
  const subscribe = ofJoin('subscribe')
  const subscriptionTopic = passage(graph, { name, part: 'subscription', call })
  const responseTopic = passage(graph, { name, part: 'response', call })
  graph.addCoPartitioning([subscriptionTopic.topic, ...right.place.topics], call)
  graph.addCoPartitioning([responseTopic.topic, ...left.place.topics], call)
  const subscriptions = graph.addStore({
    kind: 'subscription',
    ...storeBasics(graph, {}, `${name}-subscriptions`, call),
    storage: rows.definition.storage,
    keySerde: serdes.otherKey as Serde<unknown>,
    valueSerde: serdes.key as Serde<unknown>,
  })

  const ending = isLeft
    ? []
    : [
        graph.addStore({
          kind: 'key-value',
          ...storeBasics(graph, {}, `${name}-ending`, call),
          storage: rows.definition.storage,
          keySerde: serdes.key as Serde<unknown>,
          valueSerde: int32 as Serde<unknown>,
          keepsBefore: false,
        }),
      ]
  const ofLeft = {
    ...serdes,
    foreignKey: options.foreignKey,
    left: isLeft,
    ending: ending[0]?.definition.name ?? null,
  }

  // The nodes stand in the order of Kafka's: of a table joined with itself, the left side is first.
  graph.addProcessor(subscribe, [left.place.node], {
    create: subscriptionSend({ ...ofLeft, put: putsRows ? lefts.open : null }),
    stores: putsRows ? [...lefts.stores, ...ending] : ending,
  })
  addPassage(graph, subscriptionTopic, {
    upstream: [subscribe],
    written: { key: serdes.otherKey, value: subscriptionSerde },
    read: { key: serdes.otherKey, value: subscriptionSerde },
    partitioner: subscriptionPartitioner(options.otherPartitioner, serdes.otherKey),
  })
  const subscribed = ofJoin('subscribed')
  graph.addProcessor(subscribed, [subscriptionTopic.source], {
    create: subscriptionJoin({
      ...serdes,
      store: subscriptions.definition.name,
      others: rights.open,
    }),
    stores: [subscriptions, ...rights.stores],
  })
  const changed = ofJoin('changed')
  const response = responseSerde(serdes.otherValue as Serde<unknown>)
  graph.addProcessor(changed, [right.place.node], {
    create: foreignTable({ ...serdes, store: subscriptions.definition.name }),
    stores: [subscriptions],
  })
  addPassage(graph, responseTopic, {
    upstream: [subscribed, changed],
    written: { key: rangeSerde, value: response },
    read: { key: serdes.key, value: response },
    partitioner: ({ value }) => value.partition,
  })
  const joined = ofJoin('joined')
  graph.addProcessor(joined, [responseTopic.source], {
    create: responseJoin({ ...ofLeft, rows: lefts.open, joiner }),
    stores: [...lefts.stores, ...ending],
    keepsKey: true,
  })
  graph.addTableProcessor(name, joined, rows, {
    create: ({ store, kept, keepsBefore }) =>
      tableSource({ store: kept ? store : null, keepsBefore }),
    keepsKey: true,
  })
  const place: Place<K, R> = {
    graph,
    node: name,
    lineage: named.lineage,
    topics: [responseTopic.topic],
    key: serdes.key,
    value,
    rekeyed: false,
  }
  return keepVersions({ place, view: storedView(rows) }, named, call)
}

function checkForeignKeyOptions(options: object, joiner: unknown, call: string): void {
  checkOptions(options, call, OPTIONS)
  const { foreignKey, ...rest } = options as Record<string, unknown>
  checkFunction(foreignKey, call, 'option foreignKey', '(row, key) => row.customer')
  checkFunction(joiner, call, 'joiner', '(row, other, key) => ({ ...row, ...other })')
  if (rest.otherPartitioner !== undefined) {
    const example = '(key, partitions) => key.length % partitions'
    checkFunction(rest.otherPartitioner, call, 'option otherPartitioner', example)
  }
  for (const option of ['rowValue', 'otherKey']) {
    if (rest[option] !== undefined) checkSerde(rest[option], call, option)
  }
}

interface JoinSerdes<K, V, F, O> {
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly otherKey: Serde<F>
  readonly otherValue: Serde<O>
}

/** How both sides are written: the option, what the table knows, or text. */
function serdesOf<K, V, F, O, R>(
  left: Place<K, V>,
  right: Place<F, O>,
  { options, call }: { readonly options: PlanOptions<K, V, F, O, R>; readonly call: string },
): JoinSerdes<K, V, F, O> {
  return {
    key: serdeFor(options.key, left.key, call, 'key'),
    value: serdeFor(options.rowValue, left.value, call, 'rowValue'),
    otherKey: serdeFor(options.otherKey, right.key, call, 'otherKey'),
    otherValue: serdeFor(options.otherValue, right.value, call, 'otherValue'),
  }
}

/** The names of a topic between the two sides, and of the nodes at its ends. */
interface Passage {
  readonly topic: string
  readonly sink: string
  readonly source: string
}

function passage(
  graph: Graph,
  { name, part, call }: { readonly name: string; readonly part: string; readonly call: string },
): Passage {
  const topic = `${name}-${part}-repartition`
  graph.addRepartitionTopic({ name: topic, partitions: null }, call)
  const sink = graph.operators.derive(`${topic}-sink`, call)
  const source = graph.operators.derive(`${topic}-source`, call)
  return { topic, sink, source }
}

/** To where the other table has the row of a key. */
function subscriptionPartitioner<F, V>(
  choose: ((key: F, partitions: number) => number) | undefined,
  key: Serde<F>,
): Partitioner<F, V> | null {
  if (choose === undefined) return windowedPartitioner(key)
  return (record, partitions) => choose(record.key, partitions)
}

interface PassageEnds<K, V> {
  readonly upstream: readonly string[]
  readonly written: { readonly key: Serde<K>; readonly value: Serde<V> }
  readonly read: { readonly key: unknown; readonly value: unknown }
  readonly partitioner: Partitioner<K, V> | null
}

function addPassage<K, V>(
  graph: Graph,
  { topic, sink, source }: Passage,
  { upstream, written, read, partitioner }: PassageEnds<K, V>,
): void {
  const sinkNode: SinkNode = {
    kind: 'sink',
    name: sink,
    upstream,
    topic,
    keySerde: written.key as Serde<unknown>,
    valueSerde: written.value as Serde<unknown>,
    partitioner: partitioner as SinkNode['partitioner'],
  }
  const sourceNode: SourceNode = {
    kind: 'source',
    name: source,
    topics: [topic],
    keySerde: read.key as Serde<unknown>,
    valueSerde: read.value as Serde<unknown>,
    timestamp: null,
    offsetReset: 'earliest',
  }
  graph.add(() => sinkNode)
  graph.add(() => sourceNode)
}
