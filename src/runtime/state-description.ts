/**
 * State description: what the stores and repartition topics of an application are, as its last start
 * wrote it down, on a topic of the application's own, `<application id>-topology`.
 *
 * Journey: a start reads it and compares (`state-comparison.ts`); what is different by then goes out
 * with the first commit.
 *
 *   key:   `store <name>` or `repartition <name>`, as text
 *   value: JSON of `DescribedStore` or `DescribedTopic`; null: nothing is left of it
 *
 * Invariants:
 * - It is on the log before any row: it is in the first transaction, rows come with that or later.
 * - What left the topology stays described, marked as gone, as long as its rows or records are there.
 */
import type { Fetcher, LogClient } from '../client/client.ts'
import { CommittedBatches } from '../client/committed-batches.ts'
import { StreamsError } from '../errors.ts'
import type { ByteRange } from '../record/record.ts'
import type { StorageKind } from '../state/store.ts'
import { factsOf, type StoreFacts } from '../state/store-facts.ts'
import type { SubTopology, Topology } from '../topology/topology.ts'

/** A store, and where in the topology it is. */
export interface DescribedStore extends StoreFacts {
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly partitions: number
  /** The number of its sub-topology, with which the folders of its tasks begin. */
  readonly subTopology: number
  /** Topics its sub-topology reads, as the topology names them. */
  readonly sources: readonly string[]
  /** Of a read-only store the topic whose rows it has. */
  readonly topic?: string
  readonly isGone?: true
}

/** A repartition topic. */
export interface DescribedTopic {
  /** Names of the serdes its records are written with. */
  readonly key: string
  readonly value: string
  readonly partitions: number
  readonly isGone?: true
}

/** Stores and repartition topics by their names in the topology. */
export interface StateDescription {
  readonly stores: ReadonlyMap<string, DescribedStore>
  readonly topics: ReadonlyMap<string, DescribedTopic>
}

const FETCH_BYTES = 1024 * 1024
const FETCH_WAIT_MS = 1000

export function descriptionTopic(applicationId: string): string {
  return `${applicationId}-topology`
}

/** Describes a topology, by the partition counts its topics and tasks have. */
export function describeState(
  topology: Topology,
  plan: {
    readonly parts: readonly SubTopology[]
    readonly storage: StorageKind | null
    tasksOf(subTopology: number): number
    partitionsOf(repartitionTopic: string): number
  },
): StateDescription {
  const stores = new Map<string, DescribedStore>()
  for (const { id, stores: definitions, sourceTopics: sources } of plan.parts) {
    for (const definition of definitions) {
      const { name, changelog } = definition
      const storage = plan.storage ?? definition.storage
      const partitions = plan.tasksOf(id)
      const place = { storage, changelog, partitions, subTopology: id, sources }
      const topic = definition.kind === 'key-value' ? definition.source?.topic : undefined
      const ofTopic = topic === undefined ? {} : { topic }
      stores.set(name, { ...factsOf(definition), ...place, ...ofTopic })
    }
  }
  const topics = new Map<string, DescribedTopic>()
  for (const node of topology.nodes) {
    if (node.kind !== 'source') continue
    const [name] = node.topics
    if (!topology.repartitionTopics.some((topic) => topic.name === name)) continue
    const serdes = { key: node.keySerde.name, value: node.valueSerde.name }
    topics.set(name as string, { ...serdes, partitions: plan.partitionsOf(name as string) })
  }
  return { stores, topics }
}

/** Reads what starts before wrote; empty before the first. */
export async function readDescription(log: LogClient, topic: string): Promise<StateDescription> {
  const stores = new Map<string, DescribedStore>()
  const topics = new Map<string, DescribedTopic>()
  for (const [key, value] of await readTopic(log, topic)) {
    const [kind, name] = key.split(' ') as [string, string]
    if (kind === 'store') stores.set(name, JSON.parse(value))
    else if (kind === 'repartition') topics.set(name, JSON.parse(value))
  }
  return { stores, topics }
}

/** The records that make one description of another. */
export function descriptionChanges(
  before: StateDescription,
  after: StateDescription,
): { readonly key: ByteRange; readonly value: ByteRange | null }[] {
  const was = recordsOf(before)
  const is = recordsOf(after)
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((key) => was.get(key) !== is.get(key))
    .map((key) => {
      const value = is.get(key)
      return { key: rangeOf(key), value: value === undefined ? null : rangeOf(value) }
    })
}

function recordsOf({ stores, topics }: StateDescription): Map<string, string> {
  const records = new Map<string, string>()
  for (const [name, store] of stores) records.set(`store ${name}`, JSON.stringify(store))
  for (const [name, topic] of topics) records.set(`repartition ${name}`, JSON.stringify(topic))
  return records
}

function rangeOf(text: string): ByteRange {
  const bytes = Buffer.from(text)
  return { bytes, start: 0, end: bytes.length }
}

/** The last value of each key of a topic of one partition. */
async function readTopic(log: LogClient, topic: string): Promise<Map<string, string>> {
  const table = new Map<string, string>()
  const at = { topic, partition: 0 }
  const [first, last] = await log.listOffsets(
    [
      { ...at, at: 'earliest' },
      { ...at, at: 'latest' },
    ],
    'read-committed',
  )
  const end = last?.offset ?? 0
  let position = first?.offset ?? 0
  const fetcher = log.fetcher('description')
  const batches = new CommittedBatches('read-committed')
  const { reader } = batches
  try {
    while (position < end) {
      batches.start(position, await fetchFrom(fetcher, topic, position))
      while (batches.next()) {
        while (reader.next()) {
          if (reader.offset < position || reader.keyStart < 0) continue
          const key = reader.bytes.toString('utf8', reader.keyStart, reader.keyEnd)
          if (reader.valueStart < 0) table.delete(key)
          else table.set(key, reader.bytes.toString('utf8', reader.valueStart, reader.valueEnd))
        }
      }
      position = batches.position
    }
  } finally {
    await fetcher.close()
  }
  return table
}

async function fetchFrom(fetcher: Fetcher, topic: string, offset: number) {
  const options = { maxWaitMs: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_BYTES } as const
  for (;;) {
    const [fetched] = await fetcher.poll([{ topic, partition: 0, offset, maxBytes: FETCH_BYTES }], {
      ...options,
      isolation: 'read-committed',
    })
    if (fetched?.error === null) return fetched
    if (fetched?.error.kind === 'retry') continue
    throw new StreamsError(
      fetched?.error.code ?? 'request-timed-out',
      `The description of the application's state cannot be read: ${fetched?.error.message}`,
      { place: { topic, partition: 0, offset } },
    )
  }
}
