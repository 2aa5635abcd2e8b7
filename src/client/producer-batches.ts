/**
 * Batches of one partition on their way to the log: one being filled, others waiting, one in flight.
 *
 * Journey: `Producer.send` -> [batches] -> `LogClient.produce`.
 *
 * Invariants:
 * - A batch gets producer id, epoch and sequence when it is first sent, and keeps the same bytes for
 *   every attempt after that.
 * - Batches leave in the order they were filled, and none passes one in flight.
 */
import type { Clock } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import type { Compression } from '../record/compression.ts'
import type { ByteRange, RecordHeaders } from '../record/record.ts'
import { BATCH_HEADER_BYTES, BatchWriter } from '../record/record-batch.ts'
import type { LogClient, ProducerIdentity, TopicPartition } from './client.ts'

const SEQUENCE_MAX = 0x7fff_ffff

/** Whoever waits for the offset of one record. */
export interface PendingRecord {
  readonly index: number
  resolve(offset: number): void
  reject(error: unknown): void
}

export interface Batch {
  readonly writer: BatchWriter
  readonly pending: PendingRecord[]
  /** Time of the first record on the monotonic clock, for linger and deadline. */
  readonly openedAt: number
  /** Nothing more is put into it. */
  full: boolean
  sealed: Buffer | null
  recordCount: number
  bytes: number
}

export interface BatchSettings {
  readonly batchBytes: number
  readonly compression: Compression
  readonly transactional: boolean
}

/**
 * The partitions of a topic, without batches yet.
 *
 * @throws StreamsError 'topic-not-found'
 */
export async function openPartitions(
  client: Pick<LogClient, 'describeTopics'>,
  topic: string,
  settings: BatchSettings,
  writers: BatchWriter[],
): Promise<PartitionBatches[]> {
  const [description] = await client.describeTopics([topic])
  if (description === undefined) {
    throw new StreamsError('topic-not-found', 'There is no such topic; create it first', {
      place: { topic },
    })
  }
  return description.partitions.map(
    ({ partition }) => new PartitionBatches({ topic, partition }, settings, writers),
  )
}

export class PartitionBatches implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly #settings: BatchSettings
  readonly #writers: BatchWriter[]
  /** Oldest first; only the last may still be filled. */
  readonly #queue: Batch[] = []
  inFlight: Batch | null = null
  #identity: ProducerIdentity | null = null
  #nextSequence = 0

  /** `writers` is a pool shared by the partitions of a producer. */
  constructor(place: TopicPartition, settings: BatchSettings, writers: BatchWriter[]) {
    this.topic = place.topic
    this.partition = place.partition
    this.#settings = settings
    this.#writers = writers
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0 && this.inFlight === null
  }

  /** The batch that `add` would fill, opened if need be. */
  open(clock: Clock, recordBytes: number): Batch {
    const last = this.#queue.at(-1)
    if (last !== undefined && !last.full) {
      if (last.writer.size + recordBytes <= this.#settings.batchBytes) return last
      last.full = true
    }
    const batch: Batch = {
      writer: this.#writers.pop() ?? new BatchWriter({ bytes: this.#settings.batchBytes }),
      pending: [],
      openedAt: clock.monotonic(),
      full: false,
      sealed: null,
      recordCount: 0,
      bytes: BATCH_HEADER_BYTES,
    }
    this.#queue.push(batch)
    return batch
  }

  /** Adds a record; returns how many bytes it took. */
  add(
    batch: Batch,
    timestamp: number,
    key: ByteRange | null,
    value: ByteRange | null,
    headers: RecordHeaders,
  ): number {
    const before = batch.writer.size
    batch.writer.append(timestamp, key, value, headers)
    batch.recordCount++
    batch.bytes = batch.writer.size
    if (batch.bytes >= this.#settings.batchBytes) batch.full = true
    return batch.bytes - before
  }

  /** When the oldest waiting batch was opened, or null; a full one is ready at once. */
  readyAt(lingerMs: number): number | null {
    const first = this.#queue[0]
    if (first === undefined || this.inFlight !== null) return null
    return first.full ? 0 : first.openedAt + lingerMs
  }

  /** Takes the oldest batch for sending; call only when nothing is in flight. */
  take(identity: ProducerIdentity | null): Buffer {
    const batch = this.#queue.shift() as Batch
    batch.full = true
    this.inFlight = batch
    if (batch.sealed !== null) return batch.sealed
    if (identity !== this.#identity) {
      this.#identity = identity
      this.#nextSequence = 0
    }
    const { compression, transactional } = this.#settings
    const sealed = batch.writer.seal({
      producerId: identity?.producerId ?? -1,
      producerEpoch: identity?.epoch ?? -1,
      baseSequence: identity === null ? -1 : this.#nextSequence,
      isTransactional: transactional,
      compression,
    })
    const next = this.#nextSequence + batch.recordCount
    this.#nextSequence = next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next
    this.#writers.push(batch.writer)
    batch.sealed = sealed
    return sealed
  }

  /** The batch in flight goes back, to be sent again as it is. */
  retry(): void {
    if (this.inFlight !== null) this.#queue.unshift(this.inFlight)
    this.inFlight = null
  }

  /** The batch in flight is in the log, or given up. */
  finish(): Batch {
    const batch = this.inFlight as Batch
    this.inFlight = null
    return batch
  }

  /** Takes back all batches that were never sent. */
  drop(): Batch[] {
    const dropped = this.#queue.filter(({ sealed }) => sealed === null)
    const kept = this.#queue.filter(({ sealed }) => sealed !== null)
    this.#queue.splice(0, this.#queue.length, ...kept)
    for (const { writer } of dropped) {
      writer.reset()
      this.#writers.push(writer)
    }
    return dropped
  }
}

/** What a producer has put into its open transaction. */
export interface TransactionProgress {
  readonly partitions: Set<PartitionBatches>
  /** Not yet told to the coordinator. */
  unregistered: TopicPartition[]
  hasOffsets: boolean
  /** The first thing that failed: the transaction can only be aborted. */
  error: { readonly error: unknown } | null
}
