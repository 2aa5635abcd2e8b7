/**
 * State comparison: what an edited topology finds of the state it left behind: which stores and
 * repartition topics are kept, which are new, which it no longer has, and which do not fit any more.
 *
 * Journey: start -> description on the log, topics, folders -> [state comparison] -> the start goes
 * on, or ends naming what does not fit.
 *
 * Invariants:
 * - It is made before a topic is created or a row is written: a start that it ends has changed nothing.
 * - Nothing is incompatible that has no rows or records left: what was deleted may come back as another.
 */
import { StreamsError } from '../errors.ts'
import { INCOMPATIBLE_REMEDY, incompatibility } from '../state/store-facts.ts'
import type { DescribedStore, DescribedTopic, StateDescription } from './state-description.ts'

/** A store or a repartition topic, as a start found it. */
export interface ComparedState {
  readonly kind: 'store' | 'repartition topic'
  /** Its name in the topology. */
  readonly name: string
  /** Why it does not fit; or what is to be known of one that is kept or gone, null for nothing. */
  readonly reason: string | null
}

/** What a start found of the state that starts before it left behind. */
export interface StateComparison {
  /** Goes on with its rows. */
  readonly kept: readonly ComparedState[]
  /** Begins without rows. */
  readonly new: readonly ComparedState[]
  /** Not in the topology any more; its rows are still on the log, and may be deleted. */
  readonly gone: readonly ComparedState[]
  /** Cannot go on with its rows: the start has ended with 'state-incompatible'. */
  readonly incompatible: readonly ComparedState[]
}

/** What is there of the application, by names in the topology. */
export interface StateFound {
  /** Partitions of the changelog of a store; null when there is none. */
  changelogPartitions(store: string): number | null
  /** Partitions of a repartition topic; null when there is none. */
  partitions(repartitionTopic: string): number | null
  /** Records of a repartition topic that are not processed. */
  pending(repartitionTopic: string): number
  /** True when tasks of that sub-topology have folders. */
  hasFolders(subTopology: number): boolean
}

/** Compares, and says how the state is to be described from now on. */
export function compareState(
  before: StateDescription,
  now: StateDescription,
  found: StateFound,
): { readonly comparison: StateComparison; readonly after: StateDescription } {
  const lists = { kept: [], new: [], gone: [], incompatible: [] } as Lists
  const stores = new Map(now.stores)
  const topics = new Map(now.topics)
  for (const [name, store] of now.stores) {
    compareStore(lists, { name, before: before.stores.get(name), now: store, found })
  }
  for (const [name, topic] of now.topics) {
    compareTopic(lists, { name, before: before.topics.get(name), now: topic, found })
  }
  for (const [name, store] of before.stores) {
    if (now.stores.has(name) || !hasRows(name, store, found)) continue
    lists.gone.push({ kind: 'store', name, reason: null })
    stores.set(name, { ...store, isGone: true })
  }
  for (const [name, topic] of before.topics) {
    if (now.topics.has(name) || found.partitions(name) === null) continue
    const pending = found.pending(name)
    const reason = pending === 0 ? null : unprocessed(pending)
    lists.gone.push({ kind: 'repartition topic', name, reason })
    topics.set(name, { ...topic, isGone: true })
  }
  return { comparison: lists, after: { stores, topics } }
}

/** @throws StreamsError 'state-incompatible' naming what does not fit, why, and what to do */
export function assertCompatible({ incompatible }: StateComparison, applicationId: string): void {
  const [first] = incompatible
  if (first === undefined) return
  const listed = incompatible.map(({ kind, name, reason }) => `${kind} '${name}': ${reason}`)
  throw new StreamsError(
    'state-incompatible',
    `The topology does not fit the state of application '${applicationId}'. ${capital(listed.join('; '))}. ${INCOMPATIBLE_REMEDY}`,
    { place: first.kind === 'store' ? { store: first.name } : { topic: first.name } },
  )
}

/** Repartition topics whose unprocessed records matter: those that left, or are read differently. */
export function topicsInQuestion(before: StateDescription, now: StateDescription): string[] {
  return [...before.topics.keys()].filter((name) => {
    const topic = now.topics.get(name)
    return (
      topic === undefined || serdesOf(topic) !== serdesOf(before.topics.get(name) as typeof topic)
    )
  })
}

type Lists = { -readonly [List in keyof StateComparison]: ComparedState[] }

interface Compared<Described> {
  readonly name: string
  readonly before: Described | undefined
  readonly now: Described
  readonly found: StateFound
}

function compareStore(lists: Lists, compared: Compared<DescribedStore>): void {
  const { name, before, now, found } = compared
  const kind = 'store'
  const partitions = now.changelog ? found.changelogPartitions(name) : null
  if (partitions !== null && partitions !== now.partitions) {
    lists.incompatible.push({ kind, name, reason: otherCount(partitions, now) })
    return
  }
  const isSameTopic = now.topic !== undefined && now.topic === before?.topic
  if (before === undefined || (!hasRows(name, before, found) && !isSameTopic)) {
    // A changelog that nobody described is of a start that ended before its first commit.
    lists[partitions === null ? 'new' : 'kept'].push({ kind, name, reason: null })
    return
  }
  const reason = storeMisfit(before, now)
  if (reason !== null) lists.incompatible.push({ kind, name, reason })
  else lists.kept.push({ kind, name, reason: storeNote(before, now) })
}

function storeMisfit(before: DescribedStore, now: DescribedStore): string | null {
  if (before.partitions !== now.partitions) return otherCount(before.partitions, now)
  if (now.topic !== undefined && before.topic !== undefined) {
    return now.topic === before.topic
      ? incompatibility(before, now)
      : `its rows were those of topic '${before.topic}' and are now to be those of '${now.topic}'`
  }
  if (!before.changelog && now.changelog) {
    return 'it was kept without a changelog, so the one it is to have now would lack its rows'
  }
  if (!now.changelog && before.subTopology !== now.subTopology) {
    return `it has no changelog, and its rows are in the folders of tasks ${before.subTopology}_*, while its tasks are now ${now.subTopology}_*`
  }
  if (!before.sources.some((topic) => now.sources.includes(topic))) {
    return `its rows were made of ${topicsOf(before)} and are now to be made of ${topicsOf(now)}, whose records have other times and positions`
  }
  return incompatibility(before, now)
}

function storeNote(before: DescribedStore, now: DescribedStore): string | null {
  if (before.isGone)
    return 'it was not in the topology for a time, and lacks what was processed then'
  if (before.subTopology === now.subTopology || now.storage === 'memory') return null
  const from = now.topic === undefined ? 'its changelog' : `topic '${now.topic}'`
  return `its tasks are now ${now.subTopology}_* instead of ${before.subTopology}_*: it is restored from ${from}`
}

function compareTopic(lists: Lists, { name, before, now, found }: Compared<DescribedTopic>): void {
  const kind = 'repartition topic'
  const partitions = found.partitions(name)
  if (partitions === null) {
    lists.new.push({ kind, name, reason: null })
  } else if (partitions !== now.partitions) {
    const reason = `it has ${partitions} partitions, and ${now.partitions} are needed now`
    lists.incompatible.push({ kind, name, reason })
  } else if (
    before !== undefined &&
    serdesOf(before) !== serdesOf(now) &&
    found.pending(name) > 0
  ) {
    const reason = `${unprocessed(found.pending(name))}, written as ${serdesOf(before)} and now read as ${serdesOf(now)}`
    lists.incompatible.push({ kind, name, reason })
  } else {
    lists.kept.push({ kind, name, reason: null })
  }
}

/** True when rows that a store was described with can still be there. */
function hasRows(name: string, store: DescribedStore, found: StateFound): boolean {
  if (store.changelog) return found.changelogPartitions(name) !== null
  return store.storage !== 'memory' && found.hasFolders(store.subTopology)
}

function otherCount(partitions: number, { partitions: needed, sources }: DescribedStore): string {
  return `its rows are in ${partitions} partitions, and ${needed} are needed now, as many as there are of ${sources.join(', ')}`
}

function topicsOf({ sources }: DescribedStore): string {
  return sources.join(', ')
}

function serdesOf({ key, value }: DescribedTopic): string {
  return `${key} and ${value}`
}

function unprocessed(records: number): string {
  return records === 1
    ? '1 record in it is not processed'
    : `${records} records in it are not processed`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
