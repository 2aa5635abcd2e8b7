/**
 * The records of the internal topics, byte for byte as Kafka writes them, so that Kafka's own tools
 * read them (`DumpLogSegments --offsets-decoder`, `--transaction-log-decoder`).
 *
 * OffsetCommitKey v1      int16 1, group string, topic string, partition int32
 * OffsetCommitValue v3    int16 3, offset int64, leaderEpoch int32, metadata string, commitTimestamp int64
 * TransactionLogKey v0    int16 0, transactionalId string
 * TransactionLogValue v0  int16 0, producerId int64, producerEpoch int16, transactionTimeoutMs int32,
 *                         transactionStatus int8, partitions [ topic string, [int32] ] or null,
 *                         transactionLastUpdateTimestampMs int64, transactionStartTimestampMs int64
 *
 * `string` is int16 length and UTF-8; an array is int32 length and its elements, -1 for null.
 * Newer value versions are read as far as the fields above go; what is written is the version named.
 *
 * @see Kafka: OffsetCommitKey.json, OffsetCommitValue.json, TransactionLogKey.json, TransactionLogValue.json
 */
import { ByteWriter, readInt64 } from '../record/byte-writer.ts'
import type { TopicPartition } from './partition.ts'
import type { StateRecord } from './state-topic.ts'

const OFFSET_KEY_VERSION = 1
const OFFSET_VALUE_VERSION = 3
const TRANSACTION_KEY_VERSION = 0
const TRANSACTION_VALUE_VERSION = 0

export interface OffsetKey extends TopicPartition {
  readonly groupId: string
}

export interface OffsetValue {
  readonly offset: number
  readonly metadata: string
  readonly commitTimestamp: number
}

/** Status words in the order of Kafka's numbers. */
export const TRANSACTION_STATUSES = [
  'empty',
  'ongoing',
  'prepare-commit',
  'prepare-abort',
  'complete-commit',
  'complete-abort',
] as const
export type TransactionStatus = (typeof TRANSACTION_STATUSES)[number]

export interface TransactionValue {
  readonly producerId: number
  readonly epoch: number
  readonly timeoutMs: number
  readonly status: TransactionStatus
  readonly partitions: Iterable<TopicPartition>
  readonly updatedAt: number
  readonly startedAt: number
}

export function encodeOffset(key: OffsetKey, value: OffsetValue | null): StateRecord {
  const keyBytes = new ByteWriter(64)
  keyBytes.writeInt16(OFFSET_KEY_VERSION)
  writeString(keyBytes, key.groupId)
  writeString(keyBytes, key.topic)
  keyBytes.writeInt32(key.partition)
  if (value === null) return { key: keyBytes, value: null }
  const valueBytes = new ByteWriter(64)
  valueBytes.writeInt16(OFFSET_VALUE_VERSION)
  valueBytes.writeInt64(value.offset)
  valueBytes.writeInt32(-1)
  writeString(valueBytes, value.metadata)
  valueBytes.writeInt64(value.commitTimestamp)
  return { key: keyBytes, value: valueBytes }
}

/** Null for keys of another kind: group metadata (v2) and what newer brokers add. */
export function decodeOffsetKey(bytes: Buffer): OffsetKey | null {
  const version = bytes.readInt16BE(0)
  if (version !== 0 && version !== 1) return null
  const cursor = { position: 2 }
  const groupId = readString(bytes, cursor)
  const topic = readString(bytes, cursor)
  return { groupId, topic, partition: bytes.readInt32BE(cursor.position) }
}

/** Null for a version this decoder does not know. */
export function decodeOffsetValue(bytes: Buffer): OffsetValue | null {
  const version = bytes.readInt16BE(0)
  if (version < 0 || version > OFFSET_VALUE_VERSION) return null
  const offset = readInt64(bytes, 2)
  const cursor = { position: version === 3 ? 14 : 10 }
  const metadata = readString(bytes, cursor)
  return { offset, metadata, commitTimestamp: readInt64(bytes, cursor.position) }
}

export function encodeTransaction(
  transactionalId: string,
  value: TransactionValue | null,
): StateRecord {
  const key = new ByteWriter(64)
  key.writeInt16(TRANSACTION_KEY_VERSION)
  writeString(key, transactionalId)
  if (value === null) return { key, value: null }
  const bytes = new ByteWriter(256)
  bytes.writeInt16(TRANSACTION_VALUE_VERSION)
  bytes.writeInt64(value.producerId)
  bytes.writeInt16(value.epoch)
  bytes.writeInt32(value.timeoutMs)
  bytes.writeUint8(TRANSACTION_STATUSES.indexOf(value.status))
  writePartitions(bytes, value)
  bytes.writeInt64(value.updatedAt)
  bytes.writeInt64(value.startedAt)
  return { key, value: bytes }
}

export function decodeTransactionKey(bytes: Buffer): string | null {
  return bytes.readInt16BE(0) === TRANSACTION_KEY_VERSION
    ? readString(bytes, { position: 2 })
    : null
}

/** Null for a version or a status this decoder does not know. */
export function decodeTransactionValue(bytes: Buffer): TransactionValue | null {
  if (bytes.readInt16BE(0) !== TRANSACTION_VALUE_VERSION) return null
  const status = TRANSACTION_STATUSES[bytes.readInt8(16)]
  if (status === undefined) return null
  const cursor = { position: 17 }
  const partitions = readPartitions(bytes, cursor)
  return {
    producerId: readInt64(bytes, 2),
    epoch: bytes.readInt16BE(10),
    timeoutMs: bytes.readInt32BE(12),
    status,
    partitions,
    updatedAt: readInt64(bytes, cursor.position),
    startedAt: readInt64(bytes, cursor.position + 8),
  }
}

/** An empty transaction has null partitions, any other a list grouped by topic. */
function writePartitions(bytes: ByteWriter, value: TransactionValue): void {
  if (value.status === 'empty') {
    bytes.writeInt32(-1)
    return
  }
  const byTopic = Map.groupBy(value.partitions, ({ topic }) => topic)
  bytes.writeInt32(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    writeString(bytes, topic)
    bytes.writeInt32(partitions.length)
    for (const { partition } of partitions) bytes.writeInt32(partition)
  }
}

interface Cursor {
  position: number
}

function readPartitions(bytes: Buffer, cursor: Cursor): TopicPartition[] {
  const partitions: TopicPartition[] = []
  const topics = readInt32(bytes, cursor)
  for (let index = 0; index < topics; index++) {
    const topic = readString(bytes, cursor)
    const count = readInt32(bytes, cursor)
    for (let each = 0; each < count; each++) {
      partitions.push({ topic, partition: readInt32(bytes, cursor) })
    }
  }
  return partitions
}

function readInt32(bytes: Buffer, cursor: Cursor): number {
  const value = bytes.readInt32BE(cursor.position)
  cursor.position += 4
  return value
}

function readString(bytes: Buffer, cursor: Cursor): string {
  const start = cursor.position + 2
  const length = Math.max(0, bytes.readInt16BE(cursor.position))
  if (start + length > bytes.length) throw new RangeError('a string ends beyond the record')
  cursor.position = start + length
  return bytes.utf8Slice(start, start + length)
}

function writeString(output: ByteWriter, text: string): void {
  const position = output.reserve(2)
  output.writeInt16(0)
  output.writeText(text)
  output.bytes.writeInt16BE(output.end - position - 2, position)
}
