/**
 * A topic as an Observable.
 *
 * Journey: log -> consumer -> [observable] -> subscriber. Each subscription has a consumer of its
 * own, closed when it ends.
 *
 * An Observable pushes, a consumer is pulled. What lies between is the consumer's own look-ahead,
 * two answers of `maxBytes` at most: the next batch is pulled when the last record of the one before
 * was taken, or, with `flow`, is done. Nothing is dropped, and nothing else is buffered.
 */

import { Observable, type Subscriber } from 'rxjs'
import type { Consumer, ConsumerBatch, ConsumerOptions, ConsumerRecord, Serde } from '../index.ts'
import { Credits } from './credits.ts'

/** What consumers are made by: a `Log`. */
export interface ConsumerSource {
  /** A new consumer; it is closed by who asked for it. */
  consumer<K, V>(options: ConsumerOptions<K, V>): Consumer<K, V>
}

/** Back pressure by credits, for subscribers that go on with a record after they have taken it. */
export interface Flow {
  /** Records handed out and not done, at most. */
  readonly max: number
  /** Emits once for each record that is done. */
  readonly done: Observable<unknown>
}

/** How a topic is read as an Observable. */
export interface FromTopicOptions<K, V> {
  /** Default: bytes. */
  readonly key?: Serde<K>
  /** Default: bytes. */
  readonly value?: Serde<V>
  /** Where to begin; with a group, where it has committed nothing. Default `'earliest'`. */
  readonly from?: 'earliest' | 'latest'
  /**
   * Shares the topic with the group's other members and commits what was taken; with `flow`, what is
   * done. At least once: what was not committed comes again.
   */
  readonly group?: string
  /** Default: a record is done when the subscriber's `next` has returned. */
  readonly flow?: Flow
  /** Bytes of one fetch. Default 8 MiB. */
  readonly maxBytes?: number
}

/**
 * The records of a topic, committed ones only, in order within each partition; it never completes.
 * Nothing is read before it is subscribed to, and unsubscribing closes the consumer.
 *
 * @param log - an open log
 * @throws RangeError when `flow.max` is no whole number from 1
 * @example
 * ```ts
 * const done = new Subject<unknown>()
 * fromTopic(log, 'orders', { value: json<Order>(), flow: { max: 100, done } })
 *   .pipe(mergeMap(({ value }) => send(value), 10))
 *   .subscribe(done)
 * ```
 */
export function fromTopic<K = Buffer, V = Buffer>(
  log: ConsumerSource,
  topic: string,
  options: FromTopicOptions<K, V> = {},
): Observable<ConsumerRecord<K, V>> {
  const { from = 'earliest', flow, ...rest } = options
  const max: unknown = flow?.max
  if (flow !== undefined && !(typeof max === 'number' && Number.isSafeInteger(max) && max >= 1)) {
    throw new RangeError(
      `flow.max of fromTopic('${topic}') is ${String(max)}; pass a whole number from 1`,
    )
  }
  return new Observable((subscriber) => {
    const consumer = log.consumer<K, V>({ topics: [topic], offsetReset: from, ...rest })
    const credits =
      flow === undefined
        ? null
        : new Credits(flow.max, flow.done, (error) => subscriber.error(error))
    subscriber.add(() => {
      credits?.close()
      // Nobody is left to tell. What could not be committed comes again.
      consumer.close().catch(() => {})
    })
    const reading = new Reading(subscriber, credits, options.group !== undefined)
    reading.run(consumer).catch((error: unknown) => subscriber.error(error))
  })
}

/** One subscription. */
class Reading<K, V> {
  readonly #subscriber: Subscriber<ConsumerRecord<K, V>>
  readonly #credits: Credits | null
  /** True when asking for the next batch lets the one before be committed. */
  readonly #commits: boolean

  constructor(
    subscriber: Subscriber<ConsumerRecord<K, V>>,
    credits: Credits | null,
    commits: boolean,
  ) {
    this.#subscriber = subscriber
    this.#credits = credits
    this.#commits = commits
  }

  async run(consumer: Consumer<K, V>): Promise<void> {
    while (!this.#subscriber.closed) {
      const batch = await consumer.next()
      if (batch === null) break
      await this.#handOut(batch)
      if (this.#commits) await this.#credits?.untilDone()
    }
  }

  async #handOut(batch: ConsumerBatch<K, V>): Promise<void> {
    for (const record of batch) {
      const credits = this.#credits
      if (credits !== null) {
        if (!credits.hasRoom) await credits.untilRoom()
        credits.take()
      }
      if (this.#subscriber.closed) return
      this.#subscriber.next(record)
    }
  }
}
