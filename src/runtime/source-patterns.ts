/**
 * Sources by pattern: which topics they read is known when the application starts.
 *
 * Journey: topology -> [source patterns] -> a topology of topics -> tasks. A topic made later is
 * read from the next start on.
 *
 * Invariants:
 * - The application's own topics match no pattern: it would read what it writes for itself.
 * - After it no topic has two sources, as in a topology without patterns.
 */
import { StreamsError } from '../errors.ts'
import type { SourceNode, Topology } from '../topology/topology.ts'
import { descriptionTopic } from './state-description.ts'

/** The topology with the topics that its patterns match in place of the patterns. */
export function matchPatterns(
  topology: Topology,
  existing: readonly string[],
  applicationId: string,
): Topology {
  if (!topology.nodes.some((node) => node.kind === 'source' && node.pattern !== undefined)) {
    return topology
  }
  const own = ownTopics(topology, applicationId)
  const candidates = existing.filter((topic) => !own.has(topic)).sort()
  const readBy = new Map<string, string>()
  const matched = new Map<string, readonly string[]>()
  const nodes = topology.nodes.map((node) => {
    if (node.kind !== 'source') return node
    const topics = node.pattern === undefined ? node.topics : matching(node, candidates)
    for (const topic of topics) {
      const reader = readBy.get(topic)
      if (reader !== undefined) throw readTwice(topic, reader, node.name)
      readBy.set(topic, node.name)
    }
    if (node.pattern !== undefined) matched.set(node.topics[0] as string, topics)
    return { ...node, topics }
  })
  const coPartitioning = topology.coPartitioning.map((group) => ({
    ...group,
    topics: group.topics.flatMap((topic) => matched.get(topic) ?? [topic]),
  }))
  return { ...topology, nodes, coPartitioning }
}

function ownTopics({ stores, repartitionTopics }: Topology, id: string): ReadonlySet<string> {
  return new Set([
    ...stores.map(({ name }) => `${id}-${name}-changelog`),
    ...repartitionTopics.map(({ name }) => `${id}-${name}`),
    descriptionTopic(id),
  ])
}

function matching({ name, pattern }: SourceNode, candidates: readonly string[]): string[] {
  const topics = candidates.filter((topic) => pattern?.exec(topic)?.[0] === topic)
  if (topics.length > 0) return topics
  throw new StreamsError(
    'source-topic-missing',
    `No topic matches ${String(pattern)} of source '${name}' as a whole. Create one before the application starts`,
    { place: { node: name } },
  )
}

function readTwice(topic: string, reader: string, other: string): StreamsError {
  return new StreamsError(
    'topology-invalid',
    `Sources '${reader}' and '${other}' both read topic '${topic}'. Make their patterns match different topics`,
    { place: { topic } },
  )
}
