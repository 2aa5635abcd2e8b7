/**
 * Writes v2 record batches, byte for byte as Kafka's own producer does.
 *
 * Journey: producer, sink, changelog -> [records -> batch] -> client -> log.
 *
 * Records are encoded in place behind room left for the header; `seal` fills the header in and
 * hands the buffer over. Base offset and leader epoch are the log's to set, which the CRC allows.
 *
 * Invariants: offset deltas are 0, 1, 2 ...; the base timestamp is that of the first record and the
 * max timestamp the highest of all; a sealed buffer is never written to again by the writer.
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
  CONTROL_ABORT,
  CONTROL_COMMIT,
  CONTROL_FLAG,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_PREFIX_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
  NONE,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TRANSACTIONAL_FLAG,
  writeInt64,
} from './batch-format.ts'
import { COMPRESSIONS, type Compression, compress, DECOMPRESSED_BYTES_MAX } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { type ByteRange, NO_HEADERS, type RecordHeaders } from './record.ts'
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from './varint.ts'

/** 64 KiB measured best: larger buffers leave the processor's cache. */
const WRITER_BYTES_DEFAULT = 64 * 1024
/** The size field of a batch is an i32. */
const BATCH_BYTES_MAX = 0x7fff_ffff
/** Longest byte range copied by a loop; beyond it `Buffer.copy` is faster (measured). */
const LOOP_BYTES_MAX = 32

export interface SealOptions {
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly compression?: Compression
}

export interface ControlBatch {
  readonly type: 'commit' | 'abort'
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly timestamp: number
}

export class BatchWriter {
  /** Records appended since the last `seal`. */
  recordCount = 0
  /** Bytes of the batch so far, header included, before compression. */
  size: number = BATCH_HEADER_BYTES

  #bytes: Buffer
  #baseTimestamp: number = NONE
  #maxTimestamp: number = NONE
  readonly #capacity: number

  constructor(options: { readonly bytes?: number } = {}) {
    this.#capacity = Math.max(options.bytes ?? WRITER_BYTES_DEFAULT, BATCH_HEADER_BYTES)
    this.#bytes = Buffer.allocUnsafeSlow(this.#capacity)
  }

  /**
   * Encodes a record at the end of the batch; `key` and `value` are copied now.
   *
   * @param timestamp - milliseconds since the epoch, or -1 for none
   * @throws StreamsError `timestamp-invalid`, or `record-too-large` beyond 2 GiB in one batch
   */
  append(
    timestamp: number,
    key: ByteRange | null,
    value: ByteRange | null,
    headers: RecordHeaders,
  ): void {
    const count = this.recordCount
    if (count === 0) this.#baseTimestamp = timestamp
    const delta = timestamp - this.#baseTimestamp
    if (timestamp < NONE || !Number.isSafeInteger(timestamp)) {
      throw new StreamsError(
        'timestamp-invalid',
        `A record has the timestamp ${timestamp}; it must be a safe integer, at least 0`,
      )
    }
    const keyLength = key === null ? -1 : key.end - key.start
    const valueLength = value === null ? -1 : value.end - value.start
    const bodySize =
      1 +
      sizeOfVarlong(delta) +
      sizeOfVarint(count) +
      sizeOfVarint(keyLength) +
      sizeOfVarint(valueLength) +
      (keyLength < 0 ? 0 : keyLength) +
      (valueLength < 0 ? 0 : valueLength) +
      (headers.length === 0 ? 1 : sizeOfHeaders(headers))

    const bytes = this.#reserve(bodySize + 5)
    let position = writeVarint(bodySize, bytes, this.size)
    bytes[position++] = 0
    position = writeVarlong(delta, bytes, position)
    position = writeVarint(count, bytes, position)
    position = writeVarint(keyLength, bytes, position)
    if (key !== null) position = copyRange(key, bytes, position)
    position = writeVarint(valueLength, bytes, position)
    if (value !== null) position = copyRange(value, bytes, position)
    if (headers.length === 0) bytes[position++] = 0
    else position = writeHeaders(headers, bytes, position)

    this.size = position
    this.recordCount = count + 1
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  /**
   * Finishes the batch, hands its buffer over and starts the next one.
   *
   * @returns the batch, with base offset 0 and leader epoch -1
   * @throws RangeError when no record was appended
   * @throws StreamsError `record-too-large` when compressed and beyond what a reader accepts
   */
  seal(options: SealOptions = {}): Buffer {
    if (this.recordCount === 0) throw new RangeError('A record batch needs at least one record')
    const compression = options.compression ?? 'none'
    const batch = compression === 'none' ? this.#detach() : this.#compressed(compression)
    const flags = options.isTransactional === true ? TRANSACTIONAL_FLAG : 0
    writeHeader(batch, {
      attributes: COMPRESSIONS.indexOf(compression) | flags,
      recordCount: this.recordCount,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producerId: options.producerId ?? NONE,
      producerEpoch: options.producerEpoch ?? NONE,
      baseSequence: options.baseSequence ?? NONE,
    })
    this.reset()
    return batch
  }

  /** Forgets the records that were appended since the last `seal`. */
  reset(): void {
    this.recordCount = 0
    this.size = BATCH_HEADER_BYTES
    this.#baseTimestamp = NONE
    this.#maxTimestamp = NONE
  }

  #reserve(count: number): Buffer {
    const needed = this.size + count
    if (needed > this.#bytes.length) this.#grow(needed)
    return this.#bytes
  }

  #grow(needed: number): void {
    if (needed > BATCH_BYTES_MAX) {
      throw new StreamsError('record-too-large', `A record batch cannot hold ${needed} bytes`)
    }
    const capacity = Math.min(BATCH_BYTES_MAX, Math.max(needed, this.#bytes.length * 2))
    const grown = Buffer.allocUnsafeSlow(capacity)
    this.#bytes.copy(grown, 0, 0, this.size)
    this.#bytes = grown
  }

  /** A well filled buffer goes out itself; otherwise a copy does, and the buffer is used again. */
  #detach(): Buffer {
    const bytes = this.#bytes
    const size = this.size
    if (size * 2 < bytes.length) {
      const copy = Buffer.allocUnsafeSlow(size)
      bytes.copy(copy, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES, size)
      return copy
    }
    this.#bytes = Buffer.allocUnsafeSlow(this.#capacity)
    return bytes.subarray(0, size)
  }

  #compressed(compression: Compression): Buffer {
    if (this.size - BATCH_HEADER_BYTES > DECOMPRESSED_BYTES_MAX) {
      throw new StreamsError(
        'record-too-large',
        `A compressed record batch cannot hold more than ${DECOMPRESSED_BYTES_MAX} bytes of records`,
      )
    }
    const payload = compress(compression, this.#bytes.subarray(BATCH_HEADER_BYTES, this.size))
    const batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + payload.length)
    payload.copy(batch, BATCH_HEADER_BYTES)
    return batch
  }
}

/** The marker that ends a transaction in a partition. */
export function encodeControlBatch(options: ControlBatch): Buffer {
  const key = Buffer.alloc(4)
  key.writeInt16BE(options.type === 'commit' ? CONTROL_COMMIT : CONTROL_ABORT, 2)
  const value = Buffer.alloc(6)
  value.writeInt32BE(options.coordinatorEpoch, 2)

  const writer = new BatchWriter({ bytes: 128 })
  const keyRange = { bytes: key, start: 0, end: key.length }
  const valueRange = { bytes: value, start: 0, end: value.length }
  writer.append(options.timestamp, keyRange, valueRange, NO_HEADERS)
  const { producerId, producerEpoch } = options
  const batch = writer.seal({ producerId, producerEpoch, isTransactional: true })
  batch.writeInt16BE(TRANSACTIONAL_FLAG | CONTROL_FLAG, ATTRIBUTES_AT)
  writeCrc(batch, 0, batch.length)
  return batch
}

/** Sets what the log decides, in place; the CRC does not cover it. */
export function setBaseOffset(
  batch: Buffer,
  baseOffset: number,
  leaderEpoch: number,
  position = 0,
): void {
  writeInt64(batch, baseOffset, position + BASE_OFFSET_AT)
  batch.writeInt32BE(leaderEpoch, position + LEADER_EPOCH_AT)
}

/** Gives every record of the batch the log's time, in place: a topic of `LogAppendTime`. */
export function setAppendTime(batch: Buffer, timestamp: number, position = 0): void {
  const size = batch.readInt32BE(position + BATCH_LENGTH_AT) + LENGTH_PREFIX_BYTES
  const attributes = batch.readInt16BE(position + ATTRIBUTES_AT)
  batch.writeInt16BE(attributes | APPEND_TIME_FLAG, position + ATTRIBUTES_AT)
  writeInt64(batch, timestamp, position + MAX_TIMESTAMP_AT)
  writeCrc(batch, position, position + size)
}

interface Header {
  readonly attributes: number
  readonly recordCount: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

function writeHeader(batch: Buffer, header: Header): void {
  writeInt64(batch, 0, BASE_OFFSET_AT)
  batch.writeInt32BE(batch.length - LENGTH_PREFIX_BYTES, BATCH_LENGTH_AT)
  batch.writeInt32BE(NONE, LEADER_EPOCH_AT)
  batch[MAGIC_AT] = MAGIC_V2
  batch.writeInt16BE(header.attributes, ATTRIBUTES_AT)
  batch.writeInt32BE(header.recordCount - 1, LAST_OFFSET_DELTA_AT)
  writeInt64(batch, header.baseTimestamp, BASE_TIMESTAMP_AT)
  writeInt64(batch, header.maxTimestamp, MAX_TIMESTAMP_AT)
  writeInt64(batch, header.producerId, PRODUCER_ID_AT)
  batch.writeInt16BE(header.producerEpoch, PRODUCER_EPOCH_AT)
  batch.writeInt32BE(header.baseSequence, BASE_SEQUENCE_AT)
  batch.writeInt32BE(header.recordCount, RECORD_COUNT_AT)
  writeCrc(batch, 0, batch.length)
}

function writeCrc(batch: Buffer, position: number, end: number): void {
  batch.writeUInt32BE(crc32c(batch, position + ATTRIBUTES_AT, end), position + CRC_AT)
}

function copyRange(range: ByteRange, target: Buffer, position: number): number {
  const { bytes: source, start, end } = range
  if (end - start > LOOP_BYTES_MAX) {
    source.copy(target, position, start, end)
    return position + end - start
  }
  for (let index = start; index < end; index++) target[position++] = source[index] as number
  return position
}

function sizeOfHeaders(headers: RecordHeaders): number {
  let size = sizeOfVarint(headers.length)
  for (const { key, value } of headers) {
    const keyLength = Buffer.byteLength(key)
    size += sizeOfVarint(keyLength) + keyLength
    size += value === null ? 1 : sizeOfVarint(value.length) + value.length
  }
  return size
}

function writeHeaders(headers: RecordHeaders, bytes: Buffer, start: number): number {
  let position = writeVarint(headers.length, bytes, start)
  for (const { key, value } of headers) {
    position = writeVarint(Buffer.byteLength(key), bytes, position)
    position += bytes.utf8Write(key, position)
    position = writeVarint(value === null ? -1 : value.length, bytes, position)
    if (value === null) continue
    bytes.set(value, position)
    position += value.length
  }
  return position
}
