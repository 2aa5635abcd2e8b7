/**
 * A fetch lane on a cluster: polls of several partitions become fetches to their leaders.
 *
 * Journey: leaders -> [fetches under way] -> poll -> runtime or consumer.
 *
 * A fetch that finds nothing waits at its broker, and cannot be called back. So a poll does not own
 * the fetches it began: it takes what has come, leaves under way what has not, and the next poll goes
 * on from there. A partition is asked for once at a time; one that is wanted anew while others wait
 * is asked for on a second connection.
 *
 * Invariants:
 * - What a fetch brought is handed out only to a poll that asks from the same offset; else it is
 *   dropped.
 * - A poll ends when there are `minBytes`, at an error, at a wakeup, and soon after `maxWaitMs`, even
 *   when a broker keeps silent.
 * - A failure in passing (a leader that moved, a broken connection) is answered here: the partition is
 *   asked for again after a pause. It shows in an answer only when the poll's time is over.
 */
import type { ResponseOf } from '../../protocol/api.ts'
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { Fetch } from '../../protocol/messages/01-fetch.ts'
import type {
  ClientError,
  FetchedPartition,
  Fetcher,
  FetchItem,
  FetchOptions,
  TopicPartition,
} from '../client.ts'
import type { Cluster } from './cluster.ts'
import { type ClusterError, clusterErrorOf, errorOf, timedOut } from './errors.ts'
import type { Leader } from './metadata.ts'
import { ISOLATION_LEVELS } from './offsets.ts'
import { byTopic } from './topics.ts'

/** Connections to a leader: one may wait for a partition at its end while another fetches. */
const CONNECTIONS_PER_LEADER = 3
/** A broker may answer that much after the time it was given. */
const GRACE_MS = 1000
const HOLD_MS = 20
const HOLD_MS_MAX = 500

type PollOptions = FetchOptions & { readonly deadline: number }

/** A fetch under way. */
interface Flight {
  readonly node: number
  readonly lane: string
  readonly items: readonly FetchItem[]
}

/** A partition that failed in passing is left alone for a while. */
interface Hold {
  readonly until: number
  readonly failures: number
  readonly error: ClusterError
}

/** What was last told of a partition without new records in it. */
type Bounds = Pick<FetchedPartition, 'highWatermark' | 'lastStableOffset' | 'logStartOffset'>

const NO_RECORDS: readonly Buffer[] = Object.freeze([])
const NONE_ABORTED: readonly never[] = Object.freeze([])
/** Before the first word of a partition its end is out of sight. */
const UNKNOWN_BOUNDS: Bounds = {
  highWatermark: -1,
  lastStableOffset: Number.MAX_SAFE_INTEGER,
  logStartOffset: -1,
}

type PartitionAnswer = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]

export class ClusterFetcher implements Fetcher {
  readonly #cluster: Cluster
  readonly #kind: string
  readonly #lane: string
  readonly #flights = new Set<Flight>()
  /** The offset from which each partition under way was asked for, last. */
  readonly #underWay = new Map<string, number>()
  /** Brought by a fetch and not yet handed out, by partition; with the offset that was asked for. */
  readonly #arrived = new Map<
    string,
    { readonly offset: number; readonly data: FetchedPartition }
  >()
  readonly #bounds = new Map<string, Bounds>()
  readonly #holds = new Map<string, Hold>()
  #refreshing: Promise<void> | null = null
  #rotation = 0
  #isPolling = false
  #isWoken = false
  #isClosed = false
  /** Ends the wait of the poll: something came, or it was woken. */
  #notify: () => void = () => {}

  constructor(cluster: Cluster, kind: string) {
    this.#cluster = cluster
    this.#kind = `fetch ${kind}`
    this.#lane = cluster.connections.lease(this.#kind)
  }

  async poll(
    items: readonly FetchItem[],
    options: FetchOptions,
  ): Promise<readonly FetchedPartition[]> {
    if (this.#isPolling) {
      throw new TypeError('a poll of this fetcher is still waiting; use one fetcher per loop')
    }
    this.#isPolling = true
    try {
      return await this.#poll(items, options)
    } finally {
      this.#isPolling = false
      this.#isWoken = false
    }
  }

  /** Frees a waiting poll at once; without one, the next poll does not wait. */
  wakeup(): void {
    this.#isWoken = true
    this.#notify()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#notify()
    const isIdle = this.#flights.size === 0
    const { connections } = this.#cluster
    for (let slot = 1; slot < CONNECTIONS_PER_LEADER; slot++)
      connections.closeLane(this.#slot(slot))
    connections.release(this.#kind, this.#lane, isIdle)
  }

  async #poll(
    items: readonly FetchItem[],
    options: FetchOptions,
  ): Promise<readonly FetchedPartition[]> {
    const { clock } = this.#cluster
    const deadline = clock.monotonic() + options.maxWaitMs
    const answers: (FetchedPartition | undefined)[] = new Array(items.length)
    let asked = false
    for (;;) {
      const isEnough = this.#take(items, answers, options.maxBytes) >= options.minBytes
      const isOver = clock.monotonic() >= deadline
      if (isEnough || this.#isClosed || answers.some((answer) => answer?.error)) break
      if (this.#isWoken && asked) break
      if (!asked || !isOver) this.#ask(items, answers, { ...options, deadline })
      asked = true
      const isWaiting = this.#flights.size > 0 || this.#refreshing !== null
      if (isOver && !(isWaiting && this.#isAwaited(items, answers))) break
      if (clock.monotonic() >= deadline + GRACE_MS) break
      if (!this.#isWoken) await this.#wait(deadline + (isOver ? GRACE_MS : 0))
      else break
    }
    return items.map((item, index) => answers[index] ?? this.#nothing(item))
  }

  /**
   * Takes over what has come for these items; how many bytes there are now. Leaders do not know of
   * each other: what would go beyond `maxBytes` is enough, and stays for the next poll, which begins
   * with another.
   */
  #take(
    items: readonly FetchItem[],
    answers: (FetchedPartition | undefined)[],
    maxBytes: number,
  ): number {
    let bytes = answers.reduce((sum, answer) => sum + sizeOf(answer), 0)
    let isFull = false
    for (let step = 0; step < items.length; step++) {
      const index = (this.#rotation + step) % items.length
      const item = items[index] as FetchItem
      const key = keyOf(item)
      const arrived = this.#arrived.get(key)
      if (arrived === undefined) continue
      const size = sizeOf(arrived.data)
      const isWanted = arrived.offset === item.offset
      if (isWanted && bytes > 0 && bytes + size > maxBytes) {
        isFull = true
        continue
      }
      this.#arrived.delete(key)
      if (!isWanted) continue
      answers[index] = arrived.data
      bytes += size
    }
    return isFull ? Number.POSITIVE_INFINITY : bytes
  }

  /** True when something of what has no answer yet is still to come. */
  #isAwaited(
    items: readonly FetchItem[],
    answers: readonly (FetchedPartition | undefined)[],
  ): boolean {
    if (this.#refreshing !== null) return true
    return items.some((item, index) => answers[index] === undefined && this.#isUnderWay(item))
  }

  #isUnderWay(item: FetchItem): boolean {
    return this.#underWay.get(keyOf(item)) === item.offset
  }

  /** Begins a fetch for every item that has no answer, is not under way and not held. */
  #ask(
    items: readonly FetchItem[],
    answers: readonly (FetchedPartition | undefined)[],
    options: PollOptions,
  ): void {
    const now = this.#cluster.clock.monotonic()
    const wanted: FetchItem[] = []
    // A broker fills its answer in the order asked: another partition is first each time.
    const first = this.#rotation++
    for (let step = 0; step < items.length; step++) {
      const index = (first + step) % items.length
      const item = items[index] as FetchItem
      if (answers[index] !== undefined || this.#isUnderWay(item)) continue
      if (this.#arrived.has(keyOf(item))) continue
      const hold = this.#holds.get(keyOf(item))
      if (hold === undefined || hold.until <= now) wanted.push(item)
    }
    if (wanted.length === 0) return
    const { metadata } = this.#cluster
    if (metadata.isReady(wanted)) {
      this.#askLeaders(wanted, options)
      return
    }
    this.#refreshing ??= metadata
      .ready(wanted)
      .then(
        () => this.#askLeaders(wanted, options),
        (thrown: unknown) => this.#hold(wanted, clusterErrorOf(thrown)),
      )
      .finally(() => {
        this.#refreshing = null
        this.#notify()
      })
  }

  #askLeaders(items: readonly FetchItem[], options: PollOptions): void {
    if (this.#isClosed) return
    const leaders = new Map<number, { readonly leader: Leader; readonly items: FetchItem[] }>()
    for (const item of items) {
      const leader = this.#cluster.metadata.leaderOf(item)
      if ('reaction' in leader) {
        this.#fail(item, leader)
        continue
      }
      const known = leaders.get(leader.node)
      if (known === undefined) leaders.set(leader.node, { leader, items: [item] })
      else known.items.push(item)
    }
    for (const { leader, items: its } of leaders.values()) {
      const lane = this.#freeLane(leader.node)
      // All its connections wait: what comes on one of them goes on from here.
      if (lane !== null) void this.#fly({ node: leader.node, lane, items: its }, leader, options)
    }
  }

  #freeLane(node: number): string | null {
    const taken = new Set<string>()
    for (const flight of this.#flights) if (flight.node === node) taken.add(flight.lane)
    for (let slot = 0; slot < CONNECTIONS_PER_LEADER; slot++) {
      const lane = this.#slot(slot)
      if (!taken.has(lane)) return lane
    }
    return null
  }

  async #fly(flight: Flight, leader: Leader, options: PollOptions): Promise<void> {
    this.#flights.add(flight)
    for (const item of flight.items) this.#underWay.set(keyOf(item), item.offset)
    const waitMs = Math.max(0, Math.round(options.deadline - this.#cluster.clock.monotonic()))
    try {
      const response = await this.#cluster.call(flight.lane, leader.address, {
        api: Fetch,
        request: this.#request(flight.items, { ...options, maxWaitMs: waitMs }),
        options: { waitMs },
      })
      if (response.errorCode !== ERROR_NUMBERS.NONE) throw errorOf(response.errorCode)
      this.#acceptAll(flight, response)
    } catch (thrown) {
      const error = clusterErrorOf(thrown)
      if (!this.#isClosed) for (const item of flight.items) this.#fail(item, error)
    } finally {
      this.#flights.delete(flight)
      for (const item of flight.items) {
        if (this.#isUnderWay(item)) this.#underWay.delete(keyOf(item))
      }
      this.#notify()
    }
  }

  #request(
    items: readonly FetchItem[],
    options: FetchOptions,
  ): Parameters<typeof Fetch.request.encode>[0] {
    const { maxWaitMs, minBytes, maxBytes, isolation } = options
    return {
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: ISOLATION_LEVELS[isolation],
      topics: byTopic(items, (item) => ({
        partition: item.partition,
        currentLeaderEpoch: this.#cluster.metadata.epochOf(item),
        fetchOffset: item.offset,
        partitionMaxBytes: item.maxBytes,
      })).map(([topic, partitions]) => ({ topic, partitions })),
      forgottenTopicsData: [],
    }
  }

  #acceptAll({ items }: Flight, { responses }: ResponseOf<typeof Fetch>): void {
    const left = new Map(items.map((item) => [keyOf(item), item]))
    for (const { topic, partitions } of responses) {
      for (const answer of partitions) {
        const key = keyOf({ topic, partition: answer.partitionIndex })
        const item = left.get(key)
        if (item === undefined) continue
        left.delete(key)
        this.#accept(item, answer)
      }
    }
    for (const item of left.values()) {
      this.#fail(item, timedOut('The broker gave no answer for the partition'))
    }
  }

  #accept(item: FetchItem, answer: PartitionAnswer): void {
    const { topic, partition, offset } = item
    if (answer.errorCode !== ERROR_NUMBERS.NONE) {
      this.#fail(item, errorOf(answer.errorCode, { topic, partition, offset }))
      return
    }
    const key = keyOf(item)
    this.#holds.delete(key)
    const data = dataOf(item, answer)
    const { highWatermark, lastStableOffset, logStartOffset, records } = data
    this.#bounds.set(key, { highWatermark, lastStableOffset, logStartOffset })
    // Without records it is asked for again while the poll's time lasts.
    if (records.length > 0) this.#arrived.set(key, { offset, data })
  }

  /** A failure in passing holds the partition; another one is its answer. */
  #fail(item: FetchItem, error: ClusterError): void {
    if (error.kind === 'retry') this.#hold([item], error)
    else this.#arrived.set(keyOf(item), { offset: item.offset, data: failed(item, error) })
  }

  #hold(items: readonly FetchItem[], error: ClusterError): void {
    const now = this.#cluster.clock.monotonic()
    this.#cluster.metadata.distrust(items.map(({ topic }) => topic))
    for (const item of items) {
      const key = keyOf(item)
      const failures = (this.#holds.get(key)?.failures ?? 0) + 1
      const until = now + Math.min(HOLD_MS * 2 ** Math.min(failures, 10), HOLD_MS_MAX)
      this.#holds.set(key, { until, failures, error })
    }
  }

  /** The answer for a partition of which nothing came. */
  #nothing(item: FetchItem): FetchedPartition {
    const key = keyOf(item)
    const hold = this.#holds.get(key)
    if (hold !== undefined) return failed(item, hold.error)
    const bounds = this.#bounds.get(key) ?? UNKNOWN_BOUNDS
    return { ...placeOf(item), ...EMPTY, ...bounds }
  }

  /** Until something comes, the poll is woken, a hold ends, or `deadline`. */
  #wait(deadline: number): Promise<void> {
    const { clock } = this.#cluster
    const now = clock.monotonic()
    let until = deadline
    for (const hold of this.#holds.values())
      if (hold.until > now) until = Math.min(until, hold.until)
    return new Promise((resolve) => {
      const cancel = clock.after(Math.max(1, until - now), () => this.#notify())
      this.#notify = () => {
        this.#notify = () => {}
        cancel()
        resolve()
      }
    })
  }

  #slot(slot: number): string {
    return slot === 0 ? this.#lane : `${this.#lane}+${slot}`
  }
}

const EMPTY = {
  error: null,
  aborted: NONE_ABORTED,
  records: NO_RECORDS,
  isCrcChecked: false,
} as const

function dataOf(item: FetchItem, answer: PartitionAnswer): FetchedPartition {
  const { highWatermark, lastStableOffset, logStartOffset, abortedTransactions, records } = answer
  return {
    ...placeOf(item),
    error: null,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted: abortedTransactions ?? NONE_ABORTED,
    records: records === null || records.length === 0 ? NO_RECORDS : [records],
    isCrcChecked: false,
  }
}

function failed(item: FetchItem, error: ClientError): FetchedPartition {
  const bounds = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 }
  return { ...placeOf(item), ...EMPTY, ...bounds, error }
}

function sizeOf(answer: FetchedPartition | undefined): number {
  let bytes = 0
  for (const { length } of answer?.records ?? NO_RECORDS) bytes += length
  return bytes
}

function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}/${topic}`
}
