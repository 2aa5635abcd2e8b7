/**
 * Where records without a key may pass a repartition topic: wherever a left or outer join of streams
 * stands below, at any distance, which joins them with null. Elsewhere they are dropped before it.
 *
 * Journey: graph.build -> [null keys] -> topology. Known only when the whole program is.
 *
 * @see KIP-962, NodesWithRelaxedNullKeyJoinDownstream
 */
import { dropNullKeys, passThrough } from '../operators/transform.ts'
import type { ProcessorNode, TopologyNode } from '../topology/topology.ts'

/** Filters in front of repartition topics, and joins that take records without a key. */
export class NullKeys {
  readonly #filters = new Set<string>()
  readonly #joins = new Set<string>()

  /** Notes the node that drops null keys in front of a repartition topic. */
  addFilter(node: string): () => unknown {
    this.#filters.add(node)
    return dropNullKeys()
  }

  addJoin(node: string): void {
    this.#joins.add(node)
  }

  /** Opens the filters above joins that take null keys. */
  apply(nodes: readonly TopologyNode[]): TopologyNode[] {
    if (this.#joins.size === 0) return [...nodes]
    const above = this.#above(nodes)
    const pass = passThrough() as ProcessorNode['create']
    return nodes.map((node) =>
      node.kind === 'processor' && this.#filters.has(node.name) && above.has(node.name)
        ? { ...node, create: pass }
        : node,
    )
  }

  /** All nodes from which records reach one of the joins, through topics too. */
  #above(nodes: readonly TopologyNode[]): ReadonlySet<string> {
    const above = new Set(this.#joins)
    const topics = new Set<string>()
    // Nodes stand below those they read from, a topic's source below its sink or anywhere.
    for (let before = -1; before !== above.size; ) {
      before = above.size
      for (const node of nodes.toReversed()) {
        if (node.kind === 'sink' && typeof node.topic === 'string' && topics.has(node.topic)) {
          above.add(node.name)
        }
        if (!above.has(node.name)) continue
        if (node.kind === 'source') for (const topic of node.topics) topics.add(topic)
        else for (const upstream of node.upstream) above.add(upstream)
      }
    }
    return above
  }
}
