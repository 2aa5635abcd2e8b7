/**
 * Subscription trees: a B+ tree of subscribers to each foreign key, as far as it is in memory.
 *
 * Journey: the subscription store names a foreign key, goes to where a primary key belongs, and puts
 * or deletes there; it loads what is not here, and saves what has changed.
 *
 * Invariants:
 * - A node is at most `NODE_BYTES_MAX` long, unless it has a single entry.
 * - A node without entries is a row without bytes. Nodes are not merged before they are empty.
 * - A changed node is in `unsaved` once, until `takeUnsaved`; only others are evicted.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange } from '../record/record.ts'
import { ByteTable, NOT_FOUND } from './byte-table.ts'
import {
  childAt,
  findChild,
  findEntry,
  HEAD_BYTES,
  INNER,
  keyEnd,
  LEAF,
  LENGTH_BYTES,
  nextIdOf,
  type Slot,
  setNextId,
  splitPoint,
  writeHead,
  writeInnerEntry,
  writeLeafEntry,
} from './subscription-node.ts'

/** About 30 subscriptions with short keys: what is searched for one of them, and saved with it. */
const NODE_BYTES_MAX = 1024
export const ROOT_ID = 0
const UNSAVED = 1

/** A node on the way from the root to a leaf, and the entry, from its start, by which the way goes on. */
interface Step {
  node: number
  start: number
  end: number
}

export class SubscriptionTrees {
  /** Nodes by foreign key and id (4 bytes). */
  readonly table: ByteTable = new ByteTable()
  /** The key of the node looked for last. */
  readonly nodeKey: ByteWriter = new ByteWriter()
  /** Where in it the foreign key ends. */
  foreignKeyEnd = 0
  /** True when a node that is not here is known to be absent. */
  isComplete: boolean
  /** The eviction round; nodes have the one they were last used in. */
  round = 1
  #unsaved: number[] = []
  /** Bytes of the nodes that are not saved. */
  unsavedBytes = 0
  readonly #way: Step[] = []
  #depth = 0
  readonly #span: Slot = { start: 0, end: 0 }
  readonly #slot: Slot = { start: 0, end: 0 }
  readonly #entry = new ByteWriter()
  readonly #written = new ByteWriter()

  constructor(isComplete: boolean) {
    this.isComplete = isComplete
  }

  /** What follows is about the foreign key that has just been written to `nodeKey`. */
  setForeignKey(): void {
    this.foreignKeyEnd = this.nodeKey.end
  }

  /** Makes `nodeKey` that of a node of the foreign key. */
  setNodeId(id: number): void {
    this.nodeKey.end = this.foreignKeyEnd
    this.nodeKey.writeInt32(id)
  }

  /** The node of the foreign key with that id, used now; `nodeKey` is its key. */
  findNode(id: number): number {
    this.setNodeId(id)
    const node = this.table.find(this.nodeKey.bytes, 0, this.nodeKey.end)
    if (node !== NOT_FOUND) this.table.setRound(node, this.round)
    return node
  }

  /**
   * Goes from the root to the leaf where a primary key belongs; the way is in `#way`, of length 0
   * when there is no root. False when a node has to be loaded first, of which `nodeKey` is the key.
   */
  descend(primaryKey: ByteRange): boolean {
    const { table } = this
    this.#depth = 0
    for (let id = ROOT_ID; ; ) {
      const node = this.findNode(id)
      if (node === NOT_FOUND) return this.isComplete
      if (table.rowLength(node) === 0) return true
      const { bytes } = table
      const { start } = this.#spanOf(node)
      const isLeaf = bytes[start] === LEAF
      if (isLeaf) findEntry(bytes, this.#span, primaryKey, this.#slot)
      else findChild(bytes, this.#span, primaryKey, this.#slot)
      this.#addStep(node, this.#slot.start - start, this.#slot.end - start)
      if (isLeaf) return true
      id = childAt(bytes, this.#slot)
    }
  }

  #addStep(node: number, start: number, end: number): void {
    const step = this.#way[this.#depth++]
    if (step === undefined) {
      this.#way.push({ node, start, end })
      return
    }
    step.node = node
    step.start = start
    step.end = end
  }

  #spanOf(node: number): Slot {
    this.#span.start = this.table.rowStart(node)
    this.#span.end = this.table.rowEnd(node)
    return this.#span
  }

  /** Puts an entry at the end of the way that was just found. */
  put(primaryKey: ByteRange, payload: ByteRange): void {
    writeLeafEntry(primaryKey, payload, this.#entry.reset())
    if (this.#depth === 0) this.#writeNode(ROOT_ID, LEAF, ROOT_ID + 1, this.#entry)
    else this.#insert()
  }

  /** Puts `#entry` at the end of the way; a node that becomes too long is split, then its parent. */
  #insert(): void {
    const { table } = this
    const root = (this.#way[0] as Step).node
    for (let depth = this.#depth - 1; ; depth--) {
      const { node, start, end } = this.#way[depth] as Step
      // The right half of a split child stands behind the entry of its left half.
      const from = depth === this.#depth - 1 ? start : end
      const isAscending = from === table.rowLength(node)
      this.#splice(node, from, end, this.#entry)
      if (table.rowLength(node) <= NODE_BYTES_MAX) return
      const at = splitPoint(table.bytes, this.#spanOf(node), isAscending)
      if (at === null) return
      const rightId = this.#takeId(root)
      this.#copyTail(node, at, rightId)
      if (depth > 0) {
        this.#splice(node, at, table.rowLength(node), null)
        continue
      }
      this.#growRoot(root, at, rightId)
      return
    }
  }

  /** The id for a new node; the root counts them. */
  #takeId(root: number): number {
    const start = this.table.rowStart(root)
    const id = nextIdOf(this.table.bytes, start)
    this.#touch(root)
    setNextId(this.table.bytes, start, id + 1)
    return id
  }

  /** Makes a node of what lies behind `at`, and `#entry` its entry in the node above. */
  #copyTail(node: number, at: number, id: number): void {
    const { table } = this
    const start = table.rowStart(node)
    const kind = table.bytes[start] as number
    const tail = { bytes: table.bytes, start: start + at, end: table.rowEnd(node) }
    const key = { bytes: table.bytes, start: tail.start + LENGTH_BYTES, end: 0 }
    key.end = keyEnd(table.bytes, tail.start)
    writeInnerEntry(key, id, this.#entry.reset())
    this.#writeNode(id, kind, 0, tail)
  }

  /** The root becomes one of two entries: what it had before `at` goes to a new node, too. */
  #growRoot(root: number, at: number, rightId: number): void {
    const { table } = this
    const leftId = this.#takeId(root)
    const start = table.rowStart(root)
    const kind = table.bytes[start] as number
    const left = { bytes: table.bytes, start: start + HEAD_BYTES, end: start + at }
    const entries = new ByteWriter()
    const key = { bytes: table.bytes, start: left.start + LENGTH_BYTES, end: 0 }
    key.end = keyEnd(table.bytes, left.start)
    writeInnerEntry(key, leftId, entries)
    entries.writeBytes(this.#entry.bytes, 0, this.#entry.end)
    this.#writeNode(leftId, kind, 0, left)
    this.#writeNode(ROOT_ID, INNER, rightId + 2, entries)
  }

  /** Ends the subscription that the way leads to; false when there is none. */
  delete(): boolean {
    const { table } = this
    const leaf = this.#depth === 0 ? null : (this.#way[this.#depth - 1] as Step)
    if (leaf === null || leaf.start === leaf.end) return false
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const { node, start, end } = this.#way[depth] as Step
      this.#splice(node, start, end, null)
      if (table.rowLength(node) > HEAD_BYTES) break
      this.#resize(node, 0)
    }
    return true
  }

  /** Puts `entry`, or nothing, in the place of what lies in a node from `from` to `to`. */
  #splice(node: number, from: number, to: number, entry: ByteRange | null): void {
    const { table } = this
    const length = table.rowLength(node)
    const inserted = entry === null ? 0 : entry.end - entry.start
    const after = length - (to - from) + inserted
    if (after > length) this.#resize(node, after)
    else this.#touch(node)
    const { bytes } = table
    const start = table.rowStart(node)
    bytes.copyWithin(start + from + inserted, start + to, start + length)
    entry?.bytes.copy(bytes, start + from, entry.start, entry.end)
    if (after < length) this.#resize(node, after)
  }

  /** Writes a node anew. `entries` may lie in the table. */
  #writeNode(id: number, kind: number, nextId: number, { bytes, start, end }: ByteRange): void {
    const { table } = this
    writeHead(kind, nextId, this.#written.reset())
    this.#written.writeBytes(bytes, start, end)
    let node = this.findNode(id)
    if (node === NOT_FOUND) {
      node = table.add(this.nodeKey.bytes, 0, this.nodeKey.end)
      table.setRound(node, this.round)
    }
    this.#resize(node, this.#written.end)
    this.#written.bytes.copy(table.bytes, table.rowStart(node), 0, this.#written.end)
  }

  #resize(node: number, length: number): void {
    this.#touch(node)
    this.unsavedBytes -= this.table.sizeOf(node)
    this.table.resize(node, length)
    this.unsavedBytes += this.table.sizeOf(node)
  }

  #touch(node: number): void {
    if (this.table.flags(node) === UNSAVED) return
    this.table.setFlags(node, UNSAVED)
    this.#unsaved.push(node)
    this.unsavedBytes += this.table.sizeOf(node)
  }

  /** Takes a node as it was read, unless it is there since. Its key begins in `key` at `start`. */
  add(key: Buffer, start: number, bytes: Buffer | null): void {
    const { table } = this
    if (table.find(key, start, key.length) !== NOT_FOUND) return
    const node = table.add(key, start, key.length)
    table.setRound(node, this.round)
    if (bytes === null) return
    table.resize(node, bytes.length)
    bytes.copy(table.bytes, table.rowStart(node))
  }

  /** Called with every unsaved node, in a save; the nodes without bytes are to be deleted. */
  takeUnsaved(visit: (node: number) => void): void {
    const { table } = this
    for (const node of this.#unsaved) {
      visit(node)
      table.setFlags(node, 0)
      if (this.isComplete && table.rowLength(node) === 0) table.remove(node)
    }
    this.#unsaved = []
    this.unsavedBytes = 0
  }

  /** Lets go of saved nodes, those last used before this round first; how many went. */
  evict(bytesMax: number): number {
    const { table } = this
    const round = this.round++
    const before = table.size
    for (const spared of [round, 0]) {
      for (const node of table.rows()) {
        if (table.usedBytes <= bytesMax) return before - table.size
        if (table.round(node) === spared || table.flags(node) === UNSAVED) continue
        if (table.rowLength(node) > 0) this.isComplete = false
        table.remove(node)
      }
    }
    return before - table.size
  }
}
