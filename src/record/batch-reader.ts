/**
 * Reads v2 record batches: a cursor over the batches of a buffer, and over the records of one.
 *
 * Journey: log segment or fetch response -> [batch -> records] -> runtime, consumer, broker checks.
 *
 * One reader is reused for any number of buffers; it allocates nothing per record. What it shows of
 * a record are numbers and ranges in `bytes`, valid until it moves on.
 *
 * Invariants:
 * - No length is believed before it is checked against the bytes that are there.
 * - Arbitrary bytes end in `record-batch-invalid`, `log-corrupt-batch` (the CRC) or
 *   `compression-unsupported`, never in another error or a loop.
 * - Records are decompressed at the first `next`, so that reading headers of batches is cheap.
 */
import './node-buffer.ts'
import { StreamsError } from '../errors.ts'
import {
  APPEND_TIME_FLAG,
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  COMPRESSION_MASK,
  CONTROL_ABORT,
  CONTROL_COMMIT,
  CONTROL_FLAG,
  CRC_AT,
  DELETE_HORIZON_FLAG,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_PREFIX_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
  NONE,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_BYTES_MIN,
  RECORD_COUNT_AT,
  TRANSACTIONAL_FLAG,
} from './batch-format.ts'
import { COMPRESSIONS, type Compression, decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { type ByteRange, NO_HEADERS, type RecordHeader, type RecordHeaders } from './record.ts'
import { VarintReader } from './varint.ts'

/** Whose clock the timestamps of a batch are: the producer's or the log's. */
export type TimestampType = 'create' | 'append'

export interface OpenOptions {
  /** Check the CRC. Default false. */
  readonly verifyCrc?: boolean
}

const NO_BYTES: Buffer = Buffer.alloc(0)
const SAFE_MAX: number = Number.MAX_SAFE_INTEGER

export class BatchReader {
  // The batch.
  /** Where the batch starts in the buffer, its bytes in all, and where the next one starts. */
  position = 0
  sizeInBytes = 0
  nextPosition = 0
  baseOffset = 0
  lastOffset = 0
  partitionLeaderEpoch: number = NONE
  attributes = 0
  compression: Compression = 'none'
  timestampType: TimestampType = 'create'
  isTransactional = false
  isControl = false
  /** The base timestamp is the time from which the compactor may drop tombstones (KIP-534). */
  hasDeleteHorizon = false
  producerId: number = NONE
  producerEpoch: number = NONE
  baseSequence: number = NONE
  recordCount = 0
  baseTimestamp: number = NONE
  maxTimestamp: number = NONE

  // The current record. Ranges lie in `bytes`: the buffer itself, or the decompressed records.
  bytes: Buffer = NO_BYTES
  offset = 0
  timestamp: number = NONE
  /** -1: the key is null. */
  keyStart = -1
  keyEnd = -1
  /** -1: the value is null. */
  valueStart = -1
  valueEnd = -1
  headerCount = 0
  headersStart = 0
  headersEnd = 0

  #buffer: Buffer = NO_BYTES
  #payload: Buffer | null = null
  #recordsLeft = 0
  #cursor = 0
  #end = 0
  #lastOffsetDelta = 0
  #offsetDelta = -1
  readonly #varint = new VarintReader()
  readonly #key = { bytes: NO_BYTES, start: 0, end: 0 }
  readonly #value = { bytes: NO_BYTES, start: 0, end: 0 }

  /**
   * Points at the batch at `position`, before its first record.
   *
   * @returns false when no whole batch is left there: the end, or a batch that is cut off.
   * @throws StreamsError `log-corrupt-batch` when `verifyCrc` is set and the CRC differs,
   *   `record-batch-invalid` when the bytes are not a v2 batch.
   */
  open(buffer: Buffer, position: number, options?: OpenOptions): boolean {
    const available = buffer.length - position
    if (available < LENGTH_PREFIX_BYTES) return false
    const sizeInBytes = buffer.readInt32BE(position + BATCH_LENGTH_AT) + LENGTH_PREFIX_BYTES
    this.#buffer = buffer
    this.position = position
    this.recordCount = 0
    this.#recordsLeft = 0
    if (sizeInBytes < BATCH_HEADER_BYTES) this.#fail(`its size ${sizeInBytes} is impossible`)
    if (sizeInBytes > available) return false

    this.sizeInBytes = sizeInBytes
    this.nextPosition = position + sizeInBytes
    const magic = buffer[position + MAGIC_AT]
    if (magic !== MAGIC_V2) this.#fail(`its format version is ${magic}, not ${MAGIC_V2}`)
    if (options?.verifyCrc === true) this.#verifyCrc()
    this.#readAttributes()
    this.#readHeader()
    this.rewind()
    return true
  }

  /** Goes back before the first record; what was decompressed is kept. */
  rewind(): void {
    if (this.compression === 'none') {
      this.bytes = this.#buffer
      this.#cursor = this.position + BATCH_HEADER_BYTES
      this.#end = this.nextPosition
      this.#checkRecordCount()
    } else if (this.#payload !== null) {
      this.#startPayload(this.#payload)
    } else {
      this.#cursor = -1
    }
    this.#recordsLeft = this.recordCount
    this.#offsetDelta = -1
  }

  /**
   * Moves to the next record of the batch.
   *
   * @returns false after the last one.
   * @throws StreamsError `record-batch-invalid`
   */
  next(): boolean {
    if (this.#recordsLeft === 0) return false
    if (this.#cursor < 0) this.#decompress()
    const bytes = this.bytes
    const length = this.#signed(bytes, this.#cursor)
    // The next byte is the attributes of the record, of which none is defined.
    const bodyStart = this.#cursor
    const recordEnd = bodyStart + length
    if (length < RECORD_BYTES_MIN - 1 || recordEnd > this.#end) this.#fail('a record is cut off')

    const timestampDelta = this.#signed(bytes, bodyStart + 1)
    const offsetDelta = this.#signed(bytes, this.#cursor)
    if (offsetDelta <= this.#offsetDelta || offsetDelta > this.#lastOffsetDelta) {
      this.#fail(`an offset delta of ${offsetDelta} is out of order`)
    }
    this.#offsetDelta = offsetDelta
    this.offset = this.baseOffset + offsetDelta
    const timestamp =
      this.timestampType === 'append' ? this.maxTimestamp : this.baseTimestamp + timestampDelta
    if (timestamp > SAFE_MAX || timestamp < -SAFE_MAX) this.#fail('a timestamp is out of range')
    this.timestamp = timestamp

    const keyLength = this.#signed(bytes, this.#cursor)
    let position = this.#cursor
    if (keyLength < 0) {
      this.keyStart = -1
      this.keyEnd = -1
    } else {
      this.keyStart = position
      position += keyLength
      this.keyEnd = position
      if (position >= recordEnd) this.#fail('a key runs past its record')
    }
    const valueLength = this.#signed(bytes, position)
    position = this.#cursor
    if (valueLength < 0) {
      this.valueStart = -1
      this.valueEnd = -1
    } else {
      this.valueStart = position
      position += valueLength
      this.valueEnd = position
      if (position >= recordEnd) this.#fail('a value runs past its record')
    }
    const headerCount = this.#signed(bytes, position)
    position = this.#cursor
    // A header takes at least the two bytes of its lengths.
    if (headerCount < 0 || headerCount * 2 > recordEnd - position) {
      this.#fail(`a header count of ${headerCount} is impossible`)
    }
    if (headerCount === 0 && position !== recordEnd) this.#fail('a record has bytes left over')
    this.headerCount = headerCount
    this.headersStart = position
    this.headersEnd = recordEnd
    this.#cursor = recordEnd
    if (--this.#recordsLeft === 0 && recordEnd !== this.#end) {
      this.#fail('bytes are left after the last record')
    }
    return true
  }

  /** The key, or null. The object is reused by the next record. */
  get keyRange(): ByteRange | null {
    if (this.keyStart < 0) return null
    const range = this.#key
    range.bytes = this.bytes
    range.start = this.keyStart
    range.end = this.keyEnd
    return range
  }

  /** The value, or null. The object is reused by the next record. */
  get valueRange(): ByteRange | null {
    if (this.valueStart < 0) return null
    const range = this.#value
    range.bytes = this.bytes
    range.start = this.valueStart
    range.end = this.valueEnd
    return range
  }

  /** The headers of the current record, decoded now and owned by the caller. */
  headers(): RecordHeaders {
    if (this.headerCount === 0) return NO_HEADERS
    const { bytes, headersEnd: end } = this
    const headers: RecordHeader[] = []
    let position = this.headersStart
    for (let left = this.headerCount; left > 0; left--) {
      const keyLength = this.#varint.read(bytes, position, end)
      const keyStart = this.#varint.position
      if (keyLength < 0 || keyLength > end - keyStart) this.#fail('a header key is cut off')
      const valueLength = this.#varint.read(bytes, keyStart + keyLength, end)
      position = this.#varint.position
      if (valueLength > end - position) this.#fail('a header value is cut off')
      const key = bytes.utf8Slice(keyStart, keyStart + keyLength)
      if (valueLength < 0) {
        headers.push({ key, value: null })
        continue
      }
      headers.push({ key, value: Buffer.from(bytes.subarray(position, position + valueLength)) })
      position += valueLength
    }
    if (position !== end) this.#fail('bytes are left after the last header')
    return headers
  }

  /** What the control batch that this is does to the transaction; reads its record if need be. */
  controlType(): 'commit' | 'abort' | 'other' {
    this.#toControlRecord()
    if (this.keyStart < 0 || this.keyEnd - this.keyStart < 4) {
      this.#fail('a control record has no type')
    }
    const type = this.bytes.readInt16BE(this.keyStart + 2)
    if (type === CONTROL_COMMIT) return 'commit'
    return type === CONTROL_ABORT ? 'abort' : 'other'
  }

  /** The epoch of the transaction coordinator that wrote this commit or abort marker. */
  coordinatorEpoch(): number {
    this.#toControlRecord()
    if (this.valueStart < 0 || this.valueEnd - this.valueStart < 6) {
      this.#fail('a control record has no coordinator epoch')
    }
    return this.bytes.readInt32BE(this.valueStart + 2)
  }

  #toControlRecord(): void {
    if (!this.isControl) this.#fail('it is not a control batch')
    if (this.#recordsLeft === this.recordCount && !this.next()) this.#fail('it has no record')
  }

  /**
   * The varint at `position`; `#cursor` is then the position after it. A read past the buffer gives
   * undefined, for which no comparison holds, so that it ends in the careful path and fails there.
   */
  #signed(bytes: Buffer, position: number): number {
    const first = bytes[position] as number
    if (first < 128) {
      this.#cursor = position + 1
      return (first >>> 1) ^ -(first & 1)
    }
    const second = bytes[position + 1] as number
    if (second < 128) {
      this.#cursor = position + 2
      return (((first & 127) >>> 1) | (second << 6)) ^ -(first & 1)
    }
    const value = this.#varint.read(bytes, position, this.#end)
    this.#cursor = this.#varint.position
    return value
  }

  #verifyCrc(): void {
    const stored = this.#buffer.readUInt32BE(this.position + CRC_AT)
    const actual = crc32c(this.#buffer, this.position + ATTRIBUTES_AT, this.nextPosition)
    if (stored === actual) return
    throw new StreamsError(
      'log-corrupt-batch',
      `The CRC of a record batch is ${hex(stored)}, its bytes give ${hex(actual)}`,
      { place: { position: this.position } },
    )
  }

  #readAttributes(): void {
    const attributes = this.#buffer.readInt16BE(this.position + ATTRIBUTES_AT)
    const compression = COMPRESSIONS[attributes & COMPRESSION_MASK]
    if (compression === undefined) {
      throw new StreamsError(
        'compression-unsupported',
        `A record batch has the unknown compression ${attributes & COMPRESSION_MASK}`,
        { place: { position: this.position } },
      )
    }
    this.attributes = attributes
    this.compression = compression
    this.timestampType = (attributes & APPEND_TIME_FLAG) === 0 ? 'create' : 'append'
    this.isTransactional = (attributes & TRANSACTIONAL_FLAG) !== 0
    this.isControl = (attributes & CONTROL_FLAG) !== 0
    this.hasDeleteHorizon = (attributes & DELETE_HORIZON_FLAG) !== 0
  }

  #readHeader(): void {
    const buffer = this.#buffer
    const position = this.position
    const lastOffsetDelta = buffer.readInt32BE(position + LAST_OFFSET_DELTA_AT)
    const recordCount = buffer.readInt32BE(position + RECORD_COUNT_AT)
    if (recordCount < 0 || lastOffsetDelta < 0 || recordCount > lastOffsetDelta + 1) {
      this.#fail(`${recordCount} records cannot end at offset delta ${lastOffsetDelta}`)
    }
    this.baseOffset = this.#safe(position + BASE_OFFSET_AT)
    this.lastOffset = this.baseOffset + lastOffsetDelta
    if (this.baseOffset < 0 || this.lastOffset > SAFE_MAX) this.#fail('its offsets are impossible')
    this.partitionLeaderEpoch = buffer.readInt32BE(position + LEADER_EPOCH_AT)
    this.baseTimestamp = this.#safe(position + BASE_TIMESTAMP_AT)
    this.maxTimestamp = this.#safe(position + MAX_TIMESTAMP_AT)
    this.producerId = this.#safe(position + PRODUCER_ID_AT)
    this.producerEpoch = buffer.readInt16BE(position + PRODUCER_EPOCH_AT)
    this.baseSequence = buffer.readInt32BE(position + BASE_SEQUENCE_AT)
    this.recordCount = recordCount
    this.#lastOffsetDelta = lastOffsetDelta
    this.#payload = null
  }

  #safe(position: number): number {
    const buffer = this.#buffer
    const value = buffer.readInt32BE(position) * 0x1_0000_0000 + buffer.readUInt32BE(position + 4)
    if (!Number.isSafeInteger(value)) this.#fail(`a 64-bit field holds ${value}`)
    return value
  }

  #decompress(): void {
    const payload = this.#buffer.subarray(this.position + BATCH_HEADER_BYTES, this.nextPosition)
    this.#startPayload(decompress(this.compression, payload))
  }

  #startPayload(payload: Buffer): void {
    this.#payload = payload
    this.bytes = payload
    this.#cursor = 0
    this.#end = payload.length
    this.#checkRecordCount()
  }

  #checkRecordCount(): void {
    const bytes = this.#end - this.#cursor
    if (this.recordCount * RECORD_BYTES_MIN > bytes || (this.recordCount === 0 && bytes > 0)) {
      this.#fail(`${this.recordCount} records cannot lie in ${bytes} bytes`)
    }
  }

  #fail(reason: string): never {
    this.#recordsLeft = 0
    throw new StreamsError('record-batch-invalid', `A record batch is malformed: ${reason}`, {
      place: { position: this.position },
    })
  }
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
