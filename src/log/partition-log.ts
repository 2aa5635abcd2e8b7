/**
 * The log of one partition: segments on disk, the newest batches in memory, its producers, its
 * offsets.
 *
 * Journey: broker produce -> append -> [partition log] -> segment file and memory tail;
 * fetch -> read -> the tail, or a segment.
 *
 * An append in numbered steps:
 *   1 judge the batch: size, format, CRC, producer epoch and sequence
 *   2 give it base offset and leader epoch (and, if so configured, its time)
 *   3 roll to a new segment when this one is full or old
 *   4 write it to the newest segment
 *   5 take note of it: producers, memory tail, log end offset
 *
 * Invariants:
 * - Offsets are given once, without a gap.
 * - When step 4 fails, nothing of step 5 happened, and nothing more is appended until the log was
 *   opened again. So it is after a failed sync: what the device holds then is unknown.
 * - A batch is never changed after it was appended, and a damaged one is never served.
 *
 * @see org.apache.kafka.storage.internals.log.UnifiedLog
 */
import type { Clock } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import type { FileSystem } from '../file-system.ts'
import {
  BatchReader,
  encodeControlBatch,
  setAppendTime,
  setBaseOffset,
} from '../record/record-batch.ts'
import type { LogConfig } from './log-config.ts'
import { CHECKPOINT_NAME, writeCheckpoint } from './log-files.ts'
import type { LogHome, RecoveryEvent } from './log-home.ts'
import { MemoryTail, processTailBudget, type TailBudget } from './memory-tail.ts'
import { encodeSnapshot } from './producer-snapshot.ts'
import type { ProducerStates, TransactionMarker } from './producer-state.ts'
import {
  producersAt,
  rebuildTransactionIndex,
  recoverLog,
  removeSnapshotsAfter,
  snapshotOffsets,
  snapshotPath,
} from './recovery.ts'
import { type BatchPlace, RELATIVE_MAX, Segment } from './segment.ts'
import type { TimestampOffset } from './time-index.ts'
import { type AbortedTransaction, EMPTY_CHECKSUM } from './transaction-index.ts'

export type { FlushPolicy, LogConfig } from './log-config.ts'
export { DEFAULT_LOG_CONFIG } from './log-config.ts'
export type { RecoveryEvent } from './log-home.ts'
export type { AbortedTransaction } from './transaction-index.ts'

/** The log does not replicate: it has one leader for ever. */
const LEADER_EPOCH = 0
/** Older segments that keep their files and indexes open after they were read. */
const OPEN_SEGMENTS_MAX = 8

const VERIFY = { verifyCrc: true } as const

export interface OpenPartitionLog {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  /** The folder of this partition alone; made when absent. */
  readonly directory: string
  readonly topic: string
  readonly partition: number
  readonly config: LogConfig
  /** True when the log is known to have been closed. False makes open check the unflushed part. */
  readonly cleanShutdown: boolean
  readonly onRecovery?: (event: RecoveryEvent) => void
  readonly tailBudget?: TailBudget
}

export interface Appended {
  readonly baseOffset: number
  readonly lastOffset: number
  /** The batch was in the log before; the offsets are those it has there. */
  readonly duplicate: boolean
  /** -1 unless the topic uses the log's time. */
  readonly logAppendTime: number
}

/** The end of a producer's transaction in this partition. */
export interface ControlMarker extends TransactionMarker {
  /** Default: now. */
  readonly timestamp?: number
}

/** A producer as a partition knows it. */
export interface KnownProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly hasOpenTransaction: boolean
}

export class PartitionLog {
  readonly topic: string
  readonly partition: number
  /** The first offset that can be read. */
  logStartOffset: number
  /** The offset the next record gets. */
  logEndOffset: number
  readonly #home: LogHome
  readonly #tail: MemoryTail
  readonly #reader: BatchReader = new BatchReader()
  #producers: ProducerStates
  #active: Segment
  #state: 'open' | 'failed' | 'closed' = 'open'
  #failure: unknown
  /** Where the last read of a file ended, for a reader that goes on there. */
  #hint: { readonly segment: Segment; readonly place: BatchPlace } | null = null
  readonly #readSegments = new Set<Segment>()
  readonly #unsynced = new Set<Segment>()
  #flushedOffset: number
  #flushing: Promise<void> | null = null
  /** Something is not on the device as a clean close leaves it. */
  #isChanged = false
  /** As on disk: everything below survives the loss of power. */
  #recoveryPoint: number

  /** Opens the log of a folder, repairing what a crash left; see recovery.ts for the cases. */
  static open(options: OpenPartitionLog): PartitionLog {
    return new PartitionLog(options)
  }

  private constructor(options: OpenPartitionLog) {
    const { fileSystem, clock, directory, topic, partition } = options
    this.topic = topic
    this.partition = partition
    const home: LogHome = {
      fileSystem,
      clock,
      directory,
      topic,
      partition,
      config: options.config,
      segments: [],
      report: (event) => {
        this.#isChanged = true
        options.onRecovery?.(event)
      },
      pathOf: (name) => `${directory}/${name}`,
      rebuildTransactionIndex: (segment) => rebuildTransactionIndex(home, segment),
    }
    this.#home = home
    fileSystem.makeDirectory(directory)
    const recovered = recoverLog(home, options.cleanShutdown)
    this.#producers = recovered.producers
    this.#active = recovered.segments.at(-1) as Segment
    for (const segment of recovered.segments) {
      if (segment.nextOffset > recovered.recoveryPoint) this.#unsynced.add(segment)
    }
    this.#unsynced.add(this.#active)
    this.logStartOffset = recovered.logStartOffset
    this.logEndOffset = this.#active.nextOffset
    this.#recoveryPoint = recovered.recoveryPoint
    this.#flushedOffset = recovered.recoveryPoint
    if (this.logEndOffset !== recovered.recoveryPoint) this.#isChanged = true
    this.#tail = new MemoryTail(options.tailBudget ?? processTailBudget, this.logEndOffset)
  }

  get config(): LogConfig {
    return this.#home.config
  }

  /** Takes effect from the next append, roll or retention on. */
  set config(config: LogConfig) {
    this.#home.config = config
  }

  /** The end of what may be read; as this log has no replicas, the end of the log. */
  get highWatermark(): number {
    return this.logEndOffset
  }

  /** The end of what a read-committed reader may read: where the oldest open transaction begins. */
  get lastStableOffset(): number {
    return this.#producers.firstOpenOffset() ?? this.logEndOffset
  }

  /** The producers this partition knows: for the transaction coordinator, after a crash. */
  producers(): KnownProducer[] {
    const known: KnownProducer[] = []
    for (const { producerId, epoch, transactionFirstOffset } of this.#producers.entries.values()) {
      known.push({
        producerId,
        producerEpoch: epoch,
        hasOpenTransaction: transactionFirstOffset >= 0,
      })
    }
    return known
  }

  /** Bytes of all segments. */
  get sizeInBytes(): number {
    return this.#home.segments.reduce((sum, { size }) => sum + size, 0)
  }

  /** Everything below survives the loss of power. */
  get flushedOffset(): number {
    return this.#flushedOffset
  }

  get segmentCount(): number {
    return this.#home.segments.length
  }

  // Append

  /**
   * Appends one sealed batch of a producer and takes ownership of its bytes.
   *
   * @throws StreamsError `record-batch-invalid`, `log-corrupt-batch` (its CRC), `record-too-large`,
   *   `producer-fenced`, `producer-sequence-invalid`, `transaction-state-invalid`, and
   *   `log-storage-failed` after which nothing is appended until the log was opened again
   */
  append(batch: Buffer): Appended {
    this.#requireOpen()
    // 1
    const reader = this.#judge(batch)
    if (reader.producerId >= 0) {
      const known = this.#producers.check(reader)
      if (known !== null) {
        const { firstOffset, lastOffset, timestamp } = known
        const logAppendTime = this.config.timestampType === 'append' ? timestamp : -1
        return { baseOffset: firstOffset, lastOffset, duplicate: true, logAppendTime }
      }
    }
    // 2
    let logAppendTime = -1
    if (this.config.timestampType === 'append') {
      logAppendTime = this.#home.clock.now()
      setAppendTime(batch, logAppendTime)
    }
    return this.#write(batch, logAppendTime)
  }

  /**
   * Ends a producer's transaction in this partition: for the transaction coordinator.
   *
   * @throws StreamsError `producer-fenced`, `transaction-state-invalid`, `log-storage-failed`
   */
  appendControl(marker: ControlMarker): Appended {
    this.#requireOpen()
    this.#producers.checkMarker(marker)
    const timestamp = marker.timestamp ?? this.#home.clock.now()
    const appended = this.#write(encodeControlBatch({ ...marker, timestamp }), -1)
    const ended = this.#producers.end(marker, appended.baseOffset, timestamp)
    if (ended !== null && marker.type === 'abort') {
      this.#active.indexes().transaction.append(ended)
    }
    return appended
  }

  /** Step 1, as far as the batch alone tells. */
  #judge(batch: Buffer): BatchReader {
    const { maxMessageBytes } = this.config
    if (batch.length > Math.min(maxMessageBytes, this.config.segmentBytes)) {
      throw this.#error(
        'record-too-large',
        `a batch of ${batch.length} bytes is larger than the topic accepts (${maxMessageBytes})`,
      )
    }
    const reader = this.#reader
    const isWhole = reader.open(batch, 0, VERIFY) && reader.sizeInBytes === batch.length
    if (!isWhole) throw this.#error('record-batch-invalid', 'the bytes are not one whole batch')
    const { recordCount, baseOffset, lastOffset } = reader
    if (recordCount === 0 || lastOffset - baseOffset + 1 !== recordCount || reader.isControl) {
      throw this.#error('record-batch-invalid', 'a producer sent a control batch or one with gaps')
    }
    const { producerId, producerEpoch, baseSequence } = reader
    if (producerId >= 0 ? producerEpoch < 0 || baseSequence < 0 : reader.isTransactional) {
      throw this.#error(
        'record-batch-invalid',
        `producer ${producerId} sent epoch ${producerEpoch} and sequence ${baseSequence}`,
      )
    }
    return reader
  }

  /** Steps 2 to 5. */
  #write(batch: Buffer, logAppendTime: number): Appended {
    const baseOffset = this.logEndOffset
    this.#isChanged = true
    setBaseOffset(batch, baseOffset, LEADER_EPOCH)
    const reader = this.#reader
    reader.open(batch, 0)
    const { lastOffset, maxTimestamp } = reader
    try {
      // 3
      if (this.#mustRoll(batch.length, lastOffset, maxTimestamp)) this.#roll()
      // 4
      this.#active.append(batch, reader)
    } catch (error) {
      this.#active.cutOff()
      throw this.#fail(error, 'appending failed')
    }
    // 5
    if (reader.producerId >= 0 && !reader.isControl) {
      this.#producers.update(reader, baseOffset, lastOffset)
    }
    this.logEndOffset = lastOffset + 1
    this.#tail.append(batch, lastOffset)
    return { baseOffset, lastOffset, duplicate: false, logAppendTime }
  }

  #mustRoll(bytes: number, lastOffset: number, maxTimestamp: number): boolean {
    const { size, baseOffset, firstTimestamp, createdAt } = this.#active
    if (size === 0) return false
    const { segmentBytes, segmentMs } = this.config
    if (size + bytes > segmentBytes || lastOffset - baseOffset > RELATIVE_MAX) return true
    if (firstTimestamp >= 0) return maxTimestamp - firstTimestamp > segmentMs
    return this.#home.clock.now() - createdAt > segmentMs
  }

  /** Starts a new segment, unless the newest one is empty. */
  roll(): void {
    this.#requireOpen()
    try {
      this.#roll()
    } catch (error) {
      throw this.#fail(error, 'rolling failed')
    }
  }

  #roll(): void {
    const full = this.#active
    if (full.size === 0) return
    this.#isChanged = true
    full.seal()
    this.#active = Segment.create(this.#home, this.logEndOffset)
    this.#home.segments.push(this.#active)
    this.#writeSnapshot()
    this.#unsynced.add(this.#active)
    this.#touch(full)
    if (this.config.flush !== 'never') void this.#settle(full)
  }

  /** After a roll: what is on the device needs no recovery any more. Failures show as `failed`. */
  async #settle(full: Segment): Promise<void> {
    const upTo = full.nextOffset
    try {
      await this.flush()
      const isKept = () => this.#state === 'open' && this.#home.segments.includes(full)
      if (!isKept()) return
      await full.syncAll()
      if (isKept() && upTo > this.#recoveryPoint) this.#writeCheckpoint(upTo)
    } catch (error) {
      if (this.#state === 'open') this.#fail(error, 'syncing a full segment failed')
    }
  }

  // Read

  /**
   * Whole batches from the one that contains `offset`, ending below `upTo` (high watermark or last
   * stable offset): at most `maxBytes`, but at least one. Empty when there is none.
   *
   * @throws StreamsError `log-offset-out-of-range`, `log-corrupt-batch` with file and position
   */
  read(offset: number, maxBytes: number, upTo: number): Buffer[] {
    this.#requireReadable(offset)
    if (offset >= upTo || offset >= this.logEndOffset) return []
    if (offset >= this.#tail.startOffset) return this.#tail.read(offset, maxBytes, upTo)
    const segment = this.#segmentOf(offset)
    const hint = this.#hint?.segment === segment ? this.#hint.place : null
    const { batches, next } = this.#reading(() => segment.read(offset, maxBytes, upTo, hint))
    this.#touch(segment)
    this.#hint = { segment, place: next }
    return batches
  }

  /** The transactions that were aborted among the records from `from` up to `to`. */
  abortedTransactions(from: number, to: number): AbortedTransaction[] {
    this.#requireReadable(Math.min(from, this.logEndOffset))
    const found: AbortedTransaction[] = []
    for (const segment of this.#home.segments) {
      if (segment.nextOffset <= from && segment !== this.#active) continue
      const isComplete = this.#reading(() => segment.indexes().transaction.collect(from, to, found))
      this.#touch(segment)
      if (isComplete) break
    }
    return found
  }

  /** The first record with this timestamp or a later one; null when there is none. */
  offsetForTimestamp(timestamp: number): TimestampOffset | null {
    this.#requireReadable(this.logStartOffset)
    for (const segment of this.#home.segments) {
      if (segment.nextOffset <= this.logStartOffset) continue
      const from = Math.max(this.logStartOffset, segment.baseOffset)
      const found = this.#reading(() => segment.findTimestamp(timestamp, from))
      this.#touch(segment)
      if (found !== null) return found
    }
    return null
  }

  /** The last record with the highest timestamp's batch; null when there is none. */
  maxTimestamp(): TimestampOffset | null {
    let max: TimestampOffset | null = null
    for (const segment of this.#home.segments) {
      const candidate = segment.maxTimestamp()
      this.#touch(segment)
      if (candidate.timestamp > (max?.timestamp ?? -1)) max = candidate
    }
    return max
  }

  #segmentOf(offset: number): Segment {
    const { segments } = this.#home
    let low = 0
    let high = segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((segments[middle] as Segment).baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return segments[low] as Segment
  }

  /** Keeps the files of few older segments open: those read last. */
  #touch(segment: Segment): void {
    if (segment === this.#active) return
    this.#readSegments.delete(segment)
    this.#readSegments.add(segment)
    if (this.#readSegments.size <= OPEN_SEGMENTS_MAX) return
    for (const oldest of this.#readSegments) {
      if (this.#unsynced.has(oldest)) continue
      oldest.release()
      this.#readSegments.delete(oldest)
      return
    }
  }

  // Delete

  /** Makes `offset` the first that can be read, and deletes segments that are wholly before it. */
  deleteRecordsBefore(offset: number): void {
    this.#requireOpen()
    if (offset > this.highWatermark) throw this.#outOfRange(offset)
    if (offset <= this.logStartOffset) return
    this.logStartOffset = offset
    this.#isChanged = true
    this.#deleteWhile((_segment, next) => next.baseOffset <= offset)
  }

  /**
   * Deletes old segments by time and size as configured, and forgets idle producers.
   *
   * @returns how many segments were deleted
   */
  applyRetention(now: number): number {
    this.#requireOpen()
    const { retentionMs, retentionBytes, cleanupPolicy, producerExpirationMs } = this.config
    this.#producers.expire(now - producerExpirationMs)
    let deleted = this.#deleteWhile((_segment, next) => next.baseOffset <= this.logStartOffset)
    if (!cleanupPolicy.includes('delete')) return deleted
    if (retentionMs >= 0) {
      const isExpired = (segment: Segment) => {
        const { timestamp } = segment.maxTimestamp()
        this.#touch(segment)
        return now - (timestamp >= 0 ? timestamp : segment.createdAt) > retentionMs
      }
      if (this.#active.size > 0 && this.#home.segments.every(isExpired)) this.roll()
      deleted += this.#deleteWhile(isExpired)
    }
    if (retentionBytes >= 0) {
      let excess = this.sizeInBytes - retentionBytes
      deleted += this.#deleteWhile(({ size }) => {
        excess -= size
        return excess >= 0
      })
    }
    return deleted
  }

  /** Deletes from the oldest segment on, never the newest one. */
  #deleteWhile(isDue: (segment: Segment, next: Segment) => boolean): number {
    const { segments } = this.#home
    let count = 0
    while (
      count < segments.length - 1 &&
      isDue(segments[count] as Segment, segments[count + 1] as Segment)
    ) {
      count += 1
    }
    if (count === 0) return 0
    const deleted = segments.splice(0, count)
    const start = (segments[0] as Segment).baseOffset
    if (start > this.logStartOffset) this.logStartOffset = start
    this.#writeCheckpoint(this.#recoveryPoint)
    for (const segment of deleted) this.#forget(segment)
    for (const snapshot of snapshotOffsets(this.#home)) {
      if (snapshot < start) this.#home.fileSystem.removeFile(snapshotPath(this.#home, snapshot))
    }
    return count
  }

  #forget(segment: Segment): void {
    this.#readSegments.delete(segment)
    this.#unsynced.delete(segment)
    if (this.#hint?.segment === segment) this.#hint = null
    segment.remove()
  }

  /** Removes all records from the batch with `offset` on. */
  truncateTo(offset: number): void {
    this.#requireOpen()
    if (offset >= this.logEndOffset) return
    const { segments } = this.#home
    if (offset < (segments[0] as Segment).baseOffset) {
      this.truncateFullyAndStartAt(offset)
      return
    }
    const kept = segments.findLastIndex(({ baseOffset }) => baseOffset <= offset)
    const newest = segments[kept] as Segment
    const place = this.#reading(() => newest.locate(offset))
    this.#startCut(place.offset)
    for (const segment of segments.splice(kept + 1)) this.#forget(segment)
    this.#active = newest
    this.#readSegments.delete(newest)
    newest.truncate(place)
    this.#endCut(place.offset)
  }

  /** Removes all records; the next one gets `offset`. */
  truncateFullyAndStartAt(offset: number): void {
    this.#requireOpen()
    this.#startCut(0)
    for (const segment of this.#home.segments.splice(0)) this.#forget(segment)
    removeSnapshotsAfter(this.#home, -1)
    this.#active = Segment.create(this.#home, offset)
    this.#home.segments.push(this.#active)
    this.logStartOffset = offset
    this.#endCut(offset)
    this.#writeCheckpoint(offset)
  }

  /** The recovery point goes back first: a crash in between must not look like damage. */
  #startCut(offset: number): void {
    if (offset < this.#recoveryPoint) this.#writeCheckpoint(offset)
    this.#flushedOffset = Math.min(this.#flushedOffset, offset)
    this.#hint = null
  }

  #endCut(offset: number): void {
    this.#isChanged = true
    removeSnapshotsAfter(this.#home, offset)
    this.logEndOffset = offset
    this.logStartOffset = Math.min(this.logStartOffset, offset)
    this.#unsynced.add(this.#active)
    this.#tail.reset(offset)
    this.#producers = producersAt(this.#home, this.#home.segments, offset)
  }

  // Flush, close

  /**
   * Resolves when all that was appended before survives the loss of power.
   *
   * @throws StreamsError `log-storage-failed`, after which nothing is appended until the log was
   *   opened again
   */
  async flush(): Promise<void> {
    this.#requireOpen()
    const target = this.logEndOffset
    // Truncated meanwhile, the log may end before what was to be flushed.
    while (this.#state === 'open' && this.#flushedOffset < Math.min(target, this.logEndOffset)) {
      this.#flushing ??= this.#syncOnce()
      await this.#flushing
    }
    if (this.#flushedOffset < Math.min(target, this.logEndOffset)) this.#requireOpen()
  }

  async #syncOnce(): Promise<void> {
    const upTo = this.logEndOffset
    const segments = [...this.#unsynced]
    try {
      await Promise.all(segments.map((segment) => segment.sync()))
      for (const segment of segments) {
        if (segment !== this.#active) this.#unsynced.delete(segment)
      }
      this.#flushedOffset = Math.max(this.#flushedOffset, Math.min(upTo, this.logEndOffset))
    } catch (error) {
      if (this.#state === 'open') throw this.#fail(error, 'syncing failed')
    } finally {
      this.#flushing = null
    }
  }

  /**
   * Makes everything durable and lets go of all files. After a failure only the latter.
   *
   * @throws StreamsError `log-storage-failed` when it could not be made durable
   */
  close(): void {
    if (this.#state === 'closed') return
    const wasOpen = this.#state === 'open'
    try {
      if (wasOpen) this.#closeCleanly()
    } catch (error) {
      throw this.#fail(error, 'closing failed')
    } finally {
      this.#release()
    }
  }

  #closeCleanly(): void {
    if (!this.#isChanged) return
    this.#active.seal()
    for (const segment of this.#unsynced) segment.syncNow()
    this.#writeSnapshot()
    this.#writeCheckpoint(this.logEndOffset)
    this.#flushedOffset = this.logEndOffset
  }

  /** Closes the log and deletes its folder. */
  delete(): void {
    this.#release()
    this.#home.fileSystem.removeDirectory(this.#home.directory)
  }

  #release(): void {
    this.#state = 'closed'
    for (const segment of this.#home.segments) segment.release()
    this.#tail.close()
  }

  #writeSnapshot(): void {
    const { fileSystem } = this.#home
    const path = snapshotPath(this.#home, this.logEndOffset)
    fileSystem.replaceFile(path, encodeSnapshot(this.#producers))
  }

  #writeCheckpoint(recoveryPoint: number): void {
    const { fileSystem, segments, pathOf } = this.#home
    const transactionIndexes = new Map<number, number>()
    for (const { baseOffset, transactionChecksum } of segments) {
      if (transactionChecksum !== EMPTY_CHECKSUM) {
        transactionIndexes.set(baseOffset, transactionChecksum)
      }
    }
    const { logStartOffset } = this
    const checkpoint = { logStartOffset, recoveryPoint, transactionIndexes }
    writeCheckpoint(fileSystem, pathOf(CHECKPOINT_NAME), checkpoint)
    this.#recoveryPoint = recoveryPoint
  }

  // Errors

  #requireOpen(): void {
    if (this.#state === 'open') return
    if (this.#state === 'closed') throw this.#error('log-closed', 'the log is closed')
    throw this.#error(
      'log-storage-failed',
      'an earlier write or sync failed; the log must be opened again',
      this.#failure,
    )
  }

  /** A log that failed to write can still be read. */
  #requireReadable(offset: number): void {
    if (this.#state === 'closed') throw this.#error('log-closed', 'the log is closed')
    if (offset < this.logStartOffset || offset > this.logEndOffset) throw this.#outOfRange(offset)
  }

  #outOfRange(offset: number): StreamsError {
    const range = `${this.logStartOffset} to ${this.logEndOffset}`
    return this.#error('log-offset-out-of-range', `offset ${offset} is not within ${range}`)
  }

  #reading<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (error instanceof StreamsError) throw error
      throw this.#error('log-storage-failed', 'reading failed', error)
    }
  }

  #fail(error: unknown, message: string): StreamsError {
    if (this.#state === 'open') {
      this.#state = 'failed'
      this.#failure = error
    }
    return this.#error('log-storage-failed', message, error)
  }

  #error(code: StreamsError['code'], message: string, cause?: unknown): StreamsError {
    const place = { topic: this.topic, partition: this.partition, file: this.#home.directory }
    return new StreamsError(code, message, { cause, place })
  }
}
