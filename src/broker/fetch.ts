/**
 * A fetch: bytes of several partitions within bounds, waiting when there is too little.
 *
 * Journey: log -> [fetch] -> client -> record cursor.
 *
 * Invariants:
 * - The first partition with data gives at least one batch, however large; the others keep within
 *   the bounds. The partition read first rotates, so that none starves behind a full answer.
 * - A read-committed fetch ends at the last stable offset and names the aborted transactions in it.
 * - Buffers of the log's tail are handed out as they are; nothing is copied.
 * - One promise and one timer per waiting poll, none for a poll that finds data.
 */
import type { Clock } from '../clock.ts'
import type { Partition, PartitionWaiter, TopicPartition } from './partition.ts'
import { Refusal, refusalOf } from './refusal.ts'

export interface FetchItem extends TopicPartition {
  readonly offset: number
  readonly maxBytes: number
}

export interface FetchOptions {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolation: 'read-uncommitted' | 'read-committed'
}

export interface AbortedRange {
  readonly producerId: number
  readonly firstOffset: number
}

export interface FetchedPartition extends TopicPartition {
  readonly error: Refusal | null
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedRange[]
  readonly records: readonly Buffer[]
  /** The log checks a batch when it takes it in, and again when it reads it from a file. */
  readonly isCrcChecked: true
}

/** What a fetch needs of the broker. */
export interface FetchSource {
  readonly clock: Clock
  readonly closed: boolean
  /** Null when the topic or partition does not exist. */
  partition(place: TopicPartition): Partition | null
}

const NOTHING: readonly never[] = Object.freeze([])

/** One reader's polls, one at a time. */
export class FetchLane implements PartitionWaiter {
  private readonly source: FetchSource
  private readonly onClose: () => void
  private items: readonly FetchItem[] = NOTHING
  private options: FetchOptions | null = null
  private partitions: Partition[] = []
  private resolve: ((answer: FetchedPartition[]) => void) | null = null
  private cancelTimer: (() => void) | null = null
  /** Bytes that must still come before a waiting poll looks again. */
  private missing = 0
  private looking = false
  private rotation = 0
  private woken = false
  private closed = false
  private size = 0
  private failed = false

  constructor(source: FetchSource, onClose: () => void = () => {}) {
    this.source = source
    this.onClose = onClose
  }

  poll(items: readonly FetchItem[], options: FetchOptions): Promise<FetchedPartition[]> {
    if (this.resolve !== null) {
      const reason = 'a poll of this fetcher is still waiting; use one fetcher per loop'
      return Promise.reject(new TypeError(reason))
    }
    const answer = this.read(items, options)
    const enough = this.size >= options.minBytes || this.failed
    if (enough || options.maxWaitMs <= 0 || this.woken || this.closed) {
      this.woken = false
      return Promise.resolve(answer)
    }
    return this.park(items, options)
  }

  /** Frees a waiting poll at once; without one, the next poll does not wait. */
  wakeup(): void {
    if (this.resolve === null) this.woken = true
    else this.finish()
  }

  close(): void {
    this.closed = true
    if (this.resolve !== null) this.finish()
    this.onClose()
  }

  /** A partition that a parked poll waits for has more. */
  grown(bytes: number): void {
    this.missing -= bytes
    if (this.missing > 0 || this.looking || this.resolve === null) return
    // Later in this turn, so that one answer holds all that one produce call appended.
    this.looking = true
    queueMicrotask(() => this.look())
  }

  private park(items: readonly FetchItem[], options: FetchOptions): Promise<FetchedPartition[]> {
    this.items = items
    this.options = options
    this.missing = options.minBytes - this.size
    for (const item of items) {
      const partition = this.source.partition(item)
      if (partition === null) continue
      partition.wait(this)
      this.partitions.push(partition)
    }
    this.cancelTimer = this.source.clock.after(options.maxWaitMs, () => this.finish())
    return new Promise((resolve) => {
      this.resolve = resolve
    })
  }

  private look(): void {
    this.looking = false
    const { options } = this
    if (this.resolve === null || options === null) return
    const answer = this.read(this.items, options)
    if (this.size >= options.minBytes || this.failed) this.answer(answer)
    else this.missing = options.minBytes - this.size
  }

  private finish(): void {
    if (this.options !== null) this.answer(this.read(this.items, this.options))
  }

  private answer(answer: FetchedPartition[]): void {
    const { resolve } = this
    this.cancelTimer?.()
    for (const partition of this.partitions) partition.stopWaiting(this)
    this.partitions = []
    this.items = NOTHING
    this.options = null
    this.resolve = null
    this.cancelTimer = null
    resolve?.(answer)
  }

  private read(items: readonly FetchItem[], options: FetchOptions): FetchedPartition[] {
    const answer: FetchedPartition[] = new Array(items.length)
    this.size = 0
    this.failed = false
    const first = items.length === 0 ? 0 : this.rotation++ % items.length
    for (let step = 0; step < items.length; step++) {
      const index = (first + step) % items.length
      answer[index] = this.readPartition(items[index] as FetchItem, options)
    }
    return answer
  }

  private readPartition(item: FetchItem, options: FetchOptions): FetchedPartition {
    const { topic, partition: number, offset } = item
    try {
      const partition = this.existing(item)
      const { log } = partition
      const { highWatermark, lastStableOffset, logStartOffset } = log
      const committed = options.isolation === 'read-committed'
      const end = committed ? lastStableOffset : highWatermark
      if (offset < logStartOffset || offset > log.logEndOffset) {
        throw new Refusal(
          'offset-out-of-range',
          `Offset ${offset} is not in the log, which holds ${logStartOffset} to ${log.logEndOffset}; ` +
            'seek to one of its ends',
          partition.place,
        )
      }
      const room = Math.min(item.maxBytes, options.maxBytes - this.size)
      const fits = offset < end && (room > 0 || this.size === 0)
      const records = fits ? this.within(log.read(offset, Math.max(room, 1), end), room) : NOTHING
      const aborted =
        committed && records.length > 0 ? log.abortedTransactions(offset, end) : NOTHING
      return {
        topic,
        partition: number,
        error: null,
        highWatermark,
        lastStableOffset,
        logStartOffset,
        aborted,
        records,
        isCrcChecked: true,
      }
    } catch (error) {
      this.failed = true
      return failure(item, refusalOf(error))
    }
  }

  /** Counts what was read. A first batch larger than its bound is kept only in an empty answer. */
  private within(records: readonly Buffer[], room: number): readonly Buffer[] {
    let size = 0
    for (const buffer of records) size += buffer.length
    if (size > room && this.size > 0) return NOTHING
    this.size += size
    return records
  }

  private existing(item: FetchItem): Partition {
    if (this.source.closed) throw new Refusal('closed', 'The log was closed; open it again')
    const partition = this.source.partition(item)
    if (partition !== null) return partition
    throw new Refusal('unknown-topic-or-partition', 'Cannot read: there is no such partition', {
      topic: item.topic,
      partition: item.partition,
    })
  }
}

function failure(item: TopicPartition, error: Refusal): FetchedPartition {
  return {
    topic: item.topic,
    partition: item.partition,
    error,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    aborted: NOTHING,
    records: NOTHING,
    isCrcChecked: true,
  }
}
