/**
 * Aligned time: a task's stream time as the lowest of what its upstream partitions have passed, so
 * that a backlog closes windows as live records would.
 *
 * Kafka Streams takes the largest time seen. Behind a repartition topic that is the time of
 * whichever source partition happened to be read first, and the lines of the others are late. Here
 * each task that writes a repartition topic marks in it, at every commit, the time it has passed;
 * the reader's time is the lowest mark of all writers.
 *
 * Journey: source partition -> task's time -> mark in every partition of the repartition topic ->
 * queue -> [aligned time] -> operators, which see it as the `max` of their observed time.
 *
 * Invariants:
 * - It never goes back, and is never ahead of what any upstream partition that is not idle has
 *   passed: a record is late only if it is late within its own source partition.
 * - It is committed with the offsets. What a mark says is true of all that its writer wrote before.
 * - A partition without records for the idle time, or at the end of a bounded run, is left out.
 */
import type { ObservedTime } from '../topology/processor.ts'
import type { RecordQueue } from './record-queue.ts'
import type { TimeMark } from './time-mark.ts'

/** One partition a task reads: how far its time has come. */
interface UpstreamPartition {
  readonly queue: RecordQueue
  /** Tasks that write it; empty for a topic that is not the application's own. */
  readonly writers: readonly string[]
  readonly marks: Map<string, TimeMark>
  /** Of a topic of others: the largest time processed, and when on the wall clock. */
  time: number
  sawAt: number
}

export class AlignedTime implements ObservedTime {
  readonly #idleMs: number
  #time = -1
  #upstream: readonly UpstreamPartition[] = []
  #isIdle = false
  #marked: TimeMark | null = null
  #heldTime: () => number = () => Number.POSITIVE_INFINITY

  /** @param idleMs wall-clock time after which a partition without records is left out */
  constructor(idleMs: number) {
    this.#idleMs = idleMs
  }

  get max(): number {
    return this.#time
  }

  /** Operators report the records they see; the time is that of the partitions, so nothing moves. */
  set max(_seen: number) {}

  /** The time a commit has kept. */
  restore(time: number): void {
    this.#time = Math.max(this.#time, time)
  }

  open(
    queues: readonly RecordQueue[],
    writersOf: (queue: RecordQueue) => readonly string[],
    now: number,
  ): void {
    this.#upstream = queues.map((queue) => ({
      queue,
      writers: writersOf(queue),
      marks: new Map(),
      time: queue.partitionTime,
      sawAt: now,
    }))
  }

  /** The time does not pass records that processors have put aside: the lowest of their times. */
  holdBackBy(heldTime: () => number): void {
    this.#heldTime = heldTime
  }

  /** Takes in the time of a record; true when the task's time moved. */
  saw(index: number, timestamp: number, now: () => number): boolean {
    const partition = this.#upstream[index] as UpstreamPartition
    if (partition.writers.length > 0 || timestamp <= partition.time) return false
    partition.time = timestamp
    partition.sawAt = now()
    return this.#align(partition.sawAt)
  }

  /** Takes in a mark; true when the task's time moved. */
  marked(index: number, mark: TimeMark, now: number): boolean {
    this.#upstream[index]?.marks.set(mark.writer, mark)
    return this.#align(now)
  }

  /** Looks which partitions have become idle; true when the task's time moved. */
  lookAgain(now: number): boolean {
    return this.#align(now)
  }

  /** What to mark for the readers of this task's repartition topics; null when they know. */
  nextMark(writer: string): TimeMark | null {
    const mark = { writer, time: this.#time, isIdle: this.#isIdle }
    const before = this.#marked
    if (before !== null && before.time === mark.time && before.isIdle === mark.isIdle) return null
    return mark
  }

  markWritten(mark: TimeMark): void {
    this.#marked = mark
  }

  #align(now: number): boolean {
    let lowest = Number.POSITIVE_INFINITY
    for (const partition of this.#upstream) {
      const time = this.#timeOf(partition, now)
      if (time < lowest) lowest = time
    }
    this.#isIdle = lowest === Number.POSITIVE_INFINITY
    if (this.#isIdle || lowest <= this.#time) return false
    lowest = Math.min(lowest, this.#heldTime())
    if (lowest <= this.#time) return false
    this.#time = lowest
    return true
  }

  /** Infinity when it is idle: it holds nobody back. */
  #timeOf(partition: UpstreamPartition, now: number): number {
    const { writers, marks } = partition
    if (writers.length === 0) return this.#isAtRest(partition, now) ? IDLE : partition.time
    let lowest = IDLE
    for (const writer of writers) {
      const mark = marks.get(writer)
      if (mark === undefined) return -1
      if (!mark.isIdle && mark.time < lowest) lowest = mark.time
    }
    return lowest
  }

  #isAtRest({ queue, sawAt }: UpstreamPartition, now: number): boolean {
    if (queue.isBounded && queue.isAtEnd) return true
    const isEmpty = queue.caughtUp && queue.peek() === null && !queue.hasUndecoded()
    return isEmpty && now - sawAt >= this.#idleMs
  }
}

const IDLE = Number.POSITIVE_INFINITY
