/** Programs that tests and their child processes share. */
import { setTimeout as wait } from 'node:timers/promises'
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

/**
 * Counts the values of `in` as `counting` does, and copies them to `copy`, both behind calls that
 * take 0 to 3 ms and fail one time in ten, so that there are always records in flight.
 */
export function asking(ordered: boolean): Topology {
  const builder = new StreamsBuilder()
  const answered = builder.stream('in', { key: text, value: text }).mapValuesAsync(
    async (value) => {
      await wait(Math.random() * 3)
      if (Math.random() < 0.1) throw new Error('busy')
      return value
    },
    { ordered, concurrency: 8, retry: { attempts: 20, backoff: 1 } },
  )
  answered.to('copy', { value: text })
  answered
    .groupBy((_key, value) => value, { name: 'by-value', value: text })
    .count({ store: 'counts', emit: 'updates' })
    .toStream()
    .to('counts')
  return builder.build()
}
