/**
 * The asynchronous operators: functions that wait for something outside, for many records at once.
 *
 * Journey: source -> [async operator: call, put aside ... answer, hand on] -> children.
 *
 * A record whose call has not answered is put aside and the next one is taken. What has answered
 * is handed on from within a later `process`, or from `flush`: never in between, so that nothing
 * below ever runs beside a record of the same task.
 *
 * Exactly-once, in numbered steps:
 *   1. a record's offset moves on when `process` returns, which may be before its call answered
 *   2. a commit begins with `flush` (runtime/commit.ts, step 1), which waits for every call and hands
 *      its result on
 *   3. so the offsets of the commit (step 4 there) never cover a record that is still put aside
 * A crash before the commit's end loses the results with the offsets; the calls are made again.
 *
 * Invariants:
 * - At most `concurrency` records are put aside; one more waits in `process`, and with it its task.
 * - Results leave in the order of their records: of all of them, or (`ordered: false`) of those with
 *   one key.
 * - What is handed on runs as if its record were being processed: its metadata, its bytes, its
 *   place in errors.
 */
import { AssertionError } from 'node:assert'
import { StreamsError } from '../errors.ts'
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { Processor, ProcessorContext, RecordMetadata, Resume } from '../topology/processor.ts'
import { type AsyncAttempt, Call, type CallPolicy, type Outcome } from './async-call.ts'

/** How many calls there are at once, in which order results leave, and how each call is tried. */
export interface AsyncSettings extends CallPolicy {
  readonly concurrency: number
  readonly ordered: boolean
}

/** What differs between the asynchronous verbs. */
interface AsyncStep<KIn, VIn, KOut, VOut, R> {
  call(record: StreamRecord<KIn, VIn>, attempt: AsyncAttempt): PromiseOrValue<R>
  handOn(
    result: R,
    record: StreamRecord<KIn, VIn>,
    context: ProcessorContext<KOut, VOut>,
  ): PromiseOrValue<void>
}

/** A record put aside. */
interface Aside<KIn, VIn, R> {
  readonly record: StreamRecord<KIn, VIn>
  readonly metadata: RecordMetadata | null
  readonly resume: Resume
  readonly lane: Lane<KIn, VIn, R> | null
  call: Call<R> | null
  outcome: Outcome<R> | null
}

/** Records put aside whose results leave in this order. */
interface Lane<KIn, VIn, R> {
  readonly id: unknown
  readonly waiting: Aside<KIn, VIn, R>[]
}

class AsyncOperator<KIn, VIn, KOut, VOut, R> implements Processor<KIn, VIn, KOut, VOut> {
  readonly #step: AsyncStep<KIn, VIn, KOut, VOut, R>
  readonly #settings: AsyncSettings
  readonly #lanes = new Map<unknown, Lane<KIn, VIn, R>>()
  readonly #aside = new Set<Aside<KIn, VIn, R>>()
  /** Answered, and first in their lanes. */
  readonly #ready: Aside<KIn, VIn, R>[] = []
  #context: ProcessorContext<KOut, VOut> | null = null
  #wake: (() => void) | null = null
  #answered: Promise<void> | null = null

  constructor(step: AsyncStep<KIn, VIn, KOut, VOut, R>, settings: AsyncSettings) {
    this.#step = step
    this.#settings = settings
  }

  init(context: ProcessorContext<KOut, VOut>): void {
    this.#context = context
  }

  process(record: StreamRecord<KIn, VIn>): PromiseOrValue<void> {
    const pending = this.#ready.length === 0 ? undefined : this.#handOnReady()
    if (pending instanceof Promise || this.#aside.size >= this.#settings.concurrency) {
      return this.#startWhenRoom(record, pending)
    }
    return this.#start(record)
  }

  heldTime(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const { record } of this.#aside) lowest = Math.min(lowest, record.timestamp)
    return lowest
  }

  flush(): PromiseOrValue<void> {
    if (this.#aside.size > 0) return this.#drain()
  }

  close(): void {
    for (const { call } of this.#aside) call?.cancel()
    this.#aside.clear()
    this.#lanes.clear()
    this.#ready.length = 0
  }

  async #startWhenRoom(
    record: StreamRecord<KIn, VIn>,
    pending: PromiseOrValue<void>,
  ): Promise<void> {
    await pending
    while (this.#aside.size >= this.#settings.concurrency) await this.#handOnNext()
    await this.#start(record)
  }

  async #drain(): Promise<void> {
    while (this.#aside.size > 0) await this.#handOnNext()
  }

  async #handOnNext(): Promise<void> {
    if (this.#ready.length === 0) await this.#untilAnswered()
    await this.#handOnReady()
  }

  #untilAnswered(): Promise<void> {
    this.#answered ??= new Promise((resolve) => {
      this.#wake = resolve
    })
    return this.#answered
  }

  #start(record: StreamRecord<KIn, VIn>): PromiseOrValue<void> {
    const context = this.#context as ProcessorContext<KOut, VOut>
    const lane = this.#laneOf(record)
    const metadata = context.metadata()
    const resume = context.suspend(record)
    const aside: Aside<KIn, VIn, R> = {
      record,
      metadata,
      resume,
      lane,
      call: null,
      outcome: null,
    }
    aside.call = new Call<R>({
      record,
      metadata,
      clock: context.clock,
      policy: this.#settings,
      work: (attempt) => this.#step.call(record, attempt),
      onOutcome: (outcome) => this.#onOutcome(aside, outcome),
    })
    this.#aside.add(aside)
    lane?.waiting.push(aside)
    aside.call.start()
    if (this.#ready.length > 0) return this.#handOnReady()
  }

  /** Only notes it: what is below runs when the task comes by. */
  #onOutcome(aside: Aside<KIn, VIn, R>, outcome: Outcome<R>): void {
    aside.outcome = outcome
    if (aside.lane !== null && aside.lane.waiting[0] !== aside) return
    this.#ready.push(aside)
    this.#wake?.()
    this.#wake = null
    this.#answered = null
  }

  #handOnReady(): PromiseOrValue<void> {
    for (let aside = this.#ready.shift(); aside !== undefined; aside = this.#ready.shift()) {
      this.#release(aside)
      const pending = aside.resume(this.#handOn.bind(this, aside))
      if (pending instanceof Promise) return pending.then(() => this.#handOnReady())
    }
  }

  #release(aside: Aside<KIn, VIn, R>): void {
    this.#aside.delete(aside)
    const { lane } = aside
    if (lane === null) return
    lane.waiting.shift()
    const next = lane.waiting[0]
    if (next === undefined) this.#lanes.delete(lane.id)
    else if (next.outcome !== null) this.#ready.push(next)
  }

  #handOn({ record, metadata, outcome }: Aside<KIn, VIn, R>): PromiseOrValue<void> {
    const context = this.#context as ProcessorContext<KOut, VOut>
    const { failed } = outcome as Outcome<R>
    if (!failed) {
      const { result } = outcome as Extract<Outcome<R>, { failed: false }>
      return this.#step.handOn(result, record, context)
    }
    const { error, attempts } = outcome as Extract<Outcome<R>, { failed: true }>
    if (error instanceof AssertionError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    const times = attempts === 1 ? '' : ` after ${attempts} attempts`
    throw new StreamsError('processing-failed', `'${context.nodeName}' failed${times}: ${reason}`, {
      cause: error,
      place: { ...metadata, task: context.taskId, node: context.nodeName },
    })
  }

  #laneOf({ key }: StreamRecord<KIn, VIn>): Lane<KIn, VIn, R> | null {
    const id = this.#settings.ordered ? ALL : keyIdentity(key)
    if (id === null) return null
    let lane = this.#lanes.get(id)
    if (lane === undefined) {
      lane = { id, waiting: [] }
      this.#lanes.set(id, lane)
    }
    return lane
  }
}

/** The lane of all records, and of keys that cannot be told apart. */
const ALL: unique symbol = Symbol('all records')

/**
 * Equal for equal keys; null for no key, which is in order with nothing. Two keys that differ may
 * have one identity: their results are then in order without need.
 */
function keyIdentity(key: unknown): unknown {
  if (key === null || key === undefined) return null
  if (typeof key !== 'object') return key
  if (key instanceof Uint8Array) return `b${Buffer.from(key).toString('latin1')}`
  try {
    const json = JSON.stringify(key, (_name, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    return `o${json}`
  } catch {
    return ALL
  }
}

/** A new processor for each task, as a topology node wants it. */
type CreateAsync<KIn, VIn, KOut, VOut> = () => Processor<KIn, VIn, KOut, VOut>

export function mapValuesAsync<K, V, VOut>(
  mapper: (value: V, key: K, attempt: AsyncAttempt) => PromiseOrValue<VOut>,
  settings: AsyncSettings,
): CreateAsync<K, V, K, VOut> {
  const step: AsyncStep<K, V, K, VOut, VOut> = {
    call: ({ key, value }, attempt) => mapper(value, key, attempt),
    handOn: (value, { key, timestamp, headers }, context) =>
      context.forward({ key, value, timestamp, headers }),
  }
  return () => new AsyncOperator(step, settings)
}

export function flatMapAsync<K, V, KOut, VOut>(
  mapper: (
    key: K,
    value: V,
    attempt: AsyncAttempt,
  ) => PromiseOrValue<Iterable<readonly [KOut, VOut]>>,
  settings: AsyncSettings,
): CreateAsync<K, V, KOut, VOut> {
  const step: AsyncStep<K, V, KOut, VOut, Iterable<readonly [KOut, VOut]>> = {
    call: ({ key, value }, attempt) => mapper(key, value, attempt),
    handOn: (results, { timestamp, headers }, context) =>
      inOrder(results, ([key, value]) => context.forward({ key, value, timestamp, headers })),
  }
  return () => new AsyncOperator(step, settings)
}

export function foreachAsync<K, V>(
  action: (key: K, value: V, attempt: AsyncAttempt) => PromiseOrValue<void>,
  settings: AsyncSettings,
): CreateAsync<K, V, never, never> {
  const step: AsyncStep<K, V, never, never, void> = {
    call: ({ key, value }, attempt) => action(key, value, attempt),
    handOn: () => undefined,
  }
  return () => new AsyncOperator(step, settings)
}
