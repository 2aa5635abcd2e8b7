/**
 * Latency: records of "word sendMicros" are grouped by word and counted; each update goes out as
 * "count sendMicros" with the send time of the record that made it.
 */
import { StreamsBuilder, text } from 'millrace'
import type { Topology } from '../../src/topology/topology.ts'

export const LATENCY_INPUT = 'latency-in'
export const LATENCY_OUTPUT = 'latency-out'

export function latencyTopology(): Topology {
  const builder = new StreamsBuilder()

  builder
    .stream(LATENCY_INPUT, { value: text })
    .groupBy((_key, value) => value.slice(0, value.indexOf(' ')))
    .aggregate(
      () => '0 0',
      (_word, value, sum) => counted(sum) + value.slice(value.indexOf(' ')),
      { emit: 'updates' },
    )
    .toStream()
    .to(LATENCY_OUTPUT)

  return builder.build()
}

/** One more than the count that `sum` begins with. */
function counted(sum: string): string {
  return String(Number(sum.slice(0, sum.indexOf(' '))) + 1)
}
