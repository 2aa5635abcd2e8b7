/**
 * A topology as a graph: what every drawing of it needs, and its forms as JSON, DOT and Mermaid.
 *
 * Journey: built topology -> [graph] -> text for a tool. `describe.ts` has the form of Kafka Streams.
 *
 * Invariant: every node, store and topic of the topology is in the graph once, and so is each edge
 * between two of them.
 */
import { subTopologies } from './sub-topologies.ts'
import type { Topology, TopologyNode } from './topology.ts'

/** What a vertex of the graph stands for. */
export type VertexKind = 'source' | 'processor' | 'sink' | 'store' | 'topic'

export interface TopologyVertex {
  readonly id: string
  readonly kind: VertexKind
  readonly name: string
  /** The sub-topology it is part of; null for topics and for what belongs to a global store. */
  readonly subTopology: number | null
}

export interface TopologyEdge {
  readonly from: string
  readonly to: string
}

export interface TopologyGraph {
  readonly vertices: readonly TopologyVertex[]
  readonly edges: readonly TopologyEdge[]
}

/** The topology as vertices and edges: what `describe('json')` writes. */
export function topologyGraph(topology: Topology): TopologyGraph {
  const vertices = new Map<string, TopologyVertex>()
  const edges: TopologyEdge[] = []

  function vertex(kind: VertexKind, name: string, subTopology: number | null): string {
    const isNode = kind !== 'store' && kind !== 'topic'
    const id = isNode ? `node ${name}` : `${kind} ${name}`
    if (!vertices.has(id)) vertices.set(id, { id, kind, name, subTopology })
    return id
  }

  function add(node: TopologyNode, part: number | null): void {
    const id = vertex(node.kind, node.name, part)
    if (node.kind === 'source') {
      for (const topic of node.topics) edges.push({ from: vertex('topic', topic, null), to: id })
      return
    }
    for (const name of node.upstream) edges.push({ from: `node ${name}`, to: id })
    if (node.kind === 'processor') {
      for (const store of node.stores) edges.push({ from: id, to: vertex('store', store, part) })
      return
    }
    const topic = typeof node.topic === 'string' ? node.topic : '(chosen for each record)'
    edges.push({ from: id, to: vertex('topic', topic, null) })
  }

  for (const { id, nodes } of subTopologies(topology)) for (const node of nodes) add(node, id)
  for (const { source, processor } of topology.globals) {
    add(source, null)
    add(processor, null)
  }
  return { vertices: [...vertices.values()], edges }
}

const DOT_SHAPES: Readonly<Record<VertexKind, string>> = {
  source: 'invhouse',
  processor: 'box',
  sink: 'house',
  store: 'cylinder',
  topic: 'cds',
}

/** The graph for Graphviz: `dot -Tsvg`. */
export function drawDot(topology: Topology): string {
  const { vertices, edges } = topologyGraph(topology)
  const line = ({ id, kind, name }: TopologyVertex) =>
    `${quoted(id)} [label=${quoted(name)}, shape=${DOT_SHAPES[kind]}]`
  const lines = ['digraph topology {', '  rankdir=LR']
  for (const [part, members] of byPart(vertices)) {
    if (part === null) {
      for (const member of members) lines.push(`  ${line(member)}`)
      continue
    }
    lines.push(`  subgraph cluster_${part} {`, `    label="sub-topology ${part}"`)
    for (const member of members) lines.push(`    ${line(member)}`)
    lines.push('  }')
  }
  for (const { from, to } of edges) lines.push(`  ${quoted(from)} -> ${quoted(to)}`)
  return `${lines.join('\n')}\n}\n`
}

const MERMAID_SHAPES: Readonly<Record<VertexKind, readonly [string, string]>> = {
  source: ['[/', '/]'],
  processor: ['[', ']'],
  sink: ['[\\', '\\]'],
  store: ['[(', ')]'],
  topic: ['>', ']'],
}

/** The graph as a Mermaid flowchart, as Markdown pages of many hosts show it. */
export function drawMermaid(topology: Topology): string {
  const { vertices, edges } = topologyGraph(topology)
  const number = new Map(vertices.map(({ id }, index) => [id, `v${index}`]))
  const line = ({ id, kind, name }: TopologyVertex) => {
    const [open, close] = MERMAID_SHAPES[kind]
    return `${number.get(id)}${open}${quoted(name)}${close}`
  }
  const lines = ['flowchart LR']
  for (const [part, members] of byPart(vertices)) {
    const indent = part === null ? '  ' : '    '
    if (part !== null) lines.push(`  subgraph "sub-topology ${part}"`)
    for (const member of members) lines.push(`${indent}${line(member)}`)
    if (part !== null) lines.push('  end')
  }
  for (const { from, to } of edges) lines.push(`  ${number.get(from)} --> ${number.get(to)}`)
  return `${lines.join('\n')}\n`
}

function byPart(vertices: readonly TopologyVertex[]): Map<number | null, TopologyVertex[]> {
  const parts = new Map<number | null, TopologyVertex[]>()
  for (const vertex of vertices) {
    const members = parts.get(vertex.subTopology) ?? []
    parts.set(vertex.subTopology, members)
    members.push(vertex)
  }
  return parts
}

/** Names have letters, digits, `.`, `_` and `-`; a function's name may have more. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', "'")}"`
}
