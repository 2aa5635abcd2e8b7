/**
 * Committed offsets of groups: a table in memory, remembered in `__consumer_offsets`.
 *
 * Journey: consumer commit, or a transaction's offsets -> [offsets] -> `__consumer_offsets` -> replay.
 *
 * Invariants:
 * - A plain commit is visible at once; offsets of a transaction are pending until its marker.
 * - An offset is in the table only if its record is in the log.
 */
import type { Clock } from '../clock.ts'
import type { TopicPartition } from './partition.ts'
import { Refusal } from './refusal.ts'
import {
  decodeOffsetKey,
  decodeOffsetValue,
  encodeOffset,
  type OffsetValue,
} from './state-records.ts'
import type { StateRecord, StateTopic } from './state-topic.ts'

/** Kafka's `offset.metadata.max.bytes`. */
const METADATA_BYTES_MAX = 4096

export interface CommittedOffset extends TopicPartition {
  /** -1: nothing was committed. */
  readonly offset: number
  readonly metadata: string
}

export interface OffsetAnswer extends CommittedOffset {
  readonly error: Refusal | null
}

interface Entry extends TopicPartition, OffsetValue {}
type GroupOffsets = Map<string, Entry>

/** Offsets of one open transaction, by group. */
interface Pending {
  epoch: number
  nextSequence: number
  readonly groups: Map<string, GroupOffsets>
}

const entryKey = (item: TopicPartition): string => `${item.partition}/${item.topic}`

export class CommittedOffsets {
  readonly state: StateTopic
  private readonly clock: Clock
  private readonly groups = new Map<string, GroupOffsets>()
  private readonly pending = new Map<number, Pending>()

  constructor(state: StateTopic, clock: Clock) {
    this.state = state
    this.clock = clock
  }

  /** Reads the topic back. Offsets of transactions still open stay pending. */
  replay(): void {
    this.state.replay({
      record: (key, value, producerId) => this.replayRecord(key, value, producerId),
      marker: (producerId, outcome) => this.ended(producerId, outcome),
    })
  }

  commit(groupId: string, offsets: readonly CommittedOffset[]): void {
    const entries = this.entries(offsets)
    if (entries.length === 0) return
    this.state.append(entries.map((entry) => encodeOffset({ groupId, ...entry }, entry)))
    const group = this.groupOf(this.groups, groupId)
    for (const entry of entries) group.set(entryKey(entry), entry)
  }

  /** Writes offsets as part of a transaction; they count when `ended` is told of the commit. */
  commitInTransaction(
    producer: { readonly producerId: number; readonly epoch: number },
    groupId: string,
    offsets: readonly CommittedOffset[],
  ): void {
    const entries = this.entries(offsets)
    if (entries.length === 0) return
    const pending = this.pendingOf(producer.producerId, producer.epoch)
    this.state.append(
      entries.map((entry) => encodeOffset({ groupId, ...entry }, entry)),
      {
        producerId: producer.producerId,
        producerEpoch: producer.epoch,
        baseSequence: pending.nextSequence,
      },
    )
    pending.nextSequence += entries.length
    const group = this.groupOf(pending.groups, groupId)
    for (const entry of entries) group.set(entryKey(entry), entry)
  }

  /** The transaction's marker is in the log. */
  ended(producerId: number, outcome: 'commit' | 'abort'): void {
    const pending = this.pending.get(producerId)
    if (pending === undefined) return
    if (outcome === 'commit') {
      for (const [groupId, offsets] of pending.groups) {
        const group = this.groupOf(this.groups, groupId)
        for (const [key, entry] of offsets) group.set(key, entry)
      }
    }
    pending.groups.clear()
  }

  fetch(
    groupId: string,
    partitions: readonly TopicPartition[],
    requireStable: boolean,
  ): OffsetAnswer[] {
    const group = this.groups.get(groupId)
    return partitions.map(({ topic, partition }) => {
      const key = entryKey({ topic, partition })
      const entry = group?.get(key)
      const unstable = requireStable && this.isPending(groupId, key)
      return {
        topic,
        partition,
        offset: unstable ? -1 : (entry?.offset ?? -1),
        metadata: unstable ? '' : (entry?.metadata ?? ''),
        error: unstable
          ? new Refusal(
              'unstable-offset',
              'An open transaction holds a newer offset; ask again when it has ended',
              { group: groupId, topic, partition },
            )
          : null,
      }
    })
  }

  /** All offsets of a group, or null when it has none. */
  of(groupId: string): readonly CommittedOffset[] | null {
    const group = this.groups.get(groupId)
    return group === undefined ? null : [...group.values()]
  }

  groupIds(): string[] {
    return [...this.groups.keys()]
  }

  deleteGroup(groupId: string): void {
    const group = this.groups.get(groupId)
    if (group === undefined) return
    this.state.append([...group.values()].map((entry) => encodeOffset({ groupId, ...entry }, null)))
    this.groups.delete(groupId)
  }

  /** Offsets of a deleted topic mean nothing: a topic created later under its name starts anew. */
  deleteTopic(topic: string): void {
    for (const [groupId, group] of this.groups) {
      const gone = [...group.values()].filter((entry) => entry.topic === topic)
      if (gone.length === 0) continue
      this.state.append(gone.map((entry) => encodeOffset({ groupId, ...entry }, null)))
      for (const entry of gone) group.delete(entryKey(entry))
      if (group.size === 0) this.groups.delete(groupId)
    }
  }

  /** Shortens the topic when it is mostly history and no transaction is open on it. */
  async rewriteIfDue(): Promise<void> {
    if (!this.state.rewriteDue) return
    for (const pending of this.pending.values()) if (pending.groups.size > 0) return
    await this.state.rewrite(this.table())
  }

  private *table(): Iterable<StateRecord> {
    for (const [groupId, group] of this.groups) {
      for (const entry of group.values()) yield encodeOffset({ groupId, ...entry }, entry)
    }
  }

  private entries(offsets: readonly CommittedOffset[]): Entry[] {
    const commitTimestamp = this.clock.now()
    return offsets.map(({ topic, partition, offset, metadata }) => {
      if (metadata.length > METADATA_BYTES_MAX) {
        throw new Refusal(
          'record-too-large',
          `Offset metadata has ${metadata.length} characters; at most ${METADATA_BYTES_MAX} are kept`,
          { topic, partition },
        )
      }
      return { topic, partition, offset, metadata, commitTimestamp }
    })
  }

  private replayRecord(keyBytes: Buffer, valueBytes: Buffer | null, producerId: number): void {
    const key = decodeOffsetKey(keyBytes)
    if (key === null) return
    const { groupId, topic, partition } = key
    const groups = producerId < 0 ? this.groups : this.pendingOf(producerId, -1).groups
    if (valueBytes === null) {
      const group = groups.get(groupId)
      group?.delete(entryKey(key))
      if (group?.size === 0) groups.delete(groupId)
      return
    }
    const value = decodeOffsetValue(valueBytes)
    if (value === null) return
    this.groupOf(groups, groupId).set(entryKey(key), { topic, partition, ...value })
  }

  private isPending(groupId: string, key: string): boolean {
    for (const { groups } of this.pending.values()) {
      if (groups.get(groupId)?.has(key) === true) return true
    }
    return false
  }

  private groupOf(groups: Map<string, GroupOffsets>, groupId: string): GroupOffsets {
    let group = groups.get(groupId)
    if (group === undefined) {
      group = new Map()
      groups.set(groupId, group)
    }
    return group
  }

  private pendingOf(producerId: number, epoch: number): Pending {
    let pending = this.pending.get(producerId)
    if (pending === undefined) {
      pending = { epoch, nextSequence: 0, groups: new Map() }
      this.pending.set(producerId, pending)
    } else if (pending.epoch !== epoch) {
      pending.epoch = epoch
      pending.nextSequence = 0
    }
    return pending
  }
}
