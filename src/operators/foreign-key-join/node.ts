/**
 * A node of a subscription tree as bytes: what finds, takes out and puts in its entries.
 *
 *   node    kind (1), next free id (4, kept by the root), entries
 *   leaf    entry: key length (4), primary key, partition of the left row (4), its hash (16)
 *   inner   entry: key length (4), primary key, id of the node below (4)
 *
 * Invariants:
 * - Entries ascend by key bytes, unsigned. The key of an inner entry is at or below all keys under
 *   it, but for the first entry, whose key counts for nothing: what is below the second is its.
 * - A node is never written to: a change makes a new one.
 */
import '../../record/node-buffer.ts'
import type { PromiseOrValue } from '../../record/record.ts'
import { HASH_BYTES } from './value-hash.ts'

export const LEAF = 0
export const INNER = 1
export const HEAD_BYTES = 5
const LENGTH_BYTES = 4
const ID_BYTES = 4
const LEAF_TAIL_BYTES = 4 + HASH_BYTES

/** Where an entry lies in its node; `end` is `start` where one that is not there would lie. */
export interface Slot {
  readonly start: number
  readonly end: number
}

/** Takes a subscriber: primary key, partition and hash of the left row. */
export type VisitSubscriber = (
  primaryKey: Buffer,
  partition: number,
  hash: string,
) => PromiseOrValue<void>

export function newNode(kind: number, nextId: number, entries: readonly Buffer[]): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  head[0] = kind
  head.writeInt32BE(nextId, 1)
  return Buffer.concat([head, ...entries])
}

export function nextIdOf(node: Buffer): number {
  return node.readInt32BE(1)
}

export function withNextId(node: Buffer, nextId: number): Buffer {
  const copy = Buffer.from(node)
  copy.writeInt32BE(nextId, 1)
  return copy
}

export function leafEntry(primaryKey: Buffer, partition: number, hash: string): Buffer {
  const { length } = primaryKey
  const entry = Buffer.allocUnsafe(LENGTH_BYTES + length + LEAF_TAIL_BYTES)
  entry.writeInt32BE(length, 0)
  primaryKey.copy(entry, LENGTH_BYTES)
  entry.writeInt32BE(partition, LENGTH_BYTES + length)
  entry.latin1Write(hash, LENGTH_BYTES + length + 4)
  return entry
}

export function innerEntry(key: Buffer, id: number): Buffer {
  const { length } = key
  const entry = Buffer.allocUnsafe(LENGTH_BYTES + length + ID_BYTES)
  entry.writeInt32BE(length, 0)
  key.copy(entry, LENGTH_BYTES)
  entry.writeInt32BE(id, LENGTH_BYTES + length)
  return entry
}

/** The entry of a key in a leaf. */
export function findEntry(leaf: Buffer, key: Buffer): Slot {
  let start = HEAD_BYTES
  while (start < leaf.length) {
    const end = entryEnd(leaf, start)
    const order = compareKey(leaf, start, key)
    if (order === 0) return { start, end }
    if (order > 0) break
    start = end
  }
  return { start, end: start }
}

/** The entry of an inner node below which a key belongs. */
export function findChild(inner: Buffer, key: Buffer): Slot {
  let start = HEAD_BYTES
  let end = entryEnd(inner, start)
  while (end < inner.length && compareKey(inner, end, key) <= 0) {
    start = end
    end = entryEnd(inner, start)
  }
  return { start, end }
}

export function childAt(inner: Buffer, { end }: Slot): number {
  return inner.readInt32BE(end - ID_BYTES)
}

export function childrenOf(inner: Buffer): number[] {
  const ids: number[] = []
  for (let start = HEAD_BYTES; start < inner.length; ) {
    start = entryEnd(inner, start)
    ids.push(inner.readInt32BE(start - ID_BYTES))
  }
  return ids
}

/** The node with `entry`, or nothing, in the place of what lies at `slot`. */
export function spliced(node: Buffer, { start, end }: Slot, entry: Buffer | null): Buffer {
  const inserted = entry === null ? 0 : entry.length
  const result = Buffer.allocUnsafe(node.length - (end - start) + inserted)
  node.copy(result, 0, 0, start)
  entry?.copy(result, start)
  node.copy(result, start + inserted, end)
  return result
}

export function hasEntries(node: Buffer): boolean {
  return node.length > HEAD_BYTES
}

/**
 * Where the entries of the right half begin when a node is split: in its middle, or, when keys come
 * ascending, at its last entry, so that nodes are left full. -1: it has one entry.
 */
export function splitPoint(node: Buffer, isAscending: boolean): number {
  const middle = isAscending ? node.length : (HEAD_BYTES + node.length) / 2
  let start = entryEnd(node, HEAD_BYTES)
  if (start === node.length) return -1
  for (;;) {
    const end = entryEnd(node, start)
    if (end >= middle) return start
    start = end
  }
}

/** The key of the entry that begins at `start`. */
export function keyAt(node: Buffer, start: number): Buffer {
  const key = start + LENGTH_BYTES
  return node.subarray(key, key + node.readInt32BE(start))
}

/** Visits the subscribers of a leaf from the entry at `start` on. */
export function visitLeaf(
  leaf: Buffer,
  start: number,
  visit: VisitSubscriber,
): PromiseOrValue<void> {
  while (start < leaf.length) {
    const key = keyAt(leaf, start)
    const tail = start + LENGTH_BYTES + key.length
    start = tail + LEAF_TAIL_BYTES
    const pending = visit(key, leaf.readInt32BE(tail), leaf.latin1Slice(tail + 4, start))
    if (pending instanceof Promise) {
      const next = start
      return pending.then(() => visitLeaf(leaf, next, visit))
    }
  }
}

function entryEnd(node: Buffer, start: number): number {
  const tail = node[0] === LEAF ? LEAF_TAIL_BYTES : ID_BYTES
  return start + LENGTH_BYTES + node.readInt32BE(start) + tail
}

/** The order of the key of the entry at `start` and another. */
function compareKey(node: Buffer, start: number, key: Buffer): number {
  const length = node.readInt32BE(start)
  const from = start + LENGTH_BYTES
  const common = Math.min(length, key.length)
  for (let index = 0; index < common; index++) {
    const difference = (node[from + index] as number) - (key[index] as number)
    if (difference !== 0) return difference
  }
  return length - key.length
}
