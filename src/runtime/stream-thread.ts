/**
 * Stream thread: the loop that turns the crank for all tasks of one process.
 *
 * Journey: fetch -> queues -> tasks -> output -> commit, again and again. A turn decodes and
 * prefetches for every task, then runs every task through what is decoded; promises appear a few
 * times a turn, not per record. While a turn runs, the next fetch is under way.
 *
 * Invariants:
 * - A partition whose queue is full is not fetched: a fast source waits.
 * - A commit happens between turns: when its time has come, when changed rows fill their share of
 *   memory, or at once when nothing is left to do.
 * - After an error nothing is committed any more: the transaction is aborted, the databases are
 *   closed as they are.
 */
import type { Fetcher, FetchItem, LogClient } from '../client/client.ts'
import type { Clock } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import { type CommitStep, commit } from './commit.ts'
import type { GlobalStores } from './global-stores.ts'
import type { Output } from './output.ts'
import type { RecordQueue } from './record-queue.ts'
import type { Task } from './task.ts'

/** A queue takes more while it holds less than this. */
const QUEUE_BYTES_MAX = 512 * 1024
const FETCH_PARTITION_BYTES = 512 * 1024
const FETCH_BYTES = 16 * 1024 * 1024
const FETCH_WAIT_MS = 500
/** With nothing to do, a commit comes this soon after the last one, so that results do not wait. */
const IDLE_COMMIT_MS = 10
/**
 * A turn in which records have to wait (for rows, for calls of users) ends after this, or after a
 * commit interval that is longer: a transaction must not outlive its timeout of a minute, however
 * slow a call is. What is in flight is drained by the commit, so ends should not be frequent.
 */
const TURN_MS = 1000
/** Share of the store memory that rows changed since the last commit may fill. */
const DIRTY_SHARE = 0.5
/** How often records that nobody needs any more are deleted from the application's own topics. */
const PURGE_INTERVAL_MS = 30_000

export interface StreamThreadOptions {
  readonly client: LogClient
  readonly clock: Clock
  readonly tasks: readonly Task[]
  readonly output: Output
  readonly groupId: string
  /** Stores of all partitions, updated between turns. */
  readonly globals?: GlobalStores | null
  readonly transactionalId: string | null
  readonly commitIntervalMs: number
  readonly saveIntervalMs: number
  readonly storeBytes: number
  readonly untilEnd: boolean
  /** Commits after each record, one record of each task a turn: for tests. */
  readonly isStepwise?: boolean | undefined
  /** True for topics whose records nobody else needs once they are processed. */
  readonly purges: (topic: string) => boolean
  readonly afterCommit: (elapsedMs: number) => void
  readonly afterCommitStep?: ((step: CommitStep) => void) | undefined
}

export class StreamThread {
  readonly #options: StreamThreadOptions
  readonly #clock: Clock
  readonly #fetcher: Fetcher
  readonly #queues: readonly RecordQueue[]
  #poll: Promise<void> | null = null
  #polled: Set<RecordQueue> = new Set()
  #pollError: unknown = null
  #stopping = false
  /** The save of the last commit, until it has been waited for. */
  #saving: Promise<unknown> | null = null
  readonly #dirtyBytesMax: number
  #committedAt: number
  #savedAt: number
  #purgedAt: number

  constructor(options: StreamThreadOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#fetcher = options.client.fetcher('active')
    this.#queues = options.tasks.flatMap((task) => task.queues)
    this.#dirtyBytesMax = options.storeBytes * DIRTY_SHARE
    this.#committedAt = this.#savedAt = this.#purgedAt = options.clock.monotonic()
  }

  /** Runs until `stop`, or until the end with `untilEnd`; commits last. Rejects with the first error. */
  async run(): Promise<void> {
    try {
      while (!this.#stopping) {
        const updated = this.#options.globals?.update()
        if (updated !== undefined) await updated
        this.#fetch()
        const worked = await this.#turn()
        if (this.#isCommitDue(worked)) await this.#commit()
        if (worked) await this.#clock.yield()
        else if (this.#options.untilEnd && (await this.#isAtEnd())) break
        else if (!this.#stopping) await this.#waitForRecords()
      }
      await this.#commit({ last: true })
    } finally {
      await this.#fetcher.close()
      await this.#poll
    }
  }

  /** Runs until every record that is there is processed, or idles, and all is committed: for tests. */
  async runToEnd(): Promise<void> {
    do {
      do {
        await this.#options.globals?.catchUp()
        this.#fetch(0)
        await this.#poll
      } while (await this.#step())
    } while (!(await this.#isAtEnd({ mayIdle: true })))
    await this.#options.globals?.catchUp()
    await this.#endSave()
  }

  /** A turn; with `isStepwise` its record, or its punctuations, are committed at once. */
  async #step(): Promise<boolean> {
    const worked = await this.#turn()
    if (this.#options.isStepwise === true) await this.#commit()
    return worked
  }

  /** Makes `run` commit and return. */
  stop(): void {
    this.#stopping = true
    this.#fetcher.wakeup()
    this.#options.globals?.wakeup()
  }

  /** One pass over all tasks; false when none had anything to do. */
  async #turn(): Promise<boolean> {
    const { tasks, output } = this.#options
    let waits: Promise<void>[] | null = null
    for (const task of tasks) {
      const pending = task.prepare()
      if (pending instanceof Promise) {
        waits ??= []
        waits.push(pending)
      }
    }
    if (waits !== null) await Promise.all(waits)
    if (this.#untilPunctuation() <= 0) await this.#punctuate()
    let worked = false
    const limit = this.#options.isStepwise === true ? 1 : undefined
    const end = this.#clock.monotonic() + Math.max(TURN_MS, this.#options.commitIntervalMs)
    const isOver = (): boolean => this.#stopping || this.#clock.monotonic() >= end
    for (const task of tasks) {
      if (!task.hasWork()) continue
      worked = true
      const pending = task.run(limit, isOver)
      if (pending instanceof Promise) await pending
    }
    if (!worked) await this.#lookForIdle()
    const pending = output.sendFull()
    if (pending instanceof Promise) await pending
    return worked
  }

  /** Milliseconds until records have waited long enough for others; Infinity when none waits. */
  #untilIdleOver(): number {
    let next = Number.POSITIVE_INFINITY
    for (const task of this.#options.tasks) next = Math.min(next, task.idlesUntil)
    return next === Number.POSITIVE_INFINITY ? next : next - this.#clock.now()
  }

  /** Milliseconds until the next wall-clock punctuation; Infinity when none is scheduled. */
  #untilPunctuation(): number {
    let next = Number.POSITIVE_INFINITY
    for (const task of this.#options.tasks) next = Math.min(next, task.nextWallClock)
    return next === Number.POSITIVE_INFINITY ? next : next - this.#clock.now()
  }

  async #punctuate(): Promise<void> {
    const now = this.#clock.now()
    for (const task of this.#options.tasks) {
      if (task.nextWallClock > now) continue
      const pending = task.punctuateWallClock(now)
      if (pending instanceof Promise) await pending
    }
  }

  /** With nothing to do: time may have passed partitions that have no records. */
  async #lookForIdle(): Promise<void> {
    for (const task of this.#options.tasks) {
      const pending = task.lookForIdle()
      if (pending instanceof Promise) await pending
    }
  }

  /** Keeps one fetch under way for the queues that have room. */
  #fetch(maxWaitMs = FETCH_WAIT_MS): void {
    if (this.#pollError !== null) throw this.#pollError
    const items: FetchItem[] = []
    const polled = new Set<RecordQueue>()
    for (const queue of this.#queues) {
      if (queue.bufferedBytes >= QUEUE_BYTES_MAX || queue.isFetched) continue
      const { topic, partition, position: offset } = queue
      items.push({ topic, partition, offset, maxBytes: FETCH_PARTITION_BYTES })
      polled.add(queue)
    }
    if (this.#poll !== null) {
      if (items.length > 0 && ![...polled].every((queue) => this.#polled.has(queue))) {
        this.#fetcher.wakeup()
      }
      return
    }
    if (items.length === 0) return
    this.#polled = polled
    const options = { maxWaitMs, minBytes: 1, maxBytes: FETCH_BYTES } as const
    this.#poll = this.#fetcher
      .poll(items, { ...options, isolation: 'read-committed' })
      .then((fetched) => {
        const queues = [...polled]
        fetched.forEach((partition, index) => {
          if (partition.error === null) {
            queues[index]?.accept(partition)
          } else if (partition.error.kind !== 'retry') {
            const { topic, partition: number, error } = partition
            const place = { topic, partition: number, offset: (items[index] as FetchItem).offset }
            throw new StreamsError(error.code, `Cannot fetch: ${error.message}`, { place })
          }
        })
      })
      .catch((error) => {
        this.#pollError = error
      })
      .finally(() => {
        this.#poll = null
      })
  }

  /** Waits for the fetch under way, but not past the next commit, punctuation or end of idling. */
  async #waitForRecords(): Promise<void> {
    if (this.#poll === null && this.#options.globals != null) return this.#options.globals.arrival()
    if (this.#poll === null) return this.#clock.yield()
    const untilCommit = this.#hasUncommitted()
      ? this.#committedAt + this.#options.commitIntervalMs - this.#clock.monotonic()
      : Number.POSITIVE_INFINITY
    const delayMs = Math.min(untilCommit, this.#untilPunctuation(), this.#untilIdleOver())
    const cancel =
      delayMs >= FETCH_WAIT_MS
        ? null
        : this.#clock.after(Math.max(0, delayMs), () => this.#fetcher.wakeup())
    await this.#poll
    cancel?.()
  }

  #hasUncommitted(): boolean {
    const { tasks, output } = this.#options
    return output.hasUncommitted || tasks.some((task) => task.hasUncommitted())
  }

  #isCommitDue(worked: boolean): boolean {
    const { commitIntervalMs } = this.#options
    const elapsed = this.#clock.monotonic() - this.#committedAt
    if (this.#options.tasks.some((task) => task.commitRequested)) return this.#hasUncommitted()
    if (elapsed >= commitIntervalMs) return this.#hasUncommitted()
    if (!worked) {
      return elapsed >= Math.min(IDLE_COMMIT_MS, commitIntervalMs) && this.#hasUncommitted()
    }
    return this.#dirtyBytes() > this.#dirtyBytesMax
  }

  #dirtyBytes(): number {
    let bytes = 0
    for (const task of this.#options.tasks) bytes += task.stores.dirtyBytes()
    return bytes
  }

  async #commit(how: { readonly last?: boolean } = {}): Promise<boolean> {
    const { client, output, tasks, groupId, transactionalId } = this.#options
    await this.#endSave()
    const start = this.#clock.monotonic()
    const saves =
      how.last === true ||
      start - this.#savedAt >= this.#options.saveIntervalMs ||
      this.#dirtyBytes() > this.#dirtyBytesMax
    const afterStep = this.#options.afterCommitStep
    const options = { client, output, tasks, groupId, transactionalId, saves, afterStep }
    const { hasCommitted, saved } = await commit(options)
    this.#committedAt = this.#clock.monotonic()
    if (saves) this.#savedAt = this.#committedAt
    this.#saving = saved
    // Its error is thrown where it is waited for.
    saved?.catch(() => {})
    if (how.last === true) await this.#endSave()
    if (hasCommitted) this.#options.afterCommit(this.#committedAt - start)
    if (this.#committedAt - this.#purgedAt >= PURGE_INTERVAL_MS) await this.#purge()
    return hasCommitted
  }

  /** Waits for the save under way; with no record being processed, rows may be let go of. */
  async #endSave(): Promise<void> {
    if (this.#saving === null) return
    await this.#saving
    this.#saving = null
    for (const { state } of this.#options.tasks) state.evict()
  }

  /** Deletes what nobody needs any more of repartition topics and of changelogs of windows. */
  async #purge(): Promise<void> {
    this.#purgedAt = this.#clock.monotonic()
    const { client, purges, tasks } = this.#options
    const processed = this.#queues
      .filter(({ topic }) => purges(topic))
      .map(({ topic, partition, committable }) => ({ topic, partition, beforeOffset: committable }))
    const expired = tasks.flatMap((task) => task.expiredChangelogs())
    const offsets = await client.listOffsets(
      expired.map(({ topic, partition, before: at }) => ({ topic, partition, at })),
      'read-committed',
    )
    const needless = offsets
      .filter(({ error, offset }) => error === null && offset > 0)
      .map(({ topic, partition, offset }) => ({ topic, partition, beforeOffset: offset }))
    const items = [...processed, ...needless]
    if (items.length > 0) await client.admin.deleteRecords(items)
  }

  /**
   * True when every queue is at its end and nothing is uncommitted: the end it had at start, or
   * what the log has now. Asked after a commit, which lets the application see its own output. With
   * `mayIdle` records that wait for other partitions are left.
   */
  async #isAtEnd({ mayIdle = false } = {}): Promise<boolean> {
    if (this.#hasUncommitted()) await this.#commit()
    if (this.#queues.some((queue) => queue.isBounded && !queue.isAtEnd)) return false
    const open = this.#options.tasks.flatMap(({ queues, idlesUntil }) => {
      const idles = mayIdle && idlesUntil !== Number.POSITIVE_INFINITY
      return queues
        .filter((queue) => !queue.isBounded)
        .map((queue) => ({ queue, reached: idles ? queue.position : queue.committable }))
    })
    const ends = await this.#options.client.listOffsets(
      open.map(({ queue: { topic, partition } }) => ({ topic, partition, at: 'latest' as const })),
      // Past what can be read yet: on a cluster it becomes stable after the commit's answer.
      'read-uncommitted',
    )
    return open.every(({ reached }, index) => reached >= (ends[index]?.offset ?? 0))
  }
}
