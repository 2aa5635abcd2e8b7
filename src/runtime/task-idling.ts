/**
 * Task idling: how long a task that has records in some partitions waits for those that have none, so
 * that records of several topics are taken by their times although they come at different moments.
 *
 * Journey: task -> [task idling] before it chooses the next record; the stream thread looks again when
 * the wait is over.
 *
 * A wait begins when a record is there and a partition is empty, and has an end of its own for each
 * such partition: it is over when that has passed, and begins anew once the partition had a record.
 * For what the log is known to have a task waits in any case, without end.
 *
 * Invariant: the end of a wait is committed with the partition it is for, so that a restart does not
 * make it longer.
 *
 * @see KIP-695, PartitionGroup.readyToProcess
 */
import type { ObservedTime } from '../topology/processor.ts'
import type { RecordQueue } from './record-queue.ts'

type Queue = Pick<RecordQueue, 'peek' | 'hasUndecoded' | 'caughtUp' | 'isBounded' | 'isAtEnd'>

/** The name under which the end of a wait is committed; no operator can have it. */
export const IDLING = '@idling'

const NO_WAIT = -1

export class TaskIdling {
  /** The wall-clock time at which the wait is over; Infinity when there is none. */
  until: number = Number.POSITIVE_INFINITY
  /** True when a wait has begun that is not committed. */
  hasUncommitted = false
  readonly #maxIdleMs: number
  /** When the waits for the empty queues end, by their index. */
  readonly #ends: ObservedTime[] = []

  /** @param maxIdleMs above zero */
  constructor(maxIdleMs: number) {
    this.#maxIdleMs = maxIdleMs
  }

  /** What the last commit knew of the queues. */
  open(ends: readonly (number | undefined)[]): void {
    for (const end of ends) this.#ends.push({ max: end ?? NO_WAIT })
  }

  /** What a commit of this queue has to keep; null: nothing. */
  savedOf(index: number): ObservedTime | null {
    const end = this.#ends[index] as ObservedTime
    return end.max === NO_WAIT ? null : end
  }

  /** True while a queue that is empty may still get an earlier record. */
  holdsBack(queues: readonly Queue[], now: number): boolean {
    this.until = Number.POSITIVE_INFINITY
    let hasRecords = false
    for (const [index, queue] of queues.entries()) {
      if (isEmpty(queue)) continue
      hasRecords = true
      ;(this.#ends[index] as ObservedTime).max = NO_WAIT
    }
    if (!hasRecords) return false
    let until = NO_WAIT
    for (const [index, queue] of queues.entries()) {
      if (!isEmpty(queue) || !queue.caughtUp || (queue.isBounded && queue.isAtEnd)) continue
      const end = this.#ends[index] as ObservedTime
      if (end.max === NO_WAIT) {
        end.max = now + this.#maxIdleMs
        this.hasUncommitted = true
      }
      until = Math.max(until, end.max)
    }
    if (until <= now) return false
    this.until = until
    return true
  }
}

function isEmpty(queue: Queue): boolean {
  return queue.peek() === null && !queue.hasUndecoded()
}
