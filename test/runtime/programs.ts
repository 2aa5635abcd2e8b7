/** Programs that tests and their child processes share. */
import { StreamsBuilder, type Topology, text } from 'millrace'

/** Counts the values of `in`, through a repartition topic, each update to `counts`. */
export function counting(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('in', { key: text, value: text })
    .groupBy((_key, value) => value, { name: 'by-value' })
    .count({ store: 'counts', emit: 'updates' })
    .toStream()
    .to('counts')
  return builder.build()
}
