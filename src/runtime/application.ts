/**
 * Opens what an application runs on, in this order (each step needs the one before):
 *
 *   1. topics    find what the topology reads, compare it with the state that is there, create what
 *                it owns: what does not fit ends the start here, with nothing changed
 *   2. state     open and lock each task's database: a second start of the application ends here,
 *                and does the running one no harm
 *   3. producer  take over the transactional id: what a predecessor left open is aborted
 *   4. offsets   read the committed positions, which are stable now
 *   5. globals   read the topics of global stores to their end
 *   6. restore   bring the databases up to what their changelogs have beyond them
 *   7. tasks     start their processors at those positions
 *
 * Journey: `Streams.start` and the test driver -> [application] -> stream thread.
 *
 * Invariant: when a step fails, what the steps before it opened is closed again.
 */
import { join } from 'node:path'
import type { FetchedOffset, Isolation, OffsetSpec, TopicPartition } from '../client/client.ts'
import { sleep } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import { NO_HEADERS } from '../record/record.ts'
import { StoreMemory } from '../state/store-memory.ts'
import { TaskState, type TaskStateOptions } from '../state/task-state.ts'
import type { SourceNode, Topology } from '../topology/topology.ts'
import { AlignedTime } from './aligned-time.ts'
import { type ApplicationTopics, planTopics } from './application-topics.ts'
import type { CommitStep } from './commit.ts'
import { decodeTaskTime } from './commit-metadata.ts'
import { GlobalStores, type GlobalStoresOptions } from './global-stores.ts'
import { deadLetterTopics } from './handlers.ts'
import type { Metrics } from './metrics.ts'
import type { CheckedOptions } from './options.ts'
import { Output } from './output.ts'
import { restoreTasks } from './restore.ts'
import { checkState } from './state-check.ts'
import { assertCompatible, type StateComparison } from './state-comparison.ts'
import { descriptionTopic } from './state-description.ts'
import { StreamThread } from './stream-thread.ts'
import { ALIGNED_TIME, type StartingPoint, Task, type TaskDescription } from './task.ts'

/** How long a start waits between looks at offsets that an open transaction holds. */
const STABLE_OFFSETS_RETRY_MS = 20

/** What runs: the tasks, and the thread that drives them. */
export interface Application {
  readonly tasks: readonly Task[]
  readonly globals: GlobalStores | null
  readonly thread: StreamThread
  /** Leaves the transaction of the thread aborted, when it had one open. */
  abort(): Promise<void>
  /** Closes the tasks' databases, and gives the log back; what is not committed is gone. */
  close(): Promise<void>
}

export interface ApplicationHooks {
  readonly metrics: Metrics
  /** All sub-topologies in one task, with a commit after each record: for tests. */
  readonly isSingleTask?: boolean
  readonly afterCommitStep?: (step: CommitStep) => void
  /** Called once it is known what is there of the application's state, also when that ends the start. */
  readonly onCompared?: (comparison: StateComparison) => void
}

export async function openApplication(
  topology: Topology,
  options: CheckedOptions,
  hooks: ApplicationHooks,
): Promise<Application> {
  const { log } = options
  await log.open()
  try {
    return await openTasks(topology, options, hooks)
  } catch (error) {
    await log.close()
    throw error
  }
}

async function openTasks(
  topology: Topology,
  options: CheckedOptions,
  hooks: ApplicationHooks,
): Promise<Application> {
  const { log, applicationId, clock, guarantee, transactionTimeoutMs } = options
  const { metrics } = hooks
  // 1. topics
  const { handlers } = options
  const { isSingleTask } = hooks
  const deadLetters = deadLetterTopics(handlers)
  const topics = await planTopics(log, topology, { applicationId, isSingleTask, deadLetters })
  const check = await checkState(topology, topics, {
    ...options,
    isSingleTask: isSingleTask === true,
  })
  hooks.onCompared?.(check.comparison)
  assertCompatible(check.comparison, applicationId)
  await topics.createMissing(log)
  // 2. state
  const memory = new StoreMemory(options.storeBytes)
  const states: TaskState[] = []
  const closeStates = async () => {
    await Promise.all(states.map((state) => state.close()))
  }
  const transactionalId = guarantee === 'exactly-once' ? `${applicationId}-0` : null
  const times = topics.tasks.map(() =>
    options.isTimeAligned ? new AlignedTime(options.idleTimeoutMs) : null,
  )
  const tasks: Task[] = []
  let output: Output
  let globals: GlobalStores | null = null
  try {
    for (const [index, description] of topics.tasks.entries()) {
      const timeLimit = times[index] ?? null
      const surroundings = { ...options, memory, timeLimit, databases: topics.tasks.length }
      states.push(await openState(description, surroundings))
    }
    // 3. producer
    const identity = await log.transactions.init(transactionalId, transactionTimeoutMs)
    output = new Output({ client: log, clock, transactionalId, identity })
    const description = output.partition(descriptionTopic(applicationId), 0)
    for (const { key, value } of check.changes) {
      output.append(description, key, value, clock.now(), NO_HEADERS)
    }
    // 4. offsets
    const starts = await startingPoints(topics, options)
    // 5. globals
    const around = { topics, output, metrics, handlers }
    globals = await openGlobals(topology, { ...options, memory }, around)
    // 6. restore
    for (const [index, description] of topics.tasks.entries()) {
      const state = states[index] as TaskState
      const alignedTime = times[index] ?? null
      for (const { committed } of starts.get(description.id) ?? []) {
        alignedTime?.restore(decodeTaskTime(committed.metadata).observed[ALIGNED_TIME] ?? -1)
      }
      const around = { applicationId, state, topics, output, metrics, clock, handlers, alignedTime }
      const order = { ordersLikeKafka: isSingleTask, maxTaskIdleMs: options.maxTaskIdleMs }
      tasks.push(new Task({ description, ...around, globals, ...order }))
    }
    const start = clock.monotonic()
    metrics.recordsRestored += await restoreTasks(tasks, { client: log, clock, starts })
    metrics.restoreMs += clock.monotonic() - start
    // 7. tasks
    for (const task of tasks) task.open(starts.get(task.id) as StartingPoint[])
  } catch (error) {
    await closeStates()
    await globals?.close()
    throw error
  }
  const thread = new StreamThread({
    client: log,
    clock,
    tasks,
    output,
    groupId: applicationId,
    transactionalId,
    commitIntervalMs: options.commitIntervalMs,
    saveIntervalMs: options.saveIntervalMs,
    storeBytes: options.storeBytes,
    untilEnd: options.untilEnd,
    isStepwise: hooks.isSingleTask,
    globals,
    purges: (topic) => topics.ownsRepartition(topic),
    afterCommit(elapsedMs) {
      metrics.commits++
      metrics.commitMs += elapsedMs
    },
    afterCommitStep: hooks.afterCommitStep,
  })
  async function abort(): Promise<void> {
    if (transactionalId === null || !output.hasUncommitted) return
    await log.transactions.end(transactionalId, output.identity, 'abort')
  }
  async function close(): Promise<void> {
    await Promise.all(tasks.map((task) => task.close()))
    await globals?.close()
    await log.close()
  }
  return { tasks, globals, thread, abort, close }
}

async function openGlobals(
  topology: Topology,
  options: Omit<GlobalStoresOptions, 'globals' | 'task'>,
  task: GlobalStoresOptions['task'],
): Promise<GlobalStores | null> {
  const { globals } = topology
  if (globals.length === 0) return null
  return GlobalStores.open({ ...options, globals, task })
}

function openState(
  description: TaskDescription,
  options: CheckedOptions & Required<Pick<TaskStateOptions, 'memory' | 'databases' | 'timeLimit'>>,
): Promise<TaskState> {
  const { memory, databases, timeLimit } = options
  const { applicationId, storage, stateDirectory, fileSystem } = options
  return TaskState.open({
    directory: join(stateDirectory, applicationId, description.id),
    fileSystem,
    definitions: description.subTopology.stores.map((store) => ({
      ...store,
      storage: storage ?? store.storage,
    })),
    memory,
    databases,
    timeLimit,
  })
}

/** Where each source partition of each task starts, by task id. */
async function startingPoints(
  topics: ApplicationTopics,
  options: CheckedOptions,
): Promise<Map<string, StartingPoint[]>> {
  const wanted = topics.tasks.flatMap((task) => sourcePartitions(task, topics))
  const committed = await stableOffsets(wanted, options)
  const fallbacks = await resetOffsets(wanted, committed, options)
  // What a transaction that is just ending wrote is part of what is there.
  const ends = options.untilEnd
    ? await listOffsets(
        wanted.map((one) => ({ ...one, at: 'latest' as const })),
        options,
        'read-uncommitted',
      )
    : null
  const starts = new Map<string, StartingPoint[]>()
  for (const [index, { task, source, isInternal }] of wanted.entries()) {
    const isBounded = ends !== null && !isInternal
    const list = starts.get(task) ?? []
    starts.set(task, list)
    list.push({
      source,
      committed: committed[index] as FetchedOffset,
      fallback: fallbacks[index] as number,
      isInternal,
      endOffset: isBounded ? (ends[index] as number) : Number.POSITIVE_INFINITY,
    })
  }
  return starts
}

/** Where partitions begin of which nothing is committed. */
async function resetOffsets(
  wanted: readonly SourcePartition[],
  committed: readonly FetchedOffset[],
  options: CheckedOptions,
): Promise<number[]> {
  const now = options.clock.now()
  const items = wanted.map(({ topic, partition, source: { name, offsetReset } }, index) => {
    if (offsetReset === 'none' && (committed[index]?.offset ?? -1) < 0) {
      throw new StreamsError(
        'log-offset-out-of-range',
        `No offset is committed for it, and source '${name}' has offsetReset 'none'. Commit one for group '${options.applicationId}', or say where to begin`,
        { place: { topic, partition, node: name } },
      )
    }
    const at =
      offsetReset === 'none'
        ? 'latest'
        : typeof offsetReset === 'number'
          ? Math.max(0, now - offsetReset)
          : offsetReset
    return { topic, partition, at }
  })
  const listed = await listOffsets(items, options)
  // No record is that late: there is nothing but what comes.
  const ends = await listOffsets(
    items.filter((_, index) => listed[index] === -1).map((one) => ({ ...one, at: 'latest' })),
    options,
  )
  return listed.map((offset) => (offset === -1 ? (ends.shift() as number) : offset))
}

async function stableOffsets(
  partitions: readonly TopicPartition[],
  { log, applicationId, clock }: CheckedOptions,
): Promise<readonly FetchedOffset[]> {
  for (;;) {
    const offsets = await log.fetchOffsets(applicationId, partitions, { requireStable: true })
    const failed = offsets.find(({ error }) => error !== null)
    if (failed === undefined) return offsets
    const { topic, partition, error } = failed
    if (error?.kind !== 'unstable' && error?.kind !== 'retry') {
      throw new StreamsError(
        error?.code ?? 'request-timed-out',
        `Committed offsets cannot be read: ${error?.message}`,
        { place: { topic, partition, group: applicationId } },
      )
    }
    await sleep(clock, STABLE_OFFSETS_RETRY_MS)
  }
}

async function listOffsets(
  items: readonly (TopicPartition & { readonly at: OffsetSpec })[],
  { log }: CheckedOptions,
  isolation: Isolation = 'read-committed',
): Promise<number[]> {
  const listed = await log.listOffsets(items, isolation)
  return listed.map(({ topic, partition, offset, error }) => {
    if (error === null) return offset
    throw new StreamsError(error.code, `Offsets cannot be listed: ${error.message}`, {
      place: { topic, partition },
    })
  })
}

interface SourcePartition extends TopicPartition {
  readonly task: string
  readonly source: SourceNode
  readonly isInternal: boolean
}

/** The partitions a task reads: those of its number, of every topic that has so many. */
function sourcePartitions(task: TaskDescription, topics: ApplicationTopics): SourcePartition[] {
  const partitions: SourcePartition[] = []
  for (const node of task.subTopology.nodes) {
    if (node.kind !== 'source') continue
    for (const name of node.topics) {
      const { topic, partitions: count } = topics.resolve(name)
      if (task.partition >= count) continue
      const isInternal = topics.ownsRepartition(topic)
      partitions.push({ task: task.id, source: node, topic, partition: task.partition, isInternal })
    }
  }
  return partitions
}
