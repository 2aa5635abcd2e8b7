/**
 * A segment: one .log file of batches with its three indexes.
 *
 * Journey: partition-log append -> [segment] -> file; file -> [segment] -> partition-log read.
 *
 * Only the newest segment is appended to. An older one opens its files when it is read and lets go
 * of them when the log has too many open.
 *
 * Invariants:
 * - `size` is the end of the last whole batch; what a failed write left after it is cut off.
 * - Bytes from the file are handed out only after CRC and offsets were checked.
 * - An index only says where to start looking: what it says is compared with the batch found there,
 *   and when they differ it is rebuilt from the log.
 */
import { type ErrorPlace, StreamsError } from '../errors.ts'
import type { FileHandle } from '../file-system.ts'
import {
  BASE_OFFSET_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  LAST_OFFSET_DELTA_AT,
  LENGTH_PREFIX_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
} from '../record/batch-format.ts'
import { readInt64 } from '../record/byte-writer.ts'
import { BatchReader } from '../record/record-batch.ts'
import { BatchScan, offsetFault, type ScanOutcome } from './batch-scan.ts'
import { isCompacted } from './log-config.ts'
import {
  fileName,
  INDEX_SUFFIXES,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from './log-files.ts'
import type { LogHome } from './log-home.ts'
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex, type TimestampOffset } from './time-index.ts'
import { EMPTY_CHECKSUM, TransactionIndex } from './transaction-index.ts'

/** Offsets of a segment are stored relative to its base, positions as they are: both in an i32. */
export const RELATIVE_MAX = 0x7fff_ffff

const VERIFY = { verifyCrc: true } as const

/** A place in the log: the batch at `position` starts at `offset`. */
export interface BatchPlace {
  readonly position: number
  readonly offset: number
}

export interface SegmentRead {
  readonly batches: Buffer[]
  /** Where a reader that goes on will start. */
  readonly next: BatchPlace
}

export interface AppendedBatch {
  readonly lastOffset: number
  readonly maxTimestamp: number
}

interface Indexes {
  readonly offset: OffsetIndex
  readonly time: TimeIndex
  readonly transaction: TransactionIndex
}

export class Segment {
  readonly baseOffset: number
  readonly path: string
  size: number
  /** Known while it is the newest segment; of an older one, where the next one starts. */
  nextOffset: number
  /** Max timestamp of the first batch, by which it rolls; -1 when unknown or none. */
  firstTimestamp = -1
  readonly createdAt: number
  /** Of the transaction index, as of when the segment ended or the log was closed. */
  transactionChecksum: number = EMPTY_CHECKSUM
  /** Recovery could not tell where its flushed part ends: it is kept, and never appended to. */
  isSealedByDamage = false
  #maxTimestamp: TimestampOffset | null = null
  #bytesSinceEntry = 0
  #file: FileHandle | null
  #indexes: Indexes | null = null
  readonly #home: LogHome
  readonly #reader = new BatchReader()
  readonly #header: Buffer = Buffer.alloc(BATCH_HEADER_BYTES)

  constructor(home: LogHome, baseOffset: number) {
    this.#home = home
    this.baseOffset = baseOffset
    this.nextOffset = baseOffset
    this.path = home.pathOf(fileName(baseOffset, LOG_SUFFIX))
    this.createdAt = home.clock.now()
    this.#file = home.fileSystem.open(this.path)
    this.size = this.#file.size()
  }

  /** Creates the files of a new segment. */
  static create(home: LogHome, baseOffset: number): Segment {
    const segment = new Segment(home, baseOffset)
    segment.#file?.truncate(0)
    segment.size = 0
    segment.startIndexes()
    return segment
  }

  get isOpen(): boolean {
    return this.#file !== null
  }

  // Appending

  append(bytes: Buffer, batch: AppendedBatch): void {
    const position = this.size
    this.file().write(bytes, position)
    this.size = position + bytes.length
    this.noteBatch(position, batch)
    this.#bytesSinceEntry += bytes.length
    this.nextOffset = batch.lastOffset + 1
  }

  /** Cuts off what a failed write left; best effort, since recovery does it too. */
  cutOff(): void {
    try {
      this.file().truncate(this.size)
    } catch {
      // The device refuses writes: the torn bytes stay until recovery.
    }
  }

  /** What an append or a scan does to indexes and timestamps. */
  noteBatch(position: number, { lastOffset, maxTimestamp }: AppendedBatch): void {
    const { offset, time } = this.indexes()
    if (position === 0) this.firstTimestamp = maxTimestamp
    if (maxTimestamp > this.maxTimestamp().timestamp) {
      this.#maxTimestamp = { timestamp: maxTimestamp, offset: lastOffset }
    }
    if (this.#bytesSinceEntry > this.#home.config.indexIntervalBytes) {
      offset.append(lastOffset, position)
      const max = this.maxTimestamp()
      time.append(max.timestamp, max.offset)
      this.#bytesSinceEntry = 0
    }
  }

  /** The highest timestamp; -1 when there is none. */
  maxTimestamp(): TimestampOffset {
    this.#maxTimestamp ??= this.indexes().time.last()
    return this.#maxTimestamp
  }

  /** The last entry of the time index of a segment that ends must be its highest timestamp. */
  seal(): void {
    const { offset, time, transaction } = this.indexes()
    const max = this.maxTimestamp()
    time.append(max.timestamp, max.offset)
    this.transactionChecksum = transaction.checksum()
    for (const index of [offset, time, transaction]) index.file.writePending()
  }

  // Reading

  /**
   * Reads whole batches from the one that contains `offset`: at most `maxBytes`, but at least one.
   *
   * @throws StreamsError `log-corrupt-batch` when the first of them is damaged
   */
  read(offset: number, maxBytes: number, upTo: number, hint: BatchPlace | null): SegmentRead {
    const start = hint !== null && hint.offset === offset ? hint : this.locate(offset)
    // A damaged header can lead astray: then only a walk over the segment finds a good batch.
    const read =
      this.#readFrom(start, maxBytes, upTo) ??
      this.#readFrom(this.#searchWhole(offset), maxBytes, upTo)
    if (read === null) throw this.corrupt(start.position, 'it cannot be read twice alike')
    return read
  }

  /** Reads from a place on; null when the first batch there is damaged. */
  #readFrom(start: BatchPlace, maxBytes: number, upTo: number): SegmentRead | null {
    const firstSize = this.#readHeader(start.position)
    if (firstSize < 0) return null
    const wanted = Math.min(Math.max(maxBytes, firstSize), this.size - start.position)
    const chunk = Buffer.allocUnsafeSlow(wanted)
    const count = this.file().read(chunk, 0, wanted, start.position)
    const bytes = count === wanted ? chunk : chunk.subarray(0, count)

    const batches: Buffer[] = []
    let at = 0
    let expected = start.offset
    while (at < count && this.#isGood(bytes, at, expected)) {
      const { nextPosition, lastOffset } = this.#reader
      if (lastOffset >= upTo)
        return { batches, next: { position: start.position + at, offset: expected } }
      batches.push(bytes.subarray(at, nextPosition))
      at = nextPosition
      expected = lastOffset + 1
    }
    if (batches.length === 0) return null
    return { batches, next: { position: start.position + at, offset: expected } }
  }

  /** Whether a whole, undamaged batch of the offset that must follow starts at `at`. */
  #isGood(bytes: Buffer, at: number, expected: number): boolean {
    try {
      if (!this.#reader.open(bytes, at, VERIFY)) return false
    } catch (error) {
      if (error instanceof StreamsError) return false
      throw error
    }
    const gaps = isCompacted(this.#home.config)
    return offsetFault(this.#reader.baseOffset, expected, gaps) === null
  }

  /**
   * The batch that contains `offset` (or, compacted, the first one after it).
   *
   * @throws StreamsError `log-corrupt-batch` when the way there is damaged
   */
  locate(offset: number): BatchPlace {
    return this.#walkTo(offset) ?? this.#searchWhole(offset)
  }

  /** The index does not lead there: a walk over the whole segment tells whether it or the log lies. */
  #searchWhole(offset: number): BatchPlace {
    const scan = this.scan()
    let found: BatchPlace | null = null
    let damage: StreamsError | null = null
    for (;;) {
      const outcome = scan.next()
      if (outcome === 'end') break
      if (outcome !== 'valid') damage ??= this.corrupt(scan.position, scan.reason)
      else if (scan.batch.lastOffset >= offset) {
        found ??= { position: scan.position, offset: scan.batch.baseOffset }
      }
      if (outcome === 'broken') break
    }
    if (damage === null && found !== null) {
      this.rebuildOffsetAndTime('the offset index does not fit the log')
    }
    if (found !== null && (damage === null || found.offset <= offset)) return found
    throw damage ?? this.corrupt(this.size, `the batch of offset ${offset} is missing`)
  }

  /** Walks headers from the nearest index entry; null when they do not lead to `offset`. */
  #walkTo(offset: number): BatchPlace | null {
    const entry = this.indexes().offset.lookup(offset)
    const gaps = isCompacted(this.#home.config)
    let position = entry.position
    let expected = entry.lastOffset === null ? this.baseOffset : -1
    while (position < this.size) {
      const size = this.#readHeader(position)
      if (size < 0) return null
      const baseOffset = readInt64(this.#header, BASE_OFFSET_AT)
      const lastOffset = baseOffset + this.#header.readInt32BE(LAST_OFFSET_DELTA_AT)
      if (expected < 0 && lastOffset !== entry.lastOffset) return null
      if (offsetFault(baseOffset, expected, gaps) !== null || lastOffset < baseOffset) return null
      if (lastOffset >= offset) return { position, offset: baseOffset }
      expected = lastOffset + 1
      position += size
    }
    return null
  }

  /** Reads the header at `position`; returns the size of the batch, or -1 when it cannot be one. */
  #readHeader(position: number): number {
    const header = this.#header
    if (this.file().read(header, 0, BATCH_HEADER_BYTES, position) < BATCH_HEADER_BYTES) return -1
    const size = header.readInt32BE(BATCH_LENGTH_AT) + LENGTH_PREFIX_BYTES
    if (size < BATCH_HEADER_BYTES || header[MAGIC_AT] !== MAGIC_V2) return -1
    return position + size > this.size ? -1 : size
  }

  corrupt(position: number, reason: string): StreamsError {
    const place: ErrorPlace = {
      topic: this.#home.topic,
      partition: this.#home.partition,
      file: this.path,
      position,
    }
    return new StreamsError('log-corrupt-batch', `A record batch is damaged: ${reason}`, { place })
  }

  /** A walk over the batches from `place`, by default the start. */
  scan(place: BatchPlace = { position: 0, offset: this.baseOffset }): BatchScan {
    return new BatchScan({
      file: this.file(),
      position: place.position,
      end: this.size,
      expectedOffset: place.offset,
      gaps: isCompacted(this.#home.config),
    })
  }

  /** A walk from the batch with `offset`, or from the start when damage hides where that is. */
  scanFrom(offset: number): BatchScan {
    return (offset > this.baseOffset ? this.#scanAt(offset) : null) ?? this.scan()
  }

  // Time

  /**
   * The first record with this timestamp or a later one, at `from` or after it. A marker is none:
   * its time is the wall clock's, and would answer for every event time before it (Kafka's does).
   */
  findTimestamp(timestamp: number, from: number): TimestampOffset | null {
    if (this.maxTimestamp().timestamp < timestamp) return null
    const scan = this.scan(this.locate(Math.max(this.#placeInTime(timestamp), from)))
    for (;;) {
      const outcome = scan.next()
      if (outcome === 'end') return null
      if (outcome !== 'valid') throw this.corrupt(scan.position, scan.reason)
      if (scan.batch.maxTimestamp < timestamp || scan.batch.isControl) continue
      while (scan.batch.next()) {
        const { timestamp: found, offset } = scan.batch
        if (found >= timestamp && offset >= from) return { timestamp: found, offset }
      }
    }
  }

  /** An offset before which no record has `timestamp` or more, by an entry that fits the log. */
  #placeInTime(timestamp: number): number {
    const entry = this.indexes().time.lookupBelow(timestamp)
    if (entry.timestamp < 0) return this.baseOffset
    if (this.timeEntryFits(entry)) return entry.offset
    this.rebuildOffsetAndTime('the time index does not fit the log')
    const rebuilt = this.indexes().time.lookupBelow(timestamp)
    return rebuilt.timestamp < 0 ? this.baseOffset : rebuilt.offset
  }

  /** Whether the log has at that entry what it says; true when damage keeps us from knowing. */
  timeEntryFits(entry: TimestampOffset): boolean {
    if (entry.offset < this.baseOffset || entry.offset >= this.nextOffset) return false
    const scan = this.#scanAt(entry.offset)
    if (scan === null || scan.next() !== 'valid') return true
    return scan.batch.lastOffset === entry.offset && scan.batch.maxTimestamp === entry.timestamp
  }

  /** A scan from the batch with `offset`, or null when damage keeps us from it. */
  #scanAt(offset: number): BatchScan | null {
    try {
      return this.scan(this.locate(offset))
    } catch (error) {
      if (error instanceof StreamsError) return null
      throw error
    }
  }

  // Indexes

  /** The indexes, loaded or, when that does not go, rebuilt. */
  indexes(): Indexes {
    return this.#indexes ?? this.#loadIndexes()
  }

  /** Empty indexes, in memory and in the files. */
  startIndexes(): Indexes {
    const indexes = this.#newIndexes()
    for (const { file } of [indexes.offset, indexes.time, indexes.transaction]) file.truncate(0)
    this.#closeIndexes()
    this.#indexes = indexes
    this.#maxTimestamp = { timestamp: -1, offset: this.baseOffset }
    this.#bytesSinceEntry = 0
    this.firstTimestamp = -1
    return indexes
  }

  #loadIndexes(): Indexes {
    const indexes = this.#newIndexes()
    this.#indexes = indexes
    const { offset, time, transaction } = indexes
    const loaded = [offset.file.load(), time.file.load(), transaction.file.load()]
    if (!loaded[0] || !loaded[1] || !offset.isSane(this.size) || !time.isSane()) {
      this.rebuildOffsetAndTime('an index is missing or not sane')
    } else if (time.file.count > 0 && !this.timeEntryFits(time.last())) {
      this.rebuildOffsetAndTime('the time index does not end as the log does')
    }
    if (!loaded[2] || transaction.checksum() !== this.transactionChecksum) {
      this.#home.rebuildTransactionIndex(this)
      this.transactionChecksum = transaction.checksum()
    }
    return indexes
  }

  #newIndexes(): Indexes {
    const { fileSystem } = this.#home
    const path = (suffix: string) => this.#home.pathOf(fileName(this.baseOffset, suffix))
    return {
      offset: new OffsetIndex(fileSystem, path(OFFSET_INDEX_SUFFIX), this.baseOffset),
      time: new TimeIndex(fileSystem, path(TIME_INDEX_SUFFIX), this.baseOffset),
      transaction: new TransactionIndex(fileSystem, path(TRANSACTION_INDEX_SUFFIX)),
    }
  }

  /** Builds offset and time index anew by a walk over the log; bad batches are stepped over. */
  rebuildOffsetAndTime(reason: string): void {
    this.#home.report({ case: 5, what: 'index-rebuilt', file: this.path, detail: reason })
    const { offset, time } = this.#indexes as Indexes
    offset.file.truncate(0)
    time.file.truncate(0)
    this.#maxTimestamp = { timestamp: -1, offset: this.baseOffset }
    this.#bytesSinceEntry = 0
    const scan = this.scan()
    for (let outcome = scan.next(); canGoOn(outcome); outcome = scan.next()) {
      if (outcome === 'valid') this.noteScanned(scan)
    }
    const max = this.maxTimestamp()
    time.append(max.timestamp, max.offset)
    offset.file.writePending()
    time.file.writePending()
  }

  /** Takes note of the batch a scan stands on, as if it had just been appended. */
  noteScanned(scan: BatchScan): void {
    this.noteBatch(scan.position, scan.batch)
    this.#bytesSinceEntry += scan.batch.sizeInBytes
  }

  // Files

  file(): FileHandle {
    this.#file ??= this.#home.fileSystem.open(this.path)
    return this.#file
  }

  /** Cuts the log at a batch: that is where the next one will be appended. */
  truncate(place: BatchPlace): void {
    const { offset, time, transaction } = this.indexes()
    this.cutAt(place.position)
    for (const index of [offset, time, transaction]) index.truncateTo(place.offset)
    this.loadTail()
    this.nextOffset = place.offset
  }

  /** Cuts the file only. */
  cutAt(position: number): void {
    this.file().truncate(position)
    this.size = position
  }

  /**
   * Finds the end of the newest segment and its timestamps from the last index entry on.
   *
   * @returns false when the log is not whole and in order from there on, or the entry does not fit
   */
  loadTail(): boolean {
    const entry = this.indexes().offset.last()
    this.#maxTimestamp = this.indexes().time.last()
    this.#bytesSinceEntry = 0
    this.firstTimestamp = this.#firstTimestamp()
    const offset = entry.lastOffset === null ? this.baseOffset : -1
    const scan = this.scan({ position: entry.position, offset })
    let outcome = scan.next()
    if (offset < 0 && (outcome !== 'valid' || scan.batch.lastOffset !== entry.lastOffset)) {
      return false
    }
    for (; outcome === 'valid'; outcome = scan.next()) {
      const { lastOffset, maxTimestamp, sizeInBytes } = scan.batch
      this.#bytesSinceEntry += sizeInBytes
      if (maxTimestamp > this.maxTimestamp().timestamp) {
        this.#maxTimestamp = { timestamp: maxTimestamp, offset: lastOffset }
      }
    }
    this.nextOffset = scan.expectedOffset
    return outcome === 'end'
  }

  #firstTimestamp(): number {
    return this.#readHeader(0) < 0 ? -1 : readInt64(this.#header, MAX_TIMESTAMP_AT)
  }

  async sync(): Promise<void> {
    await this.file().sync()
  }

  /** Syncs indexes too: after this the segment needs no recovery. */
  async syncAll(): Promise<void> {
    const { offset, time, transaction } = this.indexes()
    await Promise.all([
      this.file().sync(),
      ...[offset, time, transaction].map((index) => index.file.sync()),
    ])
  }

  syncNow(): void {
    const { offset, time, transaction } = this.indexes()
    this.file().syncNow()
    for (const index of [offset, time, transaction]) index.file.syncNow()
  }

  /** Lets go of files and loaded indexes; a later read opens them again. */
  release(): void {
    this.#file?.close()
    this.#file = null
    this.#closeIndexes()
  }

  remove(): void {
    this.release()
    this.#home.fileSystem.removeFile(this.path)
    for (const suffix of INDEX_SUFFIXES) {
      this.#home.fileSystem.removeFile(this.#home.pathOf(fileName(this.baseOffset, suffix)))
    }
  }

  #closeIndexes(): void {
    if (this.#indexes === null) return
    const { offset, time, transaction } = this.#indexes
    for (const index of [offset, time, transaction]) index.file.close()
    this.#indexes = null
  }
}

/** True until the walk ends: at the end, or where nobody can tell what follows. */
export function canGoOn(outcome: ScanOutcome): boolean {
  return outcome === 'valid' || outcome === 'bad'
}
