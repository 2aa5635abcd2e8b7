/**
 * State check: asks the log and the state folder what there is of the application, and has it
 * compared with the topology that is to run.
 *
 * Journey: topics planned, none created -> [state check] -> the start goes on with a comparison, and
 * with records for the description that go out with the first commit.
 */
import { join } from 'node:path'
import type { TopicPartition } from '../client/client.ts'
import type { ByteRange } from '../record/record.ts'
import { subTopologies, wholeTopology } from '../topology/sub-topologies.ts'
import type { Topology } from '../topology/topology.ts'
import type { ApplicationTopics } from './application-topics.ts'
import type { CheckedOptions } from './options.ts'
import {
  compareState,
  type StateComparison,
  type StateFound,
  topicsInQuestion,
} from './state-comparison.ts'
import {
  describeState,
  descriptionChanges,
  descriptionTopic,
  readDescription,
  type StateDescription,
} from './state-description.ts'

export interface StateCheck {
  readonly comparison: StateComparison
  /** What the description on the log needs to be that of this topology. */
  readonly changes: readonly { readonly key: ByteRange; readonly value: ByteRange | null }[]
}

const NOTHING: StateDescription = { stores: new Map(), topics: new Map() }

/** Compares the topology with what is there. */
export async function checkState(
  topology: Topology,
  topics: ApplicationTopics,
  options: CheckedOptions & { readonly isSingleTask: boolean },
): Promise<StateCheck> {
  const { log, applicationId, storage, isSingleTask } = options
  const topic = descriptionTopic(applicationId)
  const isDescribed = topics.partitionsOf(topic) !== null
  const before = isDescribed ? await readDescription(log, topic) : NOTHING
  const nameOf = (repartition: string): string => `${applicationId}-${repartition}`
  const now = describeState(topology, {
    parts: isSingleTask ? [wholeTopology(topology)] : subTopologies(topology),
    storage,
    tasksOf: (id) => topics.tasks.filter(({ subTopology }) => subTopology.id === id).length,
    partitionsOf: (repartition) => topics.wantedPartitionsOf(nameOf(repartition)),
  })
  const folders = foldersOf(options)
  const questioned = topicsInQuestion(before, now)
  const pending = await unprocessed(questioned.map(nameOf), topics, options)
  const found: StateFound = {
    changelogPartitions: (store) => topics.partitionsOf(topics.changelogOf(store)),
    partitions: (repartition) => topics.partitionsOf(nameOf(repartition)),
    pending: (repartition) => pending.get(nameOf(repartition)) ?? 0,
    hasFolders: (id) => folders.some((folder) => folder.startsWith(`${id}_`)),
  }
  const { comparison, after } = compareState(before, now, found)
  return { comparison, changes: descriptionChanges(before, after) }
}

function foldersOf({ fileSystem, stateDirectory, applicationId }: CheckedOptions): string[] {
  return fileSystem.list(join(stateDirectory, applicationId))
}

/** Records between what is committed of a topic and its end, by topic. */
async function unprocessed(
  names: readonly string[],
  topics: ApplicationTopics,
  { log, applicationId }: CheckedOptions,
): Promise<Map<string, number>> {
  const partitions: TopicPartition[] = names.flatMap((topic) =>
    Array.from({ length: topics.partitionsOf(topic) ?? 0 }, (_, partition) => ({
      topic,
      partition,
    })),
  )
  const counts = new Map<string, number>()
  if (partitions.length === 0) return counts
  const [committed, starts, ends] = await Promise.all([
    log.fetchOffsets(applicationId, partitions, { requireStable: false }),
    log.listOffsets(
      partitions.map((one) => ({ ...one, at: 'earliest' as const })),
      'read-committed',
    ),
    log.listOffsets(
      partitions.map((one) => ({ ...one, at: 'latest' as const })),
      'read-committed',
    ),
  ])
  for (const [index, { topic }] of partitions.entries()) {
    const from = Math.max(committed[index]?.offset ?? 0, starts[index]?.offset ?? 0)
    const records = Math.max(0, (ends[index]?.offset ?? 0) - from)
    counts.set(topic, (counts.get(topic) ?? 0) + records)
  }
  return counts
}
