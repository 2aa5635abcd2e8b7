/**
 * The program as data: nodes, stores and internal topics, frozen. The DSL writes it, `validate.ts`
 * checks it, `sub-topologies.ts` cuts it, `describe.ts` prints it, `runtime/` interprets it.
 *
 * Invariants of a built topology:
 * - `nodes` is in topological order: every upstream name stands before.
 * - Names of nodes, stores and internal topics are unique, each in its own kind.
 */
import type { RecordHeaders, StreamRecord } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { StoreDefinition } from '../state/store.ts'
import type { Processor, RecordContext } from './processor.ts'

/** What a timestamp extractor sees of a record. */
export interface ConsumedRecord<K, V> {
  readonly key: K
  readonly value: V
  /** The timestamp the log keeps, milliseconds since the epoch. */
  readonly timestamp: number
  readonly headers: RecordHeaders
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/**
 * Event time of a record in milliseconds. A negative answer drops the record, counted.
 *
 * `partitionTime` is the largest event time before this record in its partition, -1 before the
 * first; `clock` the clock of the application.
 */
export type TimestampExtractor<K, V> = (
  record: ConsumedRecord<K, V>,
  partitionTime: number,
  clock: { now(): number },
) => number

/**
 * Chooses the partition, 0 to `partitions - 1`, of a record on its way out. An array sends it to each
 * of them, an empty one to none: it is left out, and counted. Null: as without a partitioner.
 */
export type Partitioner<K, V> = (
  record: StreamRecord<K, V>,
  partitions: number,
  context: RecordContext,
) => number | readonly number[] | null

/**
 * Where a source begins when no offset is committed: at an end, so many milliseconds before the start of
 * the application, or `none`: the start then fails.
 */
export type OffsetReset = 'earliest' | 'latest' | 'none' | number

export interface SourceNode {
  readonly kind: 'source'
  readonly name: string
  /** Names; of a source by pattern the pattern as text alone, until the application starts. */
  readonly topics: readonly string[]
  /** Matches whole names of the topics that are read. Without flags `g` and `y`. */
  readonly pattern?: RegExp
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly timestamp: TimestampExtractor<unknown, unknown> | null
  readonly offsetReset: OffsetReset
}

export interface ProcessorNode {
  readonly kind: 'processor'
  readonly name: string
  readonly upstream: readonly string[]
  readonly stores: readonly string[]
  /** A new processor for each task. */
  readonly create: () => Processor
  /** True when every record leaves with the very key, or value, it came in with. */
  readonly keepsKey: boolean
  readonly keepsValue: boolean
}

export interface SinkNode {
  readonly kind: 'sink'
  readonly name: string
  readonly upstream: readonly string[]
  readonly topic:
    | string
    | ((record: StreamRecord<unknown, unknown>, context: RecordContext) => string)
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly partitioner: Partitioner<unknown, unknown> | null
}

export type TopologyNode = SourceNode | ProcessorNode | SinkNode

/** A topic the application owns: created at start, its name prefixed with the application id. */
export interface RepartitionTopic {
  readonly name: string
  /** null: as many as the sources of the sub-topology that writes it, or as co-partitioning asks. */
  readonly partitions: number | null
}

/** Topics (as written in the nodes) that must have equal partition counts, and the call that says so. */
export interface CoPartitioning {
  readonly topics: readonly string[]
  readonly operator: string
}

/** A store of which every process has all partitions of a topic, and what fills it. */
export interface GlobalStoreNode {
  readonly source: SourceNode
  readonly processor: ProcessorNode
  readonly store: StoreDefinition
}

/** A program as frozen data: what `StreamsBuilder.build()` returns and `Streams` runs. */
/** How a topology is written down. */
export type DescribeFormat = 'text' | 'json' | 'dot' | 'mermaid'

/** A program as data, built and checked: `StreamsBuilder.build()` makes it, `Streams` runs it. */
export interface Topology {
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreDefinition[]
  readonly repartitionTopics: readonly RepartitionTopic[]
  readonly coPartitioning: readonly CoPartitioning[]
  /** Stores that belong to no task. */
  readonly globals: readonly GlobalStoreNode[]
  /**
   * The topology as text: in the form of Kafka Streams' `TopologyDescription` (default), as JSON
   * (vertices and edges), for Graphviz, or as a Mermaid flowchart.
   */
  describe(format?: DescribeFormat): string
}

/** A connected part of a topology; one task runs it for one partition number. */
export interface SubTopology {
  readonly id: number
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreDefinition[]
  /** Topics its sources read, repartition topics included, as named in the nodes. */
  readonly sourceTopics: readonly string[]
  readonly sinkTopics: readonly string[]
}
