/**
 * Record queue: the fetched batches of one partition, decoded a chunk ahead.
 *
 * Journey: client fetch -> [record queue] -> task. The chunk is what the stores prefetch for, and
 * its head's timestamp decides which partition of a task is next.
 *
 * Invariants:
 * - Records leave in offset order, each once; control, aborted and already processed ones never.
 * - One that cannot be read fails where it is decoded; with a handler it stays in its place, with a
 *   negative time, so that the handler is asked when all before it are processed.
 * - `position` is the next offset to fetch; `committable` the next offset to process.
 * - Nothing at or beyond `endOffset` is taken.
 */
import type { FetchedPartition } from '../client/client.ts'
import { CommittedBatches } from '../client/committed-batches.ts'
import type { Clock } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import type { BatchReader } from '../record/batch-reader.ts'
import { nextOffset } from '../record/next-offset.ts'
import type { RecordHeaders, StreamRecord } from '../record/record.ts'
import type { SourceNode } from '../topology/topology.ts'
import type { Metrics } from './metrics.ts'
import { decodeMark, type TimeMark } from './time-mark.ts'

/** A record with the bytes it came from, so that an untouched key or value is written as they are. */
export class QueuedRecord implements StreamRecord<unknown, unknown> {
  readonly key: unknown
  readonly value: unknown
  readonly timestamp: number
  readonly headers: RecordHeaders
  readonly offset: number
  readonly bytes: Buffer
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  /** Set for a mark of time, which is no record of the topic. */
  mark: TimeMark | null = null

  constructor(reader: BatchReader, key: unknown, value: unknown, timestamp: number) {
    this.key = key
    this.value = value
    this.timestamp = timestamp
    this.headers = reader.headers()
    this.offset = reader.offset
    this.bytes = reader.bytes
    this.keyStart = reader.keyStart
    this.keyEnd = reader.keyEnd
    this.valueStart = reader.valueStart
    this.valueEnd = reader.valueEnd
  }
}

export interface RecordQueueOptions {
  readonly topic: string
  readonly partition: number
  readonly source: SourceNode
  readonly position: number
  readonly partitionTime: number
  /** Where `until: 'end'` stops; Infinity to go on. */
  readonly endOffset: number
  /** True for a topic that the application owns. */
  readonly isInternal: boolean
  readonly metrics: Metrics
  readonly clock: Pick<Clock, 'now'>
  /** Which records that cannot be processed stay in their place, for a handler to be asked there. */
  readonly keeps: { readonly unreadable: boolean; readonly timeless: boolean }
}

/** Why a record in the queue cannot be processed: it cannot be read, or has no time. */
export interface Refusal {
  readonly reason: 'deserialization' | 'invalid-timestamp'
  readonly error: StreamsError | null
  /** The timestamp the log keeps. */
  readonly timestamp: number
}

/** The time of a record that cannot be processed: before all others, so that it holds none back. */
const REFUSED_TIME = -1

export class RecordQueue {
  readonly topic: string
  readonly partition: number
  readonly source: SourceNode
  readonly isInternal: boolean
  readonly endOffset: number
  position: number
  /** Largest event time taken from this partition, -1 before the first. */
  partitionTime: number
  /** True when the last fetch reached the end of what is visible. */
  caughtUp: boolean
  /** Bytes of the fetches that are not decoded to their end. */
  bufferedBytes = 0

  /** Largest event time processed, -1 before the first. */
  processedTime: number

  readonly #metrics: Metrics
  readonly #clock: RecordQueueOptions['clock']
  readonly #keeps: RecordQueueOptions['keeps']
  readonly #refusals = new Map<QueuedRecord, Refusal>()
  readonly #fetched: FetchedPartition[] = []
  readonly #batches = new CommittedBatches('read-committed')
  /** Bytes of the fetch that is being decoded. */
  #decodingBytes = 0
  /** True while the batch cursor stands in a batch that has more records. */
  #isInBatch = false
  #chunk: QueuedRecord[] = []
  #head = 0
  #committable: number
  #decodedTo: number

  constructor(options: RecordQueueOptions) {
    this.topic = options.topic
    this.partition = options.partition
    this.source = options.source
    this.isInternal = options.isInternal
    this.position = options.position
    this.partitionTime = options.partitionTime
    this.processedTime = options.partitionTime
    this.endOffset = options.endOffset
    // Nothing is fetched of a partition that is at its end from the start.
    this.caughtUp = options.position >= options.endOffset
    this.#metrics = options.metrics
    this.#clock = options.clock
    this.#keeps = options.keeps
    this.#committable = options.position
    this.#decodedTo = options.position
  }

  /** True when it stops at an offset known at start. */
  get isBounded(): boolean {
    return this.endOffset !== Number.POSITIVE_INFINITY
  }

  /** True when nothing before the end is left to fetch. */
  get isFetched(): boolean {
    return this.position >= this.endOffset
  }

  /** True when nothing before the end is left to process. */
  get isAtEnd(): boolean {
    return this.#committable >= this.endOffset
  }

  /** The next offset to process after a restart from here. */
  get committable(): number {
    return this.#committable
  }

  /** Takes what a fetch from `position` brought. */
  accept(fetched: FetchedPartition): void {
    const position = nextOffset(fetched.records, this.position)
    this.caughtUp = position >= Math.min(fetched.lastStableOffset, this.endOffset)
    if (position === this.position) return
    for (const bytes of fetched.records) this.bufferedBytes += bytes.length
    this.position = position
    this.#fetched.push(fetched)
  }

  /** The next record to process, null when none is decoded. */
  peek(): QueuedRecord | null {
    return this.#head < this.#chunk.length ? (this.#chunk[this.#head] as QueuedRecord) : null
  }

  /** Takes the head off. */
  shift(): void {
    const record = this.#chunk[this.#head++] as QueuedRecord
    if (record.mark === null) this.#count(record)
    this.#committable = record.offset + 1
    if (this.#head === this.#chunk.length) {
      this.#chunk = []
      this.#head = 0
      if (!this.hasUndecoded()) this.#committable = this.#decodedTo
    }
  }

  #count({ timestamp }: QueuedRecord): void {
    this.#metrics.recordsProcessed++
    if (!this.isInternal) this.#metrics.recordsConsumed++
    if (timestamp > this.processedTime) this.processedTime = timestamp
  }

  /** True when fetched bytes wait to be decoded. */
  hasUndecoded(): boolean {
    return this.#isInBatch || this.#fetched.length > 0
  }

  /** Decodes the next chunk, of so many records at most, when none is left; those it holds now. */
  decode(recordsMax: number): readonly QueuedRecord[] {
    if (this.#head < this.#chunk.length) return NOTHING
    const chunk: QueuedRecord[] = []
    const { reader } = this.#batches
    while (chunk.length < recordsMax && (this.#isInBatch || this.#nextBatch())) {
      if (!reader.next()) {
        this.#isInBatch = false
        this.#decodedTo = Math.min(reader.lastOffset + 1, this.endOffset)
        continue
      }
      if (reader.offset < this.#decodedTo || reader.offset >= this.endOffset) continue
      const record = this.#decodeRecord(reader)
      if (record !== null) chunk.push(record)
    }
    this.#chunk = chunk
    this.#head = 0
    if (chunk.length === 0) this.#committable = this.#decodedTo
    return this.#refusals.size === 0 && !this.isInternal
      ? chunk
      : chunk.filter(({ timestamp, mark }) => timestamp !== REFUSED_TIME && mark === null)
  }

  /** Why the record at the head, whose time is negative, cannot be processed. */
  takeRefusal(record: QueuedRecord): Refusal {
    const refusal = this.#refusals.get(record) as Refusal
    this.#refusals.delete(record)
    return refusal
  }

  #refuse(reader: BatchReader, reason: Refusal['reason'], error: Refusal['error']): QueuedRecord {
    const record = new QueuedRecord(reader, null, null, REFUSED_TIME)
    this.#refusals.set(record, { reason, error, timestamp: reader.timestamp })
    return record
  }

  /** Moves to the next visible batch, through as many fetches as that takes. */
  #nextBatch(): boolean {
    for (;;) {
      if (this.#batches.next()) {
        this.#isInBatch = true
        return true
      }
      this.#decodedTo = Math.max(this.#decodedTo, Math.min(this.#batches.position, this.endOffset))
      this.bufferedBytes -= this.#decodingBytes
      this.#decodingBytes = 0
      const fetched = this.#fetched.shift()
      if (fetched === undefined) return false
      for (const bytes of fetched.records) this.#decodingBytes += bytes.length
      this.#batches.start(this.#decodedTo, fetched)
    }
  }

  #decodeRecord(reader: BatchReader): QueuedRecord | null {
    const { source } = this
    const { bytes, keyStart, valueStart } = reader
    if (this.isInternal && keyStart < 0 && valueStart < 0 && reader.headerCount === 1) {
      const mark = this.#decodeMark(reader)
      if (mark !== null) return mark
    }
    let part = 'key'
    try {
      const key = keyStart < 0 ? null : source.keySerde.read(bytes, keyStart, reader.keyEnd)
      part = 'value'
      const value =
        valueStart < 0 ? null : source.valueSerde.read(bytes, valueStart, reader.valueEnd)
      part = 'timestamp'
      const timestamp = this.#eventTime(reader, key, value)
      if (timestamp < 0) {
        if (source.timestamp === null) throw noTime(source.name, timestamp)
        if (this.#keeps.timeless) return this.#refuse(reader, 'invalid-timestamp', null)
        this.#metrics.drop('invalid-timestamp', source.name)
        return null
      }
      if (timestamp > this.partitionTime) this.partitionTime = timestamp
      return new QueuedRecord(reader, key, value, timestamp)
    } catch (cause) {
      const error = this.#unreadable(part, reader.offset, cause)
      if (part === 'timestamp' || !this.#keeps.unreadable) throw error
      return this.#refuse(reader, 'deserialization', error)
    }
  }

  #decodeMark(reader: BatchReader): QueuedRecord | null {
    const mark = decodeMark(reader.headers())
    if (mark === null) return null
    const record = new QueuedRecord(reader, null, null, mark.time)
    record.mark = mark
    return record
  }

  #eventTime(reader: BatchReader, key: unknown, value: unknown): number {
    const extractor = this.source.timestamp
    if (extractor === null) return reader.timestamp
    const { topic, partition } = this
    const { timestamp, offset } = reader
    const time = extractor(
      { key, value, timestamp, headers: reader.headers(), topic, partition, offset },
      this.partitionTime,
      this.#clock,
    )
    if (!Number.isSafeInteger(time)) {
      throw new RangeError(
        `the timestamp option of '${this.source.name}' returned ${String(time)}; return whole milliseconds since the epoch, or a negative number to drop the record`,
      )
    }
    return time
  }

  #unreadable(part: string, offset: number, cause: unknown): StreamsError {
    const { source, topic, partition } = this
    const place = { topic, partition, offset, node: source.name }
    if (part === 'timestamp') {
      return new StreamsError('timestamp-invalid', `No event time: ${messageOf(cause)}`, {
        cause,
        place,
      })
    }
    const serde = part === 'key' ? source.keySerde.name : source.valueSerde.name
    return new StreamsError(
      'deserialization-failed',
      `The ${part} cannot be read as ${serde}: ${messageOf(cause)}. Give the source the serde the topic was written with`,
      { cause, place },
    )
  }
}

const NOTHING: readonly QueuedRecord[] = []

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Kafka Streams' FailOnInvalidTimestamp: only an extractor of the user's drops a record. */
function noTime(source: string, timestamp: number): RangeError {
  return new RangeError(
    `the record was written with time ${timestamp}; give '${source}' a timestamp option, which may take another or drop the record`,
  )
}
