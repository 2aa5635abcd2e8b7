/**
 * What a task does with records that fail or are left out: asks the handlers, counts, and writes
 * dead letters.
 *
 * Journey: task node, record queue -> [task failures] -> handlers -> metrics, dead letter.
 *
 * Invariant: an error is put to a handler once, at the operator it came from. One that is not
 * handled there goes up through the operators above as it is.
 */
import { StreamsError } from '../errors.ts'
import type { StreamRecord } from '../record/record.ts'
import type { DropReason, RecordMetadata } from '../topology/processor.ts'
import type { ApplicationTopics } from './application-topics.ts'
import { writeDeadLetter } from './dead-letter.ts'
import { choose, type ErrorChoice, type FailurePlace, type Handlers } from './handlers.ts'
import type { Metrics } from './metrics.ts'
import type { Output } from './output.ts'
import type { QueuedRecord, RecordQueue } from './record-queue.ts'
import type { TaskNode, TaskSurroundings } from './task-node.ts'

export interface TaskFailureOptions {
  readonly taskId: string
  readonly handlers: Handlers
  readonly metrics: Metrics
  readonly output: Output
  readonly topics: Pick<ApplicationTopics, 'resolve'>
  /** The source record being processed, null outside of processing. */
  source(): QueuedRecord | null
  metadata(): RecordMetadata | null
}

/** Codes of failures that lie in a record's data or in a function of the user's. */
const HANDLED_CODES: ReadonlySet<string> = new Set([
  'processing-failed',
  'serialization-failed',
  'record-too-large',
  'topic-not-found',
])

const PRODUCTION_CODES: ReadonlySet<string> = new Set(['serialization-failed', 'record-too-large'])

export class TaskFailures {
  readonly #options: TaskFailureOptions
  /** What a handler has let through: it ends the application, whoever sees it on its way. */
  #final: unknown = null

  constructor(options: TaskFailureOptions) {
    this.#options = options
  }

  /** Which records the queues keep in their place for a handler. */
  get keeps(): { readonly unreadable: boolean; readonly timeless: boolean } {
    const { onDeserializationError, onDrop } = this.#options.handlers
    return { unreadable: onDeserializationError !== 'fail', timeless: onDrop !== 'skip' }
  }

  /** Counts a record that an operator left out; sends it where the handler says. */
  readonly drop: TaskSurroundings['drop'] = (reason, node, record, windowStart, windowEnd) => {
    const { handlers, metrics } = this.#options
    metrics.drop(reason, node)
    if (handlers.onDrop === 'skip') return
    const place = { ...this.#place(reason, node), ...windowOf(windowStart, windowEnd) }
    const choice = choose('onDrop', handlers.onDrop, { record, place, error: null })
    this.#send(choice, place, record.timestamp, null)
  }

  /** Goes on without a record that made an operator fail, or throws. */
  readonly failed: TaskSurroundings['failed'] = (error, node, record) => {
    const place = error === this.#final ? null : this.#handledPlace(error, node)
    if (place === null) throw error
    const { handlers, metrics } = this.#options
    const option = place.reason === 'production' ? 'onProductionError' : 'onProcessingError'
    const cause = thrownOf(error)
    const choice = choose(option, handlers[option], { record, place, error: cause })
    if (choice === 'fail') {
      this.#final = error
      throw error
    }
    metrics.drop(place.reason, node.nodeName)
    this.#send(choice, place, record?.timestamp ?? this.#options.source()?.timestamp ?? 0, cause)
  }

  /** Goes on without the record at the head of a queue, which cannot be read or has no time. */
  refused(queue: RecordQueue, record: QueuedRecord): void {
    const { handlers, metrics } = this.#options
    const { reason, error, timestamp } = queue.takeRefusal(record)
    const node = queue.source.name
    const place = this.#place(reason, node)
    const raw: StreamRecord<unknown, unknown> = {
      key: bytesOf(record, record.keyStart, record.keyEnd),
      value: bytesOf(record, record.valueStart, record.valueEnd),
      timestamp,
      headers: record.headers,
    }
    const option = error === null ? 'onDrop' : 'onDeserializationError'
    const cause = thrownOf(error)
    const choice = choose(option, handlers[option], { record: raw, place, error: cause })
    if (choice === 'fail') throw error
    metrics.drop(reason, node)
    this.#send(choice, place, timestamp, cause)
  }

  /** Where an error came from, when a handler may be asked about it here; null when not. */
  #handledPlace(error: unknown, node: TaskNode): FailurePlace | null {
    if (!(error instanceof StreamsError) || !HANDLED_CODES.has(error.code)) return null
    if (error.place.node !== node.nodeName) return null
    const isProduction = PRODUCTION_CODES.has(error.code)
    return this.#place(isProduction ? 'production' : 'processing', node.nodeName)
  }

  #place(reason: DropReason, node: string): FailurePlace {
    const { topic = null, partition = null, offset = null } = this.#options.metadata() ?? {}
    const task = this.#options.taskId
    return { reason, task, node, topic, partition, offset, windowStart: null, windowEnd: null }
  }

  #send(choice: ErrorChoice, place: FailurePlace, timestamp: number, error: unknown): void {
    if (typeof choice === 'string') return
    const { output, topics, metrics } = this.#options
    const target = topics.resolve(choice.deadLetterTopic)
    const source = this.#options.source()
    writeDeadLetter(output, target, { source, timestamp, place, error })
    metrics.recordsProduced++
  }
}

function windowOf(
  start: number | undefined,
  end: number | undefined,
): Pick<FailurePlace, 'windowStart' | 'windowEnd'> {
  return { windowStart: start ?? null, windowEnd: end ?? null }
}

/** The error as it was thrown, without what was put around it on the way. */
function thrownOf(error: unknown): unknown {
  return error instanceof StreamsError && error.cause !== undefined ? thrownOf(error.cause) : error
}

function bytesOf({ bytes }: QueuedRecord, start: number, end: number): Uint8Array | null {
  return start < 0 ? null : bytes.subarray(start, end)
}
