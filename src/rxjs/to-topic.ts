/**
 * An Observable as a source: its records are written to a topic.
 *
 * Journey: observable -> [bounded buffer, bounded sends in flight] -> producer -> log.
 *
 * An Observable cannot be told to wait. So what it emits faster than the log acknowledges is
 * buffered up to a bound, and one record more is an error: nothing is dropped without a word. A
 * source that can wait is told by `acknowledged` when it may go on.
 *
 * Invariants:
 * - Records of one partition are written in the order they were emitted.
 * - When the promise settles nothing is in flight any more.
 */

import { type Observable, type Subscription, takeWhile } from 'rxjs'
import { type ProducerRecord, StreamsError } from '../index.ts'

/** A record to write; the topic is that of `toTopic`. */
export type ObservedRecord<K, V> = Omit<ProducerRecord<K, V>, 'topic'>

/** What writes records: a `Producer`. */
export interface RecordSink<K, V> {
  /** Resolves when the record is acknowledged, with its offset. */
  send(record: ProducerRecord<K, V>): Promise<number>
}

/** Bounds of `toTopic`, and who is told of what is written. */
export interface ToTopicOptions<K, V> {
  /** Records sent and not acknowledged, at most. Default 1000. */
  readonly inFlight?: number
  /** Records emitted and not sent, at most. Default 10,000. */
  readonly buffer?: number
  /** Told of each record that is acknowledged: the `done` of a `fromTopic` above, for example. */
  readonly acknowledged?: {
    /** Takes a record that is acknowledged. */
    next(record: ObservedRecord<K, V>): void
  }
}

const IN_FLIGHT = 1000
const BUFFER = 10_000

/**
 * Writes what an Observable emits to a topic. Not exactly-once: who subscribes again writes again.
 *
 * @returns how many records were written, once the Observable has completed and all are acknowledged
 * @throws StreamsError `observable-buffer-full`, or what a send failed with; or the Observable's own error
 * @throws RangeError when a bound is none
 * @example
 * ```ts
 * const clicks = fromEvent(button, 'click').pipe(map(() => ({ key: user, value: 'click' })))
 * await toTopic(clicks, log.producer(), 'clicks')
 * ```
 */
export function toTopic<K, V>(
  source: Observable<ObservedRecord<K, V>>,
  producer: RecordSink<K, V>,
  topic: string,
  options: ToTopicOptions<K, V> = {},
): Promise<number> {
  const { inFlight = IN_FLIGHT, buffer = BUFFER } = options
  checkBound(inFlight, 1, `inFlight of toTopic('${topic}')`)
  checkBound(buffer, 0, `buffer of toTopic('${topic}')`)
  const writing = new Writing(producer, topic, { ...options, inFlight, buffer })
  return writing.run(source)
}

interface BoundedOptions<K, V> extends ToTopicOptions<K, V> {
  readonly inFlight: number
  readonly buffer: number
}

class Writing<K, V> {
  readonly #producer: RecordSink<K, V>
  readonly #topic: string
  readonly #options: BoundedOptions<K, V>
  readonly #finished = Promise.withResolvers<number>()
  readonly #waiting: ObservedRecord<K, V>[] = []
  #source: Subscription | null = null
  #inFlight = 0
  #written = 0
  #hasEnded = false
  #failure: { readonly error: unknown } | null = null

  constructor(producer: RecordSink<K, V>, topic: string, options: BoundedOptions<K, V>) {
    this.#producer = producer
    this.#topic = topic
    this.#options = options
  }

  run(source: Observable<ObservedRecord<K, V>>): Promise<number> {
    // `takeWhile` ends a source that emits within `subscribe`, before there is a subscription.
    this.#source = source.pipe(takeWhile(() => this.#failure === null)).subscribe({
      next: (record) => this.#take(record),
      error: (error) => this.#fail(error),
      complete: () => {
        this.#hasEnded = true
        this.#settle()
      },
    })
    return this.#finished.promise
  }

  #take(record: ObservedRecord<K, V>): void {
    const { inFlight, buffer } = this.#options
    if (this.#inFlight < inFlight && this.#waiting.length === 0) {
      this.#send(record)
    } else if (this.#waiting.length < buffer) {
      this.#waiting.push(record)
    } else {
      const message = `More than ${inFlight + buffer} records are emitted and not acknowledged`
      this.#fail(new StreamsError('observable-buffer-full', message, { place: this.#place }))
    }
  }

  get #place(): { readonly topic: string } {
    return { topic: this.#topic }
  }

  #send(record: ObservedRecord<K, V>): void {
    this.#inFlight++
    this.#producer
      .send({ ...record, topic: this.#topic })
      .then(
        () => {
          this.#inFlight--
          this.#written++
          // First those that wait: what `acknowledged` lets come is after them.
          this.#sendWaiting()
          this.#options.acknowledged?.next(record)
        },
        (error: unknown) => {
          this.#inFlight--
          this.#fail(error)
        },
      )
      .catch((error: unknown) => this.#fail(error))
      .then(() => this.#settle())
  }

  #sendWaiting(): void {
    while (this.#inFlight < this.#options.inFlight) {
      const record = this.#waiting.shift()
      if (record === undefined) return
      this.#send(record)
    }
  }

  /** The first failure counts. What is not sent yet is not sent any more. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#hasEnded = true
    this.#waiting.length = 0
    this.#source?.unsubscribe()
    this.#settle()
  }

  #settle(): void {
    if (!this.#hasEnded || this.#inFlight > 0 || this.#waiting.length > 0) return
    if (this.#failure === null) this.#finished.resolve(this.#written)
    else this.#finished.reject(this.#failure.error)
  }
}

function checkBound(value: number, least: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new RangeError(`${name} is ${String(value)}; pass a whole number from ${least}`)
}
