/**
 * A node of a subscription tree as bytes: what finds, and goes through, its entries.
 *
 *   node    kind (1), next free id (4, kept by the root), entries
 *   leaf    entry: key length (4), primary key, payload (20)
 *   inner   entry: key length (4), primary key, id of the node below (4)
 *
 * Invariant: entries ascend by key bytes, unsigned. The key of an inner entry is at or below all keys
 * under it, but for the first entry, whose key counts for nothing: what is below the second is its.
 *
 * A node lies anywhere in a buffer, from a start to an end; positions are of that buffer.
 */
import '../record/node-buffer.ts'
import type { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange } from '../record/record.ts'

export const LEAF = 0
export const INNER = 1
export const HEAD_BYTES = 5
export const LENGTH_BYTES = 4
/** What a subscriber is kept with: partition of the left row (4) and its hash (16). */
export const PAYLOAD_BYTES = 20
const ID_BYTES = 4
const NEXT_ID_AT = 1

/** Where an entry lies in its node; `end` is `start` where one that is not there would lie. */
export interface Slot {
  start: number
  end: number
}

export function writeHead(kind: number, nextId: number, output: ByteWriter): void {
  output.writeUint8(kind)
  output.writeInt32(nextId)
}

export function nextIdOf(bytes: Buffer, start: number): number {
  return bytes.readInt32BE(start + NEXT_ID_AT)
}

export function setNextId(bytes: Buffer, start: number, nextId: number): void {
  bytes.writeInt32BE(nextId, start + NEXT_ID_AT)
}

export function writeLeafEntry(key: ByteRange, payload: ByteRange, output: ByteWriter): void {
  output.writeInt32(key.end - key.start)
  output.writeBytes(key.bytes, key.start, key.end)
  output.writeBytes(payload.bytes, payload.start, payload.end)
}

export function writeInnerEntry(key: ByteRange, id: number, output: ByteWriter): void {
  output.writeInt32(key.end - key.start)
  output.writeBytes(key.bytes, key.start, key.end)
  output.writeInt32(id)
}

/** Finds the entry of a key in a leaf. */
export function findEntry(bytes: Buffer, node: Slot, key: ByteRange, found: Slot): void {
  let at = node.start + HEAD_BYTES
  while (at < node.end) {
    const order = compareKey(bytes, at, key)
    if (order >= 0) {
      found.start = at
      found.end = order === 0 ? leafEntryEnd(bytes, at) : at
      return
    }
    at = leafEntryEnd(bytes, at)
  }
  found.start = at
  found.end = at
}

/** Finds the entry of an inner node below which a key belongs. */
export function findChild(bytes: Buffer, node: Slot, key: ByteRange, found: Slot): void {
  let start = node.start + HEAD_BYTES
  let end = innerEntryEnd(bytes, start)
  while (end < node.end && compareKey(bytes, end, key) <= 0) {
    start = end
    end = innerEntryEnd(bytes, start)
  }
  found.start = start
  found.end = end
}

/** The id of the node below an inner entry. */
export function childAt(bytes: Buffer, { end }: Slot): number {
  return bytes.readInt32BE(end - ID_BYTES)
}

export function childrenOf(bytes: Buffer, start: number, end: number): number[] {
  const ids: number[] = []
  for (let at = start + HEAD_BYTES; at < end; ) {
    at = innerEntryEnd(bytes, at)
    ids.push(bytes.readInt32BE(at - ID_BYTES))
  }
  return ids
}

/**
 * Where the entries of the right half begin when a node is split, from the node's start: in its
 * middle, or, when keys come ascending, at its last entry, so that nodes are left full. Null: it has
 * one entry.
 */
export function splitPoint(
  bytes: Buffer,
  { start, end }: Slot,
  isAscending: boolean,
): number | null {
  const middle = isAscending ? end : (start + HEAD_BYTES + end) / 2
  let at = entryEnd(bytes, start, start + HEAD_BYTES)
  if (at === end) return null
  for (;;) {
    const next = entryEnd(bytes, start, at)
    if (next >= middle) return at - start
    at = next
  }
}

/** Where the key of the entry that begins at `entry` ends. */
export function keyEnd(bytes: Buffer, entry: number): number {
  return entry + LENGTH_BYTES + bytes.readInt32BE(entry)
}

export function leafEntryEnd(bytes: Buffer, entry: number): number {
  return keyEnd(bytes, entry) + PAYLOAD_BYTES
}

function innerEntryEnd(bytes: Buffer, entry: number): number {
  return keyEnd(bytes, entry) + ID_BYTES
}

function entryEnd(bytes: Buffer, node: number, entry: number): number {
  return bytes[node] === LEAF ? leafEntryEnd(bytes, entry) : innerEntryEnd(bytes, entry)
}

/** The order of the key of the entry at `entry` and another. */
function compareKey(bytes: Buffer, entry: number, key: ByteRange): number {
  const length = bytes.readInt32BE(entry)
  const other = key.bytes
  const keyLength = key.end - key.start
  const common = length < keyLength ? length : keyLength
  let at = entry + LENGTH_BYTES
  let otherAt = key.start
  for (const end = at + common; at < end; at++, otherAt++) {
    const difference = (bytes[at] as number) - (other[otherAt] as number)
    if (difference !== 0) return difference
  }
  return length - keyLength
}
