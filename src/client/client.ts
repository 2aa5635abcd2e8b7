/**
 * The waist: how a runtime reaches a log. `embedded.ts` implements it in process, `kafka.ts` on a
 * cluster; `test/contract/log-client.ts` runs over both.
 *
 * The unit of data is an encoded v2 record batch in both directions, so codec, read-committed
 * filter, sequence numbers and transactions are shared by every implementation.
 *
 * Rules for callers:
 * - Producer id, epoch and sequence are inside the batch and belong to the caller: on a retriable
 *   error send the same bytes again, in order, none past a failed one.
 * - Results come per partition, in the order asked, and never reject for one partition.
 * - A returned buffer belongs to the caller but may share memory with others: never write to it.
 */
import type { ErrorCode } from '../errors.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export type Isolation = 'read-uncommitted' | 'read-committed'

/**
 * How a caller answers an error. `retry`: the same call again; `concurrent`: the previous
 * transaction is still completing, again in a few ms; `unstable`: an open transaction holds the
 * offset, again in 20 ms; `rebalance`: commit, then rejoin; `lost`: the assignment is gone, do not
 * commit; `fenced`: a newer instance took over, stop; `abortable`: abort the transaction and go on;
 * `fatal`: stop.
 */
export type ErrorKind =
  | 'retry'
  | 'concurrent'
  | 'unstable'
  | 'rebalance'
  | 'lost'
  | 'fenced'
  | 'abortable'
  | 'fatal'

/** An error of one partition or one call: our code, how to answer it, and what to tell a person. */
export interface ClientError {
  readonly code: ErrorCode
  readonly kind: ErrorKind
  readonly message: string
}

export interface PartitionDescription {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
}

export interface TopicDescription {
  readonly topic: string
  readonly partitions: readonly PartitionDescription[]
}

export interface ProduceItem extends TopicPartition {
  /** Exactly one v2 batch. The client owns it from here on and may write offset and epoch into it. */
  readonly batch: Buffer
}

export interface ProduceResult extends TopicPartition {
  readonly error: ClientError | null
  readonly baseOffset: number
  /** The log's own time when the topic keeps append time, else -1. */
  readonly logAppendTime: number
}

export interface FetchItem extends TopicPartition {
  readonly offset: number
  readonly maxBytes: number
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface FetchedPartition extends TopicPartition {
  readonly error: ClientError | null
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** For read-committed: transactions in the range that were aborted, in any order. */
  readonly aborted: readonly AbortedTransaction[]
  /** Buffers of whole batches, in offset order; the last batch of the last one may be cut off. */
  readonly records: readonly Buffer[]
  /** True when the CRC of every batch was checked on its way here, in this process. */
  readonly isCrcChecked: boolean
}

export interface FetchOptions {
  /** How long to wait for `minBytes`; 0 answers at once. */
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolation: Isolation
}

/** A fetch lane: its own connections, one poll in flight. */
export interface Fetcher {
  /** What there is from those offsets on; waits for data as the options say. */
  poll(items: readonly FetchItem[], options: FetchOptions): Promise<readonly FetchedPartition[]>
  /** Frees a waiting poll at once; it resolves with what there is. */
  wakeup(): void
  /** Ends the lane; a waiting poll resolves. */
  close(): Promise<void>
}

export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

/** Who commits offsets. Generation -1 and empty member id: outside of group membership. */
export interface GroupIdentity {
  readonly groupId: string
  readonly generation: number
  readonly memberId: string
  readonly instanceId?: string
}

export interface OffsetItem extends TopicPartition {
  /** The next offset to read; -1 in an answer when there is none. */
  readonly offset: number
  readonly metadata: string
}

export interface OffsetResult extends TopicPartition {
  readonly error: ClientError | null
}

export interface FetchedOffset extends OffsetItem {
  readonly error: ClientError | null
}

/** `number`: the first offset whose record has that timestamp or a later one. */
export type OffsetSpec = 'earliest' | 'latest' | number

export interface ListedOffset extends TopicPartition {
  readonly error: ClientError | null
  /** -1 when no record is that late. */
  readonly offset: number
  readonly timestamp: number
}

export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  /** Copies of each partition. The included log keeps one whatever is asked. Default 1. */
  readonly replication?: number
  /** Kafka's topic configuration names, for example `cleanup.policy`. */
  readonly config?: Readonly<Record<string, string>>
}

export interface TopicResult {
  readonly topic: string
  readonly error: ClientError | null
}

export interface LogTransactions {
  /**
   * Fences and aborts what an earlier holder of the id left open. `null`: an idempotent producer
   * without transactions.
   * @throws StreamsError with the code of the failure
   */
  init(transactionalId: string | null, timeoutMs: number): Promise<ProducerIdentity>
  /** Makes partitions part of the transaction, before the first batch to them. */
  addPartitions(
    transactionalId: string,
    producer: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void>
  /** Offsets that become committed with the transaction. */
  commitOffsets(
    transactionalId: string,
    producer: ProducerIdentity,
    group: GroupIdentity,
    offsets: readonly OffsetItem[],
  ): Promise<void>
  /** Ends the transaction; the identity to go on with. Repeating the same decision is safe. */
  end(
    transactionalId: string,
    producer: ProducerIdentity,
    outcome: 'commit' | 'abort',
  ): Promise<ProducerIdentity>
}

export interface LogAdmin {
  /** Creates topics; one answer each. */
  createTopics(topics: readonly NewTopic[]): Promise<readonly TopicResult[]>
  /** Raises a topic's partition count to `count`. */
  createPartitions(topic: string, count: number): Promise<void>
  /** Deletes topics with their records; one answer each. */
  deleteTopics(topics: readonly string[]): Promise<readonly TopicResult[]>
  /** Deletes the records before an offset of each partition. */
  deleteRecords(
    items: readonly (TopicPartition & { readonly beforeOffset: number })[],
  ): Promise<void>
  /** A topic's configuration under Kafka's names, defaults included. */
  describeConfig(topic: string): Promise<Readonly<Record<string, string>>>
  /** Changes what is named; null returns a name to its default. */
  alterConfig(topic: string, config: Readonly<Record<string, string | null>>): Promise<void>
  /** Forgets a group without members, and its offsets. */
  deleteGroup(groupId: string): Promise<void>
}

export interface GroupMember {
  readonly memberId: string
  readonly instanceId?: string
  readonly topics: readonly string[]
  readonly userData: Uint8Array
}

export interface MemberAssignment {
  readonly memberId: string
  readonly partitions: readonly TopicPartition[]
  readonly userData: Uint8Array
}

/** How a member takes part in a group: what it tells, how the leader assigns, what it does at a change. */
export interface GroupOptions {
  readonly groupId: string
  readonly instanceId?: string
  /** Name of the assignment protocol; all members of a group must share one. */
  readonly protocol: string
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatMs: number
  /** Previous tasks, lags, endpoint; asked before each join. */
  subscriptionUserData(): Uint8Array
  /** Called on the leader only. */
  assign(members: readonly GroupMember[]): Promise<readonly MemberAssignment[]>
  /** Called with each new assignment; awaited before `onRevoke` or `onLost` can come. */
  onAssigned(assignment: {
    readonly partitions: readonly TopicPartition[]
    readonly userData: Uint8Array
    readonly identity: GroupIdentity
  }): Promise<void>
  /** Awaited before the member joins again; commits made here still count. */
  onRevoke(): Promise<void>
  /** The assignment is gone: nothing may be committed any more. */
  onLost(why: ClientError): void
}

/** A member of a group, from `start` to `leave`. */
export interface GroupMembership {
  /** Joins, and joins again after every change, until `leave`. */
  start(): void
  /** Asks for a new assignment, for example when topics changed. */
  rejoin(reason: string): void
  /** Gives the partitions up, so that others take them at once. */
  leave(): Promise<void>
  readonly identity: GroupIdentity
}

/** Access to one log, embedded or a cluster. */
export interface LogClient {
  /** Makes the log ready for calls; each `open` is answered by a `close`. */
  open(): Promise<void>
  /** Does not wait for long polls. */
  close(): Promise<void>
  /** Topics that exist among those asked; all but internal ones without an argument. */
  describeTopics(topics?: readonly string[]): Promise<readonly TopicDescription[]>
  /** Appends batches. Results stand in the order of the items, one each. */
  produce(
    items: readonly ProduceItem[],
    options: { readonly acks: 'all' | 'leader' | 'none'; readonly transactionalId?: string },
  ): Promise<readonly ProduceResult[]>
  /** A new fetch lane; `lane` names what it is for, so that lanes do not share connections. */
  fetcher(lane: string): Fetcher
  /** The offset of each partition's start, end, or first record at or after a time. */
  listOffsets(
    items: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    isolation: Isolation,
  ): Promise<readonly ListedOffset[]>
  /** Commits offsets of a group, outside of any transaction. */
  commitOffsets(
    group: GroupIdentity,
    offsets: readonly OffsetItem[],
  ): Promise<readonly OffsetResult[]>
  /**
   * The offsets a group has committed. With `requireStable`, one that an open transaction is about to
   * change answers with an error of kind `unstable`.
   */
  fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: { readonly requireStable: boolean },
  ): Promise<readonly FetchedOffset[]>
  /** A member of a group, not yet started. */
  group(options: GroupOptions): GroupMembership
  readonly transactions: LogTransactions
  readonly admin: LogAdmin
}
