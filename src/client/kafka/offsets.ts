/**
 * Offsets: the ends of partitions, from their leaders; how far a group has read, from its
 * coordinator.
 *
 * Journey: runtime or consumer -> `LogClient` -> [offsets] -> cluster.
 */
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { ListOffsets } from '../../protocol/messages/02-list-offsets.ts'
import { OffsetCommit } from '../../protocol/messages/08-offset-commit.ts'
import { OffsetFetch } from '../../protocol/messages/09-offset-fetch.ts'
import type {
  FetchedOffset,
  GroupIdentity,
  Isolation,
  ListedOffset,
  OffsetItem,
  OffsetResult,
  OffsetSpec,
  TopicPartition,
} from '../client.ts'
import type { Cluster } from './cluster.ts'
import { ClusterError, clusterErrorOf, errorOf, timedOut } from './errors.ts'
import { CONTROL_LANE } from './metadata.ts'
import { byTopic, findPartition } from './topics.ts'
import type { Address } from './transport.ts'

const EARLIEST = -2
const LATEST = -1
export const ISOLATION_LEVELS = { 'read-uncommitted': 0, 'read-committed': 1 } as const

type ListItem = TopicPartition & { readonly at: OffsetSpec }
type Listed = { readonly offset: number; readonly timestamp: number }

export async function listOffsets(
  cluster: Cluster,
  items: readonly ListItem[],
  isolation: Isolation,
): Promise<readonly ListedOffset[]> {
  const answers = await cluster.onLeaders<ListItem, Listed>(items, (address, given) =>
    listOnLeader(cluster, address, { given, isolation }),
  )
  return items.map(({ topic, partition }, index) => {
    const answer = answers[index] as Listed | ClusterError
    if (answer instanceof ClusterError) {
      return { topic, partition, error: answer, offset: -1, timestamp: -1 }
    }
    return { topic, partition, error: null, ...answer }
  })
}

async function listOnLeader(
  cluster: Cluster,
  address: Address,
  what: { readonly given: readonly ListItem[]; readonly isolation: Isolation },
): Promise<(Listed | ClusterError)[]> {
  const { given, isolation } = what
  const request = {
    replicaId: -1,
    isolationLevel: ISOLATION_LEVELS[isolation],
    topics: byTopic(given, (item) => ({
      partitionIndex: item.partition,
      currentLeaderEpoch: cluster.metadata.epochOf(item),
      timestamp: timestampOf(item.at),
    })).map(([name, partitions]) => ({ name, partitions })),
  }
  const { topics } = await cluster.call(CONTROL_LANE, address, { api: ListOffsets, request })
  return given.map(({ topic, partition }) => {
    const answer = findPartition(topics, topic, partition)
    if (answer === null) return timedOut('The broker gave no answer for the partition')
    const { errorCode, offset, timestamp } = answer
    if (errorCode !== ERROR_NUMBERS.NONE) return errorOf(errorCode, { topic, partition })
    return { offset, timestamp }
  })
}

function timestampOf(at: OffsetSpec): number {
  if (at === 'earliest') return EARLIEST
  return at === 'latest' ? LATEST : at
}

/** Commits offsets of a group; errors come per partition. */
export async function commitOffsets(
  cluster: Cluster,
  group: GroupIdentity,
  offsets: readonly OffsetItem[],
): Promise<readonly OffsetResult[]> {
  if (offsets.length === 0) return []
  const { groupId, generation, memberId, instanceId } = group
  const request = {
    groupId,
    generationIdOrMemberEpoch: generation,
    memberId,
    groupInstanceId: instanceId ?? null,
    topics: topicsToCommit(offsets).map(({ name, partitions }) => ({ name, partitions })),
  }
  const attempt = async (address: Address): Promise<readonly OffsetResult[]> => {
    const { topics } = await cluster.call(CONTROL_LANE, address, { api: OffsetCommit, request })
    const results = resultsOf(offsets, topics, groupId)
    throwIfTemporary(results)
    return results
  }
  return cluster
    .onCoordinator({ type: 'group', id: groupId }, attempt)
    .catch((thrown: unknown) => allFailed(offsets, clusterErrorOf(thrown)))
}

/** The part of OffsetCommit and TxnOffsetCommit that names the offsets. */
export function topicsToCommit(offsets: readonly OffsetItem[]): {
  name: string
  partitions: {
    partitionIndex: number
    committedOffset: number
    committedMetadata: string
  }[]
}[] {
  return byTopic(offsets, ({ partition, offset, metadata }) => ({
    partitionIndex: partition,
    committedOffset: offset,
    committedMetadata: metadata,
  })).map(([name, partitions]) => ({ name, partitions }))
}

/** What a coordinator answered for each offset, in their order. */
export function resultsOf(
  offsets: readonly TopicPartition[],
  topics: Parameters<typeof findPartition<{ partitionIndex: number; errorCode: number }>>[0],
  group: string,
): OffsetResult[] {
  return offsets.map(({ topic, partition }) => {
    const answer = findPartition(topics, topic, partition)
    const place = { topic, partition, group }
    if (answer === null) {
      return { topic, partition, error: timedOut('The coordinator left the partition out') }
    }
    const { errorCode } = answer
    return { topic, partition, error: errorCode === 0 ? null : errorOf(errorCode, place) }
  })
}

/** Errors of the coordinator itself are those of every partition; they are worth another attempt. */
export function throwIfTemporary(results: readonly OffsetResult[]): void {
  for (const { error } of results) {
    if (error?.kind === 'retry' || error?.kind === 'concurrent') throw error
  }
}

export async function fetchOffsets(
  cluster: Cluster,
  groupId: string,
  what: { readonly partitions: readonly TopicPartition[]; readonly requireStable: boolean },
): Promise<readonly FetchedOffset[]> {
  const { partitions, requireStable } = what
  if (partitions.length === 0) return []
  const request = {
    groupId,
    topics: byTopic(partitions, ({ partition }) => partition).map(([name, partitionIndexes]) => ({
      name,
      partitionIndexes,
    })),
    requireStable,
  }
  const attempt = async (address: Address): Promise<readonly FetchedOffset[]> => {
    const response = await cluster.call(CONTROL_LANE, address, { api: OffsetFetch, request })
    if (response.errorCode !== ERROR_NUMBERS.NONE) {
      throw errorOf(response.errorCode, { group: groupId })
    }
    const fetched = partitions.map((place) => fetchedOffset(place, response.topics, groupId))
    throwIfTemporary(fetched)
    return fetched
  }
  return cluster
    .onCoordinator({ type: 'group', id: groupId }, attempt)
    .catch((thrown: unknown) =>
      allFailed(partitions, clusterErrorOf(thrown)).map((one) => ({ ...one, ...NO_OFFSET })),
    )
}

const NO_OFFSET = { offset: -1, metadata: '' } as const

interface StoredOffset {
  readonly partitionIndex: number
  readonly committedOffset: number
  readonly metadata: string | null
  readonly errorCode: number
}

function fetchedOffset(
  { topic, partition }: TopicPartition,
  topics: Parameters<typeof findPartition<StoredOffset>>[0],
  group: string,
): FetchedOffset {
  const place = { topic, partition }
  const stored = findPartition(topics, topic, partition)
  // A group without an offset for a partition may leave it out.
  if (stored === null) return { ...place, ...NO_OFFSET, error: null }
  const { committedOffset, metadata, errorCode } = stored
  if (errorCode !== ERROR_NUMBERS.NONE) {
    return { ...place, ...NO_OFFSET, error: errorOf(errorCode, { ...place, group }) }
  }
  return { ...place, offset: committedOffset, metadata: metadata ?? '', error: null }
}

function allFailed(
  places: readonly TopicPartition[],
  error: ClusterError,
): { readonly topic: string; readonly partition: number; readonly error: ClusterError }[] {
  return places.map(({ topic, partition }) => ({ topic, partition, error }))
}
