/**
 * The program while it is written: verbs add nodes, stores and topics here, `build` seals it.
 *
 * Journey: StreamsBuilder and its streams -> [graph] -> topology/validate -> topology.
 *
 * Invariants:
 * - A node is added after those above it, so that the order of adding is topological.
 * - Nothing a built topology holds changes when the program is extended and built again.
 */

import type { Serde } from '../record/serde.ts'
import type { StoreDefinition } from '../state/store.ts'
import { Names, show } from '../topology/names.ts'
import type {
  CoPartitioning,
  GlobalStoreNode,
  ProcessorNode,
  RepartitionTopic,
  Topology,
  TopologyNode,
} from '../topology/topology.ts'
import { buildTopology } from '../topology/validate.ts'
import type { KStream } from './k-stream.ts'
import { NullKeys } from './null-keys.ts'
import type { StreamTraits } from './serde-options.ts'

/**
 * Where a stream or table stands in the program: the node it comes out of, and what is known of
 * its records there. Frozen; a verb makes the next one.
 */
export interface Place<K, V, Has = never> {
  readonly graph: Graph
  readonly node: string
  /** What names below are derived from: the operators above that change what a record is. */
  readonly lineage: string
  /** Topics whose partitions these records still lie in. */
  readonly topics: readonly string[]
  readonly key: Serde<K> | null
  readonly value: Serde<V> | null
  /** True when keys may have changed since the records were read: a stateful verb repartitions. */
  readonly rekeyed: boolean
  /** Of windowed keys: when their windows close. */
  readonly windowClose?: WindowClose | undefined
  /** Never there: carries the traits in the type. Who has more may stand for who has less. */
  readonly has?: (trait: Has) => void
}

/** When the windows of a table close. */
export interface WindowClose {
  /** How far stream time must be past the end of a window. */
  readonly delayMs: number
  /** True when a window takes records of its very end. */
  readonly endInclusive: boolean
}

/** A store of the program while it is written. */
export interface StoreDraft {
  readonly definition: StoreDefinition
  /** False for an unnamed table as long as nothing looks its rows up. */
  kept: boolean
  keepsBefore: boolean
  /** True when each change of the table is a row just put: the store may then keep them as bytes. */
  isSource?: boolean
  /** True when those who read the rows want their bytes. */
  keepsBytes?: boolean
  /** Of a read-only store: whose partitions its rows lie in. */
  topics?: readonly string[]
  /** True for an aggregation whose rows leave when the task commits: the store is ahead of that. */
  emitsAtCommit?: boolean
}

/** What a processor node is made of, but for its place. */
export interface ProcessorPlan {
  readonly create: () => unknown
  readonly stores?: readonly StoreDraft[]
  readonly keepsKey?: boolean
  readonly keepsValue?: boolean
}

/** One more node below a place. */
export interface Step {
  readonly verb: string
  readonly name: string | undefined
  readonly create: () => unknown
  readonly keepsKey: boolean
  readonly keepsValue: boolean
}

export class Graph {
  readonly operators: Names = new Names('operator')
  readonly storeNames: Names = new Names('store')
  /** Where records without a key pass repartition topics. */
  readonly nullKeys: NullKeys = new NullKeys()
  readonly #topicNames = new Names('repartition topic')
  readonly #nodes: (() => TopologyNode)[] = []
  readonly #stores: StoreDraft[] = []
  readonly #stateStores = new Map<StoreDefinition, StoreDraft>()
  readonly #repartitionTopics: RepartitionTopic[] = []
  readonly #coPartitioning: CoPartitioning[] = []
  readonly #globals: GlobalStoreNode[] = []
  /** Makes the stream of a place; given by the builder, so that a table can become a stream. */
  readonly openStream: <K, V>(place: Place<K, V>) => KStream<K, V, StreamTraits>

  constructor(openStream: Graph['openStream']) {
    this.openStream = openStream
  }

  /** Takes the name the user gave, or derives one. */
  name(lineage: string, verb: string, name: string | undefined): string {
    const call = `${verb}(...) on '${lineage}'`
    return name === undefined
      ? this.operators.derive(`${lineage}-${verb}`, call)
      : this.operators.take(name, call)
  }

  /** Adds a node, made when the topology is built. */
  add(node: () => TopologyNode): void {
    this.#nodes.push(node)
  }

  addProcessor(name: string, upstream: readonly string[], processor: ProcessorPlan): void {
    const { stores = [], keepsKey = false, keepsValue = false } = processor
    const { create } = processor
    this.add(() => ({
      kind: 'processor',
      name,
      upstream,
      stores: stores.filter(({ kept }) => kept).map(({ definition }) => definition.name),
      create: create as ProcessorNode['create'],
      keepsKey,
      keepsValue,
    }))
  }

  /** Adds the node that writes a store; what it has to do is known when the topology is built. */
  addTableProcessor(
    name: string,
    upstream: string | readonly string[],
    rows: StoreDraft,
    plan: {
      readonly keepsKey: boolean
      create(sealed: { store: string; kept: boolean; keepsBefore: boolean }): unknown
    },
  ): void {
    this.add(() => {
      const { definition, kept, keepsBefore } = rows
      const store = definition.name
      return {
        kind: 'processor',
        name,
        upstream: typeof upstream === 'string' ? [upstream] : upstream,
        stores: kept ? [store] : [],
        create: plan.create({ store, kept, keepsBefore }) as ProcessorNode['create'],
        keepsKey: plan.keepsKey,
        keepsValue: false,
      }
    })
  }

  addStore(definition: StoreDefinition, kept = true): StoreDraft {
    const draft: StoreDraft = { definition, kept, keepsBefore: false }
    this.#stores.push(draft)
    return draft
  }

  /**
   * Adds a store a user defined; the same definition may be added again.
   *
   * @param rows of a read-only store: its definition with their source, and whose partitions they lie in
   */
  addStateStore(
    definition: StoreDefinition,
    call: string,
    rows?: { readonly definition: StoreDefinition; readonly topics: readonly string[] },
  ): StoreDraft {
    const known = this.#stateStores.get(definition)
    if (known !== undefined) return known
    const name = (definition as Partial<StoreDefinition> | null)?.name
    if (name === undefined) {
      throw new TypeError(
        `store of ${call} is ${show(definition)}; pass a definition such as keyValueStore({ name, key, value })`,
      )
    }
    this.storeNames.take(name, call)
    const draft = this.addStore(rows?.definition ?? definition)
    if (rows !== undefined) draft.topics = rows.topics
    this.#stateStores.set(definition, draft)
    return draft
  }

  /** The store of that name, if there is one that is kept. */
  storeNamed(name: string): StoreDraft | undefined {
    return this.#stores.find((store) => store.kept && store.definition.name === name)
  }

  namedStores(): string[] {
    return this.#stores.filter(({ kept }) => kept).map(({ definition }) => definition.name)
  }

  /** Adds a store of which every process has all. */
  addGlobal(global: GlobalStoreNode): void {
    this.#globals.push(global)
  }

  addRepartitionTopic(topic: RepartitionTopic, call: string): void {
    this.#topicNames.take(topic.name, call)
    this.#repartitionTopics.push(topic)
  }

  /** Derives the name of a repartition that the user did not name. */
  repartitionName(lineage: string, verb: string, call: string): string {
    return this.operators.derive(`${lineage}-${verb}`, call)
  }

  addCoPartitioning(topics: readonly string[], operator: string): void {
    const distinct = [...new Set(topics)]
    if (distinct.length > 1) this.#coPartitioning.push({ topics: distinct, operator })
  }

  build(): Topology {
    return buildTopology({
      nodes: this.nullKeys.apply(this.#nodes.map((node) => node())),
      stores: this.#stores.filter(({ kept }) => kept).map(sealed),
      repartitionTopics: this.#repartitionTopics,
      coPartitioning: this.#coPartitioning,
      globals: this.#globals,
    })
  }
}

/** A store as what was asked of it makes it. */
function sealed({ definition, keepsBefore, keepsBytes = false }: StoreDraft): StoreDefinition {
  if (!('keepsBefore' in definition)) return definition
  if (definition.kind !== 'key-value') return { ...definition, keepsBefore }
  return { ...definition, keepsBefore, keepsBytes }
}

/** These hand records on as they are, so putting one in or out renames nothing below. */
const PASSING_VERBS: ReadonlySet<string> = new Set(['peek', 'toStream'])

/** Adds a processor without a store below a place; what it keeps stays known. */
export function extend<K, V>(place: Place<unknown, unknown>, step: Step): Place<K, V> {
  const { graph, node, lineage, topics } = place
  const { verb, create, keepsKey, keepsValue } = step
  const name = graph.name(lineage, verb, step.name)
  graph.addProcessor(name, [node], { create, keepsKey, keepsValue })
  return {
    graph,
    node: name,
    lineage: PASSING_VERBS.has(verb) && step.name === undefined ? lineage : name,
    topics,
    key: (keepsKey ? place.key : null) as Serde<K> | null,
    value: (keepsValue ? place.value : null) as Serde<V> | null,
    rekeyed: place.rekeyed || !keepsKey,
    windowClose: keepsKey ? place.windowClose : undefined,
  }
}
