/**
 * Changes of topics and groups on a cluster.
 *
 * Journey: runtime or user -> `LogAdmin` -> [admin] -> controller, leaders, coordinators.
 *
 * The controller answers before every broker knows of the change. So a call here returns when a
 * broker shows it, or after VISIBLE_WITHIN_MS: what the caller does next finds it done.
 */
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { CreateTopics } from '../../protocol/messages/19-create-topics.ts'
import { DeleteTopics } from '../../protocol/messages/20-delete-topics.ts'
import { DeleteRecords } from '../../protocol/messages/21-delete-records.ts'
import { DescribeConfigs } from '../../protocol/messages/32-describe-configs.ts'
import { CreatePartitions } from '../../protocol/messages/37-create-partitions.ts'
import { DeleteGroups } from '../../protocol/messages/42-delete-groups.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts'
import type { LogAdmin, NewTopic, TopicPartition, TopicResult } from '../client.ts'
import type { Cluster } from './cluster.ts'
import { ClusterError, errorOf, timedOut } from './errors.ts'
import { CONTROL_LANE } from './metadata.ts'
import { listOffsets } from './offsets.ts'
import { byTopic, findPartition } from './topics.ts'
import type { Address } from './transport.ts'

/** Brokers take over what the controller decided within milliseconds; a slow one within this. */
const VISIBLE_WITHIN_MS = 5000
const VISIBLE_RETRY_MS = 10
/** As many copies as the cluster's `default.replication.factor` says (KIP-464). */
const DEFAULT_REPLICATION = -1

const TOPIC_RESOURCE = 2
const SET = 0
const DELETE = 1
/** Where a configuration that was set on the topic comes from. */
const TOPIC_CONFIG_SOURCE = 1

export function clusterAdmin(cluster: Cluster): LogAdmin {
  return {
    createTopics: (topics) => createTopics(cluster, topics),
    createPartitions: (topic, count) => createPartitions(cluster, topic, count),
    deleteTopics: (topics) => deleteTopics(cluster, topics),
    deleteRecords: (items) => deleteRecords(cluster, items),
    async describeConfig(topic) {
      const configs = await describeConfigs(cluster, topic)
      return Object.fromEntries(configs.map(({ name, value }) => [name, value ?? '']))
    },
    alterConfig: (topic, config) => alterConfig(cluster, topic, config),
    deleteGroup: (groupId) => deleteGroup(cluster, groupId),
  }
}

async function createTopics(
  cluster: Cluster,
  topics: readonly NewTopic[],
): Promise<readonly TopicResult[]> {
  if (topics.length === 0) return []
  const results = new Map((await createOnce(cluster, topics)).map((one) => [one.topic, one]))
  // A topic of that name may be on its way out: with ZooKeeper, brokers forget it before it is gone.
  await untilVisible(cluster, async () => {
    const taken = topics.filter(({ topic }) => isTaken(results.get(topic)))
    if (taken.length === 0) return true
    const there = await cluster.metadata.describe(taken.map(({ topic }) => topic))
    const again = taken.filter(({ topic }) => !there.some((one) => one.topic === topic))
    if (again.length === 0) return true
    for (const result of await createOnce(cluster, again)) results.set(result.topic, result)
    return !again.some(({ topic }) => isTaken(results.get(topic)))
  })
  const created = topics.filter(({ topic }) => results.get(topic)?.error === null)
  await untilUsable(cluster, new Map(created.map(({ topic, partitions }) => [topic, partitions])))
  return topics.map(({ topic }) => results.get(topic) as TopicResult)
}

function isTaken(result: TopicResult | undefined): boolean {
  return result?.error?.code === 'topic-already-exists'
}

async function createOnce(
  cluster: Cluster,
  topics: readonly NewTopic[],
): Promise<readonly TopicResult[]> {
  const request = {
    topics: topics.map(({ topic, partitions, replication, config = {} }) => ({
      name: topic,
      numPartitions: partitions,
      replicationFactor: replication ?? DEFAULT_REPLICATION,
      assignments: [],
      configs: Object.entries(config).map(([name, value]) => ({ name, value })),
    })),
    timeoutMs: cluster.requestTimeoutMs,
  }
  return cluster.onController(async (address) => {
    const response = await cluster.call(CONTROL_LANE, address, { api: CreateTopics, request })
    return topicResults(
      topics.map(({ topic }) => topic),
      response.topics,
    )
  })
}

/** Until every partition is known and its leader knows that it leads. */
async function untilUsable(cluster: Cluster, topics: ReadonlyMap<string, number>): Promise<void> {
  await untilVisible(cluster, () => haveLeaders(cluster, topics))
  const partitions = [...topics].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({
      topic,
      partition,
      at: 'earliest' as const,
    })),
  )
  await listOffsets(cluster, partitions, 'read-uncommitted')
}

/** True when a broker shows every topic with so many partitions, each with a leader. */
async function haveLeaders(
  cluster: Cluster,
  wanted: ReadonlyMap<string, number>,
): Promise<boolean> {
  if (wanted.size === 0) return true
  const described = await cluster.metadata.describe([...wanted.keys()])
  return [...wanted].every(([topic, count]) => {
    const partitions = described.find((one) => one.topic === topic)?.partitions ?? []
    return partitions.length >= count && partitions.every(({ leader }) => leader >= 0)
  })
}

async function createPartitions(cluster: Cluster, topic: string, count: number): Promise<void> {
  const request = {
    topics: [{ name: topic, count, assignments: null }],
    timeoutMs: cluster.requestTimeoutMs,
    validateOnly: false,
  }
  await cluster.onController(async (address) => {
    const { results } = await cluster.call(CONTROL_LANE, address, {
      api: CreatePartitions,
      request,
    })
    throwFirst(topicResults([topic], results))
  })
  await untilUsable(cluster, new Map([[topic, count]]))
}

async function deleteTopics(
  cluster: Cluster,
  topics: readonly string[],
): Promise<readonly TopicResult[]> {
  if (topics.length === 0) return []
  const request = { topicNames: topics, timeoutMs: cluster.requestTimeoutMs }
  const results = await cluster.onController(async (address) => {
    const { responses } = await cluster.call(CONTROL_LANE, address, { api: DeleteTopics, request })
    return topicResults(
      topics,
      responses.map((one) => ({ ...one, name: one.name ?? '' })),
    )
  })
  const gone = results.filter(({ error }) => error === null).map(({ topic }) => topic)
  await untilVisible(cluster, async () => (await cluster.metadata.describe(gone)).length === 0)
  return results
}

interface TopicAnswer {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** The answer for each topic, in order; that the controller is another one fails the whole call. */
function topicResults(topics: readonly string[], answers: readonly TopicAnswer[]): TopicResult[] {
  return topics.map((topic) => {
    const answer = answers.find(({ name }) => name === topic)
    if (answer === undefined) throw timedOut('The controller left a topic out')
    const { errorCode, errorMessage } = answer
    if (errorCode === ERROR_NUMBERS.NONE) return { topic, error: null }
    const error = errorOf(errorCode, { topic }, errorMessage)
    if (errorCode === ERROR_NUMBERS.NOT_CONTROLLER) throw error
    // Nothing that waits a little would help against: the topic is not there.
    const isMissing = errorCode === ERROR_NUMBERS.UNKNOWN_TOPIC_OR_PARTITION
    return { topic, error: isMissing ? error.final('The cluster has no such topic') : error }
  })
}

function throwFirst(results: readonly TopicResult[]): void {
  for (const { error } of results) if (error !== null) throw error
}

type DeleteItem = TopicPartition & { readonly beforeOffset: number }

async function deleteRecords(cluster: Cluster, items: readonly DeleteItem[]): Promise<void> {
  const answers = await cluster.onLeaders<DeleteItem, { readonly lowWatermark: number }>(
    items,
    async (address, given) => {
      const request = {
        topics: byTopic(given, ({ partition, beforeOffset }) => ({
          partitionIndex: partition,
          offset: beforeOffset,
        })).map(([name, partitions]) => ({ name, partitions })),
        timeoutMs: cluster.requestTimeoutMs,
      }
      const { topics } = await cluster.call(CONTROL_LANE, address, { api: DeleteRecords, request })
      return given.map(({ topic, partition }) => {
        const answer = findPartition(topics, topic, partition)
        if (answer === null) return timedOut('The broker gave no answer for the partition')
        const { errorCode } = answer
        return errorCode === ERROR_NUMBERS.NONE ? answer : errorOf(errorCode, { topic, partition })
      })
    },
  )
  for (const answer of answers) if (answer instanceof ClusterError) throw answer
}

interface ConfigEntry {
  readonly name: string
  readonly value: string | null
  readonly configSource: number
}

function describeConfigs(cluster: Cluster, topic: string): Promise<readonly ConfigEntry[]> {
  const request = {
    resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: null }],
  }
  return cluster.onAny(async (address: Address) => {
    const { results } = await cluster.call(CONTROL_LANE, address, { api: DescribeConfigs, request })
    const [result] = results
    if (result === undefined) throw timedOut('The broker gave no answer for the topic')
    const { errorCode, errorMessage, configs } = result
    if (errorCode === ERROR_NUMBERS.NONE) return configs
    const error = errorOf(errorCode, { topic }, errorMessage)
    throw error.code === 'topic-not-found' ? error.final('The cluster has no such topic') : error
  })
}

async function alterConfig(
  cluster: Cluster,
  topic: string,
  config: Readonly<Record<string, string | null>>,
): Promise<void> {
  const request = {
    resources: [
      {
        resourceType: TOPIC_RESOURCE,
        resourceName: topic,
        configs: Object.entries(config).map(([name, value]) => ({
          name,
          configOperation: value === null ? DELETE : SET,
          value,
        })),
      },
    ],
    validateOnly: false,
  }
  await cluster.onController(async (address) => {
    const { responses } = await cluster.call(CONTROL_LANE, address, {
      api: IncrementalAlterConfigs,
      request,
    })
    const [{ errorCode, errorMessage } = { errorCode: 0, errorMessage: null }] = responses
    if (errorCode === ERROR_NUMBERS.NONE) return
    const error = errorOf(errorCode, { topic }, errorMessage)
    throw error.code === 'topic-not-found' ? error.final('The cluster has no such topic') : error
  })
  await untilVisible(cluster, async () => {
    const entries = await describeConfigs(cluster, topic)
    return Object.entries(config).every(([name, value]) => {
      const entry = entries.find((one) => one.name === name)
      if (value === null) return entry?.configSource !== TOPIC_CONFIG_SOURCE
      return entry?.value === value
    })
  })
}

async function deleteGroup(cluster: Cluster, groupId: string): Promise<void> {
  await cluster.onCoordinator({ type: 'group', id: groupId }, async (address) => {
    const { results } = await cluster.call(CONTROL_LANE, address, {
      api: DeleteGroups,
      request: { groupsNames: [groupId] },
    })
    const errorCode = results[0]?.errorCode ?? ERROR_NUMBERS.NONE
    // What is forgotten already is forgotten.
    if (errorCode === ERROR_NUMBERS.NONE || errorCode === ERROR_NUMBERS.GROUP_ID_NOT_FOUND) return
    throw errorOf(errorCode, { group: groupId })
  })
}

/** Looks until a broker shows the change; what is late then is left to the caller's own retries. */
async function untilVisible(cluster: Cluster, isVisible: () => Promise<boolean>): Promise<void> {
  const deadline = cluster.clock.monotonic() + VISIBLE_WITHIN_MS
  while (!(await isVisible()) && cluster.clock.monotonic() < deadline) {
    await cluster.pause(VISIBLE_RETRY_MS)
  }
}
