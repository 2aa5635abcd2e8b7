/**
 * What the broker refuses, and why: one reason per Kafka error that this broker can answer.
 *
 * The reason is the precise word (the wire server maps it to Kafka's number), the code is what
 * `docs/errors.md` explains to a person, the kind is how a client answers it.
 *
 * Invariant: every error that leaves the broker for one partition or one call is a `Refusal`.
 */
import { type ErrorCode, type ErrorPlace, StreamsError } from '../errors.ts'

/** How a caller answers; the meaning of each word is told in `client/client.ts`. */
export type RefusalKind =
  | 'retry'
  | 'concurrent'
  | 'unstable'
  | 'rebalance'
  | 'lost'
  | 'fenced'
  | 'abortable'
  | 'fatal'

export type RefusalReason =
  | 'unknown-topic-or-partition'
  | 'unknown-partition'
  | 'topic-already-exists'
  | 'invalid-topic'
  | 'invalid-config'
  | 'invalid-partitions'
  | 'offset-out-of-range'
  | 'corrupt-batch'
  | 'invalid-record'
  | 'record-too-large'
  | 'unsupported-compression'
  | 'invalid-timestamp'
  | 'out-of-order-sequence'
  | 'unknown-producer-id'
  | 'producer-fenced'
  | 'invalid-producer-id-mapping'
  | 'invalid-transaction-state'
  | 'invalid-transaction-timeout'
  | 'concurrent-transactions'
  | 'transaction-timed-out'
  | 'unstable-offset'
  | 'unknown-member'
  | 'illegal-generation'
  | 'fenced-instance'
  | 'rebalance-in-progress'
  | 'inconsistent-protocol'
  | 'group-not-empty'
  | 'request-timed-out'
  | 'storage-failed'
  | 'closed'

const REASONS: Readonly<Record<RefusalReason, readonly [ErrorCode, RefusalKind]>> = {
  'unknown-topic-or-partition': ['topic-not-found', 'fatal'],
  'unknown-partition': ['partition-not-found', 'fatal'],
  'topic-already-exists': ['topic-already-exists', 'fatal'],
  'invalid-topic': ['topic-name-invalid', 'fatal'],
  'invalid-config': ['topic-config-invalid', 'fatal'],
  'invalid-partitions': ['topic-config-invalid', 'fatal'],
  'offset-out-of-range': ['log-offset-out-of-range', 'fatal'],
  'corrupt-batch': ['log-corrupt-batch', 'fatal'],
  'invalid-record': ['record-batch-invalid', 'fatal'],
  'record-too-large': ['record-too-large', 'fatal'],
  'unsupported-compression': ['compression-unsupported', 'fatal'],
  'invalid-timestamp': ['timestamp-invalid', 'fatal'],
  'out-of-order-sequence': ['producer-sequence-invalid', 'abortable'],
  'unknown-producer-id': ['producer-unknown', 'abortable'],
  'producer-fenced': ['producer-fenced', 'fenced'],
  'invalid-producer-id-mapping': ['producer-unknown', 'fatal'],
  'invalid-transaction-state': ['transaction-state-invalid', 'abortable'],
  'invalid-transaction-timeout': ['transaction-state-invalid', 'fatal'],
  'concurrent-transactions': ['transaction-state-invalid', 'concurrent'],
  'transaction-timed-out': ['transaction-aborted', 'abortable'],
  'unstable-offset': ['transaction-state-invalid', 'unstable'],
  'unknown-member': ['group-generation-stale', 'lost'],
  'illegal-generation': ['group-generation-stale', 'lost'],
  'fenced-instance': ['group-generation-stale', 'lost'],
  'rebalance-in-progress': ['group-generation-stale', 'rebalance'],
  'inconsistent-protocol': ['group-protocol-invalid', 'fatal'],
  'group-not-empty': ['group-not-empty', 'fatal'],
  'request-timed-out': ['request-timed-out', 'retry'],
  'storage-failed': ['log-storage-failed', 'fatal'],
  closed: ['log-closed', 'fatal'],
}

/** An error answered to one partition or one call. */
export class Refusal extends StreamsError {
  readonly reason: RefusalReason
  readonly kind: RefusalKind

  constructor(reason: RefusalReason, message: string, place: ErrorPlace = {}, cause?: unknown) {
    const [code, kind] = REASONS[reason]
    super(code, message, { place, cause, retriable: kind === 'retry' || kind === 'concurrent' })
    this.reason = reason
    this.kind = kind
  }
}

const REASON_OF_CODE: Partial<Record<ErrorCode, RefusalReason>> = {
  'topic-not-found': 'unknown-topic-or-partition',
  'partition-not-found': 'unknown-partition',
  'log-offset-out-of-range': 'offset-out-of-range',
  'log-corrupt-batch': 'corrupt-batch',
  'record-batch-invalid': 'invalid-record',
  'record-too-large': 'record-too-large',
  'compression-unsupported': 'unsupported-compression',
  'timestamp-invalid': 'invalid-timestamp',
  'producer-sequence-invalid': 'out-of-order-sequence',
  'producer-unknown': 'unknown-producer-id',
  'producer-fenced': 'producer-fenced',
  'transaction-state-invalid': 'invalid-transaction-state',
  'log-closed': 'closed',
}

/** What the log threw, as a refusal; an error that is not an operating error is a bug and goes on. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof StreamsError) {
    const reason = REASON_OF_CODE[error.code] ?? 'storage-failed'
    return new Refusal(reason, error.message, {}, error)
  }
  if (error instanceof Error && 'syscall' in error) {
    return new Refusal(
      'storage-failed',
      `The log could not be written: ${error.message}`,
      {},
      error,
    )
  }
  throw error
}
