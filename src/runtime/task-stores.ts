/**
 * Task stores: what a task has of its stores: who of its nodes sees which, where their changes go, and
 * from where they are restored.
 *
 * Journey: node -> [task stores] -> store; at a commit store -> [task stores] -> changelog and, now and
 * then, the task's database.
 *
 * Invariants:
 * - A node sees the stores it was connected to; a read-only one is written by its own node alone.
 * - A changelog is that of the store's name, its partition that of the task. A read-only store has the
 *   topic of its rows instead, up to what is committed of it.
 */
import type { TopicPartition } from '../client/client.ts'
import { NO_HEADERS } from '../record/record.ts'
import type { StateStore, StoreDefinition, StoreSource } from '../state/store.ts'
import type { TaskState } from '../state/task-state.ts'
import type { ApplicationTopics } from './application-topics.ts'
import type { Metrics } from './metrics.ts'
import type { Output } from './output.ts'
import { readOnly } from './read-only-store.ts'
import type { StartingPoint, TaskDescription } from './task.ts'

/**
 * How long a changelog keeps what its store has expired: the store's own time may be behind the
 * task's by records that a filter held back.
 */
const PURGE_SLACK_MS = 86_400_000

/** The partition that a store is restored from, and the offset its saved rows go up to. */
export interface StoreChangelog extends TopicPartition {
  readonly store: string
  readonly savedOffset: number
  /** Where to end; absent: where the partition ends. */
  readonly end?: number
}

export interface TaskStoresOptions {
  readonly description: TaskDescription
  readonly state: TaskState
  readonly topics: ApplicationTopics
  readonly output: Output
  readonly metrics: Metrics
  /** Stores of all partitions, read by any task. */
  readonly globals?: { store(name: string): StateStore | undefined } | null
}

export class TaskStores {
  readonly #options: TaskStoresOptions
  readonly #stores: readonly StateStore[]
  readonly #definitions: ReadonlyMap<string, StoreDefinition>
  /** Stores of which a read changes what a commit is to keep. */
  readonly #changedByReads: readonly StateStore[]

  constructor(options: TaskStoresOptions) {
    const { state, description } = options
    this.#options = options
    this.#stores = state.stores()
    this.#definitions = new Map(description.subTopology.stores.map((one) => [one.name, one]))
    this.#changedByReads = this.#stores.filter(({ hasUndrained }) => hasUndrained !== undefined)
  }

  /** True when a read has changed what a commit is to keep. */
  get hasUndrained(): boolean {
    return this.#changedByReads.some(({ hasUndrained }) => hasUndrained)
  }

  /** The store of that name, as a node sees it. */
  find(name: string, nodeName: string): StateStore {
    const { globals, description, state } = this.#options
    const global = globals?.store(name)
    if (global !== undefined) return global
    const node = description.subTopology.nodes.find((candidate) => candidate.name === nodeName)
    if (node?.kind !== 'processor' || !node.stores.includes(name)) {
      const connected = node?.kind === 'processor' ? node.stores.join(', ') || 'none' : 'none'
      throw new TypeError(
        `'${nodeName}' asks for store '${name}', which it is not connected to (connected: ${connected}); name it in the operator's stores`,
      )
    }
    const source = this.#sourceOf(name)
    const store = state.store(name)
    return source === null || source.writer === nodeName ? store : readOnly(store)
  }

  /** Hands every changed row to its changelog partition. */
  drain(): void {
    const { output, metrics, topics, description } = this.#options
    for (const store of this.#stores) {
      const definition = this.#definitionOf(store.name)
      const changelog = output.partition(topics.changelogOf(store.name), description.partition)
      store.drainChanges((key, value, timestamp) => {
        if (!definition.changelog) return
        metrics.changelogRecords++
        output.append(changelog, key, value, timestamp, NO_HEADERS)
      })
    }
  }

  /**
   * Writes committed rows, and how far in the changelogs they go, to the task's database; resolves when
   * it is done.
   *
   * @param committedOf the committed offset of a topic that the task reads
   */
  save(committedOf: (topic: string) => number): Promise<void> {
    const { output, topics, state, description } = this.#options
    const offsets = new Map<string, number>()
    for (const { name } of this.#stores) {
      const source = this.#sourceOf(name)
      const offset =
        source === null
          ? output.endOffset(topics.changelogOf(name), description.partition)
          : committedOf(source.topic)
      if (offset >= 0) offsets.set(name, offset)
    }
    return state.write(offsets)
  }

  /** Bytes of rows that are changed and not committed. */
  dirtyBytes(): number {
    let bytes = 0
    for (const store of this.#stores) bytes += store.dirtyBytes()
    return bytes
  }

  bufferedBytes(): number {
    let bytes = 0
    for (const store of this.#stores) bytes += store.bufferedBytes()
    return bytes
  }

  /** What the stores are restored from, when the task starts there. */
  changelogs(starts: readonly StartingPoint[] = []): StoreChangelog[] {
    const { topics, state, description } = this.#options
    const { partition } = description
    return this.#stores.flatMap(({ name: store }): StoreChangelog[] => {
      const savedOffset = state.changelogOffset(store) ?? 0
      const source = this.#sourceOf(store)
      if (source === null) {
        const topic = topics.changelogOf(store)
        return this.#definitionOf(store).changelog ? [{ store, topic, partition, savedOffset }] : []
      }
      const { topic } = source
      const start = starts.find(({ committed }) => committed.topic === topic)
      const end = Math.max(0, start?.committed.offset ?? 0)
      return [{ store, topic, partition, savedOffset, end }]
    })
  }

  /** Changelog partitions whose records before a time are all expired, with that time. */
  expired(streamTime: number): (TopicPartition & { readonly before: number })[] {
    const expired: (TopicPartition & { readonly before: number })[] = []
    for (const { store, topic, partition } of this.changelogs()) {
      const definition = this.#definitionOf(store)
      if (!('retentionMs' in definition)) continue
      // A row is never older than its window's start, and observed time never ahead of stream time.
      const lingerMs = definition.kind === 'session' ? (definition.lingerMs ?? 0) : 0
      const before = streamTime - definition.retentionMs - lingerMs - PURGE_SLACK_MS
      if (before > 0) expired.push({ topic, partition, before })
    }
    return expired
  }

  #definitionOf(name: string): StoreDefinition {
    return this.#definitions.get(name) as StoreDefinition
  }

  /** Where the rows of a read-only store come from; null for any other. */
  #sourceOf(name: string): StoreSource | null {
    const definition = this.#definitionOf(name)
    return (definition.kind === 'key-value' && definition.source) || null
  }
}
