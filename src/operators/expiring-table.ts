/**
 * Expiring table: a table source whose rows live for a time after their last change.
 *
 * Journey: source -> [expiring table] -> store, and an index of the rows by time -> changelogs;
 * downstream it is a table's change, a deletion where a row expired.
 *
 * The index is a window store: a row stands in the bucket of its time. When stream time has passed a
 * whole bucket by the time to live, the rows that still belong to it are deleted. So a row leaves
 * when its time to live is over, a bucket (a hundredth of the time to live) later at most.
 *
 * Invariants:
 * - A deletion has the time at which the row's time to live was over, and no headers.
 * - What has expired is visited before the record that moved time on is put: a jump of time loses
 *   no deletion. How far the buckets were visited is committed with the offsets.
 * - A record that is too old to live is late, dropped and counted: the table stays as it is.
 */
import { NO_HEADERS, type PromiseOrValue, type StreamRecord } from '../record/record.ts'
import { inOrder, when } from '../record/when.ts'
import type { KeyValueStore, Row, WindowStore } from '../state/store.ts'
import type { Change, ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'

/** A time to live is cut into this many buckets: the most by which a row leaves late, of its time. */
const BUCKETS_PER_LIFE = 100

export interface ExpiringTableOptions {
  readonly store: string
  readonly index: string
  readonly ttlMs: number
}

/** Width of the buckets of the index. */
export function expiryBucketMs(ttlMs: number): number {
  return Math.max(1, Math.floor(ttlMs / BUCKETS_PER_LIFE))
}

/** How long the index keeps a bucket: until it is visited, whenever the next record comes. */
export function expiryRetentionMs(ttlMs: number): number {
  return ttlMs + 2 * expiryBucketMs(ttlMs)
}

/** A new expiring table processor for each task. */
export function expiringTable<K, V>(
  options: ExpiringTableOptions,
): () => Processor<K, V | null, K, Change<V>> {
  return () => new ExpiringTable(options)
}

class ExpiringTable<K, V> implements Processor<K, V | null, K, Change<V>> {
  readonly #options: ExpiringTableOptions
  readonly #bucketMs: number
  #context!: ProcessorContext<K, Change<V>>
  #store!: KeyValueStore<K, V>
  #index!: WindowStore<K, boolean>
  /** The start of the last bucket visited. */
  #visited!: ObservedTime
  #copies = false

  constructor(options: ExpiringTableOptions) {
    this.#options = options
    this.#bucketMs = expiryBucketMs(options.ttlMs)
  }

  init(context: ProcessorContext<K, Change<V>>): void {
    this.#context = context
    this.#copies = context.valuesEscape
    this.#store = context.store(this.#options.store)
    this.#index = context.store(this.#options.index)
    this.#visited = context.observedTime(`${context.nodeName}-expired`)
    context.schedule(this.#bucketMs, 'stream-time', () => this.#expire())
  }

  process(record: StreamRecord<K, V | null>): PromiseOrValue<void> {
    if (record.key === null) return this.#context.drop('null-key', record)
    const expired = this.#expire()
    return expired instanceof Promise
      ? expired.then(() => this.#replace(record))
      : this.#replace(record)
  }

  prefetch(records: readonly StreamRecord<K, V | null>[]): PromiseOrValue<void> {
    return this.#store.prefetch(records.map((record) => record.key))
  }

  #replace(record: StreamRecord<K, V | null>): PromiseOrValue<void> {
    const { key, value, timestamp, headers } = record
    if (value !== null && timestamp + this.#options.ttlMs <= this.#context.streamTime()) {
      return this.#context.drop('late', record)
    }
    return when(this.#store.get(key), (row) => {
      const before = row === null ? null : row.value
      if (value !== null) this.#note(key, timestamp, row)
      this.#store.put(key, value, timestamp)
      const after = this.#copies && value !== null ? this.#store.copyValue(value) : value
      return this.#context.forward({ key, value: { before, after }, timestamp, headers })
    })
  }

  /** Puts a row into the bucket of its time, unless it stands there already. */
  #note(key: K, timestamp: number, row: Row<V> | null): void {
    const bucket = this.#bucketOf(timestamp)
    if (row !== null && this.#bucketOf(row.timestamp) === bucket) return
    this.#index.put(key, bucket, true, timestamp)
  }

  #bucketOf(timestamp: number): number {
    return Math.floor(timestamp / this.#bucketMs) * this.#bucketMs
  }

  /** Deletes the rows of the buckets that stream time has passed since the last visit. */
  #expire(): PromiseOrValue<void> {
    const { ttlMs } = this.#options
    const ended = this.#context.streamTime() - ttlMs + 1
    const last = this.#bucketOf(ended) - this.#bucketMs
    const first = this.#visited.max < 0 ? 0 : this.#visited.max + this.#bucketMs
    if (last < first) return
    const keys: K[] = []
    const buckets: number[] = []
    const visited = this.#index.visitWindows(first, last, (key, bucket) => {
      keys.push(key)
      buckets.push(bucket)
    })
    this.#visited.max = last
    return when(visited, () => {
      if (keys.length === 0) return
      return when(this.#store.prefetch(keys), () =>
        inOrder(buckets.keys(), (at) => this.#expireRow(keys[at] as K, buckets[at] as number)),
      )
    })
  }

  /** A row that changed since is in a later bucket, and stays. */
  #expireRow(key: K, bucket: number): PromiseOrValue<void> {
    return when(this.#store.get(key), (row) => {
      if (row === null || this.#bucketOf(row.timestamp) !== bucket) return
      const before = row.value
      const timestamp = row.timestamp + this.#options.ttlMs
      this.#store.put(key, null, timestamp)
      return this.#context.forward({
        key,
        value: { before, after: null },
        timestamp,
        headers: NO_HEADERS,
      })
    })
  }
}
