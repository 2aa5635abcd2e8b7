/**
 * The contract between the runtime and what a node does, for operators of ours and processors of
 * users alike.
 *
 * Journey: the task calls `process` of a source's children; each forwards to its own children,
 * depth first, record by record. A call that can finish now returns nothing; one that has to wait
 * returns a promise, and the task waits for it before the next record. So order within a partition
 * is what it would be if everything were synchronous.
 */
import type { Clock } from '../clock.ts'
import type { Duration } from '../duration.ts'
import type { ByteRange, PromiseOrValue, RecordHeaders, StreamRecord } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { StateStore, TypedStore } from '../state/store.ts'

/** Why a record was left out of the result; counted per reason and operator. */
export type DropReason =
  | 'null-key'
  | 'null-value'
  | 'late'
  | 'invalid-timestamp'
  | 'deserialization'
  | 'processing'
  | 'production'
  | 'stale'
  | 'no-partition'

/** Where a record was read. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/**
 * What a function of a verb can ask of the record it is called for, besides key and value; the last
 * argument of each. Valid during the call: take out of it what is to be kept.
 *
 * @see org.apache.kafka.streams.processor.RecordContext
 */
export interface RecordContext {
  /** Event time, milliseconds since the epoch. */
  readonly timestamp: number
  readonly headers: RecordHeaders
  /** Where the record was read; null for what a punctuation or a commit sent on. */
  readonly metadata: RecordMetadata | null
}

/**
 * Stream time of one operator: the largest timestamp it has seen, -1 before the first. It is
 * committed with the task's offsets and comes back at restart, so that what is late does not
 * depend on when a process was stopped.
 */
export interface ObservedTime {
  max: number
  /** True when what this time has passed was sent: it must come back as it was, before others. */
  closes?: boolean
}

/** Which time a punctuation follows. */
export type PunctuationType = 'stream-time' | 'wall-clock'

/** What a schedule calls: with the stream time, or the wall-clock time, of that moment. */
export type Punctuator = (timestamp: number) => PromiseOrValue<void>

/** Goes on with a record that was put aside; what `work` forwards is processed to the end. */
export type Resume = (work: () => PromiseOrValue<void>) => PromiseOrValue<void>

/** What a processor sees of the task it runs in. */
export interface ProcessorContext<K, V> {
  readonly applicationId: string
  /** `<sub-topology>_<partition>`, for example `0_3`. */
  readonly taskId: string
  readonly partition: number
  readonly nodeName: string
  /**
   * True when something below may change or keep a value it is handed: a user's function, a store.
   * A node that keeps the value itself then hands on a copy. Known from `init` on.
   */
  readonly valuesEscape: boolean
  /** Hands a record to every child in declaration order, or to the named one. */
  forward(record: StreamRecord<K, V>, child?: string): PromiseOrValue<void>
  /** A store this node was connected to, by its name or its definition. */
  store<S extends StateStore>(store: string | TypedStore<S>): S
  /**
   * The bytes that the value being processed was read from, for a node that sees a source's values
   * untouched; null when it does not, or when they were read with another serde. Valid until the
   * call returns: a store copies them instead of serialising the value again.
   */
  valueBytes(serde: Serde<unknown>): ByteRange | null
  /**
   * Counts a record that is left out, and reports it; with start and end of the window that it is
   * left out of, where there is one.
   */
  drop(
    reason: DropReason,
    record: StreamRecord<unknown, unknown>,
    windowStart?: number,
    windowEnd?: number,
  ): void
  /** The largest timestamp this task has processed, -1 before the first. */
  streamTime(): number
  /** The operator's own stream time; nodes that pass the same name share one. Default: the node's name. */
  observedTime(name?: string): ObservedTime
  /** Wall-clock time of the task's clock. */
  now(): number
  /** Where the record being processed came from; null outside of `process`. */
  metadata(): RecordMetadata | null
  /**
   * Calls a function again and again, between records, until the returned function is called.
   *
   * `'stream-time'` follows the task's stream time: first when it is known, then whenever it has
   * reached the next multiple of the interval. `'wall-clock'` follows the clock: first an interval
   * from now. However many intervals have passed, it is called once, and next at the following
   * multiple. The times of schedules made in `init` are committed and go on after a restart.
   *
   * Records forwarded from it belong to the commit as any other.
   *
   * @see org.apache.kafka.streams.processor.api.ProcessingContext#schedule
   */
  schedule(interval: Duration, type: PunctuationType, callback: Punctuator): () => void
  /** Asks for a commit as soon as the records at hand are processed. */
  requestCommit(): void
  /**
   * Puts aside the record being processed, to go on with it when something outside has answered.
   *
   * The returned function is called once, from within a later `process` or `flush` of the same
   * processor, and its promise is waited for there. Metadata and the place of an error are then
   * those of the record put aside. Whoever puts records aside goes on with all of them in `flush`:
   * the commit that follows covers them.
   */
  suspend(record: StreamRecord<unknown, unknown>): Resume
  /** The task's clock, for timers. */
  readonly clock: Clock
}

/**
 * What a node does with a record.
 *
 * The optional hooks are for operators over stores: `prefetch` loads what a batch will touch,
 * `timeMoved` closes windows, `flush` emits what was held back until commit.
 */
export interface Processor<KIn = unknown, VIn = unknown, KOut = unknown, VOut = unknown> {
  /** True when it neither changes nor keeps a value: it passes it on, or writes its bytes. */
  readonly passesOn?: boolean
  /** Called once, before the first record. */
  init?(context: ProcessorContext<KOut, VOut>): void
  /** Handles a record; the next one waits for a promise. */
  process(record: StreamRecord<KIn, VIn>): PromiseOrValue<void>
  /**
   * Called before a batch of records is processed, for nodes that see the source's records with
   * their keys unchanged: ask the stores for everything they will read, in one call.
   */
  prefetch?(records: readonly StreamRecord<KIn, VIn>[]): PromiseOrValue<void>
  /**
   * Called when the observed time moved other than by a record that reached this node: windows may
   * have closed. Only in aligned time.
   */
  timeMoved?(): PromiseOrValue<void>
  /**
   * The lowest timestamp among the records it has put aside, Infinity without one: aligned time does
   * not pass it, so that what is made of them is not late.
   */
  heldTime?(): number
  /** Called at commit, in topological order: forward what `emit: 'commit'` holds back. */
  flush?(): PromiseOrValue<void>
  /** Called when the task closes. */
  close?(): void
}

/** An update of a table: the row before and after, null when absent. */
export interface Change<V> {
  readonly before: V | null
  readonly after: V | null
  /** True when the row of a versioned table changed in the past only: `after` is not the latest. */
  readonly outOfOrder?: boolean
}
