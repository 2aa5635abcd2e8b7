/**
 * The subscriptions of a foreign-key join: for each foreign key the primary keys of the left rows
 * that name it, in the order of their bytes.
 *
 * Journey: subscription join puts and deletes one here, foreign table visits all of a key.
 *
 * They lie in a key-value store as a B+ tree to each foreign key, so that everything is a read by
 * key: most foreign keys are one row, the root, and a fan-out over n left rows reads about n/20. A
 * row's key is the foreign key and the node's id (4 bytes), the root's id being 0.
 *
 * Invariants:
 * - A node is at most `NODE_BYTES_MAX` long, unless it has a single entry.
 * - A node without entries has no row. Nodes are not merged before they are empty.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { PromiseOrValue } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import { when } from '../../record/when.ts'
import type { KeyValueStore } from '../../state/store.ts'
import {
  childAt,
  childrenOf,
  findChild,
  findEntry,
  HEAD_BYTES,
  hasEntries,
  INNER,
  innerEntry,
  keyAt,
  LEAF,
  leafEntry,
  newNode,
  nextIdOf,
  type Slot,
  spliced,
  splitPoint,
  type VisitSubscriber,
  visitLeaf,
  withNextId,
} from './node.ts'

/** About 30 rows with short keys: a changed row rewrites its node in the changelog. */
const NODE_BYTES_MAX = 1024
/** Nodes loaded by one batched read: bounds what a fan-out loads ahead. */
const NODES_PER_READ = 64
const ROOT_ID = 0

/** A subscription as it is kept. */
export interface Subscriber {
  readonly primaryKey: Buffer
  readonly partition: number
  readonly hash: string
}

/** A row key, as text of 8 bits a character: the store finds it without serialising it. */
export const nodeKeySerde: Serde<string> = {
  name: 'subscription-node-key',
  primitive: true,
  write(value, output) {
    const position = output.reserve(value.length)
    output.bytes.latin1Write(value, position)
    output.end = position + value.length
  },
  read: (bytes, start, end) => bytes.latin1Slice(start, end),
}

export const nodeSerde: Serde<Buffer> = {
  name: 'subscription-node',
  write: (value, output) => output.writeBytes(value),
  read: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
}

/** A node on the way from the root to a leaf, and the entry by which the way goes on. */
interface Step {
  readonly id: number
  readonly node: Buffer
  readonly slot: Slot
}

/** Where something is looked for: by foreign key bytes as text, and primary key. */
interface Wanted {
  readonly foreignKey: string
  readonly primaryKey: Buffer
}

export class Subscriptions {
  readonly #nodes: KeyValueStore<string, Buffer>

  constructor(nodes: KeyValueStore<string, Buffer>) {
    this.#nodes = nodes
  }

  /** Subscribes a left row, or replaces its subscription. `foreignKey` is bytes as text. */
  put(foreignKey: string, subscriber: Subscriber, timestamp: number): PromiseOrValue<void> {
    const { primaryKey, partition, hash } = subscriber
    const entry = leafEntry(primaryKey, partition, hash)
    return when(this.#wayTo({ foreignKey, primaryKey }, ROOT_ID, []), (way) => {
      if (way.length === 0) {
        this.#write(foreignKey, ROOT_ID, newNode(LEAF, ROOT_ID + 1, [entry]), timestamp)
      } else {
        this.#insert(foreignKey, way, { entry, timestamp })
      }
    })
  }

  /** Ends the subscription of a left row, if there is one. */
  delete(foreignKey: string, primaryKey: Buffer, timestamp: number): PromiseOrValue<void> {
    return when(this.#wayTo({ foreignKey, primaryKey }, ROOT_ID, []), (way) => {
      const { slot } = way.at(-1) ?? { slot: null }
      if (slot === null || slot.start === slot.end) return
      for (const { id, node, slot } of way.toReversed()) {
        const rest = spliced(node, slot, null)
        this.#write(foreignKey, id, hasEntries(rest) ? rest : null, timestamp)
        if (hasEntries(rest)) return
      }
    })
  }

  /** Visits the subscribers of a foreign key by the bytes of their keys. */
  visit(foreignKey: string, visit: VisitSubscriber): PromiseOrValue<void> {
    return this.#visitNode(foreignKey, ROOT_ID, visit)
  }

  /** Loads the roots of these foreign keys in one batched read. */
  prefetch(foreignKeys: readonly string[]): PromiseOrValue<void> {
    return this.#nodes.prefetch(foreignKeys.map((foreignKey) => nodeKey(foreignKey, ROOT_ID)))
  }

  /** Loads what putting and deleting these will touch, with one batched read a level. */
  prefetchWays(wanted: readonly Wanted[]): PromiseOrValue<void> {
    return this.#prefetchLevel(wanted.map((one) => ({ ...one, id: ROOT_ID })))
  }

  #prefetchLevel(level: readonly (Wanted & { readonly id: number })[]): PromiseOrValue<void> {
    const keys = level.map(({ foreignKey, id }) => nodeKey(foreignKey, id))
    return when(this.#nodes.prefetch(keys), () => {
      const below = level.flatMap((one, index) => {
        const row = this.#nodes.get(keys[index] as string)
        if (row instanceof Promise) {
          // Let go of since: it is read again where it is needed, and its error shown there.
          row.catch(() => {})
          return []
        }
        if (row === null || row.value[0] === LEAF) return []
        return [{ ...one, id: childAt(row.value, findChild(row.value, one.primaryKey)) }]
      })
      return below.length === 0 ? undefined : this.#prefetchLevel(below)
    })
  }

  /** The nodes from `id` down to the leaf that a key belongs to; none when there is no root. */
  #wayTo(wanted: Wanted, id: number, way: Step[]): PromiseOrValue<readonly Step[]> {
    return when(this.#nodes.get(nodeKey(wanted.foreignKey, id)), (row) => {
      if (row === null) return way
      const node = row.value
      const isLeaf = node[0] === LEAF
      const slot = isLeaf ? findEntry(node, wanted.primaryKey) : findChild(node, wanted.primaryKey)
      way.push({ id, node, slot })
      return isLeaf ? way : this.#wayTo(wanted, childAt(node, slot), way)
    })
  }

  /** Puts an entry at the end of the way; a node that becomes too long is split, then its parent. */
  #insert(
    foreignKey: string,
    way: readonly Step[],
    { entry, timestamp }: { entry: Buffer; readonly timestamp: number },
  ): void {
    const root = way[0] as Step
    let nextId = nextIdOf(root.node)
    for (let depth = way.length - 1; ; depth--) {
      const { id, node, slot: found } = way[depth] as Step
      // The right half of a split child stands behind the entry of its left half.
      const slot = depth === way.length - 1 ? found : { start: found.end, end: found.end }
      const grown = spliced(node, slot, entry)
      const at = grown.length > NODE_BYTES_MAX ? splitPoint(grown, slot.start === node.length) : -1
      if (at < 0) {
        this.#write(foreignKey, id, id === ROOT_ID ? withNextId(grown, nextId) : grown, timestamp)
        if (id !== ROOT_ID && nextId !== nextIdOf(root.node)) {
          this.#write(foreignKey, ROOT_ID, withNextId(root.node, nextId), timestamp)
        }
        return
      }
      const kind = node[0] as number
      const left = grown.subarray(HEAD_BYTES, at)
      const right = grown.subarray(at)
      const leftId = id === ROOT_ID ? nextId++ : id
      const rightId = nextId++
      this.#write(foreignKey, leftId, newNode(kind, 0, [left]), timestamp)
      this.#write(foreignKey, rightId, newNode(kind, 0, [right]), timestamp)
      entry = innerEntry(keyAt(grown, at), rightId)
      if (id === ROOT_ID) {
        const first = innerEntry(keyAt(grown, HEAD_BYTES), leftId)
        this.#write(foreignKey, ROOT_ID, newNode(INNER, nextId, [first, entry]), timestamp)
        return
      }
    }
  }

  #visitNode(foreignKey: string, id: number, visit: VisitSubscriber): PromiseOrValue<void> {
    return when(this.#nodes.get(nodeKey(foreignKey, id)), (row) => {
      if (row === null) return
      const node = row.value
      if (node[0] === LEAF) return visitLeaf(node, HEAD_BYTES, visit)
      return this.#visitNodes(foreignKey, childrenOf(node), visit)
    })
  }

  #visitNodes(
    foreignKey: string,
    ids: readonly number[],
    visit: VisitSubscriber,
  ): PromiseOrValue<void> {
    const keys = ids.slice(0, NODES_PER_READ).map((id) => nodeKey(foreignKey, id))
    let pending = this.#nodes.prefetch(keys)
    for (const id of ids.slice(0, NODES_PER_READ)) {
      pending = when(pending, () => this.#visitNode(foreignKey, id, visit))
    }
    if (ids.length <= NODES_PER_READ) return pending
    return when(pending, () => this.#visitNodes(foreignKey, ids.slice(NODES_PER_READ), visit))
  }

  #write(foreignKey: string, id: number, node: Buffer | null, timestamp: number): void {
    this.#nodes.put(nodeKey(foreignKey, id), node, timestamp)
  }
}

/** The row key of a node: the id behind the foreign key, as four characters of 8 bits. */
function nodeKey(foreignKey: string, id: number): string {
  return id === ROOT_ID
    ? `${foreignKey}\0\0\0\0`
    : foreignKey + String.fromCharCode(id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255)
}

/** What turns foreign keys into the text of their bytes. */
export function foreignKeyText<F>(serde: Serde<F>): (foreignKey: F) => string {
  const scratch = new ByteWriter()
  return (foreignKey) => {
    serde.write(foreignKey, scratch.reset())
    return scratch.bytes.latin1Slice(0, scratch.end)
  }
}
