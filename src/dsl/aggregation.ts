/**
 * What count, reduce and aggregate have in common, windowed or not: one store, one node that folds
 * into it, and the table that comes out.
 */
import type { Duration } from '../duration.ts'
import { aggregate } from '../operators/aggregate.ts'
import type { Emission, Fold } from '../operators/emission.ts'
import {
  type SessionFold,
  sessionAggregate,
  sessionCloseLagMs,
} from '../operators/session-aggregate.ts'
import { slidingAggregate } from '../operators/sliding-aggregate.ts'
import { passThrough } from '../operators/transform.ts'
import { windowAggregate, windowEnd } from '../operators/window-aggregate.ts'
import type { Serde } from '../record/serde.ts'
import { sessionWindowed, windowed } from '../record/serdes.ts'
import type { Windowed } from '../record/windowed.ts'
import type { StoreTimes } from '../state/store.ts'
import { show } from '../topology/names.ts'
import { checkFunction, checkOptions, positiveMs } from './arguments.ts'
import type { Place, StoreDraft } from './graph.ts'
import { type Present, serdeFor } from './serde-options.ts'
import {
  readStoreOptions,
  retentionOf,
  storeBasics,
  type WindowStoreOptions,
} from './store-options.ts'
import { addVersions, keepVersions } from './table-verbs.ts'
import { storedView } from './table-view.ts'
import { readTableStoreOptions, type TableStoreOptions } from './versioned.ts'
import {
  type AlignedWindows,
  type CustomWindows,
  type SessionWindows,
  type SlidingWindows,
  type TimeWindows,
  UNLIMITED_END,
} from './windows.ts'

/** Options of every aggregation. */
export interface AggregationOptions<Store = TableStoreOptions, Emit = Exclude<Emission, 'close'>> {
  /** Name of the operator. Default: its lineage. */
  readonly name?: string | undefined
  /** The store of the results, by name or with more. Default: named by its lineage. */
  readonly store?: string | Store | undefined
  /**
   * When results leave: `updates`, each one at once; `commit`, the last of each row when the task
   * commits; `close`, of windows only, the final row of each, once. Default `commit`.
   */
  readonly emit?: Emit | undefined
}

/** Options of an aggregation in windows. */
export interface WindowAggregationOptions extends AggregationOptions<WindowStoreOptions, Emission> {
  /**
   * With `emit: 'close'`: after so long without a record, by the wall clock, time goes on as the clock
   * does, and windows close although no record passes their end. A record that comes later for a
   * window that closed so is late. Default: only records close windows, as in Kafka Streams.
   */
  readonly idle?: Duration | undefined
}

export interface AggregationPlan<K, V, A> {
  readonly verb: string
  readonly call: string
  readonly options:
    | (WindowAggregationOptions & { readonly value?: Serde<unknown> | undefined })
    | undefined
  readonly fold: Fold<K, V, A>
  /** Serde of the result, where the verb knows it. */
  readonly known: Serde<A> | null
  /** Options that this verb takes beside the usual ones. */
  readonly moreOptions?: readonly string[]
  /** Of a cogroup: its inputs, each with a fold of its own into the one store. */
  readonly inputs?: readonly FoldedInput<Fold<K, V, A>>[] | undefined
}

/** An input of a cogroup: the node its records come out of, and what folds them. */
export interface FoldedInput<F> {
  readonly node: string
  readonly fold: F
}

/** An aggregation of sessions: as others, but for its fold. */
export type SessionPlan<K, V, A> = Omit<AggregationPlan<K, V, A>, 'fold' | 'inputs'> & {
  readonly fold: SessionFold<K, V, A>
  readonly inputs?: readonly FoldedInput<SessionFold<K, V, A>>[] | undefined
}

/** What a node that folds into a store is made with, when the topology is built. */
type CreateFolding<F> = (
  sealed: { readonly store: string; readonly kept: boolean; readonly keepsBefore: boolean },
  fold: F,
) => unknown

/** Adds the node that folds; of a cogroup one for each input, and one where they meet. */
function addFolding<K, F>(
  { graph, node }: Place<K, unknown>,
  plan: {
    readonly call: string
    readonly fold: F
    readonly inputs?: readonly FoldedInput<F>[] | undefined
  },
  { name, rows }: { readonly name: string; readonly rows: StoreDraft },
  create: CreateFolding<F>,
): void {
  const { call, inputs } = plan
  const addNode = (folding: string, upstream: string, fold: F): void =>
    graph.addTableProcessor(folding, upstream, rows, {
      create: (sealed) => create(sealed, fold),
      keepsKey: false,
    })
  if (inputs === undefined) {
    addNode(name, node, plan.fold)
    return
  }
  const nodes = inputs.map(({ node: upstream, fold }, index) => {
    const folding = graph.operators.derive(`${name}-${index + 1}`, call)
    addNode(folding, upstream, fold)
    return folding
  })
  const pass = { create: passThrough(), keepsKey: true, keepsValue: true }
  graph.addProcessor(name, nodes, pass)
}

/** A table while the program is written: where it stands and where its rows are. */
export interface TablePlace<K, V> {
  readonly place: Place<K, V>
  readonly rows: StoreDraft
}

const COUNT_OPTIONS = ['name', 'store', 'emit']
const OPTIONS = [...COUNT_OPTIONS, 'value']
const WINDOW_OPTIONS = ['idle']

/** Adds an aggregation over the whole of a stream. `place` has the key's serde. */
export function addAggregation<K, V, A>(
  place: Place<K, V>,
  plan: AggregationPlan<K, V, A>,
): TablePlace<K, A> {
  const { basics, emit, name, lineage, value, versions } = prepare(place, plan, false)
  const serdes = { keySerde: place.key as Serde<unknown>, valueSerde: value as Serde<unknown> }
  const rows = place.graph.addStore({
    kind: 'key-value',
    ...basics,
    ...serdes,
    keepsBefore: false,
  })
  rows.emitsAtCommit = emit === 'commit'
  addFolding(place, plan, { name, rows }, (sealed, fold) => aggregate({ ...sealed, fold, emit }))
  const result = { ...place, node: name, lineage, value, rekeyed: false }
  if (versions === null) return { place: result, rows }
  const { graph } = place
  const { call } = plan
  const kept = addVersions(graph, { store: versions, serdes, name, call })
  const parts = { place: result, view: storedView<K, A>(rows) }
  return { place: keepVersions(parts, { name, versions: kept }, call).place, rows: kept }
}

/** Adds an aggregation by windows of time. `place` has the key's serde. */
export function addWindowAggregation<K, V, A>(
  place: Place<K, V>,
  windows: AlignedWindows,
  plan: AggregationPlan<K, V, A>,
): TablePlace<Windowed<K>, A> {
  if ('differenceMs' in windows) return addSlidingAggregation(place, windows, plan)
  const { basics, emit, idleMs, name, lineage, value, store } = prepare(place, plan, true)
  const time = sharedTimeOf(plan, name, emit)
  if (emit === 'close' && windows.sizeMs === UNLIMITED_END) throw neverCloses(plan.call)
  const { sizeMs, graceMs } = windows
  const keySerde = place.key as Serde<K>
  const rows = place.graph.addStore({
    kind: 'window',
    ...basics,
    keySerde,
    valueSerde: value,
    keepsBefore: false,
    retentionMs: retentionOf(store, sizeMs + graceMs, plan.call),
    windowSizeMs: sizeMs,
    times: timesOf(windows),
  })
  rows.emitsAtCommit = emit === 'commit'
  addFolding(place, plan, { name, rows }, (sealed, fold) =>
    windowAggregate({ ...sealed, windows, fold, emit, idleMs, time }),
  )
  const endOf = (start: number): number => windowEnd(start, windows)
  const key = windowed(keySerde, 'windowsFor' in windows ? endOf : sizeMs)
  const placed = { ...place, node: name, lineage, key, value, rekeyed: false }
  const windowClose = { delayMs: graceMs, endInclusive: false }
  return { place: { ...placed, windowClose }, rows }
}

/** Adds an aggregation by windows around the records. `place` has the key's serde. */
function addSlidingAggregation<K, V, A>(
  place: Place<K, V>,
  windows: SlidingWindows,
  plan: AggregationPlan<K, V, A>,
): TablePlace<Windowed<K>, A> {
  const { basics, emit, idleMs, name, lineage, value, store } = prepare(place, plan, true)
  const time = sharedTimeOf(plan, name, emit)
  const { differenceMs, graceMs } = windows
  const keySerde = place.key as Serde<K>
  // A window begins as a copy of one that ends before it: hence twice the difference.
  const retentionMs = retentionOf(
    store,
    2 * differenceMs + graceMs,
    plan.call,
    'twice the difference + grace',
  )
  const rows = place.graph.addStore({
    kind: 'sliding',
    ...basics,
    keySerde,
    valueSerde: value,
    keepsBefore: false,
    retentionMs,
    windowSizeMs: differenceMs,
    bucketMs: slidingBucketMs(differenceMs, retentionMs),
    times: { difference: differenceMs, grace: graceMs },
  })
  addFolding(place, plan, { name, rows }, (sealed, fold) =>
    slidingAggregate({ ...sealed, windows, fold, emit, idleMs, time }),
  )
  const key = windowed(keySerde, differenceMs)
  const placed = { ...place, node: name, lineage, key, value, rekeyed: false }
  const windowClose = { delayMs: graceMs, endInclusive: true }
  return { place: { ...placed, windowClose }, rows }
}

/** Adds an aggregation by sessions. `place` has the key's serde. */
export function addSessionAggregation<K, V, A>(
  place: Place<K, V>,
  windows: SessionWindows,
  plan: SessionPlan<K, V, A>,
): TablePlace<Windowed<K>, A> {
  const { basics, emit, idleMs, name, lineage, value, store } = prepare(place, plan, true)
  const time = sharedTimeOf(plan, name, emit)
  const { gapMs, graceMs } = windows
  const keySerde = place.key as Serde<K>
  const retentionMs = retentionOf(store, gapMs + graceMs, plan.call, 'gap + grace')
  const rows = place.graph.addStore({
    kind: 'session',
    ...basics,
    keySerde,
    valueSerde: value,
    keepsBefore: false,
    retentionMs,
    lingerMs: emit === 'close' ? sessionCloseLagMs(windows) + 1 : 0,
    bucketMs: sessionBucketMs(windows, retentionMs),
    times: { gap: gapMs, grace: graceMs },
  })
  addFolding(place, plan, { name, rows }, (sealed, fold) =>
    sessionAggregate({ ...sealed, windows, fold, emit, idleMs, time }),
  )
  const key = sessionWindowed(keySerde)
  const placed = { ...place, node: name, lineage, key, value, rekeyed: false }
  const windowClose = { delayMs: gapMs + graceMs, endInclusive: true }
  return { place: { ...placed, windowClose }, rows }
}

/** A store has at most about this many buckets: each is an entry in memory and a key at its opening. */
const BUCKETS_MAX = 4096
/** Sessions of a key that may end in one bucket, a row, where the grace is much longer than the gap. */
const SESSIONS_PER_ROW = 64
/** Buckets of a few milliseconds would cost more than they hold. */
const SESSION_BUCKET_MS_MIN = 1000

/** A record finds its windows in the few buckets of two differences. */
function slidingBucketMs(differenceMs: number, retentionMs: number): number {
  return Math.max(Math.ceil(differenceMs / 4), Math.ceil(retentionMs / BUCKETS_MAX))
}

/** Nearly all records find their session in the last two buckets, and a row stays short. */
function sessionBucketMs({ gapMs, graceMs }: SessionWindows, retentionMs: number): number {
  const wanted = Math.min(gapMs + graceMs, SESSIONS_PER_ROW * (gapMs + 1))
  return Math.max(wanted, SESSION_BUCKET_MS_MIN, Math.ceil(retentionMs / BUCKETS_MAX))
}

/**
 * Inputs of a cogroup are late each by its own time, as in Kafka Streams, which has no final rows of
 * them. Where windows close all inputs have one time, or nobody could say when.
 */
function sharedTimeOf(
  { inputs }: { readonly inputs?: readonly unknown[] | undefined },
  name: string,
  emit: Emission,
): string | undefined {
  return inputs !== undefined && emit === 'close' ? name : undefined
}

/** What a change of makes rows wrong; the function of custom windows cannot be told from another. */
function timesOf(windows: TimeWindows | CustomWindows): StoreTimes {
  const times = { size: windows.sizeMs, grace: windows.graceMs }
  return 'windowsFor' in windows ? times : { ...times, advance: windows.advanceMs }
}

function neverCloses(call: string): TypeError {
  return new TypeError(
    `option emit of ${call} is 'close', but an unlimited window never closes; pass 'updates' or 'commit'`,
  )
}

/** Checks the options and takes the names: the store's name, where given, is the lineage below. */
function prepare<K, V, A>(
  place: Place<K, V>,
  plan: Omit<AggregationPlan<K, V, A>, 'fold' | 'inputs'>,
  keepsWindows: boolean,
) {
  const { verb, call, options = {}, known, moreOptions = [] } = plan
  const allowed = [...(verb === 'count' ? COUNT_OPTIONS : OPTIONS), ...moreOptions]
  checkOptions(options, call, keepsWindows ? [...allowed, ...WINDOW_OPTIONS] : allowed)
  if (options.emit === 'close' && !keepsWindows) {
    throw new TypeError(
      `option emit of ${call} is 'close', but there are no windows to close; add windowedBy(...), or pass 'updates' or 'commit'`,
    )
  }
  const { graph } = place
  graph.addCoPartitioning(place.topics, call)
  const store = keepsWindows
    ? readStoreOptions(options.store, call, true)
    : readTableStoreOptions(options.store, call)
  // The rows that are folded into are beside the versions of them that the user asked for.
  const versions = 'history' in store && store.history !== undefined ? store : null
  const name = graph.name(store.name ?? place.lineage, verb, options.name)
  const basics = storeBasics(
    graph,
    versions === null ? store : {},
    `${name}${versions === null ? '' : '-fold'}`,
    call,
  )
  const value = serdeFor(options.value as Serde<A> | undefined, known, call, 'value')
  const lineage = options.name ?? store.name ?? name
  const emit = options.emit ?? 'commit'
  const idleMs = idleOf(options, call)
  return { basics, emit, idleMs, name, lineage, value, store, versions }
}

function idleOf({ emit, idle }: WindowAggregationOptions, call: string): number | null {
  if (idle === undefined) return null
  const idleMs = positiveMs(idle, `option idle of ${call}`)
  if (emit === 'close') return idleMs
  throw new TypeError(
    `option idle of ${call} is ${show(idle)}, but emit is not 'close', so nothing waits for windows to close; add emit: 'close', or leave idle out`,
  )
}

/** The fold of an aggregation: a row that does not exist begins with the initializer's result. */
export function foldOf<K, V, A>(
  initializer: () => A,
  aggregator: (key: K, value: V, aggregate: A) => A,
  call: string,
): StartedFold<K, V, A> {
  checkFunction(initializer, call, 'initializer', '() => 0')
  checkFunction(aggregator, call, 'aggregator', '(key, value, aggregate) => aggregate + value')
  const fold = (key: K, value: V, before: A | null): A =>
    aggregator(key, value, before ?? initializer())
  return Object.assign(fold, { initial: initializer })
}

/** A fold of a row that begins with something, and is never deleted by the fold's type. */
export interface StartedFold<K, V, A> {
  (key: K, value: V, before: A | null): A
  readonly initial: () => A
}

/** The fold of a count. */
export const countFold: StartedFold<unknown, unknown, number> = Object.assign(
  (_key: unknown, _value: unknown, before: number | null): number => (before ?? 0) + 1,
  { initial: () => 0 },
)

/** The fold of a reduction: the first value of a key is its result. */
export function reduction<K, V>(
  reducer: (aggregate: Present<V>, value: V) => Present<V>,
  call: string,
): (key: K, value: V, before: Present<V> | null) => Present<V> {
  checkFunction(reducer, call, 'reducer', '(aggregate, value) => aggregate + value')
  return (_key, value, before) => (before === null ? (value as Present<V>) : reducer(before, value))
}
