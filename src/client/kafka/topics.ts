/** Partitions by topic, as Kafka's requests and responses arrange them. */
import type { TopicPartition } from '../client.ts'

/** What `map` makes of the items, gathered under their topics, both in the order given. */
export function byTopic<I extends TopicPartition, T>(
  items: readonly I[],
  map: (item: I) => T,
): [topic: string, partitions: T[]][] {
  const topics = new Map<string, T[]>()
  for (const item of items) {
    const known = topics.get(item.topic)
    if (known === undefined) topics.set(item.topic, [map(item)])
    else known.push(map(item))
  }
  return [...topics]
}

/** The entry of a partition in a response, null when there is none. */
export function findPartition<P extends { readonly partitionIndex: number }>(
  topics: readonly { readonly name: string; readonly partitions: readonly P[] }[],
  topic: string,
  partition: number,
): P | null {
  for (const one of topics) {
    if (one.name !== topic) continue
    const found = one.partitions.find(({ partitionIndex }) => partitionIndex === partition)
    if (found !== undefined) return found
  }
  return null
}
