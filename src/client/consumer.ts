/**
 * A consumer of records over any `LogClient`: alone, over chosen partitions, or sharing a topic with
 * the other members of its group.
 *
 * Journey: log -> fetch -> [decode, hand out] -> user; commits go back as offsets of the group.
 *
 * One fetch runs ahead of the user while a batch is worked on, and no more: a slow consumer holds
 * at most two answers and slows nobody else.
 *
 * Invariants:
 * - Records of a partition are handed out in order, each once per seek or assignment.
 * - Automatic commits cover only batches whose loop body has ended: at least once.
 * - What was fetched before a seek, a pause or a rebalance is not handed out after it.
 */
import { type Clock, holdProcess } from '../clock.ts'
import { milliseconds } from '../duration.ts'
import { StreamsError } from '../errors.ts'
import { BatchDecoder } from './batch-decoder.ts'
import type {
  ClientError,
  FetchedPartition,
  Fetcher,
  FetchItem,
  GroupIdentity,
  GroupMembership,
  Isolation,
  LogClient,
  OffsetItem,
  TopicPartition,
} from './client.ts'
import type { ConsumerBatch, ConsumerOptions, ConsumerRecord, SeekTo } from './consumer-options.ts'
import { asStreamsError, pause, retryDelayMs } from './retrying.ts'
import { assignRoundRobin } from './round-robin.ts'

const MAX_BYTES = 8 * 1024 * 1024
const PARTITION_MAX_BYTES = 1024 * 1024
const AUTO_COMMIT_MS = 1000
const HEARTBEATS_PER_SESSION = 3
/** Of the rebalance timeout, for the loop body that is running; the rest is for the commit. */
const REVOKE_SHARE = 0.8
const NO_BYTES: Uint8Array = new Uint8Array(0)

/** A partition that this consumer reads. */
interface Reading extends TopicPartition {
  /** To fetch next; -1: to be looked up. */
  fetchOffset: number
  /** After the last batch handed out. */
  delivered: number
  /** After the last batch whose loop body has ended. */
  finished: number
  committed: number
  paused: boolean
  /** Raised by seek and pause: what was fetched before is stale. */
  version: number
}

interface Ahead {
  readonly readings: readonly Reading[]
  readonly versions: readonly number[]
  readonly answer: Promise<readonly FetchedPartition[]>
}

/**
 * Reads records of topics, alone or sharing them with the other members of a group.
 *
 * Iterate over it for batches, or over `records()`. `Log.consumer` makes one.
 *
 * @see org.apache.kafka.clients.consumer.KafkaConsumer
 * @example
 * ```ts
 * const consumer = log.consumer({ group: 'billing', topics: ['orders'], key: text, value: json<Order>() })
 * let batch = await consumer.next()
 * console.log(consumer.assignment, batch?.records.length)
 *
 * // From a place of one's own choice on; what is paused is read again from where it was.
 * await consumer.seek('orders', 0, 'earliest')
 * consumer.pause([{ topic: 'orders', partition: 1 }])
 * consumer.resume([{ topic: 'orders', partition: 1 }])
 *
 * for await (const { partition, offset, key, value } of consumer.records()) {
 *   console.log(key, value, offset < consumer.position('orders', partition))
 *   break
 * }
 * await consumer.commit()
 * console.log(consumer.groupIdentity.groupId)
 * await consumer.close()
 * ```
 */
export class Consumer<K = Buffer, V = Buffer> implements AsyncIterable<ConsumerBatch<K, V>> {
  readonly #client: LogClient
  readonly #clock: Clock
  readonly #options: ConsumerOptions<K, V>
  readonly #isolation: Isolation
  readonly #maxWaitMs: number
  readonly #rebalanceTimeoutMs: number
  readonly #readings = new Map<string, Reading>()
  readonly #decoder: BatchDecoder<K, V>
  #started: Promise<void> | null = null
  #fetcher: Fetcher | null = null
  #membership: GroupMembership | null = null
  #identity: GroupIdentity | null = null
  /** Fetched and not handed out yet; the cursor decodes them one by one. */
  #fetched: {
    readonly reading: Reading
    readonly version: number
    readonly data: FetchedPartition
  }[] = []
  #ahead: Ahead | null = null
  #working = false
  #idle: (() => void)[] = []
  #assigned: (() => void)[] = []
  #nextCommitAt = 0
  #failure: StreamsError | null = null
  #closed = false

  constructor(client: LogClient, options: ConsumerOptions<K, V>, clock: Clock) {
    const { topics, assignments, group } = options
    if ((topics === undefined) === (assignments === undefined)) {
      throw new TypeError('a consumer needs either `topics` or `assignments`')
    }
    if (options.autoCommit === true && group === undefined) {
      throw new TypeError('`autoCommit` needs a `group` whose offsets are committed')
    }
    this.#client = client
    this.#clock = clock
    this.#options = options
    this.#isolation = options.isolation ?? 'read-committed'
    this.#decoder = new BatchDecoder(this.#isolation, options)
    this.#maxWaitMs = milliseconds(options.maxWait ?? 500, 'maxWait')
    this.#rebalanceTimeoutMs = milliseconds(options.rebalanceTimeout ?? '30s', 'rebalanceTimeout')
  }

  /** Partitions this consumer reads now. */
  get assignment(): readonly TopicPartition[] {
    return [...this.#readings.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /**
   * Batch after batch, waiting for more at the end, until `close`.
   *
   * @example
   * ```ts
   * for await (const batch of consumer) {
   *   for (const { key, value } of batch) console.log(key, value)
   *   if (batch.nextOffset >= batch.endOffset) break
   * }
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerBatch<K, V>, void, undefined> {
    for (;;) {
      const batch = await this.next()
      if (batch === null) return
      yield batch
    }
  }

  /** Record after record; `commit` covers the batch that the record came in. */
  async *records(): AsyncGenerator<ConsumerRecord<K, V>, void, undefined> {
    for await (const batch of this) yield* batch.records
  }

  /**
   * The next batch, or null after `close`. The batch before it counts as finished.
   *
   * @throws StreamsError 'topic-not-found', 'log-offset-out-of-range' (with `offsetReset: 'none'`),
   *   'log-corrupt-batch', 'deserialization-failed'
   */
  async next(): Promise<ConsumerBatch<K, V> | null> {
    const batch = this.#fetched.length === 0 ? null : this.#nextOfFetched()
    if (batch !== null) return batch
    const letGo = holdProcess()
    try {
      return await this.#waitForNext()
    } finally {
      letGo()
    }
  }

  /** What is fetched already, unless a commit is due first. */
  #nextOfFetched(): ConsumerBatch<K, V> | null {
    if (this.#failure !== null || this.#isCommitDue) return null
    this.#finishBatch()
    const batch = this.#takeFetched()
    this.#working = batch !== null
    return batch
  }

  async #waitForNext(): Promise<ConsumerBatch<K, V> | null> {
    await this.#start()
    this.#finishBatch()
    await this.#commitWhenDue()
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      if (this.#closed) return null
      const batch = this.#takeFetched()
      if (batch !== null) {
        this.#working = true
        return batch
      }
      await this.#fetchMore()
    }
  }

  /** Continues from another place. Takes effect with the next batch. */
  async seek(topic: string, partition: number, to: SeekTo): Promise<void> {
    await this.#start()
    const reading = this.#readingOf(topic, partition)
    const version = ++reading.version
    const offset = typeof to === 'number' ? to : await this.#offsetOf(reading, to)
    if (reading.version !== version) return
    reading.fetchOffset = offset
    reading.delivered = offset
    reading.finished = offset
    this.#fetcher?.wakeup()
  }

  /** Stops reading these partitions; others go on. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const reading = this.#readingOf(topic, partition)
      if (reading.paused) continue
      reading.paused = true
      this.#rewindToDelivered(reading)
    }
    this.#fetcher?.wakeup()
  }

  /** Reads paused partitions again, from where they were. */
  resume(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#readingOf(topic, partition).paused = false
    this.#fetcher?.wakeup()
  }

  /** The offset of the next record that `next` hands out; -1 when it is not known yet. */
  position(topic: string, partition: number): number {
    return this.#readingOf(topic, partition).delivered
  }

  /**
   * Commits everything handed out so far, the current batch included.
   *
   * @throws StreamsError 'group-generation-stale' when the group changed: the records go to another
   *   member (again)
   */
  async commit(): Promise<void> {
    if (this.#options.group === undefined) {
      throw new TypeError('the consumer has no `group` to commit offsets for')
    }
    await this.#commit((reading) => reading.delivered)
  }

  /** Group and generation, for a producer's `sendOffsets` in a transaction. */
  get groupIdentity(): GroupIdentity {
    const groupId = this.#options.group
    if (groupId === undefined) throw new TypeError('the consumer has no `group`')
    return this.#identity ?? { groupId, generation: -1, memberId: '' }
  }

  /** Commits what is finished (with `autoCommit`), leaves the group, lets the log go. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#working = false
    this.#wake()
    if (this.#started === null) return
    await this.#started.catch(() => {})
    if (this.#membership !== null) await this.#membership.leave()
    else await this.#commitFinished().catch(() => {})
    await this.#fetcher?.close()
    await this.#client.close()
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #autoCommits(): boolean {
    return this.#options.group !== undefined && this.#options.autoCommit !== false
  }

  #start(): Promise<void> {
    this.#started ??= this.#open()
    return this.#started
  }

  async #open(): Promise<void> {
    const { topics, assignments, group } = this.#options
    await this.#client.open()
    this.#fetcher = this.#client.fetcher('consumer')
    this.#nextCommitAt = this.#clock.monotonic() + AUTO_COMMIT_MS
    if (assignments !== undefined) this.#read(assignments)
    else if (group === undefined) this.#read(await this.#partitionsOf(topics ?? []))
    else this.#join(group, topics ?? [])
  }

  #join(groupId: string, topics: readonly string[]): void {
    const { instanceId } = this.#options
    const sessionTimeoutMs = milliseconds(this.#options.sessionTimeout ?? '10s', 'sessionTimeout')
    this.#membership = this.#client.group({
      groupId,
      ...(instanceId === undefined ? {} : { instanceId }),
      protocol: 'roundrobin',
      topics,
      sessionTimeoutMs,
      rebalanceTimeoutMs: this.#rebalanceTimeoutMs,
      heartbeatMs: Math.ceil(sessionTimeoutMs / HEARTBEATS_PER_SESSION),
      subscriptionUserData: () => NO_BYTES,
      assign: async (members) => {
        const all = new Set(members.flatMap((member) => member.topics))
        return assignRoundRobin(members, await this.#client.describeTopics([...all]))
      },
      onAssigned: async ({ partitions, identity }) => {
        this.#identity = identity
        this.#read(partitions)
        await this.#options.onAssigned?.(this.assignment)
        this.#wake()
      },
      onRevoke: async () => {
        await this.#untilIdle()
        // A failed commit means the records come again, to whoever gets the partition.
        await this.#commitFinished().catch(() => {})
        this.#read([])
      },
      onLost: (why) => {
        this.#read([])
        if (why.kind === 'fatal' || why.kind === 'fenced') this.#fail(why)
      },
    })
    this.#membership.start()
  }

  /** Replaces what is read; nothing fetched for the old partitions is handed out any more. */
  #read(partitions: readonly TopicPartition[]): void {
    this.#readings.clear()
    this.#fetched = []
    for (const { topic, partition } of partitions) {
      this.#readings.set(`${partition}/${topic}`, {
        topic,
        partition,
        fetchOffset: -1,
        delivered: -1,
        finished: -1,
        committed: -1,
        paused: false,
        version: 0,
      })
    }
    this.#fetcher?.wakeup()
  }

  async #partitionsOf(topics: readonly string[]): Promise<TopicPartition[]> {
    const described = await this.#client.describeTopics(topics)
    for (const topic of topics) {
      if (described.some((description) => description.topic === topic)) continue
      throw new StreamsError('topic-not-found', 'There is no such topic; create it first', {
        place: { topic },
      })
    }
    return described.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition }) => ({ topic, partition })),
    )
  }

  #takeFetched(): ConsumerBatch<K, V> | null {
    for (let item = this.#fetched.shift(); item !== undefined; item = this.#fetched.shift()) {
      const { reading, version, data } = item
      if (reading.version !== version || this.#closed) continue
      const batch = this.#decoder.decode(reading, reading.delivered, data)
      reading.delivered = batch.nextOffset
      if (batch.records.length > 0) return batch
      // Nothing visible: it is finished without the user.
      reading.finished = batch.nextOffset
    }
    return null
  }

  /** Takes in the fetch that ran ahead, and starts the next one. */
  async #fetchMore(): Promise<void> {
    if (this.#readings.size === 0) {
      if (this.#ahead !== null) await this.#takeAhead()
      else await new Promise<void>((resolve) => this.#assigned.push(resolve))
      return
    }
    await this.#lookUpPositions()
    this.#ahead ??= this.#fetchAhead()
    await this.#takeAhead()
    // Only after the positions moved; with an unknown one, the next round begins by looking it up.
    const known = [...this.#readings.values()].every(({ fetchOffset }) => fetchOffset >= 0)
    if (known && this.#fetched.length > 0 && !this.#closed) this.#ahead = this.#fetchAhead()
  }

  #fetchAhead(): Ahead {
    const readings = [...this.#readings.values()].filter(
      ({ paused, fetchOffset }) => !paused && fetchOffset >= 0,
    )
    const items: FetchItem[] = readings.map(({ topic, partition, fetchOffset }) => ({
      topic,
      partition,
      offset: fetchOffset,
      maxBytes: this.#options.partitionMaxBytes ?? PARTITION_MAX_BYTES,
    }))
    const answer = (this.#fetcher as Fetcher).poll(items, {
      maxWaitMs: this.#maxWaitMs,
      minBytes: 1,
      maxBytes: this.#options.maxBytes ?? MAX_BYTES,
      isolation: this.#isolation,
    })
    // Whoever takes the answer sees its rejection; until then it is not unhandled.
    answer.catch(() => {})
    return { readings, versions: readings.map(({ version }) => version), answer }
  }

  async #takeAhead(): Promise<void> {
    const { readings, versions, answer } = this.#ahead as Ahead
    const fetched = await answer.finally(() => {
      this.#ahead = null
    })
    for (let index = 0; index < fetched.length; index++) {
      const data = fetched[index] as FetchedPartition
      const reading = readings[index] as Reading
      const version = versions[index] as number
      if (reading.version !== version || !this.#isRead(reading)) continue
      if (data.error !== null) await this.#answerError(reading, data.error)
      else if (data.records.length > 0) {
        this.#fetched.push({ reading, version, data })
        reading.fetchOffset = this.#decoder.endOf(reading.fetchOffset, data)
      }
    }
  }

  async #answerError(reading: Reading, error: ClientError): Promise<void> {
    if (error.code === 'log-offset-out-of-range' && this.#options.offsetReset !== 'none') {
      reading.fetchOffset = await this.#offsetOf(reading, this.#options.offsetReset ?? 'earliest')
      reading.delivered = reading.fetchOffset
      reading.finished = reading.fetchOffset
      reading.version++
      return
    }
    const delayMs = retryDelayMs(error.kind)
    const { topic, partition } = reading
    if (delayMs === null) {
      if (!this.#closed) throw asStreamsError(error, { topic, partition })
    } else {
      await pause(this.#clock, delayMs)
    }
  }

  /** Begins where the group committed, or where `offsetReset` says. */
  async #lookUpPositions(): Promise<void> {
    const unknown = [...this.#readings.values()].filter(({ fetchOffset }) => fetchOffset < 0)
    if (unknown.length === 0) return
    const committed = await this.#committedOffsets(unknown)
    for (const reading of unknown) {
      const version = reading.version
      const offset = committed.get(reading) ?? (await this.#resetOffset(reading))
      if (reading.version !== version || reading.fetchOffset >= 0) continue
      reading.fetchOffset = offset
      reading.delivered = offset
      reading.finished = offset
    }
  }

  async #committedOffsets(readings: readonly Reading[]): Promise<Map<Reading, number>> {
    const groupId = this.#options.group
    const offsets = new Map<Reading, number>()
    if (groupId === undefined) return offsets
    let left = readings
    while (left.length > 0 && !this.#closed) {
      const answers = await this.#client.fetchOffsets(groupId, left, { requireStable: true })
      const again: Reading[] = []
      let delayMs = 0
      for (let index = 0; index < left.length; index++) {
        const reading = left[index] as Reading
        const answer = answers[index]
        if (answer === undefined) throw new TypeError('the client gave no answer for a partition')
        if (answer.error === null) {
          reading.committed = answer.offset
          if (answer.offset >= 0) offsets.set(reading, answer.offset)
          continue
        }
        const retry = retryDelayMs(answer.error.kind)
        if (retry === null) throw asStreamsError(answer.error, { group: groupId })
        delayMs = Math.max(delayMs, retry)
        again.push(reading)
      }
      if (delayMs > 0) await pause(this.#clock, delayMs)
      left = again
    }
    return offsets
  }

  #resetOffset(reading: Reading): Promise<number> {
    const { offsetReset = 'earliest' } = this.#options
    if (offsetReset !== 'none') return this.#offsetOf(reading, offsetReset)
    const { topic, partition } = reading
    throw new StreamsError(
      'log-offset-out-of-range',
      'The group has no committed offset; seek, or set `offsetReset`',
      { place: { topic, partition } },
    )
  }

  async #offsetOf(place: TopicPartition, to: Exclude<SeekTo, number>): Promise<number> {
    const { topic, partition } = place
    const at = typeof to === 'string' ? to : to.timestamp
    const [listed] = await this.#client.listOffsets([{ topic, partition, at }], this.#isolation)
    if (listed === undefined || listed.error !== null) {
      throw listed?.error
        ? asStreamsError(listed.error, { topic, partition })
        : new TypeError('the client gave no answer for a partition')
    }
    return listed.offset < 0 ? this.#offsetOf(place, 'latest') : listed.offset
  }

  #finishBatch(): void {
    this.#working = false
    for (const reading of this.#readings.values()) reading.finished = reading.delivered
    for (const resolve of this.#idle) resolve()
    this.#idle = []
  }

  /** Waits for the loop body that is running, but not longer than the group does. */
  async #untilIdle(): Promise<void> {
    if (!this.#working) return
    let cancel: () => void = () => {}
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve)
      cancel = this.#clock.after(this.#rebalanceTimeoutMs * REVOKE_SHARE, resolve)
    })
    cancel()
  }

  get #isCommitDue(): boolean {
    return this.#autoCommits && this.#clock.monotonic() >= this.#nextCommitAt
  }

  async #commitWhenDue(): Promise<void> {
    if (!this.#isCommitDue) return
    this.#nextCommitAt = this.#clock.monotonic() + AUTO_COMMIT_MS
    // A stale generation: the revocation that follows puts it right.
    await this.#commitFinished().catch(() => {})
  }

  async #commitFinished(): Promise<void> {
    if (this.#autoCommits) await this.#commit((reading) => reading.finished)
  }

  async #commit(offsetOf: (reading: Reading) => number): Promise<void> {
    const changed: Reading[] = []
    const items: OffsetItem[] = []
    for (const reading of this.#readings.values()) {
      const offset = offsetOf(reading)
      if (offset < 0 || offset === reading.committed) continue
      changed.push(reading)
      items.push({ topic: reading.topic, partition: reading.partition, offset, metadata: '' })
    }
    if (items.length === 0) return
    const results = await this.#client.commitOffsets(this.groupIdentity, items)
    for (let index = 0; index < items.length; index++) {
      const { topic, partition, offset } = items[index] as OffsetItem
      const error = results[index]?.error
      if (error) throw asStreamsError(error, { topic, partition })
      ;(changed[index] as Reading).committed = offset
    }
  }

  #rewindToDelivered(reading: Reading): void {
    reading.version++
    if (reading.delivered >= 0) reading.fetchOffset = reading.delivered
  }

  #isRead(reading: Reading): boolean {
    return this.#readings.get(`${reading.partition}/${reading.topic}`) === reading
  }

  #readingOf(topic: string, partition: number): Reading {
    const reading = this.#readings.get(`${partition}/${topic}`)
    if (reading !== undefined) return reading
    throw new TypeError(`partition ${partition} of topic ${topic} is not assigned to this consumer`)
  }

  #fail(why: ClientError): void {
    this.#failure = asStreamsError(why, { group: this.#options.group ?? '' })
    this.#wake()
  }

  /** Frees a `next` that waits for an assignment or for data. */
  #wake(): void {
    for (const resolve of this.#assigned) resolve()
    this.#assigned = []
    for (const resolve of this.#idle) resolve()
    this.#idle = []
    this.#fetcher?.wakeup()
  }
}
