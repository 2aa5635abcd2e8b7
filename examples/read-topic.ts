/**
 * Reads a topic from its beginning to its end: what is there when the call is made, once its
 * transactions have ended. Used by the examples to show their results.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Log, Serde } from 'millrace'

export interface TopicRecord<K, V> {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: K
  readonly value: V
}

/**
 * A partition may end in what a reader does not see (markers of transactions, aborted records): no
 * batch comes of it, but the position moves on. So it is looked at this often.
 */
const POSITION_POLL_MS = 10

/**
 * Calls back for each committed record with a key, in order within each partition. The value is null
 * where a row was deleted: the serde of a topic with such rows is a `nullable` one.
 */
export async function readTopic<K, V>(
  log: Log,
  topic: string,
  serdes: { readonly key: Serde<K>; readonly value: Serde<V> },
  onRecord: (record: TopicRecord<K, V>) => void,
): Promise<void> {
  const ends = (await endOffsets(log, topic)).filter(({ offset }) => offset > 0)
  if (ends.length === 0) return
  await using consumer = log.consumer<K, V>({ assignments: ends, ...serdes })
  const behind = new Map(ends.map(({ partition, offset }) => [partition, offset]))
  const reached = (partition: number, position: number): void => {
    if (position >= (behind.get(partition) ?? 0)) behind.delete(partition)
  }

  let coming = consumer.next()
  while (behind.size > 0) {
    const batch = (await Promise.race([coming, wait(POSITION_POLL_MS)])) ?? null
    if (batch === null) {
      for (const { partition } of consumer.assignment) {
        reached(partition, consumer.position(topic, partition))
      }
      continue
    }
    for (const { partition, offset, timestamp, key, value } of batch) {
      if (key === null) continue
      onRecord({ partition, offset, timestamp, key, value: value as V })
    }
    reached(batch.partition, batch.nextOffset)
    coming = consumer.next()
  }
  coming.catch(() => {})
}

async function endOffsets(
  log: Log,
  topic: string,
): Promise<{ topic: string; partition: number; offset: number }[]> {
  const [description] = await log.describeTopics([topic])
  const items = (description?.partitions ?? []).map(({ partition }) => ({ topic, partition }))
  const latest = items.map((item) => ({ ...item, at: 'latest' as const }))
  const listed = await log.listOffsets(latest, 'read-uncommitted')
  return listed.map(({ partition, offset, error }) => {
    if (error !== null) throw new Error(`${topic} ${partition} cannot be read: ${error.message}`)
    return { topic, partition, offset }
  })
}
