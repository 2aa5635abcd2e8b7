/** A topology to measure: what it reads, how it is built, and how its answers are summed up. */
import type { Topology } from '../../src/topology/topology.ts'

export interface Workload {
  readonly inputs: readonly string[]
  /** True when the last value of every key is the answer; false when every record is one. */
  readonly upserts: boolean
  /**
   * True where stale responses of a foreign-key join are dropped on the way. Kafka Streams has one
   * count for whatever it drops, so that of its runs says nothing; their sums are checked as ever.
   */
  readonly dropsStale?: true
  /**
   * The commit interval at least once, in milliseconds. Default: 30 s. Shorter where Kafka Streams
   * hands updates of tables on when it commits only, and then stops before it is done.
   */
  readonly atLeastOnceCommitMs?: number
  /** Which time closes windows. Default: Kafka Streams' own. */
  readonly time?: 'aligned'
  /** A new program that writes its results to `output`. */
  topology(output: string): Topology
  /** The number or numbers of one output value that the checksums add up. */
  numbers(value: Buffer): readonly number[]
}

/** Reads a JSON value of the output, for `numbers`. */
export function parsed<T>(value: Buffer): T {
  return JSON.parse(value.toString()) as T
}
