/**
 * Handlers: what becomes of a record that cannot be read, processed or written, and of one that is
 * left out.
 *
 * Journey: options -> [handlers] -> the task asks, in the order of the records, for each that fails.
 *
 * Invariants:
 * - What a handler chooses takes effect in the transaction of the record: a dead letter and the
 *   position after the record are committed together, or neither is.
 * - Only failures of a record's data and of users' functions are handled. A failure of the log, of
 *   the state or of this library is none, and ends the application.
 */
import { StreamsError } from '../errors.ts'
import type { StreamRecord } from '../record/record.ts'
import { checkName, show } from '../topology/names.ts'
import type { DropReason } from '../topology/processor.ts'

/** A choice of a handler: the record goes to this topic. Made by `deadLetter`. */
export interface DeadLetter {
  readonly deadLetterTopic: string
}

/** What may become of a record that fails: the application ends, or goes on without the record. */
export type ErrorChoice = 'fail' | 'skip' | DeadLetter

/** Where a record failed, or was left out. */
export interface FailurePlace {
  readonly reason: DropReason
  readonly task: string
  /** Name of the operator. */
  readonly node: string
  /** Where the record was read; null for what a punctuation or a commit sent on. */
  readonly topic: string | null
  readonly partition: number | null
  readonly offset: number | null
  /** The window that the record was too late for; null where there is none. */
  readonly windowStart: number | null
  readonly windowEnd: number | null
}

/**
 * What to do with a record that fails: a choice, or a function that sees the record as it reached
 * the operator (bytes when it cannot be read, null when a punctuation fails), the place and the
 * error as it was thrown, and chooses.
 *
 * @see org.apache.kafka.streams.errors.ProcessingExceptionHandler
 */
export type ErrorHandler =
  | ErrorChoice
  | ((
      record: StreamRecord<unknown, unknown> | null,
      place: FailurePlace,
      error: unknown,
    ) => ErrorChoice)

/** What to do with a record that is left out: count it and no more, or send it to a topic as well. */
export type DropHandler =
  | 'skip'
  | DeadLetter
  | ((record: StreamRecord<unknown, unknown>, place: FailurePlace) => 'skip' | DeadLetter)

/** Options of an application that say what becomes of records that fail or are left out. */
export interface HandlerOptions {
  /** A key or value that its serde cannot read. Default `'fail'`. */
  readonly onDeserializationError?: ErrorHandler
  /** A function of the program that throws. Default `'fail'`. */
  readonly onProcessingError?: ErrorHandler
  /** A key or value that its serde cannot write, or a record the topic does not take. Default `'fail'`. */
  readonly onProductionError?: ErrorHandler
  /**
   * A record that an operator leaves out: late, without a key or a value it needs, without a time.
   * It is counted in any case. Default `'skip'`.
   */
  readonly onDrop?: DropHandler
}

export type Handlers = Required<HandlerOptions>

export const HANDLER_OPTIONS = [
  'onDeserializationError',
  'onProcessingError',
  'onProductionError',
  'onDrop',
] as const

/**
 * Sends a record that fails to a topic, as the bytes it was read as, with headers that say why and
 * where: `__streams.errors.` and `reason`, `operator`, `task`, `exception`, `message`, `topic`,
 * `partition`, `offset`, `timestamp`, `window.start`, `window.end`.
 *
 * A topic that an option names is created when it is not there; one that a function chooses has to
 * exist.
 *
 * @example
 * ```ts
 * new Streams(topology, {
 *   applicationId: 'web-stats',
 *   log,
 *   onDeserializationError: deadLetter('unreadable'),
 *   onProcessingError: (_record, _place, error) => (error instanceof RangeError ? 'skip' : 'fail'),
 *   onDrop: (_record, { reason }) => (reason === 'late' ? deadLetter('late') : 'skip'),
 * })
 * ```
 * @see KIP-1034
 */
export function deadLetter(topic: string): DeadLetter {
  return Object.freeze({ deadLetterTopic: checkName(topic, 'topic of deadLetter(...)') })
}

/** @throws TypeError naming the option and what to write */
export function checkHandlers(options: HandlerOptions): Handlers {
  const { onDrop = 'skip' } = options
  for (const name of HANDLER_OPTIONS) {
    const value: unknown = options[name]
    const isChoice = isDeadLetter(value) || value === 'skip' || value === 'fail'
    if (value === undefined || typeof value === 'function') continue
    if (isChoice && !(name === 'onDrop' && value === 'fail')) continue
    const choices = name === 'onDrop' ? "'skip'" : "'fail', 'skip'"
    throw new TypeError(
      `${name} is ${show(value)}; write ${choices}, deadLetter('topic') or a function that returns one`,
    )
  }
  return {
    onDeserializationError: options.onDeserializationError ?? 'fail',
    onProcessingError: options.onProcessingError ?? 'fail',
    onProductionError: options.onProductionError ?? 'fail',
    onDrop,
  }
}

/** The dead-letter topics that the options name. */
export function deadLetterTopics(handlers: Handlers): string[] {
  const topics = HANDLER_OPTIONS.flatMap((name) => {
    const handler = handlers[name]
    return isDeadLetter(handler) ? [handler.deadLetterTopic] : []
  })
  return [...new Set(topics)]
}

/** Asks a handler. A function that fails, or answers something else, ends the application. */
export function choose(
  option: (typeof HANDLER_OPTIONS)[number],
  handler: ErrorHandler | DropHandler,
  failure: {
    readonly record: StreamRecord<unknown, unknown> | null
    readonly place: FailurePlace
    readonly error: unknown
  },
): ErrorChoice {
  if (typeof handler !== 'function') return handler
  const { record, place, error } = failure
  let choice: unknown
  try {
    choice = (handler as Exclude<ErrorHandler, ErrorChoice>)(record, place, error)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw handlerFailed(`${option} failed: ${reason}`, place, cause)
  }
  if (choice === 'skip' || isDeadLetter(choice)) return choice
  if (choice === 'fail' && option !== 'onDrop') return choice
  throw handlerFailed(`${option} returned ${show(choice)}, which is no choice`, place, error)
}

function handlerFailed(message: string, place: FailurePlace, cause: unknown): StreamsError {
  const { task, node, topic, partition, offset } = place
  const where = topic === null ? {} : { topic, partition: partition ?? -1, offset: offset ?? -1 }
  return new StreamsError('handler-failed', message, { cause, place: { ...where, task, node } })
}

function isDeadLetter(value: unknown): value is DeadLetter {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<DeadLetter>).deadLetterTopic === 'string'
  )
}
