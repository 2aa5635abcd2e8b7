/**
 * A topology as text, in the form of Kafka Streams' `TopologyDescription`, so that whoever knows
 * that one, and the tools that draw it, can read ours.
 *
 * Nodes stand in the order of the program, each after those above it. Internal topics are shown
 * without the application id.
 *
 * @see org.apache.kafka.streams.TopologyDescription
 */
import { drawDot, drawMermaid, topologyGraph } from './draw.ts'
import { subTopologies } from './sub-topologies.ts'
import type {
  DescribeFormat,
  GlobalStoreNode,
  SinkNode,
  SubTopology,
  Topology,
  TopologyNode,
} from './topology.ts'

const DRAWINGS: Readonly<Record<DescribeFormat, (topology: Topology) => string>> = {
  text: describeText,
  json: (topology) => `${JSON.stringify(topologyGraph(topology), null, 2)}\n`,
  dot: drawDot,
  mermaid: drawMermaid,
}

/**
 * Writes a topology down.
 *
 * @throws TypeError when the format is none of them
 */
export function describe(topology: Topology, format: DescribeFormat = 'text'): string {
  if (!Object.hasOwn(DRAWINGS, format)) {
    const listed = Object.keys(DRAWINGS).map((name) => `'${name}'`)
    throw new TypeError(`describe('${String(format)}'): write ${listed.join(', ')}`)
  }
  return DRAWINGS[format](topology)
}

/** Sub-topologies, nodes, stores and topics, and who hands to whom. */
function describeText(topology: Topology): string {
  const parts = subTopologies(topology).map(describeSubTopology)
  const globals = topology.globals.map((global, index) =>
    describeGlobal(global, parts.length + index),
  )
  return `Topologies:\n ${[...parts, ...globals].join('')}`
}

function describeGlobal({ source, processor }: GlobalStoreNode, id: number): string {
  const lines = [describeNode(source, [processor.name]), describeNode(processor, [])]
  return `  Sub-topology: ${id} for global store (will not generate tasks)\n    ${lines.join('\n    ')}\n\n`
}

function describeSubTopology({ id, nodes }: SubTopology): string {
  const children = new Map<string, string[]>(nodes.map(({ name }) => [name, []]))
  for (const node of nodes) {
    for (const parent of upstreamOf(node)) children.get(parent)?.push(node.name)
  }
  const lines = nodes.map((node) => `    ${describeNode(node, children.get(node.name) ?? [])}\n`)
  return `  Sub-topology: ${id}\n${lines.join('')}\n`
}

function describeNode(node: TopologyNode, children: readonly string[]): string {
  const to = `\n      --> ${list(children)}`
  const from = `\n      <-- ${list(upstreamOf(node))}`
  if (node.kind === 'source')
    return `Source: ${node.name} (topics: [${node.topics.join(', ')}])${to}`
  if (node.kind === 'sink') return `Sink: ${node.name} (${describeTopic(node)})${from}`
  return `Processor: ${node.name} (stores: [${node.stores.join(', ')}])${to}${from}`
}

function describeTopic({ topic }: SinkNode): string {
  if (typeof topic === 'string') return `topic: ${topic}`
  return `topic chosen by: ${topic.name === '' ? 'a function' : topic.name}`
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

function upstreamOf(node: TopologyNode): readonly string[] {
  return node.kind === 'source' ? [] : node.upstream
}
