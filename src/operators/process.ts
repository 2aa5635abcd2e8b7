/**
 * Process: a processor of a user's as a node of the topology.
 *
 * Journey: operator -> [process] -> the user's `process` -> forward -> children. It stands between
 * the two and refuses what would do harm further down, so that operators of ours check nothing.
 *
 * Invariants:
 * - What is forwarded has a time, and headers.
 * - Nothing is forwarded but from within `process` or a scheduled function, so that no record is
 *   made outside of a commit.
 * - With `fixedKey` a record leaves with the very key of the record being processed.
 */
import type { Clock } from '../clock.ts'
import type { Duration } from '../duration.ts'
import type { ByteRange, PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { StateStore, TypedStore } from '../state/store.ts'
import type {
  DropReason,
  ObservedTime,
  Processor,
  ProcessorContext,
  PunctuationType,
  Punctuator,
  RecordMetadata,
  Resume,
} from '../topology/processor.ts'

/** A new processor for each task: the user's, behind its checks. */
export function userProcessor<KIn, VIn, KOut, VOut>(
  create: () => Processor<KIn, VIn, KOut, VOut>,
  { fixedKey }: { readonly fixedKey: boolean },
): () => Processor<KIn, VIn, KOut, VOut> {
  return () => new UserProcessor(create(), fixedKey)
}

class UserProcessor<KIn, VIn, KOut, VOut> implements Processor<KIn, VIn, KOut, VOut> {
  readonly #processor: Processor<KIn, VIn, KOut, VOut>
  readonly #fixedKey: boolean
  #context: UserContext<KOut, VOut> | null = null
  readonly heldTime?: () => number

  constructor(processor: Processor<KIn, VIn, KOut, VOut>, fixedKey: boolean) {
    this.#processor = processor
    if (processor.heldTime !== undefined) this.heldTime = () => processor.heldTime?.() ?? Infinity
    this.#fixedKey = fixedKey
  }

  init(context: ProcessorContext<KOut, VOut>): void {
    this.#context = new UserContext(context, this.#fixedKey)
    this.#processor.init?.(this.#context)
  }

  process(record: StreamRecord<KIn, VIn>): PromiseOrValue<void> {
    const context = this.#context as UserContext<KOut, VOut>
    context.current = record
    context.isActive = true
    let pending: PromiseOrValue<void>
    try {
      pending = this.#processor.process(record)
    } catch (error) {
      context.end()
      throw error
    }
    if (pending instanceof Promise) return pending.finally(() => context.end())
    context.end()
  }

  prefetch(records: readonly StreamRecord<KIn, VIn>[]): PromiseOrValue<void> {
    return this.#processor.prefetch?.(records)
  }

  flush(): PromiseOrValue<void> {
    const { flush } = this.#processor
    if (flush === undefined) return
    const context = this.#context as UserContext<KOut, VOut>
    return context.during(() => flush.call(this.#processor))
  }

  close(): void {
    this.#processor.close?.()
  }
}

/** The context a user's processor is given. */
class UserContext<K, V> implements ProcessorContext<K, V> {
  current: StreamRecord<unknown, unknown> | null = null
  isActive = false
  readonly #context: ProcessorContext<K, V>
  readonly #fixedKey: boolean

  constructor(context: ProcessorContext<K, V>, fixedKey: boolean) {
    this.#context = context
    this.#fixedKey = fixedKey
  }

  end(): void {
    this.current = null
    this.isActive = false
  }

  /** Runs a function of the user's in which records may be forwarded. */
  during(call: () => PromiseOrValue<void>): PromiseOrValue<void> {
    this.isActive = true
    let pending: PromiseOrValue<void>
    try {
      pending = call()
    } catch (error) {
      this.end()
      throw error
    }
    if (pending instanceof Promise) return pending.finally(() => this.end())
    this.end()
  }

  forward(record: StreamRecord<K, V>, child?: string): PromiseOrValue<void> {
    if (!this.isActive) {
      throw new TypeError(
        `'${this.nodeName}' forwards a record outside of process and of its scheduled functions; wait for what you start there: return its promise`,
      )
    }
    const { timestamp } = record
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw new RangeError(
        `'${this.nodeName}' forwards a record with timestamp ${String(timestamp)}; give it whole milliseconds since the epoch, such as the timestamp of the record it came from`,
      )
    }
    if (!Array.isArray(record.headers)) {
      throw new TypeError(
        `'${this.nodeName}' forwards a record without headers; write { ...record, value } or headers: []`,
      )
    }
    if (this.#fixedKey && this.current !== null && record.key !== this.current.key) {
      throw new TypeError(
        `'${this.nodeName}' forwards another key than that of its record; processValues keeps keys: use process to change them`,
      )
    }
    return this.#context.forward(record, child)
  }

  schedule(interval: Duration, type: PunctuationType, callback: Punctuator): () => void {
    if (typeof callback !== 'function') {
      throw new TypeError(
        `callback of schedule(...) in '${this.nodeName}' is ${String(callback)}; pass a function such as (timestamp) => { ... }`,
      )
    }
    return this.#context.schedule(interval, type, (timestamp) =>
      this.during(() => callback(timestamp)),
    )
  }

  suspend(record: StreamRecord<unknown, unknown>): Resume {
    const resume = this.#context.suspend(record)
    const { current } = this
    return (work) => {
      const around = { current: this.current, isActive: this.isActive }
      const back = (): void => void Object.assign(this, around)
      return resume(() => {
        this.current = current
        let pending: PromiseOrValue<void>
        try {
          pending = this.during(work)
        } catch (error) {
          back()
          throw error
        }
        if (pending instanceof Promise) return pending.finally(back)
        back()
      })
    }
  }

  get clock(): Clock {
    return this.#context.clock
  }

  store<S extends StateStore>(store: string | TypedStore<S>): S {
    return this.#context.store(store)
  }

  requestCommit(): void {
    this.#context.requestCommit()
  }

  drop(
    reason: DropReason,
    record: StreamRecord<unknown, unknown>,
    windowStart?: number,
    windowEnd?: number,
  ): void {
    this.#context.drop(reason, record, windowStart, windowEnd)
  }

  get applicationId(): string {
    return this.#context.applicationId
  }

  get taskId(): string {
    return this.#context.taskId
  }

  get partition(): number {
    return this.#context.partition
  }

  get nodeName(): string {
    return this.#context.nodeName
  }

  get valuesEscape(): boolean {
    return this.#context.valuesEscape
  }

  valueBytes(serde: Serde<unknown>): ByteRange | null {
    return this.#context.valueBytes(serde)
  }

  streamTime(): number {
    return this.#context.streamTime()
  }

  observedTime(name?: string): ObservedTime {
    return this.#context.observedTime(name)
  }

  now(): number {
    return this.#context.now()
  }

  metadata(): RecordMetadata | null {
    return this.#context.metadata()
  }
}
