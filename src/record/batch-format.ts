/**
 * The v2 record batch: what is at which byte. Reader and writer share these positions.
 *
 *    0  baseOffset            i64   set by the log, outside of the CRC
 *    8  batchLength           i32   bytes after this field
 *   12  partitionLeaderEpoch  i32   set by the log, outside of the CRC
 *   16  magic                 i8    2
 *   17  crc                   u32   CRC-32C of everything from attributes to the end
 *   21  attributes            i16   bits 0-2 compression, 3 timestamp type (1: log append time),
 *                                   4 transactional, 5 control, 6 delete horizon in baseTimestamp
 *   23  lastOffsetDelta       i32
 *   27  baseTimestamp         i64
 *   35  maxTimestamp          i64
 *   43  producerId            i64   -1: none
 *   51  producerEpoch         i16
 *   53  baseSequence          i32
 *   57  recordCount           i32
 *   61  records                     compressed as one piece, if at all
 *
 *   record   length varint | attributes i8 (0) | timestampDelta varlong | offsetDelta varint |
 *            keyLength varint (-1: null) | key | valueLength varint (-1: null) | value |
 *            headerCount varint | { keyLength varint | key | valueLength varint | value } ...
 *
 *   control record   key: version i16 | type i16 (0 abort, 1 commit)
 *                    value: version i16 | coordinatorEpoch i32
 *
 * Invariants: 64-bit fields are safe integers, or the batch is invalid. Offsets and sequences of a
 * producer's batch are consecutive; a compacted batch may have gaps, never a step back.
 *
 * @see org.apache.kafka.common.record.DefaultRecordBatch
 */

/** Bytes before the first record. */
export const BATCH_HEADER_BYTES = 61
/** Bytes that `batchLength` does not count: the base offset and itself. */
export const LENGTH_PREFIX_BYTES = 12
/** A record of null key, null value, no headers: each of its seven fields in one byte. */
export const RECORD_BYTES_MIN = 7
export const MAGIC_V2 = 2

export const BASE_OFFSET_AT = 0
export const BATCH_LENGTH_AT = 8
export const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const RECORD_COUNT_AT = 57

export const COMPRESSION_MASK = 0x07
export const APPEND_TIME_FLAG = 0x08
export const TRANSACTIONAL_FLAG = 0x10
export const CONTROL_FLAG = 0x20
export const DELETE_HORIZON_FLAG = 0x40

export const CONTROL_ABORT = 0
export const CONTROL_COMMIT = 1

/** Absent producer id, producer epoch, sequence, leader epoch or timestamp. */
export const NONE = -1

const TWO_32 = 0x1_0000_0000

/** Writes a safe integer as a big-endian i64. */
export function writeInt64(bytes: Buffer, value: number, position: number): void {
  const high = Math.floor(value / TWO_32)
  bytes.writeInt32BE(high, position)
  bytes.writeUInt32BE(value - high * TWO_32, position + 4)
}
