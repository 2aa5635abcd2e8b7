/**
 * A producer snapshot: the producers of a partition as of the offset in the file's name.
 *
 *    0  version   i16   1
 *    2  crc       u32   CRC-32C of everything after it
 *    6  count     i32
 *   10  entries
 *
 *   entry (46 bytes)
 *    0  producerId              i64
 *    8  producerEpoch           i16
 *   10  lastSequence            i32   of its last batch; -1: none
 *   14  lastOffset              i64   of its last batch; -1: none
 *   22  offsetDelta             i32   last offset less first offset of that batch
 *   26  timestamp               i64
 *   34  coordinatorEpoch        i32
 *   38  currentTxnFirstOffset   i64   -1: no transaction is open
 *
 * @see org.apache.kafka.storage.internals.log.ProducerStateManager, ProducerSnapshot.json
 */
import { writeInt64 } from '../record/batch-format.ts'
import { readInt64 } from '../record/byte-writer.ts'
import { crc32c } from '../record/crc32c.ts'
import { type ProducerEntry, ProducerStates } from './producer-state.ts'

const VERSION = 1
const CRC_AT = 2
const COUNT_AT = 6
const HEADER_BYTES = 10
const ENTRY_BYTES = 46
const SEQUENCES = 0x8000_0000

export function encodeSnapshot(states: ProducerStates): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + states.entries.size * ENTRY_BYTES)
  bytes.writeInt16BE(VERSION, 0)
  bytes.writeInt32BE(states.entries.size, COUNT_AT)
  let at = HEADER_BYTES
  for (const entry of states.entries.values()) {
    const last = entry.batches.at(-1)
    writeInt64(bytes, entry.producerId, at)
    bytes.writeInt16BE(entry.epoch, at + 8)
    bytes.writeInt32BE(last?.lastSequence ?? -1, at + 10)
    writeInt64(bytes, last?.lastOffset ?? -1, at + 14)
    bytes.writeInt32BE(last === undefined ? 0 : last.lastOffset - last.firstOffset, at + 22)
    writeInt64(bytes, entry.lastTimestamp, at + 26)
    bytes.writeInt32BE(entry.coordinatorEpoch, at + 34)
    writeInt64(bytes, entry.transactionFirstOffset, at + 38)
    at += ENTRY_BYTES
  }
  bytes.writeUInt32BE(crc32c(bytes, COUNT_AT), CRC_AT)
  return bytes
}

/** The producers of a snapshot, or null when it is not whole. */
export function decodeSnapshot(bytes: Buffer): ProducerStates | null {
  if (bytes.length < HEADER_BYTES || bytes.readInt16BE(0) !== VERSION) return null
  if (bytes.length !== HEADER_BYTES + bytes.readInt32BE(COUNT_AT) * ENTRY_BYTES) return null
  if (bytes.readUInt32BE(CRC_AT) !== crc32c(bytes, COUNT_AT)) return null
  const entries: ProducerEntry[] = []
  for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    entries.push(decodeEntry(bytes, at))
  }
  return new ProducerStates(entries)
}

function decodeEntry(bytes: Buffer, at: number): ProducerEntry {
  const lastSequence = bytes.readInt32BE(at + 10)
  const lastOffset = readInt64(bytes, at + 14)
  const delta = bytes.readInt32BE(at + 22)
  const timestamp = readInt64(bytes, at + 26)
  const last = {
    firstSequence: lastSequence - delta + (lastSequence < delta ? SEQUENCES : 0),
    lastSequence,
    firstOffset: lastOffset - delta,
    lastOffset,
    timestamp,
  }
  return {
    producerId: readInt64(bytes, at),
    epoch: bytes.readInt16BE(at + 8),
    coordinatorEpoch: bytes.readInt32BE(at + 34),
    lastTimestamp: timestamp,
    transactionFirstOffset: readInt64(bytes, at + 38),
    batches: lastOffset < 0 ? [] : [last],
  }
}
