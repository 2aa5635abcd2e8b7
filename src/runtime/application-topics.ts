/**
 * The topics of one application on one log: finds those the topology names, plans and creates those
 * it owns, and says which tasks follow from their partition counts.
 *
 * Journey: start -> [application topics] -> tasks. Names in a topology are as the user wrote them;
 * on the log, repartition topics and changelogs carry the application id in front.
 *
 * Invariants:
 * - A source topic that does not exist is an error; it is never created here.
 * - Topics joined with each other have equal partition counts, or nothing starts.
 * - A changelog has as many partitions as its sub-topology has tasks. An existing one with another
 *   count ends the start (`state-comparison.ts`): state would be split differently from how it was.
 */
import type { LogClient, NewTopic } from '../client/client.ts'
import { StreamsError } from '../errors.ts'
import { subTopologies, wholeTopology } from '../topology/sub-topologies.ts'
import type { SubTopology, Topology } from '../topology/topology.ts'
import { matchPatterns } from './source-patterns.ts'
import { descriptionTopic } from './state-description.ts'
import type { TaskDescription } from './task.ts'

/** Segments of repartition topics: small, because they are purged behind the reader. */
const REPARTITION_SEGMENT_BYTES = 50 * 1024 * 1024

export class ApplicationTopics {
  readonly tasks: readonly TaskDescription[]
  readonly #applicationId: string
  readonly #repartition: ReadonlySet<string>
  readonly #ownNames: ReadonlySet<string>
  readonly #wanted: readonly NewTopic[]
  readonly #partitions: Map<string, number>

  constructor(
    applicationId: string,
    topology: Topology,
    plan: {
      readonly tasks: readonly TaskDescription[]
      readonly wanted: readonly NewTopic[]
      readonly existing: ReadonlyMap<string, number>
    },
  ) {
    this.#applicationId = applicationId
    this.#repartition = new Set(topology.repartitionTopics.map(({ name }) => name))
    this.#ownNames = new Set([...this.#repartition].map((name) => `${applicationId}-${name}`))
    this.tasks = plan.tasks
    this.#wanted = plan.wanted
    this.#partitions = new Map(plan.existing)
  }

  /** The name on the log of a topic as a node names it. */
  nameOf(topic: string): string {
    return this.#repartition.has(topic) ? `${this.#applicationId}-${topic}` : topic
  }

  /** True for the name, on the log, of a repartition topic of this application. */
  ownsRepartition(topic: string): boolean {
    return this.#ownNames.has(topic)
  }

  changelogOf(store: string): string {
    return changelogName(this.#applicationId, store)
  }

  /** Partitions of a topic that is there, by its name on the log; null when it is not. */
  partitionsOf(topic: string): number | null {
    return this.#partitions.get(topic) ?? null
  }

  /** Partitions that a topic which the application owns is to have. */
  wantedPartitionsOf(topic: string): number {
    return this.#wanted.find((wanted) => wanted.topic === topic)?.partitions ?? 0
  }

  /** Creates what the application owns and is not there. */
  async createMissing(client: LogClient): Promise<void> {
    const missing = this.#wanted.filter(({ topic }) => !this.#partitions.has(topic))
    if (missing.length === 0) return
    const results = await client.admin.createTopics(missing)
    for (const { topic, error } of results) {
      if (error !== null && error.code !== 'topic-already-exists') {
        throw new StreamsError(error.code, `'${topic}' cannot be created: ${error.message}`, {
          place: { topic },
        })
      }
    }
    for (const { topic, partitions } of missing) this.#partitions.set(topic, partitions)
  }

  /** @throws StreamsError 'topic-not-found' for a topic that was not there at start */
  resolve(topic: string): { readonly topic: string; readonly partitions: number } {
    const name = this.nameOf(topic)
    const partitions = this.#partitions.get(name)
    if (partitions !== undefined) return { topic: name, partitions }
    throw new StreamsError(
      'topic-not-found',
      `No topic '${name}' to write to. Create it before the application starts`,
      { place: { topic: name } },
    )
  }
}

export function changelogName(applicationId: string, store: string): string {
  return `${applicationId}-${store}-changelog`
}

/** What the topics of an application depend on besides its topology. */
export interface TopicOptions {
  readonly applicationId: string
  /** True to run the whole topology as one task for each partition. */
  readonly isSingleTask?: boolean | undefined
  /** Topics of dead letters, created when they are not there. */
  readonly deadLetters: readonly string[]
}

/** Finds and checks the topics of an application; nothing is created yet. */
export async function planTopics(
  client: LogClient,
  program: Topology,
  { applicationId, isSingleTask = false, deadLetters }: TopicOptions,
): Promise<ApplicationTopics> {
  const existing = new Map(
    (await client.describeTopics()).map((topic) => [topic.topic, topic.partitions.length]),
  )
  const topology = matchPatterns(program, [...existing.keys()], applicationId)
  const parts = subTopologies(topology)
  const counts = partitionCounts(topology, parts, existing)
  checkCoPartitioning(topology, counts)

  for (const { source } of topology.globals) {
    for (const topic of source.topics) {
      if (!existing.has(topic)) throw missingSource(topic, existing)
    }
  }
  const owned = new Set(topology.repartitionTopics.map(({ name }) => name))
  const nameOf = (topic: string) => (owned.has(topic) ? `${applicationId}-${topic}` : topic)
  const wanted: NewTopic[] = topology.repartitionTopics.map(({ name }) => ({
    topic: nameOf(name),
    partitions: counts.get(name) as number,
    config: REPARTITION_CONFIG,
  }))
  const tasks: TaskDescription[] = []
  for (const subTopology of isSingleTask ? [wholeTopology(topology)] : parts) {
    const partitions = Math.max(...subTopology.sourceTopics.map((topic) => counts.get(topic) ?? 0))
    for (let partition = 0; partition < partitions; partition++) {
      tasks.push({ id: `${subTopology.id}_${partition}`, partition, subTopology })
    }
    for (const store of subTopology.stores) {
      if (!store.changelog) continue
      const topic = changelogName(applicationId, store.name)
      wanted.push({ topic, partitions, config: CHANGELOG_CONFIG })
    }
    for (const topic of subTopology.sinkTopics) {
      if (!owned.has(topic) && !existing.has(topic)) wanted.push({ topic, partitions })
    }
  }
  for (const topic of deadLetters) {
    if (existing.has(topic) || wanted.some((other) => other.topic === topic)) continue
    wanted.push({ topic, partitions: 1 })
  }
  if (topology.stores.length > 0 || topology.repartitionTopics.length > 0) {
    wanted.push({ topic: descriptionTopic(applicationId), partitions: 1, config: CHANGELOG_CONFIG })
  }
  return new ApplicationTopics(applicationId, topology, { tasks, wanted, existing })
}

const REPARTITION_CONFIG = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'segment.bytes': String(REPARTITION_SEGMENT_BYTES),
}

/**
 * The log never deletes changelog records by their age: it would compare their event time with the
 * wall clock, and a backlog of last year would lose its state (Kafka Streams' `compact,delete` does).
 * What expired by stream time is purged by the stream thread.
 */
const CHANGELOG_CONFIG = { 'cleanup.policy': 'compact', 'retention.ms': '-1' }

/**
 * Partition counts by topic as the nodes name it. A repartition topic without a count of its own
 * takes that of the topics it is joined with, else the largest of what its writers read.
 */
function partitionCounts(
  topology: Topology,
  parts: readonly SubTopology[],
  existing: ReadonlyMap<string, number>,
): Map<string, number> {
  const counts = new Map<string, number>()
  const owned = new Map(topology.repartitionTopics.map((topic) => [topic.name, topic.partitions]))
  for (const { sourceTopics } of parts) {
    for (const topic of sourceTopics) {
      if (owned.has(topic)) continue
      const count = existing.get(topic)
      if (count === undefined) throw missingSource(topic, existing)
      counts.set(topic, count)
    }
  }
  for (const [topic, count] of owned) if (count !== null) counts.set(topic, count)
  for (let open = [...owned.keys()].filter((topic) => !counts.has(topic)); open.length > 0; ) {
    const settle = (ofAll: boolean): boolean => {
      const found = open.map((topic) => countOf(topic, { topology, parts, counts, ofAll }))
      open.forEach((topic, index) => {
        const count = found[index]
        if (count != null) counts.set(topic, count)
      })
      return found.some((count) => count !== null)
    }
    // What a topic's own records come back to counts for nothing, as in Kafka's RepartitionTopics.
    if (!settle(true) && !settle(false)) {
      throw new StreamsError(
        'topology-invalid',
        `Repartition topics ${open.join(', ')} feed only each other, so their partition count is unknown; give one of them the partitions option`,
      )
    }
    open = open.filter((topic) => !counts.has(topic))
  }
  return counts
}

interface Counting {
  readonly topology: Topology
  readonly parts: readonly SubTopology[]
  readonly counts: ReadonlyMap<string, number>
  /** Only when the counts of all topics that its writers read are known. */
  readonly ofAll: boolean
}

function countOf(topic: string, { topology, parts, counts, ofAll }: Counting): number | null {
  for (const group of topology.coPartitioning) {
    if (!group.topics.includes(topic)) continue
    const known = group.topics.filter((other) => other !== topic && counts.has(other))
    if (known.length > 0) return Math.max(...known.map((other) => counts.get(other) as number))
  }
  const read = parts
    .filter(({ sinkTopics }) => sinkTopics.includes(topic))
    .flatMap(({ sourceTopics }) => sourceTopics)
  const known = read.flatMap((source) => counts.get(source) ?? [])
  if (known.length === 0 || (ofAll && known.length < read.length)) return null
  return Math.max(...known)
}

function missingSource(topic: string, existing: ReadonlyMap<string, number>): StreamsError {
  const names = [...existing.keys()].slice(0, 10).join(', ') || 'none'
  return new StreamsError(
    'source-topic-missing',
    `The topology reads topic '${topic}', which does not exist. Create it first (topics there are: ${names})`,
    { place: { topic } },
  )
}

function checkCoPartitioning(topology: Topology, counts: ReadonlyMap<string, number>): void {
  for (const { topics, operator } of topology.coPartitioning) {
    const distinct = new Set(topics.map((topic) => counts.get(topic)))
    if (distinct.size <= 1) continue
    const listed = topics.map((topic) => `'${topic}' has ${counts.get(topic)}`).join(', ')
    throw new StreamsError(
      'partition-count-mismatch',
      `${operator} needs topics with equal partition counts: ${listed}. Insert .repartition({ partitions }) before the one with fewer, or create the topics alike`,
    )
  }
}
