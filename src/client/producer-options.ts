/**
 * What a user tells a producer: options, records, and what a transaction offers; and how options
 * and records are read.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { ByteWriter } from '../record/byte-writer.ts'
import type { Compression } from '../record/compression.ts'
import type { RecordHeaders } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { bytes, text } from '../record/serdes.ts'
import type { GroupIdentity, TopicPartition } from './client.ts'
import type { Partitioner } from './partitioner.ts'
import type { BatchSettings } from './producer-batches.ts'

/** How records are written, acknowledged and batched. */
export interface ProducerOptions<K, V> {
  /**
   * What an acknowledgement means. `all` (default): as durable as the log's flush policy promises.
   * `leader`: written. `none`: nothing; errors are not reported.
   */
  readonly acks?: 'all' | 'leader' | 'none'
  /** Each record once, whatever has to be sent again. Default true; false needs `acks`. */
  readonly idempotent?: boolean
  /** Makes a transactional producer. One live producer per id: a second one fences the first. */
  readonly transactionalId?: string
  /** The log aborts a transaction open for longer. Default `1m`, at most `15m`. */
  readonly transactionTimeout?: Duration
  /** Default `none`. */
  readonly compression?: Compression
  /** How long a batch waits for more records. Default 0: until the end of the current turn. */
  readonly linger?: Duration
  /** Size at which a batch is closed. Default 64 KiB. */
  readonly batchBytes?: number
  /** Records waiting to be sent take at most this. Default 32 MiB. */
  readonly bufferBytes?: number
  /** A record is given up when it was not acknowledged for so long. Default `2m`. */
  readonly deliveryTimeout?: Duration
  /** Default: text for strings, bytes for `Uint8Array`. */
  readonly key?: Serde<K>
  /** Default: text for strings, bytes for `Uint8Array`. */
  readonly value?: Serde<V>
  /** Default: murmur2 of the key; records without a key stay on one partition per batch. */
  readonly partitioner?: Partitioner
}

/** A record to write. */
export interface ProducerRecord<K = unknown, V = unknown> {
  readonly topic: string
  readonly key?: K | null
  readonly value?: V | null
  readonly headers?: RecordHeaders
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
  /** Default: the partitioner's choice. */
  readonly partition?: number
}

/** Group and offsets that a transaction commits. */
export interface ProducerTransaction<K, V> {
  /** Writes a record; its offset, once it is acknowledged. */
  send(record: ProducerRecord<K, V>): Promise<number>
  /** Writes records; how many, once all are acknowledged. */
  sendMany(records: Iterable<ProducerRecord<K, V>>): Promise<number>
  /** Commits offsets of a group with the transaction: consume, transform, produce, exactly once. */
  sendOffsets(group: string | GroupIdentity, offsets: readonly OffsetToCommit[]): Promise<void>
}

/** The offset of the next record to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  readonly metadata?: string
}

const BATCH_BYTES = 64 * 1024
const BUFFER_BYTES = 32 * 1024 * 1024

/** Options with their defaults, in the units used inside. */
export interface ProducerSettings extends BatchSettings {
  readonly idempotent: boolean
  readonly lingerMs: number
  readonly bufferBytes: number
  readonly deliveryTimeoutMs: number
  readonly transactionTimeoutMs: number
}

/** @throws RangeError, TypeError naming option, value and fix */
export function settingsOf<K, V>(options: ProducerOptions<K, V>): ProducerSettings {
  const { acks = 'all', transactionalId } = options
  const idempotent = options.idempotent ?? (acks === 'all' || transactionalId !== undefined)
  if (transactionalId !== undefined && !idempotent) {
    throw new TypeError('a transactional producer is idempotent; leave `idempotent` out')
  }
  if (idempotent && acks !== 'all') {
    throw new TypeError(`an idempotent producer needs acks 'all', not '${acks}'`)
  }
  return {
    idempotent,
    transactional: transactionalId !== undefined,
    compression: options.compression ?? 'none',
    lingerMs: milliseconds(options.linger ?? 0, 'linger'),
    batchBytes: positive(options.batchBytes ?? BATCH_BYTES, 'batchBytes'),
    bufferBytes: positive(options.bufferBytes ?? BUFFER_BYTES, 'bufferBytes'),
    deliveryTimeoutMs: milliseconds(options.deliveryTimeout ?? '2m', 'deliveryTimeout'),
    transactionTimeoutMs: milliseconds(options.transactionTimeout ?? '1m', 'transactionTimeout'),
  }
}

/** Writes a key or value into `output`; null stays null. */
export function serialise<T>(
  value: T | null | undefined,
  serde: Serde<T> | undefined,
  output: ByteWriter,
  what: 'key' | 'value',
): ByteWriter | null {
  if (value === null || value === undefined) return null
  output.reset()
  if (serde !== undefined) serde.write(value, output)
  else if (typeof value === 'string') text.write(value, output)
  else if (value instanceof Uint8Array) bytes.write(value, output)
  else {
    throw new TypeError(
      `no serde for a ${what} of type ${typeof value}; give the producer the option \`${what}\`, ` +
        `for example \`${what}: json()\``,
    )
  }
  return output
}

function positive(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new RangeError(`${name} is ${value}; use a whole number of bytes above 0`)
}
