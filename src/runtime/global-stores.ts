/**
 * Global stores: every partition of their topics, in every process of the application.
 *
 * Journey: topic of a global table -> [global stores] -> store -> looked up by any task. One task of
 * its own takes all partitions of all global topics; it writes nowhere and commits nothing.
 *
 *   1. open      the folder of a run before is emptied
 *   2. catch up  everything that the topics have is read, before any other task starts
 *   3. update    between the turns of the stream thread: what has come is applied, the next fetch is
 *                under way
 *
 * Invariants:
 * - Only the processor of a global store writes it; tasks see it read-only.
 * - Stores are as the topics are: at each start they are read anew, through their processors.
 */
import { join } from 'node:path'
import type { Fetcher, FetchItem, TopicPartition } from '../client/client.ts'
import { StreamsError } from '../errors.ts'
import type { StateStore } from '../state/store.ts'
import type { StoreMemory } from '../state/store-memory.ts'
import { TaskState } from '../state/task-state.ts'
import type { DropReason } from '../topology/processor.ts'
import type { GlobalStoreNode, SubTopology } from '../topology/topology.ts'
import { Metrics } from './metrics.ts'
import type { CheckedOptions } from './options.ts'
import { readOnly } from './read-only-store.ts'
import { type StartingPoint, Task, type TaskOptions } from './task.ts'

const FETCH_PARTITION_BYTES = 1024 * 1024
const FETCH_BYTES = 16 * 1024 * 1024
const FETCH_WAIT_MS = 500
/** The folder beside those of the tasks. */
const GLOBAL_TASK = 'global'

export interface GlobalStoresOptions extends CheckedOptions {
  readonly globals: readonly GlobalStoreNode[]
  /** Memory for the buffered rows of the stores. */
  readonly memory: StoreMemory
  readonly task: Pick<TaskOptions, 'topics' | 'output' | 'metrics' | 'handlers'>
}

/** Counts of records read again at a start stay out of the application's. */
class GlobalMetrics extends Metrics {
  isReadingAnew = true
  readonly #application: Metrics

  constructor(application: Metrics) {
    super()
    this.#application = application
  }

  override drop(reason: DropReason, node: string): void {
    if (!this.isReadingAnew) this.#application.drop(reason, node)
  }
}

export class GlobalStores {
  readonly #task: Task
  readonly #options: GlobalStoresOptions
  readonly #fetcher: Fetcher
  readonly #views = new Map<string, StateStore>()
  #poll: Promise<void> | null = null
  #hasArrived = false
  #error: unknown = null

  private constructor(task: Task, options: GlobalStoresOptions) {
    this.#task = task
    this.#options = options
    this.#fetcher = options.log.fetcher('global')
    for (const store of task.state.stores()) this.#views.set(store.name, readOnly(store))
  }

  /** Opens the stores and reads everything their topics have. */
  static async open(options: GlobalStoresOptions): Promise<GlobalStores> {
    const { applicationId, clock, globals, task } = options
    const state = await openEmpty(options)
    const metrics = new GlobalMetrics(task.metrics)
    try {
      const description = { id: GLOBAL_TASK, partition: 0, subTopology: subTopologyOf(globals) }
      const around = { ...task, description, applicationId, state, metrics, clock }
      const globalTask = new Task({ ...around, alignedTime: null })
      globalTask.open(await startsOf(options))
      const stores = new GlobalStores(globalTask, options)
      await stores.catchUp()
      metrics.isReadingAnew = false
      return stores
    } catch (error) {
      await state.close()
      throw error
    }
  }

  /** A store as tasks see it. */
  store(name: string): StateStore | undefined {
    return this.#views.get(name)
  }

  /** Reads on to what the topics have now. */
  async catchUp(): Promise<void> {
    const { queues } = this.#task
    const ends = await listed(this.#options, queues, 'latest')
    while (queues.some((queue, index) => queue.committable < (ends[index] ?? 0))) {
      this.#fetch()
      await this.#poll
      await this.#apply()
    }
    await this.#save()
  }

  /** Applies what has come, and keeps a fetch under way. */
  update(): Promise<void> | undefined {
    this.#fetch()
    if (this.#hasArrived) return this.#apply().then(() => this.#save())
  }

  /** The fetch under way. */
  async arrival(): Promise<void> {
    await this.#poll
  }

  wakeup(): void {
    this.#fetcher.wakeup()
  }

  async close(): Promise<void> {
    await this.#fetcher.close()
    await this.#poll
    await this.#task.close()
  }

  #fetch(): void {
    if (this.#error !== null) throw this.#error
    if (this.#poll !== null || this.#hasArrived) return
    const items = this.#task.queues.map(({ topic, partition, position: offset }) => {
      return { topic, partition, offset, maxBytes: FETCH_PARTITION_BYTES }
    })
    this.#poll = this.#accept(items)
      .catch((error) => {
        this.#error = error
      })
      .finally(() => {
        this.#poll = null
      })
  }

  async #accept(items: readonly FetchItem[]): Promise<void> {
    const fetched = await this.#fetcher.poll(items, {
      maxWaitMs: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolation: 'read-committed',
    })
    fetched.forEach((partition, index) => {
      if (partition.error === null) {
        this.#task.queues[index]?.accept(partition)
        this.#hasArrived = true
      } else if (partition.error.kind !== 'retry') {
        const { topic, partition: number, error } = partition
        const place = { topic, partition: number, offset: (items[index] as FetchItem).offset }
        throw new StreamsError(error.code, `Cannot fetch: ${error.message}`, { place })
      }
    })
  }

  async #apply(): Promise<void> {
    if (this.#error !== null) throw this.#error
    this.#hasArrived = false
    do {
      await this.#task.prepare()
      await this.#task.run()
    } while (this.#task.hasWork())
  }

  /** Rows go to the database as they are; there is no changelog to wait for. */
  async #save(): Promise<void> {
    const { state } = this.#task
    for (const store of state.stores()) store.drainChanges(() => {})
    await state.save(new Map())
  }
}

async function openEmpty(options: GlobalStoresOptions): Promise<TaskState> {
  const { globals, storage, stateDirectory, applicationId, fileSystem, memory } = options
  const stateOptions = {
    directory: join(stateDirectory, applicationId, GLOBAL_TASK),
    fileSystem,
    definitions: globals.map(({ store }) => ({ ...store, storage: storage ?? store.storage })),
    memory,
  }
  const before = await TaskState.open(stateOptions)
  await before.destroy()
  return TaskState.open(stateOptions)
}

function subTopologyOf(globals: readonly GlobalStoreNode[]): SubTopology {
  return {
    id: -1,
    nodes: globals.flatMap(({ source, processor }) => [source, processor]),
    stores: globals.map(({ store }) => store),
    sourceTopics: globals.flatMap(({ source }) => source.topics),
    sinkTopics: [],
  }
}

/** All partitions of all topics, from their beginning. */
async function startsOf(options: GlobalStoresOptions): Promise<StartingPoint[]> {
  const places = options.globals.flatMap(({ source }) =>
    source.topics.flatMap((name) => {
      const { topic, partitions } = options.task.topics.resolve(name)
      return Array.from({ length: partitions }, (_, partition) => ({ source, topic, partition }))
    }),
  )
  const begins = await listed(options, places, 'earliest')
  return places.map(({ source, topic, partition }, index) => ({
    source,
    committed: { topic, partition, offset: -1, metadata: '', error: null },
    fallback: begins[index] as number,
    endOffset: Number.POSITIVE_INFINITY,
    isInternal: true,
  }))
}

async function listed(
  { log }: GlobalStoresOptions,
  places: readonly TopicPartition[],
  at: 'earliest' | 'latest',
): Promise<number[]> {
  const items = places.map(({ topic, partition }) => ({ topic, partition, at }))
  const offsets = await log.listOffsets(items, 'read-committed')
  return offsets.map(({ topic, partition, offset, error }) => {
    if (error === null) return offset
    throw new StreamsError(error.code, `Offsets cannot be listed: ${error.message}`, {
      place: { topic, partition },
    })
  })
}
