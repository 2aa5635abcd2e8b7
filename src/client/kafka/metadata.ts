/**
 * Who leads which partition: brokers and topics as the cluster last told them.
 *
 * Journey: `leaderOf` -> [metadata] -> produce, fetch, list offsets. A response that says that the
 * leader is elsewhere makes a topic stale (`distrust`); it is asked for again before the next use.
 *
 * Invariants:
 * - A leader epoch never goes back: an answer from a broker that lags behind does not undo a newer
 *   one (KIP-320), unless the topic was created anew.
 * - One question at a time is under way; what comes up meanwhile goes into the next.
 * - A topic or partition that a broker does not know may be one just created: for
 *   UNKNOWN_TOPIC_PATIENCE_MS of asking it counts as temporary, then as missing.
 */
import type { Clock } from '../../clock.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { Metadata } from '../../protocol/messages/03-metadata.ts'
import type { TopicDescription, TopicPartition } from '../client.ts'
import type { Connections } from './connections.ts'
import { ClusterError, clusterErrorOf, errorOf, unreachable } from './errors.ts'
import type { Address } from './transport.ts'

const UNKNOWN_TOPIC_PATIENCE_MS = 2000
/** Asking about a missing topic again after a pause this long starts its patience anew. */
const PATIENCE_RESET_MS = 10_000
const NO_LEADER = -1
export const CONTROL_LANE = 'control'

export interface Leader {
  readonly node: number
  readonly address: Address
  readonly epoch: number
}

interface KnownTopic {
  readonly id: string
  readonly leaders: readonly { readonly node: number; readonly epoch: number }[]
  isStale: boolean
}

type MetadataResponse = ResponseOf<typeof Metadata>
type TopicMetadata = MetadataResponse['topics'][number]

export class ClusterMetadata {
  readonly #connections: Connections
  readonly #bootstrap: readonly Address[]
  readonly #clock: Clock
  readonly #brokers = new Map<number, Address>()
  readonly #topics = new Map<string, KnownTopic>()
  readonly #missing = new Map<string, { since: number; asked: number }>()
  #controller = NO_LEADER
  #wanted = new Set<string>()
  #asking: Promise<void> | null = null
  #next: Promise<void> | null = null

  constructor(connections: Connections, bootstrap: readonly Address[], clock: Clock) {
    this.#connections = connections
    this.#bootstrap = bootstrap
    this.#clock = clock
  }

  /** Asks for topics that are not known, or no longer trusted. Rejects when no broker answers. */
  async ready(partitions: readonly TopicPartition[]): Promise<void> {
    let missing: Set<string> | null = null
    for (const place of partitions) {
      if (this.#isKnown(place)) continue
      missing ??= new Set()
      missing.add(place.topic)
    }
    if (missing !== null) await this.refresh([...missing])
  }

  /** True when `ready` would ask for nothing. */
  isReady(partitions: readonly TopicPartition[]): boolean {
    return partitions.every((place) => this.#isKnown(place))
  }

  /** The leader as last told, or why there is none. Call `ready` before. */
  leaderOf({ topic, partition }: TopicPartition): Leader | ClusterError {
    const known = this.#topics.get(topic)
    const place = { topic, partition }
    if (known === undefined) {
      return this.#missingFor(topic, errorOf(ERROR_NUMBERS.UNKNOWN_TOPIC_OR_PARTITION, place))
    }
    const leader = known.leaders[partition]
    if (leader === undefined) {
      const error = new ClusterError(
        ['metadata', 'partition-not-found'],
        `The topic has partitions 0 to ${known.leaders.length - 1}`,
        { place },
      )
      return this.#missingFor(`${topic}/${partition}`, error)
    }
    this.#missing.delete(`${topic}/${partition}`)
    const address = this.#brokers.get(leader.node)
    if (address === undefined) return errorOf(ERROR_NUMBERS.LEADER_NOT_AVAILABLE, place)
    return { node: leader.node, address, epoch: leader.epoch }
  }

  /** The leader epoch as last told, -1 when it is not known: then the broker does not compare. */
  epochOf({ topic, partition }: TopicPartition): number {
    return this.#topics.get(topic)?.leaders[partition]?.epoch ?? -1
  }

  /** A broker said, or did not say, something that makes what is known of these topics doubtful. */
  distrust(topics: Iterable<string>): void {
    for (const topic of topics) {
      const known = this.#topics.get(topic)
      if (known !== undefined) known.isStale = true
    }
  }

  /** Asks for these topics, together with whatever else is being asked for. */
  refresh(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#wanted.add(topic)
    this.#next ??= (this.#asking ?? Promise.resolve()).then(
      () => this.#askForWanted(),
      () => this.#askForWanted(),
    )
    return this.#next
  }

  /**
   * Topics as they are now, in the order asked; all but internal ones without names. One that does
   * not exist is left out.
   */
  async describe(topics: readonly string[] | null): Promise<readonly TopicDescription[]> {
    const response = await this.#ask(topics)
    const described = response.topics.filter(
      ({ errorCode, isInternal }) =>
        !isUnknown(errorCode) && !(topics === null && isInternal) && !this.#isForbidden(errorCode),
    )
    if (topics !== null) {
      const forbidden = response.topics.find(({ errorCode }) => this.#isForbidden(errorCode))
      if (forbidden !== undefined) {
        throw errorOf(forbidden.errorCode, { topic: forbidden.name ?? '' })
      }
    }
    return described.map(({ name, partitions }) => ({
      topic: name ?? '',
      partitions: [...partitions]
        .sort((one, other) => one.partitionIndex - other.partitionIndex)
        .map(({ partitionIndex, leaderId, leaderEpoch }) => ({
          partition: partitionIndex,
          leader: leaderId,
          leaderEpoch,
        })),
    }))
  }

  /** The broker that takes changes of topics; any one where the cluster does not say. */
  async controller(): Promise<Address> {
    const known = this.#brokers.get(this.#controller)
    if (known !== undefined) return known
    await this.#ask([])
    return this.#brokers.get(this.#controller) ?? (this.#candidates()[0] as Address)
  }

  /** The controller is another one now. */
  distrustController(): void {
    this.#controller = NO_LEADER
  }

  /** Calls on brokers, one after the other in random order, until one answers. */
  async onAny<T>(call: (address: Address) => Promise<T>): Promise<T> {
    let last: ClusterError | null = null
    for (const address of this.#candidates()) {
      try {
        return await call(address)
      } catch (error) {
        last = clusterErrorOf(error)
        if (last.kind !== 'retry') throw last
      }
    }
    const tried = this.#candidates().map(({ host, port }) => `${host}:${port}`)
    throw unreachable(`None of the brokers ${tried.join(', ')} answered: ${last?.message}`, last)
  }

  async #askForWanted(): Promise<void> {
    const topics = [...this.#wanted]
    this.#wanted = new Set()
    this.#asking = this.#next
    this.#next = null
    await this.#ask(topics)
  }

  async #ask(topics: readonly string[] | null): Promise<MetadataResponse> {
    const response = await this.onAny((address) =>
      this.#connections.call({ lane: CONTROL_LANE, address }, Metadata, {
        topics: topics === null ? null : topics.map((name) => ({ name })),
        allowAutoTopicCreation: false,
      }),
    )
    this.#take(response)
    return response
  }

  #take({ brokers, controllerId, topics }: MetadataResponse): void {
    // A broker that restarts is left out for a while; its address is worth keeping.
    for (const { nodeId, host, port } of brokers) this.#brokers.set(nodeId, { host, port })
    this.#controller = controllerId
    for (const topic of topics) this.#takeTopic(topic)
  }

  #takeTopic({ name, topicId, errorCode, partitions }: TopicMetadata): void {
    if (name === null) return
    if (isUnknown(errorCode)) {
      this.#topics.delete(name)
      return
    }
    this.#missing.delete(name)
    const known = this.#topics.get(name)
    const before = known?.id === topicId ? known.leaders : []
    const leaders: { node: number; epoch: number }[] = []
    for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
      const old = before[partitionIndex]
      const isOlder = old !== undefined && leaderEpoch < old.epoch
      leaders[partitionIndex] = isOlder ? old : { node: leaderId, epoch: leaderEpoch }
    }
    // An error of the whole topic comes without partitions; what is known stays, untrusted.
    if (errorCode !== ERROR_NUMBERS.NONE) {
      if (known !== undefined) known.isStale = true
      return
    }
    this.#topics.set(name, { id: topicId, leaders, isStale: false })
  }

  #missingFor(key: string, error: ClusterError): ClusterError {
    const now = this.#clock.monotonic()
    const entry = this.#missing.get(key)
    if (entry === undefined || now - entry.asked > PATIENCE_RESET_MS) {
      this.#missing.set(key, { since: now, asked: now })
      return error
    }
    entry.asked = now
    return now - entry.since < UNKNOWN_TOPIC_PATIENCE_MS
      ? error
      : error.final('The cluster has no such topic or partition')
  }

  #isKnown({ topic, partition }: TopicPartition): boolean {
    const known = this.#topics.get(topic)
    if (known === undefined || known.isStale) return false
    return this.#brokers.has(known.leaders[partition]?.node ?? NO_LEADER)
  }

  #isForbidden(errorCode: number): boolean {
    return errorCode === ERROR_NUMBERS.TOPIC_AUTHORIZATION_FAILED
  }

  /** Known brokers first, those with an open connection before the others; then the ones given. */
  #candidates(): Address[] {
    const known = shuffled([...this.#brokers.values()], this.#clock)
    const isOpen = (address: Address): boolean =>
      this.#connections.isOpen({ lane: CONTROL_LANE, address })
    return [
      ...known.filter(isOpen),
      ...known.filter((address) => !isOpen(address)),
      ...shuffled([...this.#bootstrap], this.#clock),
    ]
  }
}

/** A name that is no legal one does not exist either. */
function isUnknown(errorCode: number): boolean {
  return (
    errorCode === ERROR_NUMBERS.UNKNOWN_TOPIC_OR_PARTITION ||
    errorCode === ERROR_NUMBERS.INVALID_TOPIC_EXCEPTION
  )
}

function shuffled<T>(items: T[], clock: Clock): T[] {
  for (let index = items.length - 1; index > 0; index--) {
    const other = Math.floor(clock.random() * (index + 1))
    const swapped = items[index] as T
    items[index] = items[other] as T
    items[other] = swapped
  }
  return items
}
