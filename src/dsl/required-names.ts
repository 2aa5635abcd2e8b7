/**
 * Option `requireNames` of the builder: what the application keeps on the log and on disk has names
 * the user gave, so that no change of the program renames it.
 *
 * @see KIP-1111
 */
import type { Topology } from '../topology/topology.ts'
import type { Graph } from './graph.ts'

const REPARTITION = /-repartition$/
/** Stores that belong to another one, and are called after it. */
const COMPANION = /-(sent|expiry)$/

/** @throws TypeError naming each store and repartition topic whose name was derived */
export function checkRequiredNames(topology: Topology, graph: Graph): void {
  const stores = topology.stores.map(({ name }) => name)
  const topics = topology.repartitionTopics.map(({ name }) => name)
  const unnamed = [
    ...stores
      .filter((name) => graph.storeNames.isDerived(name))
      .filter((name) => graph.storeNames.isDerived(name.replace(COMPANION, '')))
      .map((name) => `store '${name}'`),
    ...topics
      .filter((name) => graph.operators.isDerived(name.replace(REPARTITION, '')))
      .map((name) => `repartition topic '${name}'`),
  ]
  if (unnamed.length === 0) return
  throw new TypeError(
    `the builder requires names, and these are derived: ${unnamed.join(', ')}; give the verbs that make them the options name and store`,
  )
}
