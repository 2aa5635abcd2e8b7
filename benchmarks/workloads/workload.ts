/** A topology to measure: what it reads, how it is built, and how its answers are summed up. */
import type { Topology } from '../../src/topology/topology.ts'

export interface Workload {
  readonly inputs: readonly string[]
  /** True when the last value of every key is the answer; false when every record is one. */
  readonly upserts: boolean
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
