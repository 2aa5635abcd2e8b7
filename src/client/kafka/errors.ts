/**
 * Kafka's errors, classified: how this client answers each, and what a person is told.
 *
 * Journey: response -> [error] -> retried here, or handed to the caller as a `ClientError`.
 *
 * Invariant: every error of the protocol stands in the one table below; one that a newer broker
 * invents counts as UNKNOWN_SERVER_ERROR.
 */
import { type ErrorCode, type ErrorPlace, StreamsError } from '../../errors.ts'
import { errorName, type KafkaErrorName } from '../../protocol/error-codes.ts'
import type { ClientError, ErrorKind } from '../client.ts'

/**
 * The kinds of `ErrorKind`, and two that this client answers by itself: `metadata` asks who leads
 * the partition before it tries again, `coordinator` who coordinates the group or transaction.
 */
export type Reaction = ErrorKind | 'metadata' | 'coordinator'

type Answer = readonly [Reaction, ErrorCode]

const REFUSED: Answer = ['fatal', 'cluster-refused']
const UNAVAILABLE: Answer = ['retry', 'cluster-unavailable']
const ELSEWHERE: Answer = ['metadata', 'cluster-unavailable']
const COORDINATED_ELSEWHERE: Answer = ['coordinator', 'cluster-unavailable']
const UNAUTHENTICATED: Answer = ['fatal', 'cluster-authentication-failed']
const UNAUTHORIZED: Answer = ['fatal', 'cluster-authorization-failed']
const BAD_CONFIG: Answer = ['fatal', 'topic-config-invalid']
const OUT_OF_GROUP: Answer = ['lost', 'group-generation-stale']
const FENCED: Answer = ['fenced', 'producer-fenced']

/** Order and grouping are those of the numbers in `protocol/error-codes.ts`. */
const ANSWERS: Readonly<Record<KafkaErrorName, Answer>> = {
  UNKNOWN_SERVER_ERROR: REFUSED,
  NONE: REFUSED,
  OFFSET_OUT_OF_RANGE: ['fatal', 'log-offset-out-of-range'],
  CORRUPT_MESSAGE: ['fatal', 'log-corrupt-batch'],
  // Just created or just deleted: the callers wait a little for the first (UNKNOWN_TOPIC_PATIENCE_MS).
  UNKNOWN_TOPIC_OR_PARTITION: ['metadata', 'topic-not-found'],
  INVALID_FETCH_SIZE: REFUSED,
  LEADER_NOT_AVAILABLE: ELSEWHERE,
  NOT_LEADER_OR_FOLLOWER: ELSEWHERE,
  REQUEST_TIMED_OUT: ['retry', 'request-timed-out'],
  BROKER_NOT_AVAILABLE: ELSEWHERE,
  REPLICA_NOT_AVAILABLE: ELSEWHERE,
  MESSAGE_TOO_LARGE: ['fatal', 'record-too-large'],
  STALE_CONTROLLER_EPOCH: ELSEWHERE,
  OFFSET_METADATA_TOO_LARGE: ['fatal', 'record-too-large'],
  NETWORK_EXCEPTION: ELSEWHERE,
  COORDINATOR_LOAD_IN_PROGRESS: UNAVAILABLE,
  COORDINATOR_NOT_AVAILABLE: COORDINATED_ELSEWHERE,
  NOT_COORDINATOR: COORDINATED_ELSEWHERE,
  INVALID_TOPIC_EXCEPTION: ['fatal', 'topic-name-invalid'],
  RECORD_LIST_TOO_LARGE: ['fatal', 'record-too-large'],
  NOT_ENOUGH_REPLICAS: UNAVAILABLE,
  // The batch is written; sent again it is recognised by its sequence number.
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: UNAVAILABLE,
  INVALID_REQUIRED_ACKS: REFUSED,
  ILLEGAL_GENERATION: OUT_OF_GROUP,
  INCONSISTENT_GROUP_PROTOCOL: ['fatal', 'group-protocol-invalid'],
  INVALID_GROUP_ID: ['fatal', 'group-protocol-invalid'],
  UNKNOWN_MEMBER_ID: OUT_OF_GROUP,
  INVALID_SESSION_TIMEOUT: ['fatal', 'group-protocol-invalid'],
  REBALANCE_IN_PROGRESS: ['rebalance', 'group-generation-stale'],
  INVALID_COMMIT_OFFSET_SIZE: ['fatal', 'record-too-large'],
  TOPIC_AUTHORIZATION_FAILED: UNAUTHORIZED,
  GROUP_AUTHORIZATION_FAILED: UNAUTHORIZED,
  CLUSTER_AUTHORIZATION_FAILED: UNAUTHORIZED,
  INVALID_TIMESTAMP: ['fatal', 'timestamp-invalid'],
  UNSUPPORTED_SASL_MECHANISM: UNAUTHENTICATED,
  ILLEGAL_SASL_STATE: UNAUTHENTICATED,
  UNSUPPORTED_VERSION: ['fatal', 'protocol-version-unsupported'],
  TOPIC_ALREADY_EXISTS: ['fatal', 'topic-already-exists'],
  INVALID_PARTITIONS: BAD_CONFIG,
  INVALID_REPLICATION_FACTOR: BAD_CONFIG,
  INVALID_REPLICA_ASSIGNMENT: BAD_CONFIG,
  INVALID_CONFIG: BAD_CONFIG,
  NOT_CONTROLLER: ELSEWHERE,
  INVALID_REQUEST: REFUSED,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: ['fatal', 'record-batch-invalid'],
  POLICY_VIOLATION: BAD_CONFIG,
  OUT_OF_ORDER_SEQUENCE_NUMBER: ['abortable', 'producer-sequence-invalid'],
  // Only seen by who asks; a produce call takes it as written (see `produce.ts`).
  DUPLICATE_SEQUENCE_NUMBER: ['abortable', 'producer-sequence-invalid'],
  INVALID_PRODUCER_EPOCH: FENCED,
  INVALID_TXN_STATE: ['abortable', 'transaction-state-invalid'],
  INVALID_PRODUCER_ID_MAPPING: ['fatal', 'producer-unknown'],
  INVALID_TRANSACTION_TIMEOUT: ['fatal', 'transaction-state-invalid'],
  CONCURRENT_TRANSACTIONS: ['concurrent', 'transaction-state-invalid'],
  TRANSACTION_COORDINATOR_FENCED: COORDINATED_ELSEWHERE,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: UNAUTHORIZED,
  SECURITY_DISABLED: UNAUTHORIZED,
  OPERATION_NOT_ATTEMPTED: UNAVAILABLE,
  KAFKA_STORAGE_ERROR: ELSEWHERE,
  LOG_DIR_NOT_FOUND: REFUSED,
  SASL_AUTHENTICATION_FAILED: UNAUTHENTICATED,
  UNKNOWN_PRODUCER_ID: ['abortable', 'producer-unknown'],
  REASSIGNMENT_IN_PROGRESS: UNAVAILABLE,
  DELEGATION_TOKEN_AUTH_DISABLED: UNAUTHENTICATED,
  DELEGATION_TOKEN_NOT_FOUND: UNAUTHENTICATED,
  DELEGATION_TOKEN_OWNER_MISMATCH: UNAUTHENTICATED,
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: UNAUTHENTICATED,
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: UNAUTHORIZED,
  DELEGATION_TOKEN_EXPIRED: UNAUTHENTICATED,
  INVALID_PRINCIPAL_TYPE: UNAUTHENTICATED,
  NON_EMPTY_GROUP: ['fatal', 'group-not-empty'],
  GROUP_ID_NOT_FOUND: OUT_OF_GROUP,
  FETCH_SESSION_ID_NOT_FOUND: UNAVAILABLE,
  INVALID_FETCH_SESSION_EPOCH: UNAVAILABLE,
  LISTENER_NOT_FOUND: ELSEWHERE,
  TOPIC_DELETION_DISABLED: REFUSED,
  FENCED_LEADER_EPOCH: ELSEWHERE,
  UNKNOWN_LEADER_EPOCH: ELSEWHERE,
  UNSUPPORTED_COMPRESSION_TYPE: ['fatal', 'compression-unsupported'],
  STALE_BROKER_EPOCH: ELSEWHERE,
  OFFSET_NOT_AVAILABLE: UNAVAILABLE,
  MEMBER_ID_REQUIRED: OUT_OF_GROUP,
  PREFERRED_LEADER_NOT_AVAILABLE: ELSEWHERE,
  GROUP_MAX_SIZE_REACHED: ['fatal', 'group-protocol-invalid'],
  FENCED_INSTANCE_ID: ['fenced', 'group-generation-stale'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: ELSEWHERE,
  ELECTION_NOT_NEEDED: REFUSED,
  NO_REASSIGNMENT_IN_PROGRESS: REFUSED,
  GROUP_SUBSCRIBED_TO_TOPIC: ['fatal', 'group-not-empty'],
  INVALID_RECORD: ['fatal', 'record-batch-invalid'],
  UNSTABLE_OFFSET_COMMIT: ['unstable', 'transaction-state-invalid'],
  THROTTLING_QUOTA_EXCEEDED: UNAVAILABLE,
  PRODUCER_FENCED: FENCED,
  RESOURCE_NOT_FOUND: REFUSED,
  DUPLICATE_RESOURCE: REFUSED,
  UNACCEPTABLE_CREDENTIAL: UNAUTHENTICATED,
  INCONSISTENT_VOTER_SET: REFUSED,
  INVALID_UPDATE_VERSION: REFUSED,
  FEATURE_UPDATE_FAILED: REFUSED,
  PRINCIPAL_DESERIALIZATION_FAILURE: UNAUTHENTICATED,
  SNAPSHOT_NOT_FOUND: REFUSED,
  POSITION_OUT_OF_RANGE: REFUSED,
  UNKNOWN_TOPIC_ID: ['metadata', 'topic-not-found'],
  DUPLICATE_BROKER_REGISTRATION: REFUSED,
  BROKER_ID_NOT_REGISTERED: REFUSED,
  INCONSISTENT_TOPIC_ID: ELSEWHERE,
  INCONSISTENT_CLUSTER_ID: REFUSED,
  TRANSACTIONAL_ID_NOT_FOUND: ['fatal', 'producer-unknown'],
  FETCH_SESSION_TOPIC_ID_ERROR: ELSEWHERE,
  INELIGIBLE_REPLICA: REFUSED,
  NEW_LEADER_ELECTED: ELSEWHERE,
  OFFSET_MOVED_TO_TIERED_STORAGE: ['fatal', 'log-offset-out-of-range'],
  FENCED_MEMBER_EPOCH: OUT_OF_GROUP,
  UNRELEASED_INSTANCE_ID: ['retry', 'group-generation-stale'],
  UNSUPPORTED_ASSIGNOR: ['fatal', 'group-protocol-invalid'],
  STALE_MEMBER_EPOCH: ['rebalance', 'group-generation-stale'],
  MISMATCHED_ENDPOINT_TYPE: REFUSED,
  UNSUPPORTED_ENDPOINT_TYPE: REFUSED,
  UNKNOWN_CONTROLLER_ID: ELSEWHERE,
  UNKNOWN_SUBSCRIPTION_ID: REFUSED,
  TELEMETRY_TOO_LARGE: REFUSED,
  INVALID_REGISTRATION: REFUSED,
  TRANSACTION_ABORTABLE: ['abortable', 'transaction-aborted'],
  INVALID_RECORD_STATE: REFUSED,
  SHARE_SESSION_NOT_FOUND: REFUSED,
  INVALID_SHARE_SESSION_EPOCH: REFUSED,
  FENCED_STATE_EPOCH: REFUSED,
  INVALID_VOTER_KEY: REFUSED,
  DUPLICATE_VOTER: REFUSED,
  VOTER_NOT_FOUND: REFUSED,
  INVALID_REGULAR_EXPRESSION: REFUSED,
  REBOOTSTRAP_REQUIRED: ELSEWHERE,
  STREAMS_INVALID_TOPOLOGY: ['fatal', 'topology-invalid'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: ['fatal', 'topology-invalid'],
  STREAMS_TOPOLOGY_FENCED: ['fenced', 'topology-invalid'],
  SHARE_SESSION_LIMIT_REACHED: REFUSED,
}

/** An error of one partition or one call to a cluster. */
export class ClusterError extends StreamsError implements ClientError {
  readonly reaction: Reaction
  readonly kind: ErrorKind

  constructor(
    [reaction, code]: Answer,
    message: string,
    options: { readonly place?: ErrorPlace; readonly cause?: unknown } = {},
  ) {
    const kind = reaction === 'metadata' || reaction === 'coordinator' ? 'retry' : reaction
    super(code, message, { ...options, retriable: kind === 'retry' || kind === 'concurrent' })
    this.reaction = reaction
    this.kind = kind
  }

  /** The same error once nothing is tried any more. */
  final(message: string): ClusterError {
    return new ClusterError(['fatal', this.code], message, { place: this.place, cause: this })
  }
}

/** What a broker answered, as an error; `detail` is its own text where it sent one. */
export function errorOf(
  number: number,
  place: ErrorPlace = {},
  detail: string | null = null,
): ClusterError {
  const name = errorName(number)
  const known = name === 'UNKNOWN_SERVER_ERROR' && number !== -1 ? `error ${number}` : name
  const message = `The broker answered ${known}${detail === null ? '' : `: ${detail}`}`
  return new ClusterError(ANSWERS[name], message, { place })
}

/** No answer came: the connection could not be made or broke, or the time was over. */
export function unreachable(message: string, cause?: unknown): ClusterError {
  return new ClusterError(['metadata', 'cluster-unavailable'], message, { cause })
}

export function timedOut(message: string): ClusterError {
  return new ClusterError(['metadata', 'request-timed-out'], message)
}

export function unauthenticated(message: string, cause: unknown): ClusterError {
  return new ClusterError(UNAUTHENTICATED, message, { cause })
}

export function closedError(): ClusterError {
  return new ClusterError(['fatal', 'log-closed'], 'The log was closed; open it again')
}

/** What was thrown as an error with a reaction; a bug is thrown on. */
export function clusterErrorOf(error: unknown): ClusterError {
  if (error instanceof ClusterError) return error
  if (error instanceof StreamsError) {
    return new ClusterError(['fatal', error.code], error.message, {
      place: error.place,
      cause: error,
    })
  }
  throw error
}
