/**
 * Checks a program as data and freezes it. Whoever wrote it, the DSL or a hand, the runtime
 * relies on what is checked here and checks nothing again.
 *
 * Journey: nodes, stores and internal topics -> [validate] -> topology -> sub-topologies -> tasks.
 */
import { describe } from './describe.ts'
import { checkName, show } from './names.ts'
import type { ProcessorNode, SinkNode, SourceNode, Topology, TopologyNode } from './topology.ts'

/** What a topology is made of, before it is checked. */
export type TopologyParts = Omit<Topology, 'describe' | 'globals'> &
  Partial<Pick<Topology, 'globals'>>

/**
 * Checks the parts of a topology and freezes them.
 *
 * @throws TypeError when a name is used twice, an upstream node, store or topic is unknown, a
 * topic has two sources, or a store has no node that uses it
 */
export function buildTopology(parts: TopologyParts): Topology {
  const stores = checkStores(parts)
  checkNodes(parts, stores)
  checkTopics(parts)
  const topology: Topology = {
    nodes: Object.freeze(parts.nodes.map((node) => Object.freeze({ ...node }))),
    stores: Object.freeze(parts.stores.map((store) => Object.freeze({ ...store }))),
    repartitionTopics: Object.freeze([...parts.repartitionTopics]),
    coPartitioning: Object.freeze([...parts.coPartitioning]),
    globals: Object.freeze((parts.globals ?? []).map((global) => Object.freeze({ ...global }))),
    describe: (format) => describe(topology, format),
  }
  return Object.freeze(topology)
}

function checkStores({ stores, nodes }: TopologyParts): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { name } of stores) {
    checkName(name, 'name of a store')
    if (names.has(name)) throw new TypeError(`two stores are named '${name}'; rename one of them`)
    names.add(name)
  }
  const used = new Set(nodes.flatMap((node) => (node.kind === 'processor' ? node.stores : [])))
  for (const name of names) {
    if (!used.has(name)) {
      throw new TypeError(`store '${name}' is used by no operator; connect it or leave it out`)
    }
  }
  return names
}

function checkNodes({ nodes, globals = [] }: TopologyParts, stores: ReadonlySet<string>): void {
  const before = new Map<string, TopologyNode>()
  for (const node of nodes) {
    checkName(node.name, 'name of an operator')
    if (before.has(node.name)) {
      throw new TypeError(`two operators are named '${node.name}'; rename one of them`)
    }
    if (node.kind === 'source') checkSource(node)
    else checkUpstream(node, before)
    if (node.kind === 'processor') checkProcessor(node, stores)
    before.set(node.name, node)
  }
  if (globals.length === 0 && !nodes.some(({ kind }) => kind === 'source')) {
    throw new TypeError('the topology reads no topic; begin with stream(...) or table(...)')
  }
}

function checkSource({ name, topics, pattern }: SourceNode): void {
  if (pattern !== undefined) return
  if (topics.length === 0) throw new TypeError(`source '${name}' has no topics; name at least one`)
  for (const topic of topics) checkName(topic, `topic of source '${name}'`)
}

function checkUpstream(
  node: ProcessorNode | SinkNode,
  before: ReadonlyMap<string, TopologyNode>,
): void {
  const place = `${node.kind} '${node.name}'`
  if (node.upstream.length === 0) {
    throw new TypeError(`${place} has nothing upstream; name the operators it reads from`)
  }
  for (const name of node.upstream) {
    const upstream = before.get(name)
    if (!upstream) {
      throw new TypeError(`${place} reads from '${name}', which does not stand before it`)
    }
    if (upstream.kind === 'sink') {
      throw new TypeError(`${place} reads from sink '${name}'; a sink ends its stream`)
    }
  }
}

function checkProcessor(node: ProcessorNode, stores: ReadonlySet<string>): void {
  const { name, create } = node
  if (typeof create !== 'function') {
    throw new TypeError(`create of processor '${name}' is ${show(create)}; pass a function`)
  }
  for (const store of node.stores) {
    if (!stores.has(store)) {
      throw new TypeError(`processor '${name}' uses store '${store}', which is not in the topology`)
    }
  }
}

function checkTopics(parts: TopologyParts): void {
  const { nodes, repartitionTopics, coPartitioning, globals = [] } = parts
  const readBy = new Map<string, string>()
  const written = new Set<string>()
  const sources = globals.map(({ source }) => source)
  for (const node of [...nodes, ...sources]) {
    if (node.kind === 'sink' && typeof node.topic === 'string') {
      written.add(checkName(node.topic, `topic of sink '${node.name}'`))
    }
    if (node.kind !== 'source') continue
    for (const topic of node.topics) {
      const reader = readBy.get(topic)
      if (reader !== undefined) {
        throw new TypeError(
          `sources '${reader}' and '${node.name}' both read topic '${topic}'; read it once and use that stream twice`,
        )
      }
      readBy.set(topic, node.name)
    }
  }
  checkPatterns(nodes)
  const internal = new Set<string>()
  for (const { name } of repartitionTopics) {
    if (internal.has(name)) throw new TypeError(`two repartition topics are named '${name}'`)
    internal.add(name)
    if (!written.has(name) || !readBy.has(name)) {
      throw new TypeError(
        `repartition topic '${name}' needs a sink that writes it and a source that reads it`,
      )
    }
  }
  for (const { topics, operator } of coPartitioning) {
    for (const topic of topics) {
      if (!readBy.has(topic))
        throw new TypeError(`${operator} names topic '${topic}', which no source reads`)
    }
  }
  checkOwnCounts(repartitionTopics, coPartitioning)
}

/** A topic read by name must not be read by pattern too; two patterns are compared at start. */
function checkPatterns(nodes: readonly TopologyNode[]): void {
  const sources = nodes.filter((node) => node.kind === 'source')
  for (const { name, pattern } of sources) {
    if (pattern === undefined) continue
    for (const other of sources) {
      if (other.pattern !== undefined) continue
      const topic = other.topics.find((one) => pattern.exec(one)?.[0] === one)
      if (topic === undefined) continue
      throw new TypeError(
        `source '${name}' reads ${String(pattern)}, which matches topic '${topic}' of source '${other.name}'; make the pattern narrower, or read the topic with it alone`,
      )
    }
  }
}

/** Counts given to repartition topics that are joined must be equal; others are known at start. */
function checkOwnCounts(
  repartitionTopics: TopologyParts['repartitionTopics'],
  coPartitioning: TopologyParts['coPartitioning'],
): void {
  const counts = new Map(repartitionTopics.map(({ name, partitions }) => [name, partitions]))
  for (const { topics, operator } of coPartitioning) {
    const given = topics.filter((topic) => typeof counts.get(topic) === 'number')
    if (new Set(given.map((topic) => counts.get(topic))).size < 2) continue
    const listed = given.map((topic) => `'${topic}' with ${counts.get(topic)}`).join(' and ')
    throw new TypeError(
      `${operator} joins repartition topic ${listed} partitions; give them the same number`,
    )
  }
}
