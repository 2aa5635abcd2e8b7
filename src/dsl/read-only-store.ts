/**
 * Read-only stores: the rows of a topic, partition by partition, for processors to look up.
 *
 * Journey: builder.addReadOnlyStore -> source and a node that puts -> [the store], which processors name.
 *
 * Invariants:
 * - Only its own node writes the store; who names it sees it read-only.
 * - The topic is its changelog: rows that are lost are read from it again.
 * - Who names it has as many partitions, by the same keys.
 */
import { tableSource } from '../operators/table-source.ts'
import type { KeyValueStoreDefinition, StoreDefinition } from '../state/store.ts'
import { show } from '../topology/names.ts'
import type { Place } from './graph.ts'

/** Stops what is no definition of a store with a row for each key. */
export function checkReadOnlyStore(definition: StoreDefinition, call: string): void {
  const given: Partial<KeyValueStoreDefinition> | null | undefined =
    definition as KeyValueStoreDefinition
  if (given?.kind === 'key-value' && given.maxEntries === undefined) return
  const kind = given?.kind === 'key-value' ? 'a store with maxEntries' : show(given?.kind ?? given)
  throw new TypeError(
    `store of ${call} is ${kind}; pass a definition that keeps a row for each key, such as keyValueStore({ name, key, value })`,
  )
}

/** Adds the store of a topic, and the node that fills it. */
export function addReadOnlyStore<K, V>(
  { graph, node, topics }: Place<K, V>,
  definition: StoreDefinition,
  call: string,
): void {
  const { name } = definition
  const writer = graph.operators.derive(`${name}-update`, call)
  const source = { topic: topics[0] as string, writer }
  const filled = { ...(definition as KeyValueStoreDefinition), changelog: false, source }
  const draft = graph.addStateStore(definition, call, { definition: filled, topics })
  graph.addProcessor(writer, [node], {
    create: tableSource({ store: name, keepsBefore: false }),
    stores: [draft],
    keepsKey: true,
  })
}
