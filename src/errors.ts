/**
 * Operating errors: what can go wrong while a correct program runs.
 *
 * Misuse of the API is a `TypeError` or `RangeError` at build time; a broken invariant is an
 * `AssertionError`. Everything else that reaches a user is a `StreamsError` whose `code` is listed
 * in `docs/errors.md` with cause and remedy (a test compares the two lists).
 */
export const ERROR_CODES = [
  // log and storage
  'log-locked',
  'log-corrupt-batch',
  'log-offset-out-of-range',
  'log-storage-failed',
  'log-closed',
  'record-batch-invalid',
  'record-too-large',
  'compression-unsupported',
  // broker
  'topic-not-found',
  'topic-already-exists',
  'topic-name-invalid',
  'topic-config-invalid',
  'partition-not-found',
  'producer-fenced',
  'producer-sequence-invalid',
  'producer-unknown',
  'transaction-state-invalid',
  'transaction-aborted',
  'group-generation-stale',
  'group-protocol-invalid',
  'group-not-empty',
  'request-timed-out',
  // cluster
  'cluster-unavailable',
  'cluster-authentication-failed',
  'cluster-authorization-failed',
  'cluster-refused',
  'protocol-message-invalid',
  'protocol-version-unsupported',
  // state
  'state-locked',
  'state-corrupt',
  'state-storage-failed',
  'state-incompatible',
  'restore-failed',
  // topology and runtime
  'topology-invalid',
  'partition-count-mismatch',
  'source-topic-missing',
  'deserialization-failed',
  'serialization-failed',
  'processing-failed',
  'handler-failed',
  'production-failed',
  'timestamp-invalid',
  'suppress-buffer-full',
  'streams-state-invalid',
  // edges
  'observable-buffer-full',
] as const

/** A code of `docs/errors.md`. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Where an operating error happened; every field that is known is filled in. */
export interface ErrorPlace {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  readonly task?: string
  readonly node?: string
  readonly store?: string
  readonly file?: string
  readonly position?: number
  readonly transactionalId?: string
  readonly group?: string
}

/** What an operating error knows besides its code and message. */
export interface StreamsErrorOptions {
  readonly cause?: unknown
  readonly place?: ErrorPlace
  /** True when the same call may succeed later without a change by the user. Default false. */
  readonly retriable?: boolean
}

/**
 * An operating error with a code from a closed list, its place, and whether a retry may help.
 *
 * @see docs/errors.md for every code with cause and remedy
 */
export class StreamsError extends Error {
  override readonly name = 'StreamsError'
  readonly code: ErrorCode
  readonly place: ErrorPlace
  readonly retriable: boolean

  constructor(code: ErrorCode, message: string, options: StreamsErrorOptions = {}) {
    const place = options.place ?? {}
    const where = Object.entries(place)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')
    super(where === '' ? message : `${message} (${where})`, { cause: options.cause })
    this.code = code
    this.place = place
    this.retriable = options.retriable ?? false
  }
}
