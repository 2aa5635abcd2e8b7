/**
 * One partition as the broker serves it: its log, and who waits for more of it.
 *
 * Journey: produce -> [partition] -> log; a fetch that found too little waits here.
 *
 * Invariants:
 * - A waiter is told of every append and of every step of the last stable offset.
 * - After `retire` nothing is appended any more, and everyone who waited has been told.
 */
import type { PartitionLog } from '../log/partition-log.ts'
import { Refusal, refusalOf } from './refusal.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Whoever waits for data of a partition. */
export interface PartitionWaiter {
  /** `bytes` more may be readable now; infinite when it cannot be told. */
  grown(bytes: number): void
}

export class Partition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  retired = false
  private readonly waiters = new Set<PartitionWaiter>()

  constructor(topic: string, partition: number, log: PartitionLog) {
    this.topic = topic
    this.partition = partition
    this.log = log
  }

  /** The log to append to; throws when the topic was deleted meanwhile. */
  writable(): PartitionLog {
    if (this.retired) throw this.gone()
    return this.log
  }

  get place(): TopicPartition {
    return { topic: this.topic, partition: this.partition }
  }

  gone(): Refusal {
    return new Refusal(
      'unknown-topic-or-partition',
      'The topic was deleted; create it again or stop using it',
      this.place,
    )
  }

  wait(waiter: PartitionWaiter): void {
    this.waiters.add(waiter)
  }

  stopWaiting(waiter: PartitionWaiter): void {
    this.waiters.delete(waiter)
  }

  /** Tells all waiters that the readable part grew. */
  grown(bytes: number): void {
    if (this.waiters.size === 0) return
    for (const waiter of this.waiters) waiter.grown(bytes)
  }

  /** The topic is gone: no more appends, and waiters learn it now. */
  retire(): void {
    this.retired = true
    this.grown(Number.POSITIVE_INFINITY)
  }

  /** Resolves when everything appended before the call survives the loss of power. */
  async flush(): Promise<void> {
    if (this.retired) return
    try {
      await this.log.flush()
    } catch (error) {
      if (!this.retired) throw refusalOf(error)
    }
  }
}
