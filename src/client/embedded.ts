/**
 * The included log, in this process: a `LogClient` straight over the broker, without sockets.
 *
 * Journey: partition log -> broker -> [fetch, in process] -> runtime or consumer; and back.
 *
 * Lifetime: the first use opens the folder. `open` takes a hold and `close` gives it back; the last
 * one back closes the folder, so several apps, producers and consumers share one log. A call of the
 * log itself (`admin`, for example) while it is not open takes a hold too, which `close` gives back.
 * `await using` (or `shutdown`) closes it for good, whoever holds it.
 *
 * Invariants:
 * - Batches pass by reference both ways: produce hands them to the log, fetch hands out its tail.
 * - One promise per call, none per partition; a poll that finds data waits for no timer.
 */
import { Broker } from '../broker/broker.ts'
import type { FetchLane } from '../broker/fetch.ts'
import { type Clock, systemClock } from '../clock.ts'
import { type Duration, milliseconds } from '../duration.ts'
import { StreamsError } from '../errors.ts'
import type { FileSystem } from '../file-system.ts'
import type { FlushPolicy } from '../log/log-config.ts'
import { MemoryFileSystem } from '../memory-file-system.ts'
import { NodeFileSystem } from '../node-file-system.ts'
import type {
  FetchedOffset,
  FetchedPartition,
  Fetcher,
  FetchItem,
  FetchOptions,
  GroupIdentity,
  GroupMembership,
  GroupOptions,
  Isolation,
  ListedOffset,
  LogAdmin,
  LogTransactions,
  OffsetItem,
  OffsetResult,
  OffsetSpec,
  ProduceItem,
  ProduceResult,
  TopicDescription,
  TopicPartition,
} from './client.ts'
import { Consumer } from './consumer.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { CoordinatedMembership, type GroupCoordinator } from './group-membership.ts'
import type { Log } from './log.ts'
import { Producer } from './producer.ts'
import type { ProducerOptions } from './producer-options.ts'

export type { FlushPolicy } from '../log/log-config.ts'

/** Where the included log lives and how long it keeps what. */
export interface EmbeddedOptions {
  /** Folder of the log; made when absent. Without one the log lives in memory. */
  readonly directory?: string
  /** When written data is fsynced. Default `every-second`. @see docs/guarantees.md */
  readonly flush?: FlushPolicy
  /** How long records are kept, for topics that do not say. Default two weeks. */
  readonly retention?: Duration
  /** Bytes kept per partition, for topics that do not say. Default: no bound. */
  readonly retentionBytes?: number
  /** Size at which a segment file is closed and the next begun. Default 1 GiB. */
  readonly segmentBytes?: number
  /** Defaults of any topic configuration, under Kafka's names; goes before the three above. */
  readonly topicDefaults?: Readonly<Record<string, string>>
  /** Where the files are. Default: the machine's file system, or memory without a directory. */
  readonly fileSystem?: FileSystem
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/**
 * The included log: opens a folder (or memory) as topics, producers and consumers, and is what
 * `Streams` runs on.
 *
 * @throws RangeError when an option is out of range
 * @example
 * ```ts
 * await using log = embedded({ directory: './data' })
 * await log.admin.createTopics([{ topic: 'hits', partitions: 4 }])
 * ```
 */
export function embedded(options: EmbeddedOptions = {}): EmbeddedLog {
  return new EmbeddedLog(options)
}

/** Start, broker while open, and what it was closed by. */
type Lifetime =
  | { readonly state: 'new' | 'closed' }
  | { readonly state: 'opening'; readonly opened: Promise<Broker> }
  | { readonly state: 'open'; readonly broker: Broker }

/**
 * A log in this process; `embedded` makes one. Topics are made and described by `admin`; an
 * application takes it as its `log`.
 *
 * @example
 * ```ts
 * const log = embedded()
 * await log.open()
 * await log.admin.createTopics([{ topic: 'hits', partitions: 4, config: { 'retention.ms': '-1' } }])
 * const producer = log.producer({ key: text, value: text })
 * await producer.send({ topic: 'hits', key: '/', value: 'GET' })
 * await log.flush()
 *
 * const consumer = log.consumer({ topics: ['hits'], key: text, value: text })
 * console.log((await consumer.next())?.records)
 * await Promise.all([producer.close(), consumer.close()])
 * await log.close()
 * await log.shutdown()
 * ```
 */
export class EmbeddedLog implements Log {
  readonly clock: Clock
  readonly transactions: LogTransactions
  readonly admin: LogAdmin
  readonly #options: EmbeddedOptions
  readonly #fileSystem: FileSystem
  #lifetime: Lifetime = { state: 'new' }
  #closing: Promise<void> = Promise.resolve()
  #holds = 0

  constructor(options: EmbeddedOptions) {
    this.#options = options
    this.clock = options.clock ?? systemClock
    this.#fileSystem =
      options.fileSystem ??
      (options.directory === undefined ? new MemoryFileSystem() : new NodeFileSystem())
    topicDefaultsOf(options)
    this.transactions = this.#transactions()
    this.admin = this.#admin()
  }

  /**
   * Opens the folder if need be and takes a hold on it.
   *
   * @throws StreamsError 'log-locked' when another process has the folder open
   */
  async open(): Promise<void> {
    this.#holds++
    try {
      if (this.#lifetime.state === 'closed') this.#lifetime = { state: 'new' }
      await this.#started()
    } catch (error) {
      this.#holds--
      throw error
    }
  }

  /** Gives a hold back; the last one closes the folder. Does not wait for polls. */
  async close(): Promise<void> {
    if (this.#holds > 0) this.#holds--
    if (this.#holds === 0 && this.#lifetime.state !== 'closed') await this.#closeAs('new')
  }

  /** Closes the folder now, whoever holds it; calls then answer 'log-closed' until `open`. */
  async shutdown(): Promise<void> {
    await this.#closeAs('closed')
  }

  async #closeAs(state: 'new' | 'closed'): Promise<void> {
    const lifetime = this.#lifetime
    this.#holds = 0
    // Who opens while the folder is being closed waits for that.
    const closing = this.#closing.then(() => close(lifetime))
    this.#closing = closing.catch(() => {})
    this.#lifetime = { state }
    await closing
  }

  /** `shutdown`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown()
  }

  /** A producer of records on this log. */
  producer<K = unknown, V = unknown>(options: ProducerOptions<K, V> = {}): Producer<K, V> {
    return new Producer(this, options, this.clock)
  }

  /** A consumer of records of this log, alone or in a group. */
  consumer<K = Buffer, V = Buffer>(options: ConsumerOptions<K, V>): Consumer<K, V> {
    return new Consumer(this, options, this.clock)
  }

  /** Makes everything written so far durable, whatever the flush policy. */
  async flush(): Promise<void> {
    await (await this.#opened()).flush()
  }

  async describeTopics(topics?: readonly string[]): Promise<readonly TopicDescription[]> {
    const broker = await this.#opened()
    const descriptions: TopicDescription[] = []
    for (const name of topics ?? broker.topics.names()) {
      const topic = broker.topics.find(name)
      if (topic === null) continue
      const partitions = topic.partitions.map(({ partition }) => ({
        partition,
        leader: 0,
        leaderEpoch: 0,
      }))
      descriptions.push({ topic: name, partitions })
    }
    return descriptions
  }

  produce(
    items: readonly ProduceItem[],
    options: { readonly acks: 'all' | 'leader' | 'none'; readonly transactionalId?: string },
  ): Promise<readonly ProduceResult[]> {
    const lifetime = this.#lifetime
    if (lifetime.state === 'open') {
      return Promise.resolve(lifetime.broker.produce(items, options.acks))
    }
    return this.#opened().then((broker) => broker.produce(items, options.acks))
  }

  fetcher(_lane: string): Fetcher {
    return new EmbeddedFetcher(
      () => this.#lifetime,
      () => this.#opened(),
    )
  }

  async listOffsets(
    items: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    isolation: Isolation,
  ): Promise<readonly ListedOffset[]> {
    return (await this.#opened()).listOffsets(items, isolation)
  }

  async commitOffsets(
    group: GroupIdentity,
    offsets: readonly OffsetItem[],
  ): Promise<readonly OffsetResult[]> {
    const broker = await this.#opened()
    try {
      const errors = await broker.commitOffsets(group, offsets)
      return offsets.map(({ topic, partition }, index) => ({
        topic,
        partition,
        error: errors[index] ?? null,
      }))
    } catch (error) {
      if (!(error instanceof StreamsError && 'kind' in error)) throw error
      const refusal = error as OffsetResult['error']
      return offsets.map(({ topic, partition }) => ({ topic, partition, error: refusal }))
    }
  }

  async fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: { readonly requireStable: boolean },
  ): Promise<readonly FetchedOffset[]> {
    return (await this.#opened()).fetchOffsets(groupId, partitions, options.requireStable)
  }

  group(options: GroupOptions): GroupMembership {
    return new CoordinatedMembership(this.#coordinator(), options)
  }

  #coordinator(): GroupCoordinator {
    return {
      clock: this.clock,
      join: async (request) => (await this.#opened()).joinGroup(request),
      sync: async ({ groupId, memberId, generation }, assignments) =>
        (await this.#opened()).group(groupId).sync({ memberId, generation, assignments }),
      heartbeat: async ({ groupId, memberId, generation }) =>
        (await this.#opened()).group(groupId).heartbeat(memberId, generation),
      leave: async ({ groupId, memberId }) => (await this.#opened()).group(groupId).leave(memberId),
      close: () => {},
    }
  }

  #transactions(): LogTransactions {
    return {
      init: async (transactionalId, timeoutMs) =>
        (await this.#opened()).transactions.init(transactionalId, timeoutMs),
      addPartitions: async (transactionalId, producer, partitions) =>
        (await this.#opened()).transactions.addPartitions(transactionalId, producer, partitions),
      commitOffsets: async (transactionalId, producer, group, offsets) =>
        (await this.#opened()).commitOffsetsInTransaction(
          transactionalId,
          producer,
          group,
          offsets,
        ),
      end: async (transactionalId, producer, outcome) =>
        (await this.#opened()).transactions.end(transactionalId, producer, outcome),
    }
  }

  #admin(): LogAdmin {
    return {
      createTopics: async (topics) => {
        const errors = (await this.#opened()).createTopics(topics)
        return topics.map(({ topic }, index) => ({ topic, error: errors[index] ?? null }))
      },
      createPartitions: async (topic, count) =>
        (await this.#opened()).topics.addPartitions(topic, count),
      deleteTopics: async (topics) => {
        const broker = await this.#opened()
        return topics.map((topic) => {
          try {
            broker.deleteTopic(topic)
            return { topic, error: null }
          } catch (error) {
            if (!(error instanceof StreamsError && 'kind' in error)) throw error
            return { topic, error: error as OffsetResult['error'] }
          }
        })
      },
      deleteRecords: async (items) => {
        const broker = await this.#opened()
        for (const item of items) broker.deleteRecords(item, item.beforeOffset)
      },
      describeConfig: async (topic) => (await this.#opened()).topics.describeConfig(topic),
      alterConfig: async (topic, config) =>
        (await this.#opened()).topics.alterConfig(topic, config),
      deleteGroup: async (groupId) => (await this.#opened()).deleteGroup(groupId),
    }
  }

  /** The broker; opened by this call if need be, which then takes a hold. */
  #opened(): Promise<Broker> {
    if (this.#lifetime.state !== 'new') return this.#started()
    this.#holds++
    const opened = this.#started()
    opened.catch(() => this.#holds--)
    return opened
  }

  #started(): Promise<Broker> {
    const lifetime = this.#lifetime
    if (lifetime.state === 'open') return Promise.resolve(lifetime.broker)
    if (lifetime.state === 'opening') return lifetime.opened
    if (lifetime.state === 'closed') {
      return Promise.reject(new StreamsError('log-closed', 'The log was closed; open it again'))
    }
    const { directory = '/log', flush = 'every-second' } = this.#options
    const opened = this.#closing.then(() =>
      Broker.open({
        fileSystem: this.#fileSystem,
        clock: this.clock,
        directory,
        flush,
        topicDefaults: topicDefaultsOf(this.#options),
      }),
    )
    this.#lifetime = { state: 'opening', opened }
    opened.then(
      (broker) => {
        if (this.#isOpening(opened)) this.#lifetime = { state: 'open', broker }
      },
      () => {
        if (this.#isOpening(opened)) this.#lifetime = { state: 'new' }
      },
    )
    return opened
  }

  #isOpening(opened: Promise<Broker>): boolean {
    return this.#lifetime.state === 'opening' && this.#lifetime.opened === opened
  }
}

const NO_RESULTS: readonly FetchedPartition[] = Object.freeze([])

class EmbeddedFetcher implements Fetcher {
  readonly #lifetime: () => Lifetime
  readonly #open: () => Promise<Broker>
  #broker: Broker | null = null
  #lane: FetchLane | null = null
  #closed = false
  /** A wakeup came before the first poll. */
  #woken = false

  constructor(lifetime: () => Lifetime, open: () => Promise<Broker>) {
    this.#lifetime = lifetime
    this.#open = open
  }

  poll(items: readonly FetchItem[], options: FetchOptions): Promise<readonly FetchedPartition[]> {
    if (this.#closed) return Promise.resolve(NO_RESULTS)
    const lifetime = this.#lifetime()
    if (lifetime.state === 'open') return this.#laneOf(lifetime.broker).poll(items, options)
    return this.#open().then((broker) => this.#laneOf(broker).poll(items, options))
  }

  wakeup(): void {
    if (this.#lane === null) this.#woken = true
    else this.#lane.wakeup()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#lane?.close()
  }

  /** The lane of the broker that is open now; a log that was closed and opened has a new one. */
  #laneOf(broker: Broker): FetchLane {
    if (this.#lane !== null && this.#broker === broker) return this.#lane
    this.#broker = broker
    this.#lane = broker.fetcher()
    if (this.#woken) this.#lane.wakeup()
    this.#woken = false
    return this.#lane
  }
}

async function close(lifetime: Lifetime): Promise<void> {
  if (lifetime.state === 'open') await lifetime.broker.close()
  if (lifetime.state === 'opening') await (await lifetime.opened).close()
}

function topicDefaultsOf(options: EmbeddedOptions): Readonly<Record<string, string>> {
  const defaults: Record<string, string> = {}
  if (options.retention !== undefined) {
    defaults['retention.ms'] = String(milliseconds(options.retention, 'retention'))
  }
  if (options.retentionBytes !== undefined) {
    defaults['retention.bytes'] = String(options.retentionBytes)
  }
  if (options.segmentBytes !== undefined) defaults['segment.bytes'] = String(options.segmentBytes)
  return { ...defaults, ...options.topicDefaults }
}
