/**
 * Subscription store: for each foreign key the primary keys of the left rows that name it, in the
 * order of their bytes, each with its payload.
 *
 * Journey: in a foreign-key join, subscription join puts and deletes one here, foreign table visits
 * all of a key.
 *
 * They lie as a B+ tree to each foreign key, so that everything is a read by key: most foreign keys
 * are one node, the root, and a fan-out over n left rows reads about n/20. A node that is in memory is
 * changed in place. What a commit writes to the changelog is one record for each subscription that
 * changed, and what a save writes to the database is the nodes that have changed since the last one.
 *
 *   database    store number (2), foreign key, node id (4; the root's is 0) -> node
 *   changelog   length of the foreign key (4), foreign key, primary key -> payload; null: it ended
 *
 * Invariants:
 * - What is not in the trees is known absent from an empty start until a node is evicted. A restore
 *   puts what it reads into the trees, so it does not end that.
 * - A restored record is merged when the nodes it belongs to have been read, and after those before it.
 * - A read never overwrites a node, and is repeated when an eviction happened meanwhile.
 */
import assert from 'node:assert'
import { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { inOrder, when } from '../record/when.ts'
import { rangeOf } from './byte-store.ts'
import { NOT_FOUND } from './byte-table.ts'
import { KeyList } from './key-list.ts'
import { storeClosed } from './merged-scan.ts'
import type {
  ByteBatch,
  ChangelogSink,
  SubscriptionStore,
  SubscriptionStoreDefinition,
  VisitSubscriber,
} from './store.ts'
import { EVICT_TO_SHARE, type StoreOptions, storeEnd, storePrefix } from './store-options.ts'
import {
  childrenOf,
  HEAD_BYTES,
  keyEnd,
  LEAF,
  LENGTH_BYTES,
  PAYLOAD_BYTES,
} from './subscription-node.ts'
import { ROOT_ID, SubscriptionTrees } from './subscription-trees.ts'

/** Nodes loaded by one batched read: bounds what a fan-out loads ahead. */
const NODES_PER_READ = 64
const STORE_NUMBER_BYTES = 2
const NO_VALUE = -1

/** Opens the store: looks whether the byte store has any node of it. */
export async function openSubscriptionStore<F>(
  options: StoreOptions<SubscriptionStoreDefinition>,
): Promise<SubscriptionStore<F>> {
  const { number, bytes } = options
  let isEmpty = true
  for await (const _ of bytes.scan({ from: storePrefix(number), to: storeEnd(number), limit: 1 })) {
    isEmpty = false
  }
  return new TreeSubscriptionStore<F>(options, isEmpty)
}

/** A change for the changelog: where its key and its value end. */
interface LoggedChange {
  readonly keyEnd: number
  readonly valueEnd: number
  readonly timestamp: number
}

interface RestoredRecord {
  readonly key: Buffer
  readonly value: Buffer | null
}

class TreeSubscriptionStore<F> implements SubscriptionStore<F> {
  readonly name: string
  readonly #options: StoreOptions<SubscriptionStoreDefinition>
  readonly #keySerde: Serde<F>
  readonly #trees: SubscriptionTrees
  readonly #primaryKey = emptyRange()
  readonly #payload = emptyRange()
  readonly #changeBytes = new ByteWriter()
  #changes: LoggedChange[] = []
  #isDrained = true
  #restored: RestoredRecord[] = []
  #restoredBytes = 0
  #evictions = 0
  #isClosed = false

  constructor(options: StoreOptions<SubscriptionStoreDefinition>, isEmpty: boolean) {
    this.name = options.definition.name
    this.#options = options
    this.#keySerde = options.definition.keySerde as Serde<F>
    this.#trees = new SubscriptionTrees(isEmpty)
  }

  put(
    foreignKey: F,
    primaryKey: ByteRange,
    payload: ByteRange,
    timestamp: number,
  ): PromiseOrValue<void> {
    this.#setForeignKey(foreignKey)
    if (!this.#trees.descend(primaryKey)) {
      return this.#loadWay(foreignKey, primaryKey).then(() =>
        this.put(foreignKey, primaryKey, payload, timestamp),
      )
    }
    this.#log(primaryKey, payload, timestamp)
    this.#trees.put(primaryKey, payload)
  }

  delete(foreignKey: F, primaryKey: ByteRange, timestamp: number): PromiseOrValue<void> {
    this.#setForeignKey(foreignKey)
    if (!this.#trees.descend(primaryKey)) {
      return this.#loadWay(foreignKey, primaryKey).then(() =>
        this.delete(foreignKey, primaryKey, timestamp),
      )
    }
    if (this.#trees.delete()) this.#log(primaryKey, null, timestamp)
  }

  visit(foreignKey: F, visit: VisitSubscriber): PromiseOrValue<void> {
    this.#setForeignKey(foreignKey)
    const root = this.#trees.findNode(ROOT_ID)
    if (root !== NOT_FOUND) return this.#visitNode(foreignKey, root, visit)
    if (this.#trees.isComplete) return
    return this.#loadNodes(foreignKey, [ROOT_ID]).then(() => this.visit(foreignKey, visit))
  }

  prefetch(foreignKeys: readonly F[], primaryKeys: readonly ByteRange[]): PromiseOrValue<void> {
    if (this.#trees.isComplete) return
    return this.#loadWays(
      foreignKeys.map((_, index) => index),
      (index) => {
        this.#setForeignKey(foreignKeys[index] as F)
        return this.#trees.descend(primaryKeys[index] as ByteRange)
      },
    )
  }

  prefetchRoots(foreignKeys: readonly F[]): PromiseOrValue<void> {
    if (this.#trees.isComplete) return
    return this.#loadWays(
      foreignKeys.map((_, index) => index),
      (index) => {
        this.#setForeignKey(foreignKeys[index] as F)
        return this.#trees.findNode(ROOT_ID) !== NOT_FOUND
      },
    )
  }

  bufferedBytes(): number {
    return this.#trees.table.usedBytes + this.#changeBytes.end
  }

  dirtyBytes(): number {
    return this.#trees.unsavedBytes + this.#changeBytes.end + this.#restoredBytes
  }

  drainChanges(sink: ChangelogSink): void {
    const { bytes } = this.#changeBytes
    let start = 0
    for (const { keyEnd, valueEnd, timestamp } of this.#changes) {
      const value = valueEnd === NO_VALUE ? null : { bytes, start: keyEnd, end: valueEnd }
      sink({ bytes, start, end: keyEnd }, value, timestamp)
      start = value === null ? keyEnd : valueEnd
    }
    this.#changes = []
    this.#changeBytes.reset()
    this.#isDrained = true
  }

  save(batch: ByteBatch): void {
    assert(this.#isDrained, `store ${this.name}: a save follows a drain`)
    const { table } = this.#trees
    const { output } = batch
    this.#trees.takeUnsaved((node) => {
      output.writeInt16(this.#options.number)
      output.writeBytes(table.bytes, table.keyStart(node), table.rowStart(node))
      batch.endKey()
      if (table.rowLength(node) === 0) return batch.endDelete()
      output.writeBytes(table.bytes, table.rowStart(node), table.rowEnd(node))
      batch.endPut()
    })
  }

  evict(): void {
    const { usedBytes } = this.#trees.table
    const limit = this.#options.memory.limitOf(this.bufferedBytes())
    const bytesMax = usedBytes > limit ? limit * EVICT_TO_SHARE : limit
    if (this.#trees.evict(bytesMax) > 0) this.#evictions++
  }

  /** Changes the tree at once, or, when a node of it is not in memory, in `mergeRestored`. */
  restore(_batch: ByteBatch, key: ByteRange, value: ByteRange | null): void {
    if (this.#restored.length === 0 && this.#apply(key, value)) return
    const record = { key: copyOf(key), value: value === null ? null : copyOf(value) }
    this.#restored.push(record)
    this.#restoredBytes += record.key.length + (record.value === null ? 0 : record.value.length)
  }

  async mergeRestored(): Promise<void> {
    const restored = this.#restored
    if (restored.length === 0) return
    this.#restored = []
    this.#restoredBytes = 0
    const every = restored.map((_, index) => index)
    await this.#loadWays(every, (index) =>
      this.#trees.descend(this.#setChangelogKey(rangeOf((restored[index] as RestoredRecord).key))),
    )
    for (const { key, value } of restored) {
      const isApplied = this.#apply(rangeOf(key), value === null ? null : rangeOf(value))
      assert(isApplied, 'the way of a restored subscription was loaded')
    }
  }

  close(): void {
    this.#isClosed = true
    this.#trees.table.clear()
  }

  /** Changes the tree as a changelog record says; false when a node has to be loaded first. */
  #apply(key: ByteRange, value: ByteRange | null): boolean {
    const primaryKey = this.#setChangelogKey(key)
    if (!this.#trees.descend(primaryKey)) return false
    if (value === null) this.#trees.delete()
    else this.#trees.put(primaryKey, value)
    return true
  }

  #setForeignKey(foreignKey: F): void {
    this.#keySerde.write(foreignKey, this.#trees.nodeKey.reset())
    this.#trees.setForeignKey()
  }

  /** Takes the foreign key out of a key of the changelog; the primary key. */
  #setChangelogKey({ bytes, start, end }: ByteRange): ByteRange {
    const foreignKeyEnd = start + LENGTH_BYTES + bytes.readInt32BE(start)
    this.#trees.nodeKey.reset().writeBytes(bytes, start + LENGTH_BYTES, foreignKeyEnd)
    this.#trees.setForeignKey()
    return { bytes, start: foreignKeyEnd, end }
  }

  #log(primaryKey: ByteRange, payload: ByteRange | null, timestamp: number): void {
    this.#isDrained = false
    if (!this.#options.definition.changelog) return
    const output = this.#changeBytes
    output.writeInt32(this.#trees.foreignKeyEnd)
    output.writeBytes(this.#trees.nodeKey.bytes, 0, this.#trees.foreignKeyEnd)
    output.writeBytes(primaryKey.bytes, primaryKey.start, primaryKey.end)
    const keyEnd = output.end
    if (payload !== null) output.writeBytes(payload.bytes, payload.start, payload.end)
    const valueEnd = payload === null ? NO_VALUE : output.end
    this.#changes.push({ keyEnd, valueEnd, timestamp })
  }

  #visitNode(foreignKey: F, node: number, visit: VisitSubscriber): PromiseOrValue<void> {
    const { table } = this.#trees
    if (table.rowLength(node) === 0) return
    const start = table.rowStart(node)
    if (table.bytes[start] === LEAF) return this.#visitLeaf(node, HEAD_BYTES, visit)
    const children = childrenOf(table.bytes, start, table.rowEnd(node))
    return this.#visitNodes(foreignKey, children, visit)
  }

  #visitNodes(foreignKey: F, ids: readonly number[], visit: VisitSubscriber): PromiseOrValue<void> {
    const some = ids.slice(0, NODES_PER_READ)
    this.#setForeignKey(foreignKey)
    const missing = some.filter((id) => this.#trees.findNode(id) === NOT_FOUND)
    const loaded = missing.length === 0 ? undefined : this.#loadNodes(foreignKey, missing)
    const visited = when(loaded, () =>
      inOrder(some, (id) => {
        this.#setForeignKey(foreignKey)
        return this.#visitNode(foreignKey, this.#trees.findNode(id), visit)
      }),
    )
    if (ids.length <= NODES_PER_READ) return visited
    return when(visited, () => this.#visitNodes(foreignKey, ids.slice(NODES_PER_READ), visit))
  }

  /** Visits the subscribers of a leaf from the entry at `from` on. */
  #visitLeaf(leaf: number, from: number, visit: VisitSubscriber): PromiseOrValue<void> {
    const { table } = this.#trees
    for (let at = from; at < table.rowLength(leaf); ) {
      const { bytes } = table
      const start = table.rowStart(leaf)
      const key = this.#primaryKey
      const payload = this.#payload
      key.bytes = payload.bytes = bytes
      key.start = start + at + LENGTH_BYTES
      key.end = payload.start = keyEnd(bytes, start + at)
      payload.end = payload.start + PAYLOAD_BYTES
      at = payload.end - start
      const pending = visit(key, payload)
      if (pending instanceof Promise) return pending.then(() => this.#visitLeaf(leaf, at, visit))
    }
  }

  async #loadWay(foreignKey: F, primaryKey: ByteRange): Promise<void> {
    await this.#loadWays([0], () => {
      this.#setForeignKey(foreignKey)
      return this.#trees.descend(primaryKey)
    })
  }

  /**
   * Loads nodes, a level of all ways with one batched read, until each way is walked to its end.
   *
   * @param walk walks one of them; false when it misses a node, whose key is the trees' `nodeKey`
   */
  #loadWays(ways: readonly number[], walk: (way: number) => boolean): PromiseOrValue<void> {
    const missing = new KeyList(ways.length)
    const unfinished = ways.filter((way) => {
      if (walk(way)) return false
      this.#addMissing(missing)
      return true
    })
    if (unfinished.length === 0) return
    return this.#load(missing.keys()).then(() => this.#loadWays(unfinished, walk))
  }

  #loadNodes(foreignKey: F, ids: readonly number[]): Promise<void> {
    const missing = new KeyList(ids.length)
    this.#setForeignKey(foreignKey)
    for (const id of ids) {
      this.#trees.setNodeId(id)
      this.#addMissing(missing)
    }
    return this.#load(missing.keys())
  }

  /** The node looked for last has to be read. */
  #addMissing(missing: KeyList): void {
    missing.output.writeInt16(this.#options.number)
    missing.output.writeBytes(this.#trees.nodeKey.bytes, 0, this.#trees.nodeKey.end)
    missing.endKey()
  }

  async #load(databaseKeys: readonly Buffer[]): Promise<void> {
    for (;;) {
      const evictions = this.#evictions
      const nodes = await this.#options.bytes.getMany(databaseKeys)
      if (this.#isClosed) throw storeClosed(this.name)
      // A node changed, saved and evicted meanwhile is newer than the one just read.
      if (evictions !== this.#evictions) continue
      databaseKeys.forEach((key, index) => {
        this.#trees.add(key, STORE_NUMBER_BYTES, nodes[index] ?? null)
      })
      return
    }
  }
}

function emptyRange(): { bytes: Buffer; start: number; end: number } {
  return { bytes: Buffer.alloc(0), start: 0, end: 0 }
}

function copyOf({ bytes, start, end }: ByteRange): Buffer {
  return Buffer.from(bytes.subarray(start, end))
}
