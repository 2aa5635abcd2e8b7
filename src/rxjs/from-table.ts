/**
 * A table's changes as an Observable, read from the topic that has them: the one it is sent to, or
 * its changelog.
 *
 * Journey: table -> topic -> [observable]. It sees what is committed, and only that.
 */
import { filter, map, type Observable } from 'rxjs'
import { type ConsumerSource, type FromTopicOptions, fromTopic } from './from-topic.ts'

/** A row as it is now. */
export interface TableChange<K, V> {
  readonly key: K
  /** null: the row was deleted. */
  readonly value: V | null
  readonly timestamp: number
  readonly partition: number
  readonly offset: number
}

/**
 * The changes of a table, from a topic that has one record for each: what `toStream().to(topic)`
 * writes, the topic a table is read from, or the changelog of a key-value store. From the earliest
 * offset on that is the whole table, then each change as it is committed. Where such a topic is
 * compacted, rows that changed again may be left out; the last change of each never is.
 *
 * @param topic - its name; `changelogTopic` has that of a changelog
 * @param options - `key` and `value` as they are written there; `from`, `group`, `flow`
 * @example
 * ```ts
 * fromTable(log, changelogTopic('web-stats', 'counts'), { key: text, value: int64 })
 *   .subscribe(({ key, value }) => console.log(key, value))
 * ```
 */
export function fromTable<K = Buffer, V = Buffer>(
  log: ConsumerSource,
  topic: string,
  options: FromTopicOptions<K, V> = {},
): Observable<TableChange<K, V>> {
  return fromTopic(log, topic, options).pipe(
    map(({ key, value, timestamp, partition, offset }) => ({
      key,
      value,
      timestamp,
      partition,
      offset,
    })),
    filter((change): change is TableChange<K, V> => change.key !== null),
  )
}

/**
 * The name of the changelog topic of a store.
 *
 * @example
 * ```ts
 * const topic = changelogTopic('web-stats', 'counts')
 * const [description] = await log.describeTopics([topic])
 * console.log(description?.partitions.length)
 * ```
 */
export function changelogTopic(applicationId: string, store: string): string {
  return `${applicationId}-${store}-changelog`
}
