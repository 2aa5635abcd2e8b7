/**
 * Next queue: from which of its queues a task takes the next record.
 *
 * Journey: task -> [next queue] -> record queue: the record with the lowest time; in a test that runs a
 * whole topology as one task, of equal times the one Kafka's heap would give.
 *
 * Invariant: a queue that is empty holds the others back while the log is known to have more of it, and
 * as long as option `maxTaskIdle` says.
 */
import type { Clock } from '../clock.ts'
import type { ObservedTime } from '../topology/processor.ts'
import { QueueHeap } from './queue-heap.ts'
import type { RecordQueue } from './record-queue.ts'
import { TaskIdling } from './task-idling.ts'

export interface NextQueueOptions {
  readonly clock: Pick<Clock, 'now'>
  /** How long records wait for a queue that has none; -1: not even for what the log has. */
  readonly maxTaskIdleMs: number
  /** True to take records of equal timestamps in the order of Kafka Streams' heap. */
  readonly ordersLikeKafka: boolean
}

export class NextQueue {
  readonly #clock: Pick<Clock, 'now'>
  readonly #heap: QueueHeap | null
  readonly #idling: TaskIdling | null
  readonly #waitsForLog: boolean
  #queues: readonly RecordQueue[] = []

  constructor({ clock, maxTaskIdleMs, ordersLikeKafka }: NextQueueOptions) {
    this.#clock = clock
    this.#heap = ordersLikeKafka ? new QueueHeap() : null
    this.#idling = maxTaskIdleMs > 0 ? new TaskIdling(maxTaskIdleMs) : null
    this.#waitsForLog = maxTaskIdleMs >= 0
  }

  /** The wall-clock time until which records wait for others; Infinity when none does. */
  get idlesUntil(): number {
    return this.#idling?.until ?? Number.POSITIVE_INFINITY
  }

  /** True when a wait has begun that is not committed. */
  get hasUncommitted(): boolean {
    return this.#idling?.hasUncommitted === true
  }

  /** @param waits the ends of waits that the last commit kept, by queue */
  open(queues: readonly RecordQueue[], waits: readonly (number | undefined)[]): void {
    this.#queues = queues
    this.#idling?.open(waits)
  }

  /** The end of the wait for a queue, which its commit has to keep; null: there is none. */
  savedOf(index: number): ObservedTime | null {
    return this.#idling === null ? null : this.#idling.savedOf(index)
  }

  committed(): void {
    if (this.#idling !== null) this.#idling.hasUncommitted = false
  }

  /** The queue with the lowest head time; -1 when there is none, or one must be filled first. */
  choose(): number {
    const queues = this.#queues
    const waits = this.#waitsForLog
    if (this.#idling?.holdsBack(queues, this.#clock.now()) === true) return -1
    if (this.#heap !== null) return this.#heap.choose(queues, waits)
    let chosen = -1
    let lowest = Number.POSITIVE_INFINITY
    for (let index = 0; index < queues.length; index++) {
      const queue = queues[index] as RecordQueue
      const head = queue.peek()
      if (head === null) {
        if (queue.hasUndecoded() || (waits && !queue.caughtUp)) return -1
      } else if (head.timestamp < lowest) {
        lowest = head.timestamp
        chosen = index
      }
    }
    return chosen
  }

  /** Takes the head off the queue that was chosen. */
  shift(index: number): void {
    this.#heap?.take()
    ;(this.#queues[index] as RecordQueue).shift()
    this.#heap?.taken(index)
  }
}
