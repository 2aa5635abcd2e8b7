/**
 * Cuts a topology into sub-topologies: its connected parts, where an edge or a shared store
 * connects. A repartition topic does not: the sink that writes it and the source that reads it
 * are where the cut goes through.
 *
 * Journey: built topology -> [sub-topologies] -> one task per sub-topology and partition.
 *
 * Invariant: every node and every used store is in exactly one part; parts are numbered from 0 in
 * the order of their first nodes.
 */
import type { StoreDefinition } from '../state/store.ts'
import type { SubTopology, Topology, TopologyNode } from './topology.ts'

/** The sub-topologies of a topology, ascending by id. */
export function subTopologies(topology: Topology): readonly SubTopology[] {
  const { nodes, stores } = topology
  const partOf = connect(nodes)
  const parts = new Map<number, TopologyNode[]>()
  nodes.forEach((node, index) => {
    const root = partOf(index)
    const part = parts.get(root)
    if (part) part.push(node)
    else parts.set(root, [node])
  })
  return Object.freeze([...parts.values()].map((part, id) => subTopology(id, part, stores)))
}

/** All nodes as one part, its repartition topics among its sources: for tests that ask for it. */
export function wholeTopology({ nodes, stores }: Topology): SubTopology {
  return subTopology(0, [...nodes], stores)
}

function subTopology(
  id: number,
  nodes: TopologyNode[],
  stores: readonly StoreDefinition[],
): SubTopology {
  const used = new Set<string>()
  const sourceTopics = new Set<string>()
  const sinkTopics = new Set<string>()
  for (const node of nodes) {
    if (node.kind === 'processor') for (const store of node.stores) used.add(store)
    if (node.kind === 'source') for (const topic of node.topics) sourceTopics.add(topic)
    if (node.kind === 'sink' && typeof node.topic === 'string') sinkTopics.add(node.topic)
  }
  return Object.freeze({
    id,
    nodes: Object.freeze(nodes),
    stores: Object.freeze(stores.filter(({ name }) => used.has(name))),
    sourceTopics: Object.freeze([...sourceTopics]),
    sinkTopics: Object.freeze([...sinkTopics]),
  })
}

/** Union-find over edges and shared stores; the answer maps a node's index to its part's first. */
function connect(nodes: readonly TopologyNode[]): (index: number) => number {
  const parent = nodes.map((_, index) => index)
  const find = (index: number): number => {
    const up = parent[index] as number
    if (up === index) return index
    const root = find(up)
    parent[index] = root
    return root
  }
  const join = (left: number, right: number): void => {
    const [low, high] = [find(left), find(right)].sort((a, b) => a - b) as [number, number]
    parent[high] = low
  }
  const indexOf = new Map(nodes.map((node, index) => [node.name, index]))
  const firstUser = new Map<string, number>()
  nodes.forEach((node, index) => {
    if (node.kind === 'source') return
    for (const name of node.upstream) join(index, indexOf.get(name) as number)
    if (node.kind === 'sink') return
    for (const store of node.stores) {
      const first = firstUser.get(store)
      if (first === undefined) firstUser.set(store, index)
      else join(first, index)
    }
  })
  return find
}
