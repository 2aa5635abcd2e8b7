/**
 * One call of an asynchronous function for one record: its attempts, each within its time, and the
 * pauses between them.
 *
 * Journey: async operator -> [call] -> the user's function -> outcome -> async operator.
 *
 * Invariants:
 * - A call has one outcome, and reports it once. What comes of an attempt after its time is ignored.
 * - After `cancel` nothing more is tried or reported.
 */
import { AssertionError } from 'node:assert'
import type { Clock } from '../clock.ts'
import type { PromiseOrValue, RecordHeaders, StreamRecord } from '../record/record.ts'
import type { RecordContext, RecordMetadata } from '../topology/processor.ts'

/** What an asynchronous function is told besides the record's key and value. */
export interface AsyncAttempt extends RecordContext {
  /** 1 for the first, 2 for the first retry. */
  readonly attempt: number
  /** Aborted when the attempt has run out of time, or the task is closed: hand it to `fetch`. */
  readonly signal: AbortSignal
}

/** An attempt of an asynchronous function did not answer within its `timeout`. */
export class AsyncTimeoutError extends Error {
  override readonly name = 'AsyncTimeoutError'
}

/** How often a call is tried, how long each attempt may take, and how long to wait between. */
export interface CallPolicy {
  readonly timeoutMs: number
  readonly attempts: number
  /** The wait after a failed attempt; null gives up. `random` is uniform in [0, 1). */
  backoffMs(attempt: number, error: unknown, random: () => number): number | null
}

export type Outcome<R> =
  | { readonly failed: false; readonly result: R }
  | { readonly failed: true; readonly error: unknown; readonly attempts: number }

export interface CallOptions<R> {
  readonly record: StreamRecord<unknown, unknown>
  readonly metadata: RecordMetadata | null
  readonly clock: Clock
  readonly policy: CallPolicy
  readonly work: (attempt: AsyncAttempt) => PromiseOrValue<R>
  readonly onOutcome: (outcome: Outcome<R>) => void
}

export class Call<R> {
  readonly #options: CallOptions<R>
  #attempt: Attempt | null = null
  #cancelTimer: (() => void) | null = null
  #isOver = false

  constructor(options: CallOptions<R>) {
    this.#options = options
  }

  /** Makes the first attempt. The outcome may be there before this returns. */
  start(): void {
    this.#try(1)
  }

  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelTimer?.()
    this.#attempt?.abort(new Error('The task was closed'))
  }

  #try(number: number): void {
    const { record, metadata, clock, policy, work } = this.#options
    const attempt = new Attempt(number, record, metadata)
    this.#attempt = attempt
    let answer: PromiseOrValue<R>
    try {
      answer = work(attempt)
    } catch (error) {
      this.#failed(attempt, error)
      return
    }
    if (!isThenable(answer)) {
      this.#over({ failed: false, result: answer })
      return
    }
    // A promise of another realm or library is none to `instanceof`, and is waited for all the same.
    Promise.resolve(answer).then(
      (result) => {
        if (this.#attempt === attempt) this.#over({ failed: false, result })
      },
      (error) => this.#failed(attempt, error),
    )
    this.#cancelTimer = clock.after(policy.timeoutMs, () => {
      const late = new AsyncTimeoutError(`no answer within ${policy.timeoutMs} ms`)
      attempt.abort(late)
      this.#failed(attempt, late)
    })
  }

  #failed(attempt: Attempt, error: unknown): void {
    if (this.#isOver || this.#attempt !== attempt) return
    this.#attempt = null
    this.#cancelTimer?.()
    const { clock, policy } = this.#options
    const { attempt: attempts } = attempt
    const mayRetry = attempts < policy.attempts && !(error instanceof AssertionError)
    let waitMs: number | null = null
    try {
      if (mayRetry) waitMs = policy.backoffMs(attempts, error, () => clock.random())
    } catch (failure) {
      this.#over({ failed: true, error: failure, attempts })
      return
    }
    if (waitMs === null) this.#over({ failed: true, error, attempts })
    else this.#cancelTimer = clock.after(waitMs, () => this.#try(attempts + 1))
  }

  #over(outcome: Outcome<R>): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#attempt = null
    this.#cancelTimer?.()
    this.#options.onOutcome(outcome)
  }
}

class Attempt implements AsyncAttempt {
  readonly attempt: number
  readonly timestamp: number
  readonly headers: RecordHeaders
  readonly metadata: RecordMetadata | null
  #controller: AbortController | null = null
  #reason: unknown = null

  constructor(
    attempt: number,
    { timestamp, headers }: StreamRecord<unknown, unknown>,
    metadata: RecordMetadata | null,
  ) {
    this.attempt = attempt
    this.timestamp = timestamp
    this.headers = headers
    this.metadata = metadata
  }

  /** Made when it is asked for: most functions do not. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#reason !== null) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<PromiseLike<unknown>>).then === 'function'
  )
}
