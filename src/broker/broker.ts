/**
 * The broker: owner of one log folder, and the one door to everything in it.
 *
 * Journey: client -> [broker] -> partition log; and back by fetch.
 *
 * Open: 1. the folder is locked, 2. `cleanShutdown` is read and set to false, 3. every partition is
 * opened (and recovered after an unclean end), 4. offsets and transactions are replayed,
 * 5. transactions that a crash cut off are settled, 6. the timers start.
 * Close: 1. timers and groups stop, 2. every log is closed, which makes it durable,
 * 3. `cleanShutdown` is set, 4. the lock is released.
 *
 * Invariants:
 * - One open broker per folder.
 * - An append is answered after it is in the log (as durable as the flush policy says).
 * - After a failed write or fsync the partition acknowledges nothing more until the log is opened
 *   again: what the page cache holds is then unknown.
 */
import type { Clock } from '../clock.ts'
import type { FileLock, FileSystem } from '../file-system.ts'
import type { FlushPolicy } from '../log/log-config.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { readInt64 } from '../record/byte-writer.ts'
import { FetchLane } from './fetch.ts'
import { Group, type JoinAnswer, type JoinRequest } from './group.ts'
import { Metadata, type TopicMetadata } from './metadata.ts'
import { type CommittedOffset, CommittedOffsets, type OffsetAnswer } from './offsets.ts'
import { Partition, type TopicPartition } from './partition.ts'
import { Refusal, refusalOf } from './refusal.ts'
import {
  isInternalTopic,
  OFFSETS_TOPIC,
  STATE_TOPIC_CONFIG,
  StateTopic,
  TRANSACTIONS_TOPIC,
} from './state-topic.ts'
import { logConfigOf, type TopicConfig } from './topic-config.ts'
import { folderOf, type NewTopic, type TopicStorage, Topics } from './topics.ts'
import { Transactions } from './transactions.ts'

export interface BrokerOptions {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly directory: string
  /** Default `every-second`. */
  readonly flush?: FlushPolicy
  /** Configuration of topics that do not set it themselves, under Kafka's names. */
  readonly topicDefaults?: TopicConfig
}

export interface ProduceItem extends TopicPartition {
  readonly batch: Buffer
}

export interface ProduceAnswer extends TopicPartition {
  readonly error: Refusal | null
  readonly baseOffset: number
  readonly logAppendTime: number
}

export interface OffsetQuestion extends TopicPartition {
  readonly at: 'earliest' | 'latest' | number
}

export interface ListedOffset extends TopicPartition {
  readonly error: Refusal | null
  readonly offset: number
  readonly timestamp: number
}

export interface GroupIdentity {
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
}

const TICK_MS = 1000
/** Kafka checks each five minutes; a minute keeps a folder nearer to its bound and costs nothing. */
const RETENTION_CHECK_MS = 60_000

// Positions in a v2 batch.
const ATTRIBUTES_AT = 21
const PRODUCER_ID_AT = 43
const PRODUCER_EPOCH_AT = 51
const BATCH_HEADER_BYTES = 61
const TRANSACTIONAL_FLAG = 0x10

export class Broker {
  readonly clock: Clock
  readonly topics: Topics
  readonly offsets: CommittedOffsets
  readonly transactions: Transactions
  closed = false
  readonly #flush: FlushPolicy
  readonly #metadata: Metadata
  readonly #lock: FileLock
  readonly #groups = new Map<string, Group>()
  readonly #lanes = new Set<FetchLane>()
  #cancelTick: () => void = () => {}
  #ticking: Promise<void> = Promise.resolve()
  #retentionDue = 0

  private constructor(options: BrokerOptions, metadata: Metadata, lock: FileLock) {
    this.clock = options.clock
    this.#flush = options.flush ?? 'every-second'
    this.#metadata = metadata
    this.#lock = lock
    this.topics = new Topics(metadata, storageOf(options, metadata.cleanShutdown))
    metadata.cleanShutdown = false
    const missing = [OFFSETS_TOPIC, TRANSACTIONS_TOPIC].filter((name) => !metadata.topics.has(name))
    if (missing.length === 0) metadata.save()
    this.topics.open()
    if (missing.length > 0) this.#createInternal(missing)
    this.offsets = new CommittedOffsets(this.#stateTopic(OFFSETS_TOPIC), this.clock)
    this.transactions = new Transactions({
      state: this.#stateTopic(TRANSACTIONS_TOPIC),
      offsets: this.offsets,
      clock: this.clock,
      durable: this.#flush === 'each-commit',
      nextProducerId: () => metadata.nextProducerId(),
      partition: (place) => this.topics.partition(place),
    })
  }

  /** The steps of the header. @throws StreamsError 'log-locked' when another process has the folder */
  static async open(options: BrokerOptions): Promise<Broker> {
    const { fileSystem, directory } = options
    fileSystem.makeDirectory(directory)
    const lock = fileSystem.lock(`${directory}/.lock`)
    try {
      const broker = new Broker(options, Metadata.open(fileSystem, directory), lock)
      broker.offsets.replay()
      broker.transactions.replay()
      await broker.transactions.recover(broker.topics.partitions())
      broker.#startTicking()
      return broker
    } catch (error) {
      lock.release()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.#cancelTick()
    this.transactions.close()
    for (const group of this.#groups.values()) group.close()
    for (const lane of this.#lanes) lane.close()
    await this.#ticking
    try {
      // A log that failed earlier fails here again, and the next open recovers it.
      let isDurable = await this.flush().then(yes, no)
      for (const partition of this.topics.partitions()) isDurable = closed(partition) && isDurable
      this.#metadata.cleanShutdown = isDurable
      this.#metadata.save()
    } finally {
      this.#lock.release()
    }
  }

  /** One answer per item, in order; a promise only when something has to be fsynced first. */
  produce(
    items: readonly ProduceItem[],
    acks: 'all' | 'leader' | 'none',
  ): ProduceAnswer[] | Promise<ProduceAnswer[]> {
    const answers: ProduceAnswer[] = new Array(items.length)
    let durable: Set<Partition> | null = null
    for (let index = 0; index < items.length; index++) {
      const item = items[index] as ProduceItem
      try {
        const partition = this.#writable(item)
        const { batch } = item
        const transactional = isTransactional(batch)
        if (transactional) this.#verify(partition, batch)
        answers[index] = this.#append(partition, batch)
        if (this.#flush === 'each-commit' && acks === 'all' && !transactional) {
          durable ??= new Set()
          durable.add(partition)
        }
      } catch (error) {
        answers[index] = refused(item, refusalOf(error))
      }
    }
    return durable === null ? answers : this.#afterFlush(durable, answers)
  }

  fetcher(): FetchLane {
    const lane = new FetchLane(this, () => this.#lanes.delete(lane))
    this.#lanes.add(lane)
    return lane
  }

  partition(place: TopicPartition): Partition | null {
    return this.topics.partition(place)
  }

  listOffsets(
    questions: readonly OffsetQuestion[],
    isolation: 'read-uncommitted' | 'read-committed',
  ): ListedOffset[] {
    return questions.map(({ topic, partition: number, at }) => {
      const place = { topic, partition: number }
      try {
        const { log } = this.#existing(place)
        const end = isolation === 'read-committed' ? log.lastStableOffset : log.highWatermark
        if (at === 'earliest') return listed(place, log.logStartOffset)
        if (at === 'latest') return listed(place, end)
        const found = log.offsetForTimestamp(at)
        if (found === null || found.offset >= end) return listed(place, -1)
        return listed(place, found.offset, found.timestamp)
      } catch (error) {
        return { ...listed(place, -1), error: refusalOf(error) }
      }
    })
  }

  deleteRecords(place: TopicPartition, beforeOffset: number): void {
    const partition = this.#existing(place)
    const { log } = partition
    const offset = beforeOffset < 0 ? log.highWatermark : beforeOffset
    if (offset > log.highWatermark) {
      throw new Refusal(
        'offset-out-of-range',
        `Cannot delete up to offset ${offset}; the log ends at ${log.highWatermark}`,
        place,
      )
    }
    partition.writable().deleteRecordsBefore(offset)
  }

  createTopics(topics: readonly NewTopic[]): (Refusal | null)[] {
    this.#refuseWhenClosed()
    return this.topics.create(topics)
  }

  deleteTopic(name: string): void {
    this.#refuseInternal(name)
    for (const partition of this.topics.delete(name)) this.transactions.forget(partition)
    this.offsets.deleteTopic(name)
  }

  joinGroup(request: JoinRequest): Promise<JoinAnswer> {
    this.#refuseWhenClosed()
    let group = this.#groups.get(request.groupId)
    if (group === undefined) {
      group = new Group(request.groupId, this.clock)
      this.#groups.set(request.groupId, group)
    }
    return group.join(request)
  }

  /** @throws Refusal 'unknown-member' when no such group has members */
  group(groupId: string): Group {
    this.#refuseWhenClosed()
    const group = this.#groups.get(groupId)
    if (group !== undefined) return group
    throw new Refusal('unknown-member', 'The group has no members; join it', { group: groupId })
  }

  async commitOffsets(
    identity: GroupIdentity,
    offsets: readonly CommittedOffset[],
  ): Promise<(Refusal | null)[]> {
    this.#refuseWhenClosed()
    this.#checkMember(identity)
    const unknown = offsets.map((offset) => this.#unknown(offset))
    const known = offsets.filter((_offset, index) => unknown[index] === null)
    this.offsets.commit(identity.groupId, known)
    if (this.#flush === 'each-commit') await this.offsets.state.partition.flush()
    return unknown
  }

  /** Offsets that become committed with the transaction; a member must be in good standing. */
  commitOffsetsInTransaction(
    transactionalId: string,
    producer: { readonly producerId: number; readonly epoch: number },
    identity: GroupIdentity,
    offsets: readonly CommittedOffset[],
  ): void | Promise<void> {
    this.#refuseWhenClosed()
    // As in Kafka, a transaction that names no member is trusted: its producer id fences it.
    if (identity.generation >= 0 || identity.memberId !== '') this.#checkMember(identity)
    for (const offset of offsets) {
      const unknown = this.#unknown(offset)
      if (unknown !== null) throw unknown
    }
    return this.transactions.commitOffsets(transactionalId, producer, identity.groupId, offsets)
  }

  fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    requireStable: boolean,
  ): OffsetAnswer[] {
    this.#refuseWhenClosed()
    return this.offsets.fetch(groupId, partitions, requireStable)
  }

  deleteGroup(groupId: string): void {
    const group = this.#groups.get(groupId)
    if (group !== undefined && group.size > 0) {
      throw new Refusal('group-not-empty', 'The group has members; stop them first', {
        group: groupId,
      })
    }
    this.#groups.delete(groupId)
    this.offsets.deleteGroup(groupId)
  }

  /** Makes everything appended so far durable: data first, then what refers to it. */
  async flush(): Promise<void> {
    const state = [this.offsets.state.partition, this.transactions.state.partition]
    const data: Promise<void>[] = []
    for (const partition of this.topics.partitions()) {
      if (!state.includes(partition)) data.push(partition.flush())
    }
    // One partition that cannot be written holds nobody else back.
    const results = await Promise.allSettled(data)
    for (const partition of state) results.push(...(await Promise.allSettled([partition.flush()])))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  #append(partition: Partition, batch: Buffer): ProduceAnswer {
    const size = batch.length
    const { baseOffset, duplicate, logAppendTime } = partition.writable().append(batch)
    if (!duplicate) partition.grown(size)
    return {
      topic: partition.topic,
      partition: partition.partition,
      error: null,
      baseOffset,
      logAppendTime,
    }
  }

  async #afterFlush(
    partitions: Iterable<Partition>,
    answers: ProduceAnswer[],
  ): Promise<ProduceAnswer[]> {
    try {
      await Promise.all([...partitions].map((partition) => partition.flush()))
      return answers
    } catch (error) {
      const failure = refusalOf(error)
      return answers.map((answer) => (answer.error === null ? refused(answer, failure) : answer))
    }
  }

  #verify(partition: Partition, batch: Buffer): void {
    const producerId = readInt64(batch, PRODUCER_ID_AT)
    this.transactions.verify(partition, producerId, batch.readInt16BE(PRODUCER_EPOCH_AT))
  }

  #writable(place: TopicPartition): Partition {
    const partition = this.#existing(place)
    this.#refuseInternal(place.topic)
    return partition
  }

  #existing(place: TopicPartition): Partition {
    this.#refuseWhenClosed()
    const partition = this.topics.partition(place)
    if (partition !== null) return partition
    const topic = this.topics.existing(place.topic)
    throw new Refusal(
      'unknown-partition',
      `The topic has partitions 0 to ${topic.partitions.length - 1}; use one of them or add more`,
      { topic: place.topic, partition: place.partition },
    )
  }

  #unknown(place: TopicPartition): Refusal | null {
    try {
      this.#existing(place)
      return null
    } catch (error) {
      return refusalOf(error)
    }
  }

  #checkMember({ groupId, memberId, generation }: GroupIdentity): void {
    const group = this.#groups.get(groupId)
    if (group !== undefined) group.checkCommit(memberId, generation)
    else if (generation >= 0 || memberId !== '') this.group(groupId)
  }

  #refuseWhenClosed(): void {
    if (this.closed) throw new Refusal('closed', 'The log was closed; open it again')
  }

  #refuseInternal(topic: string): void {
    if (!isInternalTopic(topic)) return
    throw new Refusal('invalid-topic', 'The topic is the log’s own; only read it', { topic })
  }

  /** Saves the metadata as it is now, too. */
  #createInternal(names: readonly string[]): void {
    const config = STATE_TOPIC_CONFIG
    const errors = this.topics.create(names.map((topic) => ({ topic, partitions: 1, config })))
    for (const error of errors) if (error !== null) throw error
  }

  #stateTopic(name: string): StateTopic {
    const partition = this.topics.partition({ topic: name, partition: 0 }) as Partition
    return new StateTopic(partition, this.clock)
  }

  #startTicking(): void {
    this.#cancelTick = this.clock.after(TICK_MS, () => {
      this.#ticking = this.#tick().catch(() => {})
      this.#ticking.then(() => {
        if (!this.closed) this.#startTicking()
      })
    })
  }

  #applyRetention(partition: Partition, now: number): void {
    if (isInternalTopic(partition.topic)) return
    try {
      partition.log.applyRetention(now)
    } catch (error) {
      // Tried again at the next check; a log that failed refuses its next writer, who is told.
      refusalOf(error)
    }
  }

  async #tick(): Promise<void> {
    // What fails here is told to whoever writes to that partition next.
    if (this.#flush === 'every-second') await this.flush().catch(() => {})
    if (this.closed) return
    await this.offsets.rewriteIfDue()
    if (this.closed) return
    const now = this.clock.now()
    if (now < this.#retentionDue) return
    this.#retentionDue = now + RETENTION_CHECK_MS
    for (const [id, group] of this.#groups) if (group.size === 0) this.#groups.delete(id)
    for (const partition of this.topics.partitions()) this.#applyRetention(partition, now)
    await this.transactions.sweep()
  }
}

function storageOf(options: BrokerOptions, cleanShutdown: boolean): TopicStorage {
  const { fileSystem, clock, directory, topicDefaults = {}, flush = 'every-second' } = options
  return {
    configOf: (topic) => logConfigOf(topic.config, topicDefaults, flush),
    defaults: topicDefaults,
    openPartition(topic: TopicMetadata, partition: number): Partition {
      const place = { topic: topic.topic, partition }
      const log = PartitionLog.open({
        fileSystem,
        clock,
        directory: `${directory}/${folderOf(place)}`,
        ...place,
        config: logConfigOf(topic.config, topicDefaults, flush),
        cleanShutdown,
      })
      return new Partition(topic.topic, partition, log)
    },
    removeFolder: (name) => fileSystem.removeDirectory(`${directory}/${name}`),
  }
}

/** False when what was written may not survive. */
function closed(partition: Partition): boolean {
  try {
    partition.log.close()
    return true
  } catch {
    return false
  }
}

const yes = (): boolean => true
const no = (): boolean => false

function isTransactional(batch: Buffer): boolean {
  if (batch.length < BATCH_HEADER_BYTES) {
    throw new Refusal('invalid-record', `A record batch has ${batch.length} bytes; it is cut off`)
  }
  return (batch.readInt16BE(ATTRIBUTES_AT) & TRANSACTIONAL_FLAG) !== 0
}

function refused(place: TopicPartition, error: Refusal): ProduceAnswer {
  const { topic, partition } = place
  return { topic, partition, error, baseOffset: -1, logAppendTime: -1 }
}

function listed(place: TopicPartition, offset: number, timestamp = -1): ListedOffset {
  return { topic: place.topic, partition: place.partition, error: null, offset, timestamp }
}
