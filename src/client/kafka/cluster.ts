/**
 * A cluster as the requests see it: call a partition's leader, a group's or transaction's
 * coordinator, the controller or any broker, and try again while the reaction to the error says so.
 *
 * Journey: `kafka.ts` -> produce, fetch, offsets, transactions, admin -> [cluster] -> connections.
 *
 * Invariants:
 * - Nothing is tried for longer than the retry timeout; then the last error goes to the caller,
 *   still marked as retriable.
 * - Every request made here may be repeated: what the broker did unheard is recognised by it
 *   (sequence numbers, the same offsets, the same end of a transaction).
 */
import { type Clock, holdProcess, sleep } from '../../clock.ts'
import type { Api } from '../../protocol/api.ts'
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import type { Fields, ReadFields, WrittenFields } from '../../protocol/fields.ts'
import { FindCoordinator } from '../../protocol/messages/10-find-coordinator.ts'
import type { TopicPartition } from '../client.ts'
import { type CallOptions, Connections, type ConnectionsOptions } from './connections.ts'
import { type ClusterError, clusterErrorOf, errorOf } from './errors.ts'
import { ClusterMetadata, CONTROL_LANE } from './metadata.ts'
import type { Address } from './transport.ts'

/** The previous transaction needs this long to complete (measured on Kafka: a few ms). */
const CONCURRENT_RETRY_MS = 3
/** Doubled at each failure up to the second. */
const RETRY_MS = 20
const RETRY_MS_MAX = 500

export interface ClusterOptions extends ConnectionsOptions {
  readonly bootstrap: readonly Address[]
  readonly retryTimeoutMs: number
}

/** The two kinds of what brokers coordinate, and the group or transactional id. */
export interface Coordinated {
  readonly type: 'group' | 'transaction'
  readonly id: string
}

const COORDINATOR_TYPES = { group: 0, transaction: 1 } as const

export class Cluster {
  readonly connections: Connections
  readonly metadata: ClusterMetadata
  readonly clock: Clock
  readonly requestTimeoutMs: number
  readonly #retryTimeoutMs: number
  readonly #coordinators = new Map<string, Address>()
  /** When each call began that is being tried again. */
  readonly #stalled = new Set<{ readonly since: number }>()
  retries = 0

  constructor(options: ClusterOptions) {
    this.clock = options.clock
    this.requestTimeoutMs = options.requestTimeoutMs
    this.#retryTimeoutMs = options.retryTimeoutMs
    this.connections = new Connections(options)
    this.metadata = new ClusterMetadata(this.connections, options.bootstrap, options.clock)
  }

  /** How long the oldest call that is being tried again has been waiting; 0 when all is well. */
  get stalledMs(): number {
    let since = this.clock.monotonic()
    for (const call of this.#stalled) since = Math.min(since, call.since)
    return this.clock.monotonic() - since
  }

  call<Q extends Fields, S extends Fields>(
    lane: string,
    address: Address,
    what: {
      readonly api: Api<Q, S>
      readonly request: WrittenFields<Q>
      readonly options?: CallOptions
    },
  ): Promise<ReadFields<S>> {
    return this.connections.call({ lane, address }, what.api, what.request, what.options)
  }

  /**
   * Calls again while the reaction to what was thrown says that it helps.
   *
   * @param react - answers `metadata` and `coordinator` before the next attempt
   */
  async retrying<T>(
    attempt: () => Promise<T>,
    react: (error: ClusterError) => void = () => {},
  ): Promise<T> {
    const since = this.clock.monotonic()
    const call = { since }
    let failures = 0
    try {
      for (;;) {
        try {
          return await attempt()
        } catch (thrown) {
          const error = clusterErrorOf(thrown)
          const delayMs = this.#delayMs(error, failures++)
          if (delayMs === null || this.clock.monotonic() + delayMs - since > this.#retryTimeoutMs) {
            throw error
          }
          react(error)
          this.#stalled.add(call)
          this.retries++
          await this.pause(delayMs)
        }
      }
    } finally {
      this.#stalled.delete(call)
    }
  }

  /** Sleeps, keeping the process alive: someone waits for what comes after. */
  async pause(delayMs: number): Promise<void> {
    const letGo = holdProcess()
    await sleep(this.clock, delayMs)
    letGo()
  }

  /** One attempt on any broker, tried again as `retrying` does. */
  onAny<T>(call: (address: Address) => Promise<T>): Promise<T> {
    return this.retrying(() => this.metadata.onAny(call))
  }

  onController<T>(call: (address: Address) => Promise<T>): Promise<T> {
    return this.retrying(
      async () => call(await this.metadata.controller()),
      () => this.metadata.distrustController(),
    )
  }

  /** On the broker that coordinates that group or transactional id. */
  onCoordinator<T>(of: Coordinated, call: (address: Address) => Promise<T>): Promise<T> {
    return this.retrying(
      async () => call(await this.coordinator(of)),
      ({ reaction }) => {
        if (reaction === 'coordinator' || reaction === 'metadata') this.forgetCoordinator(of)
      },
    )
  }

  async coordinator(of: Coordinated): Promise<Address> {
    const key = `${of.type} ${of.id}`
    const known = this.#coordinators.get(key)
    if (known !== undefined) return known
    const { errorCode, errorMessage, host, port } = await this.metadata.onAny((address) =>
      this.connections.call({ lane: CONTROL_LANE, address }, FindCoordinator, {
        key: of.id,
        keyType: COORDINATOR_TYPES[of.type],
      }),
    )
    const place = of.type === 'group' ? { group: of.id } : { transactionalId: of.id }
    if (errorCode !== ERROR_NUMBERS.NONE) throw errorOf(errorCode, place, errorMessage)
    const address = { host, port }
    this.#coordinators.set(key, address)
    return address
  }

  forgetCoordinator(of: Coordinated): void {
    this.#coordinators.delete(`${of.type} ${of.id}`)
  }

  /**
   * Hands each item to the leader of its partition, those of one leader together, and those that
   * failed in passing again. A call never holds a partition twice.
   *
   * @param call - answers in the order of the items given, a result or an error each
   * @returns a result or the final error for each item, in their order
   */
  async onLeaders<I extends TopicPartition, R extends object>(
    items: readonly I[],
    call: (address: Address, items: readonly I[]) => Promise<readonly (R | ClusterError)[]>,
  ): Promise<readonly (R | ClusterError)[]> {
    const answers: (R | ClusterError)[] = new Array(items.length)
    let left = items.map((_, index) => index)
    const attempt = async (): Promise<void> => {
      await this.metadata.ready(left.map((index) => items[index] as I))
      const calls = this.#callsToLeaders(items, left, answers)
      await Promise.all(
        calls.map(async ({ address, indexes }) => {
          const given = indexes.map((index) => items[index] as I)
          const results = await call(address, given).catch((error: unknown) =>
            indexes.map(() => clusterErrorOf(error)),
          )
          indexes.forEach((index, at) => {
            answers[index] = results[at] as R | ClusterError
          })
        }),
      )
      left = left.filter((index) => isRetriable(answers[index]))
      const first = left[0]
      if (first !== undefined) throw answers[first]
    }
    await this.retrying(attempt, () =>
      this.metadata.distrust(left.map((index) => (items[index] as I).topic)),
    ).catch((thrown: unknown) => {
      // What has no answer yet failed by what ended the attempts.
      const error = clusterErrorOf(thrown)
      for (const index of left) answers[index] ??= error
    })
    return answers
  }

  close(): void {
    this.connections.close()
    this.#coordinators.clear()
  }

  /** One call a leader, or more where a partition is there more than once. */
  #callsToLeaders<I extends TopicPartition, R>(
    items: readonly I[],
    indexes: readonly number[],
    answers: (R | ClusterError)[],
  ): { readonly address: Address; readonly indexes: number[] }[] {
    const calls: { node: number; address: Address; indexes: number[]; keys: Set<string> }[] = []
    for (const index of indexes) {
      const item = items[index] as I
      const leader = this.metadata.leaderOf(item)
      if ('reaction' in leader) {
        answers[index] = leader
        continue
      }
      const key = `${item.partition}/${item.topic}`
      let target = calls.find(({ node, keys }) => node === leader.node && !keys.has(key))
      if (target === undefined) {
        target = { node: leader.node, address: leader.address, indexes: [], keys: new Set() }
        calls.push(target)
      }
      target.indexes.push(index)
      target.keys.add(key)
    }
    return calls
  }

  /** How long to wait before the next attempt; null when there is none. */
  #delayMs({ kind }: ClusterError, failures: number): number | null {
    if (kind === 'concurrent') return CONCURRENT_RETRY_MS
    if (kind !== 'retry') return null
    const delayMs = Math.min(RETRY_MS * 2 ** Math.min(failures, 10), RETRY_MS_MAX)
    return delayMs * (0.8 + 0.4 * this.clock.random())
  }
}

function isRetriable(answer: object | undefined): boolean {
  return answer === undefined || ('kind' in answer && answer.kind === 'retry')
}
