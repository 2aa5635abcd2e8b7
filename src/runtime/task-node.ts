/**
 * A node of the topology inside one task: its processor, its children, and the context through
 * which the processor reaches both and the task.
 *
 * Journey: task -> [task node] -> processor -> forward -> children's task nodes, depth first.
 *
 * Invariant: an error that leaves a processor is a StreamsError that names the node; one from
 * further down keeps the name of the node it came from.
 */
import { AssertionError } from 'node:assert'
import type { Clock } from '../clock.ts'
import type { Duration } from '../duration.ts'
import { StreamsError } from '../errors.ts'
import type { ByteRange, PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { inOrder } from '../record/when.ts'
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
import type { QueuedRecord } from './record-queue.ts'

const NO_BYTES: Buffer = Buffer.alloc(0)

/** What a node's context asks of its task. */
export interface TaskSurroundings {
  readonly applicationId: string
  readonly taskId: string
  readonly partition: number
  readonly clock: Clock
  now(): number
  streamTime(): number
  metadata(): RecordMetadata | null
  drop(
    reason: DropReason,
    node: string,
    record: StreamRecord<unknown, unknown>,
    windowStart: number | undefined,
    windowEnd: number | undefined,
  ): void
  /** Goes on without the record, null for a punctuation, as the handlers decide; or throws. */
  failed(error: unknown, node: TaskNode, record: StreamRecord<unknown, unknown> | null): void
  schedule(
    node: TaskNode,
    interval: Duration,
    type: PunctuationType,
    callback: Punctuator,
  ): () => void
  requestCommit(): void
  observedTime(name: string): ObservedTime
  /** The source record being processed, null outside of processing. */
  current(): QueuedRecord | null
  /** Remembers the source record being processed: it is that again while the work lasts. */
  suspend(): Resume
  /** The store, when `node` was connected to it; throws otherwise. */
  store(name: string, node: string): StateStore
}

export class TaskNode implements ProcessorContext<unknown, unknown> {
  readonly nodeName: string
  readonly processor: Processor
  readonly children: TaskNode[] = []
  readonly #task: TaskSurroundings
  readonly #sourceValues: Serde<unknown> | null
  readonly #valueRange = { bytes: NO_BYTES, start: 0, end: 0 }

  /** @param node `sourceValues`: the serde of the source values that reach it untouched, if so */
  constructor(
    node: {
      readonly name: string
      readonly processor: Processor
      readonly sourceValues: Serde<unknown> | null
    },
    task: TaskSurroundings,
  ) {
    this.nodeName = node.name
    this.processor = node.processor
    this.#sourceValues = node.sourceValues
    this.#task = task
  }

  process(record: StreamRecord<unknown, unknown>): PromiseOrValue<void> {
    let pending: PromiseOrValue<void>
    try {
      pending = this.processor.process(record)
    } catch (error) {
      return this.#task.failed(this.#located(error), this, record)
    }
    if (pending instanceof Promise) {
      return pending.catch((error) => this.#task.failed(this.#located(error), this, record))
    }
  }

  /** Calls a function that the processor scheduled. */
  punctuate(callback: Punctuator, timestamp: number): PromiseOrValue<void> {
    return this.#guarded(() => callback(timestamp), null)
  }

  suspend(record: StreamRecord<unknown, unknown>): Resume {
    const resume = this.#task.suspend()
    return (work) => resume(() => this.#guarded(work, record))
  }

  #guarded(
    work: () => PromiseOrValue<void>,
    record: StreamRecord<unknown, unknown> | null,
  ): PromiseOrValue<void> {
    let pending: PromiseOrValue<void>
    try {
      pending = work()
    } catch (error) {
      return this.#task.failed(this.#located(error), this, record)
    }
    if (pending instanceof Promise) {
      return pending.catch((error) => this.#task.failed(this.#located(error), this, record))
    }
  }

  forward(record: StreamRecord<unknown, unknown>, child?: string): PromiseOrValue<void> {
    const { children } = this
    if (child !== undefined) return this.#child(child).process(record)
    if (children.length === 1) return (children[0] as TaskNode).process(record)
    if (children.length > 1) return inOrder(children, (node) => node.process(record))
  }

  #child(name: string): TaskNode {
    const found = this.children.find((node) => node.nodeName === name)
    if (found !== undefined) return found
    const names = this.children.map((node) => `'${node.nodeName}'`).join(', ') || 'none'
    throw new RangeError(`'${this.nodeName}' forwards to '${name}'; its children are ${names}`)
  }

  get valuesEscape(): boolean {
    return this.children.some(
      ({ processor, valuesEscape }) => processor.passesOn !== true || valuesEscape,
    )
  }

  get applicationId(): string {
    return this.#task.applicationId
  }

  get taskId(): string {
    return this.#task.taskId
  }

  get partition(): number {
    return this.#task.partition
  }

  store<S extends StateStore>(store: string | TypedStore<S>): S {
    return this.#task.store(typeof store === 'string' ? store : store.name, this.nodeName) as S
  }

  valueBytes(serde: Serde<unknown>): ByteRange | null {
    const current = serde === this.#sourceValues ? this.#task.current() : null
    if (current === null || current.valueStart < 0) return null
    const range = this.#valueRange
    range.bytes = current.bytes
    range.start = current.valueStart
    range.end = current.valueEnd
    return range
  }

  drop(
    reason: DropReason,
    record: StreamRecord<unknown, unknown>,
    windowStart?: number,
    windowEnd?: number,
  ): void {
    this.#task.drop(reason, this.nodeName, record, windowStart, windowEnd)
  }

  schedule(interval: Duration, type: PunctuationType, callback: Punctuator): () => void {
    return this.#task.schedule(this, interval, type, callback)
  }

  requestCommit(): void {
    this.#task.requestCommit()
  }

  streamTime(): number {
    return this.#task.streamTime()
  }

  observedTime(name: string = this.nodeName): ObservedTime {
    return this.#task.observedTime(name)
  }

  get clock(): Clock {
    return this.#task.clock
  }

  now(): number {
    return this.#task.now()
  }

  metadata(): RecordMetadata | null {
    return this.#task.metadata()
  }

  #located(error: unknown): unknown {
    if (error instanceof AssertionError) return error
    if (error instanceof StreamsError && error.place.node !== undefined) return error
    const { taskId } = this.#task
    const place = { ...this.#task.metadata(), task: taskId, node: this.nodeName }
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof StreamsError) {
      const { code, retriable } = error
      return new StreamsError(code, message, { cause: error, place, retriable })
    }
    return new StreamsError('processing-failed', `'${this.nodeName}' failed: ${message}`, {
      cause: error,
      place,
    })
  }
}
