/**
 * A Kafka cluster as a log: a `LogClient` over our own protocol requests and kafkajs' connections.
 *
 * Journey: cluster -> [fetch, over sockets] -> runtime or consumer; and back.
 *
 * This file is the public face and the lifetime; what a call does stands in `kafka/`, one file a
 * subject. docs/kafka.md tells how it works as a whole.
 *
 * Lifetime: as that of the included log. `open` takes a hold and `close` gives it back, the last one
 * closes all connections; a call while it is not open takes a hold too. `await using` (or `shutdown`)
 * closes it for good.
 */
import { type Clock, systemClock } from '../clock.ts'
import { type Duration, milliseconds } from '../duration.ts'
import type {
  FetchedOffset,
  Fetcher,
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
import { CoordinatedMembership } from './group-membership.ts'
import { clusterAdmin } from './kafka/admin.ts'
import { Cluster } from './kafka/cluster.ts'
import { closedError } from './kafka/errors.ts'
import { ClusterFetcher } from './kafka/fetcher.ts'
import { ClusterGroup } from './kafka/group.ts'
import { commitOffsets, fetchOffsets, listOffsets } from './kafka/offsets.ts'
import { produce } from './kafka/produce.ts'
import { clusterTransactions } from './kafka/transactions.ts'
import type { Address, SaslOptions, TlsOptions } from './kafka/transport.ts'
import type { Log } from './log.ts'
import { Producer } from './producer.ts'
import type { ProducerOptions } from './producer-options.ts'

export type { SaslOptions, TlsOptions } from './kafka/transport.ts'

/** Where the cluster is, and how to reach it. */
export interface KafkaOptions {
  /** Addresses to begin with, as `host:port`; one that answers is enough. The port defaults to 9092. */
  readonly brokers: readonly string[]
  /** TLS: true, or Node's options for it (`ca`, `cert`, `key`, `rejectUnauthorized`). Default: none. */
  readonly ssl?: boolean | TlsOptions
  /** Who the client is. Default: nobody, the listener must allow that. */
  readonly sasl?: SaslOptions
  /** Names this program in the brokers' logs and quotas. Default `millrace`. */
  readonly clientId?: string
  /** How long a connection may take to come about, each of its steps. Default `5s`. */
  readonly connectTimeout?: Duration
  /** How long a broker may take to answer; the connection is given up then. Default `10s`. */
  readonly requestTimeout?: Duration
  /** How long a call is tried again while the cluster is not able to answer it. Default `1m`. */
  readonly retryTimeout?: Duration
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** What happened between this client and the cluster so far. */
export interface KafkaCounts {
  readonly requests: number
  readonly connects: number
  /** Connections that could not be made, and requests without an answer. */
  readonly failures: number
  readonly retries: number
  /** How long the oldest call that is being tried again has been waiting; 0 when all is well. */
  readonly stalledMs: number
}

/**
 * A Kafka cluster: topics, producers and consumers, and what `Streams` runs on. Brokers from 2.5 to
 * 4.x; each request goes in the highest version that both sides speak. Nothing is connected before
 * the first call.
 *
 * @throws RangeError when an option is out of range
 * @throws TypeError when `brokers` is missing or an address is none
 * @see docs/kafka.md
 * @example
 * ```ts
 * const log = kafka({
 *   brokers: ['broker-1:9092', 'broker-2:9092'],
 *   ssl: true,
 *   sasl: { mechanism: 'scram-sha-512', username: 'web-stats', password: 'secret' },
 * })
 * await log.admin.createTopics([{ topic: 'hits', partitions: 4, replication: 3 }])
 * const app = new Streams(topology, { applicationId: 'web-stats', log, until: 'end' })
 * ```
 */
export function kafka(options: KafkaOptions): KafkaLog {
  return new KafkaLog(options)
}

/**
 * A cluster as a log; `kafka` makes one. What it can do is that of every `Log`; besides, it counts
 * what passes between it and the brokers.
 *
 * @example
 * ```ts
 * const log = kafka({ brokers: ['broker-1:9092'] })
 * const { requests, failures, stalledMs } = log.counts
 * if (stalledMs > 10_000) console.warn('the cluster does not answer', failures, requests)
 * ```
 */
export class KafkaLog implements Log {
  readonly clock: Clock
  readonly transactions: LogTransactions
  readonly admin: LogAdmin
  readonly #newCluster: () => Cluster
  #cluster: Cluster | null = null
  #isShutDown = false
  #holds = 0

  constructor(options: KafkaOptions) {
    this.clock = options.clock ?? systemClock
    const settings = settingsOf(options)
    this.#newCluster = () => new Cluster({ ...settings, clock: this.clock })
    this.transactions = this.#transactions()
    this.admin = this.#admin()
  }

  /**
   * Takes a hold; the first one makes sure that a broker answers.
   *
   * @throws StreamsError 'cluster-unavailable', 'cluster-authentication-failed'
   */
  async open(): Promise<void> {
    this.#holds++
    this.#isShutDown = false
    try {
      const cluster = this.#opened()
      await cluster.retrying(() => cluster.metadata.refresh([]))
    } catch (error) {
      this.#holds--
      throw error
    }
  }

  /** Gives a hold back; the last one closes all connections at once. */
  async close(): Promise<void> {
    if (this.#holds > 0) this.#holds--
    if (this.#holds === 0) this.#closeCluster()
  }

  /** Closes all connections now, whoever holds it; calls then answer 'log-closed' until `open`. */
  async shutdown(): Promise<void> {
    this.#holds = 0
    this.#isShutDown = true
    this.#closeCluster()
  }

  /** `shutdown`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown()
  }

  /** A producer of records on this cluster. */
  producer<K = unknown, V = unknown>(options: ProducerOptions<K, V> = {}): Producer<K, V> {
    return new Producer(this, options, this.clock)
  }

  /** A consumer of records of this cluster, alone or in a group. */
  consumer<K = Buffer, V = Buffer>(options: ConsumerOptions<K, V>): Consumer<K, V> {
    return new Consumer(this, options, this.clock)
  }

  /** What happened since the connections were opened. */
  get counts(): KafkaCounts {
    const cluster = this.#cluster
    if (cluster === null) {
      return { requests: 0, connects: 0, failures: 0, retries: 0, stalledMs: 0 }
    }
    const { connections, retries, stalledMs } = cluster
    return { ...connections.counts, retries, stalledMs }
  }

  async describeTopics(topics?: readonly string[]): Promise<readonly TopicDescription[]> {
    const cluster = this.#held()
    return cluster.retrying(() => cluster.metadata.describe(topics ?? null))
  }

  async produce(
    items: readonly ProduceItem[],
    options: { readonly acks: 'all' | 'leader' | 'none'; readonly transactionalId?: string },
  ): Promise<readonly ProduceResult[]> {
    return produce(this.#held(), items, options)
  }

  fetcher(lane: string): Fetcher {
    return new ClusterFetcher(this.#held(), lane)
  }

  async listOffsets(
    items: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    isolation: Isolation,
  ): Promise<readonly ListedOffset[]> {
    return listOffsets(this.#held(), items, isolation)
  }

  async commitOffsets(
    group: GroupIdentity,
    offsets: readonly OffsetItem[],
  ): Promise<readonly OffsetResult[]> {
    return commitOffsets(this.#held(), group, offsets)
  }

  async fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: { readonly requireStable: boolean },
  ): Promise<readonly FetchedOffset[]> {
    return fetchOffsets(this.#held(), groupId, { partitions, ...options })
  }

  group(options: GroupOptions): GroupMembership {
    return new CoordinatedMembership(new ClusterGroup(this.#held(), options.groupId), options)
  }

  #transactions(): LogTransactions {
    const of = (): LogTransactions => clusterTransactions(this.#held())
    return {
      init: async (...call) => of().init(...call),
      addPartitions: async (...call) => of().addPartitions(...call),
      commitOffsets: async (...call) => of().commitOffsets(...call),
      end: async (...call) => of().end(...call),
    }
  }

  #admin(): LogAdmin {
    const of = (): LogAdmin => clusterAdmin(this.#held())
    return {
      createTopics: async (...call) => of().createTopics(...call),
      createPartitions: async (...call) => of().createPartitions(...call),
      deleteTopics: async (...call) => of().deleteTopics(...call),
      deleteRecords: async (...call) => of().deleteRecords(...call),
      describeConfig: async (...call) => of().describeConfig(...call),
      alterConfig: async (...call) => of().alterConfig(...call),
      deleteGroup: async (...call) => of().deleteGroup(...call),
    }
  }

  /** The cluster; opened by this call if need be, which then takes a hold. */
  #held(): Cluster {
    if (this.#cluster === null && !this.#isShutDown) this.#holds++
    return this.#opened()
  }

  #opened(): Cluster {
    if (this.#isShutDown) throw closedError()
    this.#cluster ??= this.#newCluster()
    return this.#cluster
  }

  #closeCluster(): void {
    this.#cluster?.close()
    this.#cluster = null
  }
}

const DEFAULT_PORT = 9092

function settingsOf(
  options: KafkaOptions,
): Omit<ConstructorParameters<typeof Cluster>[0], 'clock'> {
  const { brokers, ssl, sasl, clientId = 'millrace' } = options
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw new TypeError("brokers is missing; name at least one, as in ['localhost:9092']")
  }
  return {
    bootstrap: brokers.map(addressOf),
    ...(ssl === undefined || ssl === false ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    clientId,
    connectTimeoutMs: milliseconds(options.connectTimeout ?? '5s', 'connectTimeout'),
    requestTimeoutMs: milliseconds(options.requestTimeout ?? '10s', 'requestTimeout'),
    retryTimeoutMs: milliseconds(options.retryTimeout ?? '1m', 'retryTimeout'),
  }
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
function addressOf(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (host === undefined || port > 65_535) {
    throw new TypeError(`brokers has ${JSON.stringify(text)}; write host:port`)
  }
  return { host, port }
}
