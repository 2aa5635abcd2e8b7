/**
 * Topology test driver: runs a topology on a log in memory, a record at a time, with the tasks,
 * stores and commit steps of production.
 *
 * Journey: test input -> topic in memory -> task -> commit -> output topic -> test output. Nothing is
 * simulated but time and disk; what passes here takes the same path on the included log.
 *
 * Invariants:
 * - When `pipe` has resolved, all that follows from the record is committed and can be read.
 * - `restart` loses everything that was not committed, and all state that is only in memory.
 */

import { CommittedBatches } from '../client/committed-batches.ts'
import { type EmbeddedLog, embedded } from '../client/embedded.ts'
import type { Duration } from '../duration.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { ByteWriter } from '../record/byte-writer.ts'
import { keyPartition } from '../record/murmur2.ts'
import { NO_HEADERS, type RecordHeaders } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { type Application, openApplication } from '../runtime/application.ts'
import type { CommitStep } from '../runtime/commit.ts'
import { HANDLER_OPTIONS, type HandlerOptions } from '../runtime/handlers.ts'
import { type DroppedCounts, Metrics, type StreamsMetrics } from '../runtime/metrics.ts'
import { type CheckedOptions, checkOptions, type Guarantee } from '../runtime/options.ts'
import type { StateStore, StorageKind } from '../state/store.ts'
import type { Topology } from '../topology/topology.ts'
import { TestClock } from './test-clock.ts'

/** How a topology is run in a test. */
export interface TopologyTestDriverOptions extends HandlerOptions {
  /**
   * Partitions of all source topics, or of topics by name. Default 1. A topic named here exists,
   * source or not: a sink that chooses its topic for each record needs that.
   */
  readonly partitions?: number | Readonly<Record<string, number>>
  /** Default `'exactly-once'`. */
  readonly guarantee?: Guarantee
  /** Where stores lie; default `'memory'`. RocksDB needs `stateDirectory`. */
  readonly storage?: StorageKind
  readonly stateDirectory?: string
  /**
   * Memory for rows of stores, in bytes; default 64 MiB. With little of it rows are let go of when they
   * are saved, and read again, as those of large stores are.
   */
  readonly storeBytes?: number
  /**
   * Runs the whole topology as one task (for each partition number), as Kafka's TopologyTestDriver
   * does: its sub-topologies share one stream time, of all their topics the one with the lowest
   * timestamp is next, repartition topics included, and a commit follows each record. Among equal
   * timestamps the order is that of Kafka Streams' heap. Default false: tasks as in production.
   */
  readonly singleTask?: boolean
  /** Which time closes windows; default `'kafka'`. */
  readonly time?: 'aligned' | 'kafka'
  /**
   * How long records wait for partitions that have none, by the driver's clock: `advanceWallClock` ends
   * the wait. Default 0. See `StreamsOptions`.
   */
  readonly maxTaskIdle?: Duration | 'never'
  /** Default `'test'`. It is in the names of internal topics. */
  readonly applicationId?: string
  /** Wall-clock time to start at, milliseconds since the epoch. Default 0. */
  readonly now?: number
}

/** A record for a test input; what is left out is null, the clock's time, no headers, by key. */
export interface TestInputRecord<K, V> {
  readonly key?: K | null
  readonly value?: V | null
  readonly timestamp?: number
  readonly headers?: RecordHeaders
  readonly partition?: number
}

/** A record read from a test output. */
export interface TestRecord<K, V> {
  readonly key: K | null
  readonly value: V | null
  readonly timestamp: number
  readonly headers: RecordHeaders
  readonly partition: number
}

interface TopicSerdes<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** Thrown inside a commit to stop it where a test wants a crash. */
class CrashForTest extends Error {
  override readonly name = 'CrashForTest'
}

/**
 * Runs a topology in a test.
 *
 * @example
 * ```ts
 * const driver = await TopologyTestDriver.open(builder.build())
 * const lines = driver.input('lines', { key: text, value: text })
 * const counts = driver.output('counts', { key: text, value: int64 })
 * await lines.pipe({ value: 'to be or not to be', timestamp: 0 })
 * expect(await counts.readTable()).toEqual(new Map([['to', 2], ['be', 2], ['or', 1], ['not', 1]]))
 *
 * // The same driver loses its memory, crashes within a commit, and moves the clock on.
 * await driver.restart()
 * driver.crashAfter('offsets')
 * await lines.write({ value: 'to be', timestamp: 1 })
 * await driver.run()
 * await driver.advanceWallClock(1000)
 * console.log(driver.streamTime, driver.metrics().recordsProcessed)
 * console.log(await driver.store<KeyValueStore<string, number>>('word-counts').get('to'))
 * await driver.close()
 * ```
 * @see org.apache.kafka.streams.TopologyTestDriver
 */
export class TopologyTestDriver {
  readonly clock: TestClock
  readonly log: EmbeddedLog
  readonly #topology: Topology
  readonly #options: CheckedOptions
  readonly #singleTask: boolean
  readonly #metrics = new Metrics()
  #application: Application | null = null
  #crashAfter: CommitStep | null = null
  /** Records processed again after a crash must not be counted again when they are left out. */
  #droppedAtCommit: DroppedCounts = new Map()

  private constructor(topology: Topology, options: TopologyTestDriverOptions) {
    this.clock = new TestClock(options.now ?? 0)
    this.log = embedded({ clock: this.clock, retention: Number.MAX_SAFE_INTEGER })
    this.#topology = options.singleTask ? withoutCounts(topology) : topology
    this.#singleTask = options.singleTask ?? false
    this.#options = checkOptions({
      applicationId: options.applicationId ?? 'test',
      log: this.log,
      clock: this.clock,
      guarantee: options.guarantee ?? 'exactly-once',
      storage: options.storage ?? 'memory',
      stateDirectory: options.stateDirectory ?? 'memory',
      ...(options.storeBytes === undefined ? {} : { storeBytes: options.storeBytes }),
      saveInterval: 0,
      handleSignals: false,
      time: options.time ?? 'kafka',
      maxTaskIdle: options.maxTaskIdle ?? 0,
      ...Object.fromEntries(HANDLER_OPTIONS.map((name) => [name, options[name]])),
    })
  }

  /** Creates the source topics and starts the topology. */
  static async open(
    topology: Topology,
    options: TopologyTestDriverOptions = {},
  ): Promise<TopologyTestDriver> {
    const driver = new TopologyTestDriver(topology, options)
    await driver.log.open()
    const { partitions = 1 } = options
    const owned = new Set(topology.repartitionTopics.map(({ name }) => name))
    const globals = topology.globals.map(({ source }) => source)
    const sources = [...topology.nodes, ...globals].flatMap((node) =>
      node.kind === 'source' && node.pattern === undefined ? node.topics : [],
    )
    const named = typeof partitions === 'number' ? [] : Object.keys(partitions)
    await driver.log.admin.createTopics(
      [...new Set([...sources, ...named])]
        .filter((topic) => !owned.has(topic))
        .map((topic) => ({
          topic,
          partitions: typeof partitions === 'number' ? partitions : (partitions[topic] ?? 1),
        })),
    )
    await driver.#start()
    // What processors scheduled at their start counts from now, whatever crashes later.
    if (driver.#running().tasks.some((task) => task.hasUncommitted())) await driver.run()
    return driver
  }

  /** A source topic to pipe records into. */
  input<K, V>(topic: string, serdes: TopicSerdes<K, V>): TestInput<K, V> {
    return new TestInput(this, topic, serdes)
  }

  /** A topic to read results from, from its beginning. */
  output<K, V>(topic: string, serdes: TopicSerdes<K, V>): TestOutput<K, V> {
    return new TestOutput(this.log, topic, serdes)
  }

  /** A store of the task for `partition`; default 0. */
  store<S extends StateStore>(name: string, partition = 0): S {
    for (const task of this.#running().tasks) {
      if (task.partition !== partition) continue
      const store = task.state.stores().find((candidate) => candidate.name === name)
      if (store !== undefined) return store as S
    }
    const global = this.#running().globals?.store(name)
    if (global !== undefined) return global as S
    throw new RangeError(`No store '${name}' in a task of partition ${partition}`)
  }

  /** What the application has counted so far. */
  metrics(): StreamsMetrics {
    return this.#metrics.snapshot({ storeBytes: 0, queuedBytes: 0, streamTime: this.streamTime })
  }

  /** Largest event time processed, -1 before the first record. */
  get streamTime(): number {
    return Math.max(-1, ...this.#running().tasks.map((task) => task.streamTime))
  }

  /**
   * Processes and commits everything that is there, through a crash when one was asked for. Inputs
   * call it after each record.
   */
  async run(): Promise<void> {
    try {
      await this.#running().thread.runToEnd()
    } catch (error) {
      if (!(error instanceof CrashForTest)) throw error
      this.#metrics.dropped = this.#droppedAtCommit
      this.#droppedAtCommit = this.#metrics.copyDropped()
      await this.restart()
      await this.run()
    }
  }

  /** Moves wall-clock time on and does what became due. */
  async advanceWallClock(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.run()
  }

  /**
   * Closes the tasks and starts them again: stores in memory come back from their changelogs, and
   * those of RocksDB too with `losesState`, which deletes the state directory in between.
   */
  async restart({ losesState = false }: { readonly losesState?: boolean } = {}): Promise<void> {
    await this.#running().close()
    const { fileSystem, stateDirectory } = this.#options
    if (losesState) fileSystem.removeDirectory(stateDirectory)
    await this.#start()
  }

  /**
   * Makes the next commit crash after a step: the `pipe` or `run` that commits then resolves with
   * the application dead and started again, and everything processed as far as it goes.
   */
  crashAfter(step: CommitStep): void {
    this.#crashAfter = step
  }

  /** Closes the tasks and the log. */
  async close(): Promise<void> {
    await this.#application?.close()
    this.#application = null
    await this.log.shutdown()
  }

  #running(): Application {
    if (this.#application === null) throw new TypeError('The driver is closed; open a new one')
    return this.#application
  }

  async #start(): Promise<void> {
    this.#application = await openApplication(this.#topology, this.#options, {
      metrics: this.#metrics,
      isSingleTask: this.#singleTask,
      afterCommitStep: (step) => {
        if (step === 'end') this.#droppedAtCommit = this.#metrics.copyDropped()
        if (step !== this.#crashAfter) return
        this.#crashAfter = null
        throw new CrashForTest(`crash after ${step}`)
      },
    })
  }
}

/** In one task, repartition topics have as many partitions as the sources: the counts given do not hold. */
function withoutCounts(topology: Topology): Topology {
  const repartitionTopics = topology.repartitionTopics.map(({ name }) => ({
    name,
    partitions: null,
  }))
  return { ...topology, repartitionTopics }
}

/**
 * Writes records into a source topic and lets the topology process them.
 *
 * @example
 * ```ts
 * const lines = driver.input('lines', { key: text, value: text })
 * await lines.pipe({ key: 'a', value: 'to be', timestamp: 0, headers: [] })
 * await lines.pipeAll([{ value: 'or' }, { value: 'not' }])
 * await lines.write({ value: 'later', partition: 0 })
 * await driver.run()
 * ```
 */
export class TestInput<K, V> {
  readonly #driver: TopologyTestDriver
  readonly #topic: string
  readonly #serdes: TopicSerdes<K, V>
  readonly #writer = new BatchWriter()
  readonly #key = new ByteWriter()
  readonly #value = new ByteWriter()

  constructor(driver: TopologyTestDriver, topic: string, serdes: TopicSerdes<K, V>) {
    this.#driver = driver
    this.#topic = topic
    this.#serdes = serdes
  }

  /** Writes one record and processes it to the end, commit included. */
  async pipe(record: TestInputRecord<K, V>): Promise<void> {
    await this.write(record)
    await this.#driver.run()
  }

  /** Writes records and then processes them all. */
  async pipeAll(records: Iterable<TestInputRecord<K, V>>): Promise<void> {
    for (const record of records) await this.write(record)
    await this.#driver.run()
  }

  /** Only writes: `driver.run()` processes. */
  async write(record: TestInputRecord<K, V>): Promise<void> {
    const { key = null, value = null, headers = NO_HEADERS } = record
    const keyBytes = key === null ? null : this.#key.reset()
    const valueBytes = value === null ? null : this.#value.reset()
    if (keyBytes !== null) this.#serdes.key.write(key as K, keyBytes)
    if (valueBytes !== null) this.#serdes.value.write(value as V, valueBytes)
    const timestamp = record.timestamp ?? this.#driver.clock.now()
    this.#writer.append(timestamp, keyBytes, valueBytes, headers)
    const partition = record.partition ?? (await this.#partitionOf(keyBytes))
    const item = { topic: this.#topic, partition, batch: this.#writer.seal() }
    const [result] = await this.#driver.log.produce([item], { acks: 'all' })
    if (result?.error != null) throw new RangeError(result.error.message)
  }

  async #partitionOf(key: ByteWriter | null): Promise<number> {
    if (key === null) return 0
    const [description] = await this.#driver.log.describeTopics([this.#topic])
    if (description === undefined) {
      throw new RangeError(`'${this.#topic}' is not a source topic of this topology`)
    }
    return keyPartition(key.bytes, 0, key.end, description.partitions.length)
  }
}

/**
 * Reads what a topology wrote to a topic, committed records only, partition by partition.
 *
 * @example
 * ```ts
 * await driver.input('lines', { key: text, value: text }).pipe({ value: 'to be or not' })
 * const counts = driver.output('counts', { key: text, value: int64 })
 * const first = await counts.read()
 * console.log(first?.key, first?.value, (await counts.readAll()).length, (await counts.readTable()).size)
 * ```
 */
export class TestOutput<K, V> {
  readonly #log: EmbeddedLog
  readonly #topic: string
  readonly #serdes: TopicSerdes<K, V>
  readonly #positions: number[] = []
  readonly #read: TestRecord<K, V>[] = []

  constructor(log: EmbeddedLog, topic: string, serdes: TopicSerdes<K, V>) {
    this.#log = log
    this.#topic = topic
    this.#serdes = serdes
  }

  /** The next record; null when there is none. */
  async read(): Promise<TestRecord<K, V> | null> {
    if (this.#read.length === 0) await this.#fetch()
    return this.#read.shift() ?? null
  }

  /** Every record not read yet. */
  async readAll(): Promise<TestRecord<K, V>[]> {
    await this.#fetch()
    return this.#read.splice(0)
  }

  /** The last value of each key among the records not read yet; deleted keys are left out. */
  async readTable(): Promise<Map<K | null, V>> {
    const table = new Map<K | null, V>()
    for (const { key, value } of await this.readAll()) {
      if (value === null) table.delete(key)
      else table.set(key, value)
    }
    return table
  }

  async #fetch(): Promise<void> {
    const [description] = await this.#log.describeTopics([this.#topic])
    const fetcher = this.#log.fetcher('test')
    const batches = new CommittedBatches('read-committed')
    for (const { partition } of description?.partitions ?? []) {
      for (;;) {
        const offset = this.#positions[partition] ?? 0
        const [fetched] = await fetcher.poll(
          [{ topic: this.#topic, partition, offset, maxBytes: 1 << 20 }],
          { maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, isolation: 'read-committed' },
        )
        if (fetched === undefined || fetched.records.length === 0) break
        batches.start(offset, fetched)
        while (batches.next()) this.#take(batches, offset, partition)
        if (batches.position === offset) break
        this.#positions[partition] = batches.position
      }
    }
    await fetcher.close()
  }

  #take({ reader }: CommittedBatches, from: number, partition: number): void {
    while (reader.next()) {
      if (reader.offset < from) continue
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp } = reader
      const { key, value } = this.#serdes
      this.#read.push({
        key: keyStart < 0 ? null : key.read(bytes, keyStart, keyEnd),
        value: valueStart < 0 ? null : value.read(bytes, valueStart, valueEnd),
        timestamp,
        headers: reader.headers(),
        partition,
      })
    }
  }
}
