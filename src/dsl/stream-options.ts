/**
 * Options of the verbs on a stream, serdes aside: those are in serde-options.ts, where their types
 * say when they are required.
 */
import type { Partitioner } from '../topology/topology.ts'
import type { TimeToLiveOption } from './expiring-table.ts'
import type { TableStoreOptions } from './versioned.ts'

/** Options of `to`, serdes aside. */
export interface SinkOptions<K, V> {
  /** Name of the operator. Default: its lineage. */
  readonly name?: string | undefined
  /**
   * Chooses the partition. Default: by the hash of the key (Kafka's murmur2), of the key inside
   * for windowed keys; in turn for records without a key.
   */
  readonly partitioner?: Partitioner<K, V> | undefined
}

/** Options of `repartition`, serdes aside. */
export interface RepartitionOptions<K, V> extends SinkOptions<K, V> {
  /** Partitions of the topic. Default: as many as the topics upstream. */
  readonly partitions?: number | undefined
}

/** Options of `groupBy` and `groupByKey`, serdes aside. */
export interface GroupOptions {
  /** Name of the grouping; a repartition topic, if one is needed, is `<name>-repartition`. */
  readonly name?: string | undefined
  /** Partitions of the repartition topic. Default: as many as the topics upstream. */
  readonly partitions?: number | undefined
}

/** Options of `toTable`, serdes aside. */
export interface ToTableOptions extends TimeToLiveOption {
  /** Name of the operator. Default: its lineage. */
  readonly name?: string | undefined
  /** The store of the rows, by name or with more. Default: kept when looked up, named by lineage. */
  readonly store?: string | TableStoreOptions | undefined
}

/** Options of `split`. */
export interface SplitOptions<Rest extends string> {
  /** Name of the branch that takes what no predicate does. Default: those records are left out. */
  readonly default?: Rest | undefined
  /** Name of the operator; branches are `<name>-<branch>`. Default: its lineage. */
  readonly name?: string | undefined
}
