/**
 * The public face of millrace: what a program imports. Re-exports only.
 */
export type {
  AbortedTransaction,
  ClientError,
  ErrorKind,
  FetchedOffset,
  FetchedPartition,
  Fetcher,
  FetchItem,
  FetchOptions,
  GroupIdentity,
  GroupMember,
  GroupMembership,
  GroupOptions as MembershipOptions,
  Isolation,
  ListedOffset,
  LogAdmin,
  LogClient,
  LogTransactions,
  MemberAssignment,
  NewTopic,
  OffsetItem,
  OffsetResult,
  OffsetSpec,
  PartitionDescription,
  ProduceItem,
  ProduceResult,
  ProducerIdentity,
  TopicDescription,
  TopicPartition,
  TopicResult,
} from './client/client.ts'
export { Consumer } from './client/consumer.ts'
export type {
  ConsumerBatch,
  ConsumerOptions,
  ConsumerRecord,
  SeekTo,
} from './client/consumer-options.ts'
export {
  EmbeddedLog,
  type EmbeddedOptions,
  embedded,
  type FlushPolicy,
} from './client/embedded.ts'
export {
  type KafkaCounts,
  KafkaLog,
  type KafkaOptions,
  kafka,
  type SaslOptions,
  type TlsOptions,
} from './client/kafka.ts'
export type { Log } from './client/log.ts'
export type { Partitioner as ProducerPartitioner } from './client/partitioner.ts'
export { Producer } from './client/producer.ts'
export type {
  OffsetToCommit,
  ProducerOptions,
  ProducerRecord,
  ProducerTransaction,
} from './client/producer-options.ts'
export { type Clock, systemClock } from './clock.ts'
export type { AggregationOptions, WindowAggregationOptions } from './dsl/aggregation.ts'
export type { AsyncOptions, AsyncRetry } from './dsl/async-step.ts'
export type { BranchPredicate } from './dsl/branches.ts'
export {
  CogroupedKStream,
  type GroupedInput,
  SessionWindowedCogroupedKStream,
  TimeWindowedCogroupedKStream,
} from './dsl/cogroup.ts'
export type { ForeignKeyJoinOptions, ForeignKeyOptions } from './dsl/foreign-key-join.ts'
export {
  type GlobalJoinOptions,
  GlobalKTable,
  type GlobalTableOptions,
} from './dsl/global-k-table.ts'
export type { TableJoinOptions, WindowJoinOptions } from './dsl/joins.ts'
export { KGroupedStream } from './dsl/k-grouped-stream.ts'
export { KGroupedTable } from './dsl/k-grouped-table.ts'
export { KStream } from './dsl/k-stream.ts'
export { type FilterOptions, KTable, type NameOptions } from './dsl/k-table.ts'
export type {
  CreateProcessor,
  MakerSource,
  ProcessOptions,
  ProcessorSource,
} from './dsl/process.ts'
export type { StreamTraits, TableTraits } from './dsl/serde-options.ts'
export { type SessionMergeOption, SessionWindowedKStream } from './dsl/session-windowed-k-stream.ts'
export type {
  BoundedStoreOption,
  StoreOptions,
  WindowStoreOptions,
} from './dsl/store-options.ts'
export {
  keyValueStore,
  type ProcessorKeyValueStoreOptions,
  type ProcessorSessionStoreOptions,
  type ProcessorStoreOptions,
  type ProcessorWindowStoreOptions,
  sessionStore,
  windowStore,
} from './dsl/stores.ts'
export type {
  GroupOptions,
  RepartitionOptions,
  SinkOptions,
  SplitOptions,
  ToTableOptions,
} from './dsl/stream-options.ts'
export {
  type BuilderOptions,
  type SourceOptions,
  StreamsBuilder,
  type TableOptions,
} from './dsl/streams-builder.ts'
export {
  type SuppressBounds,
  type Suppressed,
  type SuppressOptions,
  type UntilTimeLimit,
  type UntilWindowCloses,
  untilTimeLimit,
  untilWindowCloses,
} from './dsl/suppressed.ts'
export type { RowTransformerSource, TransformOptions } from './dsl/table-transform.ts'
export type { TableStepOptions } from './dsl/table-verbs.ts'
export { TimeWindowedKStream } from './dsl/time-windowed-k-stream.ts'
export {
  type ProcessorVersionedStoreOptions,
  type TableStoreOptions,
  versionedStore,
} from './dsl/versioned.ts'
export {
  type AlignedWindows,
  type CustomWindows,
  type CustomWindowsOptions,
  customWindows,
  type HoppingOptions,
  hopping,
  type SessionWindows,
  type SlidingWindows,
  session,
  sliding,
  type TimeWindows,
  type TumblingOptions,
  tumbling,
  type UnlimitedOptions,
  unlimited,
  type Window,
} from './dsl/windows.ts'
export type { Duration } from './duration.ts'
export {
  type ErrorCode,
  type ErrorPlace,
  StreamsError,
  type StreamsErrorOptions,
} from './errors.ts'
export { type AsyncAttempt, AsyncTimeoutError } from './operators/async-call.ts'
export type { Emission } from './operators/emission.ts'
export type { RowTransformer, RowTransformerContext } from './operators/table-transform.ts'
export type { ByteWriter } from './record/byte-writer.ts'
export type { Compression } from './record/compression.ts'
export type {
  PromiseOrValue,
  RecordHeader,
  RecordHeaders,
  StreamRecord,
} from './record/record.ts'
export type { Serde } from './record/serde.ts'
export {
  bigint64,
  boolean,
  bytes,
  type CustomSerde,
  custom,
  float32,
  float64,
  int32,
  int64,
  json,
  nullable,
  sessionWindowed,
  text,
  windowed,
} from './record/serdes.ts'
export type { Windowed } from './record/windowed.ts'
export {
  type DeadLetter,
  type DropHandler,
  deadLetter,
  type ErrorChoice,
  type ErrorHandler,
  type FailurePlace,
  type HandlerOptions,
} from './runtime/handlers.ts'
export type { DroppedRecords, StreamsMetrics } from './runtime/metrics.ts'
export type { Guarantee, StreamsOptions } from './runtime/options.ts'
export type { ComparedState, StateComparison } from './runtime/state-comparison.ts'
export { Streams, type StreamsState } from './runtime/streams.ts'
export type {
  ChangedRow,
  KeyRange,
  KeyValueStore,
  Row,
  Session,
  SessionStore,
  SessionStoreEntry,
  StateStore,
  StorageKind,
  StoreDefinition,
  StoreEntry,
  StoreTimes,
  TypedStore,
  VersionedPut,
  VersionedRow,
  VersionedStore,
  VisitWindow,
  WindowStore,
  WindowStoreEntry,
} from './state/store.ts'
export type {
  DropReason,
  ObservedTime,
  Processor,
  ProcessorContext,
  PunctuationType,
  Punctuator,
  RecordContext,
  RecordMetadata,
  Resume,
} from './topology/processor.ts'
export {
  recordTime,
  recordTimeOrPartitionTime,
  recordTimeOrSkip,
  wallClockTime,
} from './topology/timestamps.ts'
export type {
  ConsumedRecord,
  DescribeFormat,
  OffsetReset,
  Partitioner,
  TimestampExtractor,
  Topology,
} from './topology/topology.ts'
