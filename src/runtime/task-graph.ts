/**
 * Turns the nodes of a sub-topology into the connected processors of one task.
 *
 * Also decides, once and from the data alone, what the hot path may save itself: which sinks can
 * write a source's bytes again, and which nodes can prefetch for a source's batch.
 */
import type { Serde } from '../record/serde.ts'
import type { Processor } from '../topology/processor.ts'
import type { SinkNode, SourceNode, SubTopology, TopologyNode } from '../topology/topology.ts'
import { TaskNode, type TaskSurroundings } from './task-node.ts'

/** The nodes of a task, in topological order, and what hangs on each source. */
export interface TaskGraph {
  readonly nodes: readonly TaskNode[]
  readonly sources: ReadonlyMap<SourceNode, SourceEntry>
}

/** Where a source's records enter, and who prefetches for them. */
export interface SourceEntry {
  readonly node: TaskNode
  readonly prefetchers: readonly TaskNode[]
}

export type CreateSink = (
  node: SinkNode,
  reuse: { readonly reusesKey: boolean; readonly reusesValue: boolean },
) => Processor

/** Hands each record on to the children of a source: the task node does that itself. */
const NOTHING: Processor = { process: () => undefined }

export function buildTaskGraph(
  subTopology: SubTopology,
  task: TaskSurroundings,
  createSink: CreateSink,
): TaskGraph {
  const byName = new Map<string, TaskNode>()
  const nodes: TaskNode[] = []
  for (const node of subTopology.nodes) {
    const taskNode = new TaskNode(
      {
        name: node.name,
        processor: processorOf(node, subTopology, createSink),
        sourceValues: sourceValuesOf(node, subTopology),
      },
      task,
    )
    nodes.push(taskNode)
    byName.set(node.name, taskNode)
    if (node.kind === 'source') continue
    for (const upstream of node.upstream) (byName.get(upstream) as TaskNode).children.push(taskNode)
  }
  const sources = new Map<SourceNode, SourceEntry>()
  for (const node of subTopology.nodes) {
    if (node.kind !== 'source') continue
    const prefetchers = prefetchersOf(node, subTopology).map(({ name }) => byName.get(name)!)
    sources.set(node, {
      node: byName.get(node.name) as TaskNode,
      prefetchers: prefetchers.filter(({ processor }) => processor.prefetch !== undefined),
    })
  }
  return { nodes, sources }
}

function processorOf(
  node: TopologyNode,
  subTopology: SubTopology,
  createSink: CreateSink,
): Processor {
  if (node.kind === 'source') return NOTHING
  if (node.kind === 'processor') return node.create()
  return createSink(node, {
    reusesKey:
      sourcesReached(node, subTopology, 'key')?.every(
        (source) => source.keySerde === node.keySerde,
      ) ?? false,
    reusesValue:
      sourcesReached(node, subTopology, 'value')?.every(
        (source) => source.valueSerde === node.valueSerde,
      ) ?? false,
  })
}

/** The one serde that the values reaching a node were read with, when they are a source's untouched. */
function sourceValuesOf(node: TopologyNode, subTopology: SubTopology): Serde<unknown> | null {
  if (node.kind !== 'processor') return null
  const sources = sourcesReached({ ...node, keepsValue: true }, subTopology, 'value') ?? []
  const serdes = new Set(sources.map(({ valueSerde }) => valueSerde))
  return serdes.size === 1 ? ([...serdes][0] as Serde<unknown>) : null
}

/** The sources whose records reach a node with their key, or value, untouched; null when some change it. */
function sourcesReached(
  node: TopologyNode,
  subTopology: SubTopology,
  part: 'key' | 'value',
): readonly SourceNode[] | null {
  if (node.kind === 'source') return [node]
  if (node.kind === 'processor' && !(part === 'key' ? node.keepsKey : node.keepsValue)) return null
  const reached: SourceNode[] = []
  for (const name of node.upstream) {
    const upstream = subTopology.nodes.find((candidate) => candidate.name === name)
    const sources = upstream === undefined ? null : sourcesReached(upstream, subTopology, part)
    if (sources === null) return null
    reached.push(...sources)
  }
  return reached
}

/** The processors that see a source's records with their keys unchanged. */
function prefetchersOf(from: TopologyNode, subTopology: SubTopology): TopologyNode[] {
  const reached: TopologyNode[] = []
  for (const node of subTopology.nodes) {
    if (node.kind !== 'processor' || !node.upstream.includes(from.name)) continue
    reached.push(node)
    if (node.keepsKey) reached.push(...prefetchersOf(node, subTopology))
  }
  return reached
}
