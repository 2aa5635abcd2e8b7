/**
 * Task: one sub-topology for one partition number: its queues, its processors, its stores.
 *
 * Journey: stream thread -> [task]: choose the record with the lowest time, run it through the
 * nodes, depth first, to the end; then the next.
 *
 * Invariants:
 * - Records of a partition are processed in offset order, one at a time, also where a node waits.
 * - A record is taken from its queue only after it was processed; what is committed is what left.
 * - Among partitions the lowest head timestamp is next. A partition that is empty holds the others
 *   back while the log is known to have more of it, and as long as option `maxTaskIdle` says.
 */
import type { FetchedOffset, OffsetItem, TopicPartition } from '../client/client.ts'
import type { Clock } from '../clock.ts'
import type { PromiseOrValue } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { StateStore } from '../state/store.ts'
import type { TaskState } from '../state/task-state.ts'
import type { ObservedTime, Processor, RecordMetadata, Resume } from '../topology/processor.ts'
import type { SourceNode, SubTopology } from '../topology/topology.ts'
import type { AlignedTime } from './aligned-time.ts'
import type { ApplicationTopics } from './application-topics.ts'
import { decodeTaskTime, encodeTaskTime } from './commit-metadata.ts'
import type { Handlers } from './handlers.ts'
import type { Metrics } from './metrics.ts'
import { NextQueue } from './next-queue.ts'
import type { Output } from './output.ts'
import { isScheduleName, Punctuations, scheduleMs } from './punctuation.ts'
import { ReadAhead } from './read-ahead.ts'
import { type QueuedRecord, RecordQueue } from './record-queue.ts'
import { sink } from './sink.ts'
import { TaskFailures } from './task-failures.ts'
import { buildTaskGraph, type SourceEntry, type TaskGraph } from './task-graph.ts'
import { IDLING } from './task-idling.ts'
import type { TaskSurroundings } from './task-node.ts'
import { TaskStores } from './task-stores.ts'
import { encodeMark } from './time-mark.ts'

/** What a task is, before it runs. */
export interface TaskDescription {
  /** `<sub-topology>_<partition>`. */
  readonly id: string
  readonly partition: number
  readonly subTopology: SubTopology
}

export interface TaskOptions {
  readonly description: TaskDescription
  readonly applicationId: string
  readonly state: TaskState
  readonly topics: ApplicationTopics
  readonly output: Output
  readonly metrics: Metrics
  readonly clock: Clock
  /** Stores of all partitions, read by any task. */
  readonly globals?: { store(name: string): StateStore | undefined } | null
  readonly handlers: Handlers
  /** null: each operator has the largest time it saw, as in Kafka Streams. */
  readonly alignedTime: AlignedTime | null
  /** True to take records of equal timestamps in the order of Kafka Streams' heap. */
  readonly ordersLikeKafka?: boolean | undefined
  /** How long records wait for a partition that has none; -1: not even for what the log has. Default 0. */
  readonly maxTaskIdleMs?: number | undefined
}

/** A source partition of a task, with the offset the group has committed. */
export interface StartingPoint {
  readonly source: SourceNode
  readonly committed: FetchedOffset
  /** Where to start without a committed offset. */
  readonly fallback: number
  readonly endOffset: number
  readonly isInternal: boolean
}

/**
 * A task goes on for so many records before the next one is: the rows it touches are then found in
 * the processor's caches, which the next task's push out (word count: a sixth faster than with 256).
 */
const TURN_RECORDS = 2048
/** But not longer than this: commits and punctuations happen between turns. */
const TURN_MS = 10

/** The name under which the task's aligned time is committed; no operator can have it. */
export const ALIGNED_TIME = '@time'

export class Task {
  readonly id: string
  readonly partition: number
  readonly state: TaskState
  readonly stores: TaskStores
  queues: readonly RecordQueue[] = []

  readonly #options: TaskOptions
  readonly #graph: TaskGraph
  readonly #observed = new Map<string, ObservedTime>()
  /** What operators start with whose time did not fit into the metadata. */
  #observedAtLeast = -1
  #entries: readonly SourceEntry[] = []
  #readAheads: readonly ReadAhead[] = []
  #current: QueuedRecord | null = null
  #currentQueue: RecordQueue | null = null
  #streamTime = -1
  #committed: number[] = []
  readonly #punctuations = new Punctuations()
  #commitRequested = false
  readonly #failures: TaskFailures
  readonly #aligned: AlignedTime | null
  readonly #next: NextQueue
  /** Processors that do something when the task's time moved without a record of theirs. */
  #timed: readonly Processor[] = []
  /** Processors that put records aside. */
  #holding: readonly Processor[] = []

  constructor(options: TaskOptions) {
    this.#options = options
    this.#failures = new TaskFailures({
      ...options,
      taskId: options.description.id,
      source: () => this.#current,
      metadata: () => this.#metadata(),
    })
    this.#aligned = options.alignedTime
    const { clock, maxTaskIdleMs = 0, ordersLikeKafka = false } = options
    this.#next = new NextQueue({ clock, maxTaskIdleMs, ordersLikeKafka })
    this.id = options.description.id
    this.partition = options.description.partition
    this.state = options.state
    this.stores = new TaskStores(options)
    this.#graph = buildTaskGraph(
      options.description.subTopology,
      this.#surroundings(),
      (node, reuse) =>
        sink(node, {
          output: options.output,
          metrics: options.metrics,
          current: () => this.#current,
          metadata: () => this.#metadata(),
          resolveTopic: (topic) => options.topics.resolve(topic),
          drop: (reason, name, record) =>
            this.#failures.drop(reason, name, record, undefined, undefined),
          ...reuse,
        }),
    )
  }

  get #marksRepartitions(): boolean {
    const { topics, description } = this.#options
    return description.subTopology.sinkTopics.some((name) =>
      topics.ownsRepartition(topics.nameOf(name)),
    )
  }

  get streamTime(): number {
    return this.#streamTime
  }

  /** True when a processor has asked for a commit since the last one. */
  get commitRequested(): boolean {
    return this.#commitRequested
  }

  /** The wall-clock time at which the next punctuation is due; Infinity when there is none. */
  get nextWallClock(): number {
    return this.#punctuations.nextWallClock
  }

  /** The wall-clock time until which records wait for others; Infinity when none does. */
  get idlesUntil(): number {
    return this.#next.idlesUntil
  }

  /** Starts the processors and sets the queues to where the group has committed. */
  open(starts: readonly StartingPoint[]): void {
    const { metrics } = this.#options
    const times = starts.map(({ committed }) => decodeTaskTime(committed.metadata))
    this.#observedAtLeast = Math.max(-1, ...times.map(({ others }) => others))
    for (const time of times) {
      this.#streamTime = Math.max(this.#streamTime, time.partitionTime)
      for (const [name, max] of Object.entries(time.observed)) {
        if (name === ALIGNED_TIME || name === IDLING) continue
        if (isScheduleName(name)) {
          this.#punctuations.restore(name, max)
          continue
        }
        const observed = this.#observedTime(name)
        observed.max = Math.max(observed.max, max)
      }
    }
    this.queues = starts.map(({ source, committed, fallback, endOffset, isInternal }) => {
      const { topic, partition, offset, metadata } = committed
      return new RecordQueue({
        topic,
        partition,
        source,
        position: offset < 0 ? fallback : offset,
        partitionTime: decodeTaskTime(metadata).partitionTime,
        endOffset,
        isInternal,
        metrics,
        clock: this.#options.clock,
        keeps: this.#failures.keeps,
      })
    })
    const waits = times.map(({ observed }) => observed[IDLING])
    this.#next.open(this.queues, waits)
    this.#committed = starts.map(({ committed }) => committed.offset)
    this.#entries = starts.map(({ source }) => this.#graph.sources.get(source) as SourceEntry)
    this.#readAheads = this.queues.map(
      (queue, index) => new ReadAhead(queue, this.#entries[index] as SourceEntry),
    )
    const { clock } = this.#options
    this.#aligned?.open(this.queues, (queue) => this.#writersOf(queue), clock.now())
    for (const node of this.#graph.nodes) node.processor.init?.(node)
    const processors = this.#graph.nodes.map(({ processor }) => processor)
    this.#timed = processors.filter(({ timeMoved }) => timeMoved !== undefined)
    this.#holding = processors.filter(({ heldTime }) => heldTime !== undefined)
    if (this.#holding.length > 0) this.#aligned?.holdBackBy(() => this.#heldTime())
    this.#punctuations.started()
  }

  /** Decodes the next records and loads the rows they will touch. */
  prepare(): PromiseOrValue<void> {
    let waits: Promise<void>[] | null = null
    for (const readAhead of this.#readAheads) {
      const pending = readAhead.decode()
      if (pending instanceof Promise) {
        waits ??= []
        waits.push(pending)
      }
    }
    if (waits !== null) return Promise.all(waits).then(() => undefined)
  }

  /**
   * Processes what is decoded, until a queue must be filled or `limit` records are done; or, asked
   * after each record that had to wait, until `isOver`.
   */
  run(
    limit: number = Number.POSITIVE_INFINITY,
    isOver: () => boolean = () => false,
  ): PromiseOrValue<void> {
    const { clock } = this.#options
    const end = clock.monotonic() + TURN_MS
    for (let done = 0; done < limit; done++) {
      let index = this.#next.choose()
      if (index < 0) {
        if (done >= TURN_RECORDS || this.#commitRequested || clock.monotonic() >= end) break
        // What has to be read is processed in the next turn, with what the other tasks read.
        const pending = this.prepare()
        if (pending instanceof Promise) return pending
        index = this.#next.choose()
        if (index < 0) break
      }
      const queue = this.queues[index] as RecordQueue
      const pending =
        this.#aligned === null
          ? this.#process(queue, this.#entries[index] as SourceEntry)
          : this.#processAligned(queue, index, this.#aligned)
      if (pending instanceof Promise) {
        return pending.then(() => {
          this.#next.shift(index)
          const punctuated = this.#punctuateStreamTime()
          const left = isOver() ? 0 : limit - done - 1
          return punctuated instanceof Promise
            ? punctuated.then(() => this.run(left, isOver))
            : this.run(left, isOver)
        })
      }
      this.#next.shift(index)
      if (this.#streamTime >= this.#punctuations.nextStreamTime) {
        const punctuated = this.#punctuateStreamTime()
        if (punctuated instanceof Promise) {
          return punctuated.then(() => this.run(limit - done - 1, isOver))
        }
      }
    }
    this.#current = null
  }

  #punctuateStreamTime(): PromiseOrValue<void> {
    if (this.#streamTime < this.#punctuations.nextStreamTime) return
    this.#current = null
    this.#currentQueue = null
    return this.#punctuations.fire('stream-time', this.#streamTime)
  }

  /** Fires the punctuations that the clock has come to; never while a record is processed. */
  punctuateWallClock(now: number): PromiseOrValue<void> {
    this.#current = null
    this.#currentQueue = null
    return this.#punctuations.fire('wall-clock', now)
  }

  #process(queue: RecordQueue, entry: SourceEntry): PromiseOrValue<void> {
    const record = queue.peek() as QueuedRecord
    this.#current = record
    this.#currentQueue = queue
    if (record.timestamp > this.#streamTime) this.#streamTime = record.timestamp
    else if (record.timestamp < 0) return this.#failures.refused(queue, record)
    return entry.node.forward(record)
  }

  /** As `#process`, with the task's time moving before the record that moves it. */
  #processAligned(queue: RecordQueue, index: number, aligned: AlignedTime): PromiseOrValue<void> {
    const { mark, timestamp } = queue.peek() as QueuedRecord
    const { clock } = this.#options
    const hasMoved =
      mark === null
        ? aligned.saw(index, timestamp, () => clock.now())
        : aligned.marked(index, mark, clock.now())
    const pending = hasMoved ? this.#timeMoved() : undefined
    if (mark !== null) return pending
    const entry = this.#entries[index] as SourceEntry
    return pending instanceof Promise
      ? pending.then(() => this.#process(queue, entry))
      : this.#process(queue, entry)
  }

  #timeMoved(): PromiseOrValue<void> {
    if (this.#timed.length === 0) return
    this.#current = null
    this.#currentQueue = null
    return inOrder(this.#timed, (processor) => processor.timeMoved?.())
  }

  /** Leaves partitions out of the task's time that have become idle. */
  lookForIdle(): PromiseOrValue<void> {
    if (this.#aligned?.lookAgain(this.#options.clock.now()) === true) return this.#timeMoved()
  }

  /** Tells the readers of this task's repartition topics how far its time has come. */
  #writeMark(): void {
    const { topics, output, description, clock } = this.#options
    const mark = this.#aligned?.nextMark(this.id) ?? null
    if (mark === null) return
    for (const name of description.subTopology.sinkTopics) {
      const { topic, partitions } = topics.resolve(name)
      if (!topics.ownsRepartition(topic)) continue
      for (let partition = 0; partition < partitions; partition++) {
        const time = mark.time < 0 ? clock.now() : mark.time
        output.append(output.partition(topic, partition), null, null, time, encodeMark(mark))
      }
    }
    this.#aligned?.markWritten(mark)
  }

  /** The tasks that write a repartition topic; none for a topic of others. */
  #writersOf({ topic, isInternal }: RecordQueue): readonly string[] {
    if (!isInternal) return []
    const { topics } = this.#options
    return topics.tasks
      .filter(({ subTopology }) =>
        subTopology.sinkTopics.some((name) => topics.nameOf(name) === topic),
      )
      .map(({ id }) => id)
  }

  /** True when `prepare` and `run` would find something to do. */
  hasWork(): boolean {
    if (this.#next.choose() >= 0) return true
    return this.queues.some((queue) => queue.peek() === null && queue.hasUndecoded())
  }

  /** True when records were processed since the last commit. */
  hasUncommitted(): boolean {
    if (this.#punctuations.hasUncommitted || this.#next.hasUncommitted) return true
    if (this.stores.hasUndrained) return true
    if (this.#marksRepartitions && this.#aligned?.nextMark(this.id) != null) return true
    return this.queues.some((queue, index) => queue.committable !== this.#committed[index])
  }

  /** Emits what operators hold back until commit, in topological order. */
  async flush(): Promise<void> {
    this.#commitRequested = false
    this.#current = null
    this.#currentQueue = null
    do {
      for (const { processor } of this.#graph.nodes) {
        const pending = processor.flush?.()
        if (pending instanceof Promise) await pending
      }
    } while (await this.#catchUp())
    this.#writeMark()
  }

  /**
   * Moves aligned time on to where records put aside have kept it from; true when it moved, and
   * processors may hold something back again.
   */
  async #catchUp(): Promise<boolean> {
    if (this.#holding.length === 0) return false
    if (this.#aligned?.lookAgain(this.#options.clock.now()) !== true) return false
    await this.#timeMoved()
    return true
  }

  #heldTime(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const processor of this.#holding) {
      lowest = Math.min(lowest, processor.heldTime?.() ?? lowest)
    }
    return lowest
  }

  /** The offsets to commit, for the partitions where they moved. */
  committableOffsets(): OffsetItem[] {
    const offsets: OffsetItem[] = []
    const punctuations = this.#punctuations
    const times = new Map([...punctuations.saved, ...this.#observed])
    if (this.#aligned !== null) times.set(ALIGNED_TIME, this.#aligned)
    for (const [index, queue] of this.queues.entries()) {
      // Times of punctuations are the task's, so one partition's metadata carries them.
      const carriesTimes = index === 0 && punctuations.hasUncommitted
      const idling = this.#next.savedOf(index)
      const carriesWait = idling !== null && this.#next.hasUncommitted
      const hasMoved = queue.committable !== this.#committed[index]
      if (!hasMoved && !carriesTimes && !carriesWait) continue
      const { topic, partition, committable: offset, processedTime } = queue
      const all = idling === null ? times : new Map([[IDLING, idling], ...times])
      const metadata = encodeTaskTime(processedTime, all)
      offsets.push({ topic, partition, offset, metadata })
    }
    return offsets
  }

  /** Called when `committableOffsets` are committed. */
  offsetsCommitted(): void {
    this.#committed = this.queues.map((queue) => queue.committable)
    this.#punctuations.hasUncommitted = false
    this.#next.committed()
  }

  /** Writes committed rows, and how far in the changelogs they go; resolves when it is done. */
  save(): Promise<void> {
    return this.stores.save(
      (name) => this.queues.find(({ topic }) => topic === name)?.committable ?? -1,
    )
  }

  async close(): Promise<void> {
    for (const { processor } of this.#graph.nodes) processor.close?.()
    await this.state.close()
  }

  /** Changelog partitions whose records before a time are all expired, with that time. */
  expiredChangelogs(): (TopicPartition & { readonly before: number })[] {
    return this.stores.expired(this.#aligned?.max ?? this.#streamTime)
  }

  #metadata(): RecordMetadata | null {
    if (this.#current === null || this.#currentQueue === null) return null
    const { topic, partition } = this.#currentQueue
    return { topic, partition, offset: this.#current.offset }
  }

  #surroundings(): TaskSurroundings {
    const { applicationId, clock, description } = this.#options
    return {
      applicationId,
      taskId: description.id,
      partition: description.partition,
      now: () => clock.now(),
      streamTime: () => this.#streamTime,
      metadata: () => this.#metadata(),
      current: () => this.#current,
      suspend: () => this.#suspend(),
      clock,
      drop: this.#failures.drop,
      failed: this.#failures.failed,
      schedule: (node, interval, type, callback) => {
        const intervalMs = scheduleMs(interval, type, node.nodeName)
        return this.#punctuations.add(node, { intervalMs, type, now: clock.now() }, callback)
      },
      requestCommit: () => {
        this.#commitRequested = true
      },
      observedTime: (name) => this.#observedTime(name),
      store: (name, node) => this.stores.find(name, node),
    }
  }

  /** In aligned time every operator has the task's; else each its own. */
  #suspend(): Resume {
    const record = this.#current
    const queue = this.#currentQueue
    return (work) => {
      const before = this.#current
      const beforeQueue = this.#currentQueue
      const back = (): void => {
        this.#current = before
        this.#currentQueue = beforeQueue
      }
      this.#current = record
      this.#currentQueue = queue
      let pending: PromiseOrValue<void>
      try {
        pending = work()
      } catch (error) {
        back()
        throw error
      }
      if (pending instanceof Promise) return pending.finally(back)
      back()
    }
  }

  #observedTime(name: string): ObservedTime {
    if (this.#aligned !== null) return this.#aligned
    let time = this.#observed.get(name)
    if (time === undefined) {
      time = { max: this.#observedAtLeast }
      this.#observed.set(name, time)
    }
    return time
  }
}
