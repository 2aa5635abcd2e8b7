/**
 * An internal topic that remembers a table: the last value of each key, written as records.
 *
 * The committed offsets of groups and the state of transactions live in two of them. The table is
 * held in memory by its owner; the topic is replayed once at open, so it must stay short: when it
 * has grown well beyond the table, `rewrite` appends the whole table once more and drops what came
 * before. A crash between the two leaves both, and replaying both gives the same table.
 *
 * One partition each: one process writes it from one loop, so more would buy no parallelism and
 * cost a file, an fsync and a transaction marker each.
 */
import type { Clock } from '../clock.ts'
import type { ByteWriter } from '../record/byte-writer.ts'
import { NO_HEADERS } from '../record/record.ts'
import { BatchReader, BatchWriter } from '../record/record-batch.ts'
import type { Partition } from './partition.ts'
import { refusalOf } from './refusal.ts'

export const OFFSETS_TOPIC = '__consumer_offsets'
export const TRANSACTIONS_TOPIC = '__transaction_state'

export const isInternalTopic = (topic: string): boolean =>
  topic === OFFSETS_TOPIC || topic === TRANSACTIONS_TOPIC

/** Segments of these topics are small, so that a rewrite gives the space of what it replaced back. */
export const STATE_TOPIC_CONFIG: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(1024 * 1024),
}

/** A rewrite is due when this much was appended since the last one and it is mostly history. */
const REWRITE_BYTES_MIN = 1024 * 1024
const HISTORY_FACTOR = 4
const BATCH_BYTES = 256 * 1024
const READ_BYTES = 1024 * 1024

export interface StateRecord {
  readonly key: ByteWriter
  /** Null removes the key. */
  readonly value: ByteWriter | null
}

export interface ReplayedState {
  record(key: Buffer, value: Buffer | null, producerId: number): void
  marker(producerId: number, outcome: 'commit' | 'abort'): void
}

/** Producer fields of a batch that belongs to a transaction. */
export interface BatchProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

const NO_PRODUCER: BatchProducer = { producerId: -1, producerEpoch: -1, baseSequence: -1 }

export class StateTopic {
  readonly partition: Partition
  private readonly clock: Clock
  private readonly reader = new BatchReader()
  private writer = new BatchWriter()
  private tableBytes = 0
  private bytesSinceRewrite = 0

  constructor(partition: Partition, clock: Clock) {
    this.partition = partition
    this.clock = clock
  }

  /** Appends one batch. */
  append(records: Iterable<StateRecord>, producer: BatchProducer | null = null): void {
    const now = this.clock.now()
    for (const { key, value } of records) this.writer.append(now, key, value, NO_HEADERS)
    this.seal(producer)
  }

  /** Reads everything from the start of the log, in order. */
  replay(into: ReplayedState): void {
    const log = this.partition.log
    let offset = log.logStartOffset
    while (offset < log.logEndOffset) {
      const buffers = log.read(offset, READ_BYTES, log.logEndOffset)
      const before = offset
      for (const buffer of buffers) offset = this.replayBuffer(buffer, offset, into)
      if (offset === before) break
    }
    this.bytesSinceRewrite = log.sizeInBytes
  }

  get rewriteDue(): boolean {
    return (
      this.bytesSinceRewrite > REWRITE_BYTES_MIN &&
      this.bytesSinceRewrite > this.tableBytes * HISTORY_FACTOR
    )
  }

  /**
   * 1. the whole table is appended again, to a new segment; 2. it is made durable; 3. what came
   * before is dropped.
   * No transaction may be open on the topic.
   */
  async rewrite(table: Iterable<StateRecord>): Promise<void> {
    this.partition.writable().roll()
    const start = this.partition.log.logEndOffset
    const now = this.clock.now()
    this.bytesSinceRewrite = 0
    for (const { key, value } of table) {
      this.writer.append(now, key, value, NO_HEADERS)
      if (this.writer.size >= BATCH_BYTES) this.seal(null)
    }
    if (this.writer.recordCount > 0) this.seal(null)
    this.tableBytes = this.bytesSinceRewrite
    await this.partition.flush()
    if (!this.partition.retired) this.partition.log.deleteRecordsBefore(start)
  }

  private seal(producer: BatchProducer | null): void {
    const batch = this.writer.seal({
      ...(producer ?? NO_PRODUCER),
      isTransactional: producer !== null,
      compression: 'none',
    })
    try {
      this.partition.writable().append(batch)
    } catch (error) {
      throw refusalOf(error)
    }
    this.bytesSinceRewrite += batch.length
    this.partition.grown(batch.length)
  }

  private replayBuffer(buffer: Buffer, from: number, into: ReplayedState): number {
    const reader = this.reader
    let next = from
    let position = 0
    while (reader.open(buffer, position, { verifyCrc: true })) {
      position = reader.nextPosition
      if (reader.isControl) {
        const type = reader.controlType()
        if (type !== 'other') into.marker(reader.producerId, type)
      } else {
        while (reader.next()) {
          if (reader.offset < from || reader.keyStart < 0) continue
          into.record(
            reader.bytes.subarray(reader.keyStart, reader.keyEnd),
            reader.valueStart < 0
              ? null
              : reader.bytes.subarray(reader.valueStart, reader.valueEnd),
            reader.isTransactional ? reader.producerId : -1,
          )
        }
      }
      next = reader.lastOffset + 1
    }
    return next
  }
}
