/**
 * What a user tells a consumer and gets from it: options, records, batches, places.
 */
import type { Duration } from '../duration.ts'
import type { RecordHeaders } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { Isolation, TopicPartition } from './client.ts'

/** What a consumer reads, as whom, and how it commits. */
export interface ConsumerOptions<K = Buffer, V = Buffer> {
  /** Group whose members share the partitions and whose offsets `commit` writes. */
  readonly group?: string
  /** Topics to read: all partitions, or this member's share with a group. */
  readonly topics?: readonly string[]
  /** Exactly these partitions; with `group` only its offsets are used. Instead of `topics`. */
  readonly assignments?: readonly TopicPartition[]
  /** Default `read-committed`. */
  readonly isolation?: Isolation
  /** Where to begin without a committed offset, or when it is gone. Default `earliest`. */
  readonly offsetReset?: 'earliest' | 'latest' | 'none'
  /** Commit finished batches of the group each second and at close. Default true. */
  readonly autoCommit?: boolean
  /** Default: bytes, shared with the log: copy before you write to them. */
  readonly key?: Serde<K>
  /** Default: bytes, shared with the log: copy before you write to them. */
  readonly value?: Serde<V>
  /** How long a fetch waits for data. Default `500ms`. */
  readonly maxWait?: Duration
  /** Bytes of one fetch. Default 8 MiB, and of one partition in it 1 MiB. */
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  /** Static membership: the member takes its place again when it restarts within the session. */
  readonly instanceId?: string
  /** Default `10s`. */
  readonly sessionTimeout?: Duration
  /** A member has so long to finish its batch when the group changes. Default `30s`. */
  readonly rebalanceTimeout?: Duration
  /** Told of every change of this member's partitions, before the first record of them. */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => void | Promise<void>
}

/** A record as it was read. */
export interface ConsumerRecord<K = Buffer, V = Buffer> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: K | null
  readonly value: V | null
  readonly headers: RecordHeaders
}

/** Consecutive records of one partition. */
export interface ConsumerBatch<K = Buffer, V = Buffer> extends Iterable<ConsumerRecord<K, V>> {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ConsumerRecord<K, V>[]
  /** The offset after the last one, also over records that are not visible. */
  readonly nextOffset: number
  /** End of what could be read when it was fetched. */
  readonly endOffset: number
}

/** An offset, an end of the partition, or the first record at or after a time. */
export type SeekTo = number | 'earliest' | 'latest' | { readonly timestamp: number }
