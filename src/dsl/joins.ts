/**
 * Joins of a stream with a stream in a window, and with a table by key, as nodes and stores.
 *
 * A re-keyed side goes through a repartition topic first (`<name>-left-repartition`,
 * `<name>-right-repartition`); the topics of both sides must have equal partition counts.
 */
import type { Duration } from '../duration.ts'
import { milliseconds } from '../duration.ts'
import { streamTableJoin } from '../operators/stream-table-join.ts'
import { passThrough } from '../operators/transform.ts'
import { windowJoin } from '../operators/window-join.ts'
import type { Serde } from '../record/serde.ts'
import type { ParkedSide } from '../state/store.ts'
import { show } from '../topology/names.ts'
import { checkFunction, checkOptions, positiveMs, signedMs } from './arguments.ts'
import type { Graph, Place, StoreDraft } from './graph.ts'
import { repartitionThrough } from './repartition.ts'
import { type SerdeOptions, serdeFor } from './serde-options.ts'
import { readStoreOptions, type StoreOptions, storeBasics } from './store-options.ts'
import type { TableParts } from './table-view.ts'

/** Options of a windowed stream-stream join, serdes aside. */
export interface WindowJoinOptions {
  /** Records match when their times differ by at most this. Or say `before` and `after`. */
  readonly within?: Duration | undefined
  /** How much earlier than this stream's record the other's may be. Default: `within`, or 0. */
  readonly before?: Duration | undefined
  /** How much later than this stream's record the other's may be. Default: `within`, or 0. */
  readonly after?: Duration | undefined
  /** How much longer records are kept for what arrives late, in stream time. Default 0. */
  readonly grace?: Duration | undefined
  /**
   * Of a left or outer join: records without a match are looked for only when the wall clock has
   * moved on by this much. Default 0: as soon as stream time has passed their window and the grace.
   */
  readonly emitInterval?: Duration | undefined
  /**
   * Of a left or outer join: after so long without a record of either stream, by the wall clock, time
   * goes on as the clock does, so that the last records without a match leave too. Default: only
   * records move time, as in Kafka Streams.
   */
  readonly idle?: Duration | undefined
  /** Name of the operator and of what it derives. Default: its lineage. */
  readonly name?: string | undefined
  /** The stores of the two sides, `<store>-left` and `<store>-right`. Default: named by lineage. */
  readonly store?: string | StoreOptions | undefined
  /** Partitions of the repartition topics, where the join needs any. Default: as the other side. */
  readonly partitions?: number | undefined
}

/** What the implementation sees of the options: serdes are checked by type at the verb. */
type WindowJoinArguments<K, V, O> = WindowJoinOptions &
  SerdeOptions<K, V> & { readonly otherValue?: Serde<O> | undefined }

const WINDOW_JOIN_OPTIONS = [
  'within',
  'before',
  'after',
  'grace',
  'emitInterval',
  'idle',
  'key',
  'value',
  'otherValue',
  'name',
  'store',
  'partitions',
]

/** Rows of a join store are grouped by time at least this wide, so that short windows share rows. */
const BUCKET_MIN_MS = 1000

interface JoinWindow {
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number
  readonly emitIntervalMs: number
  readonly idleMs: number | null
}

function joinWindow(options: WindowJoinOptions | undefined, call: string): JoinWindow {
  const { within, before, after, grace = 0, idle } = options ?? {}
  if (within === undefined && before === undefined && after === undefined) {
    throw new TypeError(
      `${call} of two streams needs a window; pass { within: '10s' }, or before and after`,
    )
  }
  const withinMs = within === undefined ? 0 : milliseconds(within, `option within of ${call}`)
  const beforeMs = before === undefined ? withinMs : signedMs(before, `option before of ${call}`)
  const afterMs = after === undefined ? withinMs : signedMs(after, `option after of ${call}`)
  if (beforeMs + afterMs < 0) {
    throw new RangeError(
      `${call} has before ${beforeMs} ms and after ${afterMs} ms: the window would end before it starts; their sum must not be negative`,
    )
  }
  return {
    beforeMs,
    afterMs,
    graceMs: milliseconds(grace, `option grace of ${call}`),
    emitIntervalMs: milliseconds(options?.emitInterval ?? 0, `option emitInterval of ${call}`),
    idleMs: idle === undefined ? null : positiveMs(idle, `option idle of ${call}`),
  }
}

/** Which records of two streams leave without a match: none, this stream's, those of both. */
export type StreamJoinVerb = 'join' | 'leftJoin' | 'outerJoin'

/** Joins two streams by key and time: a node and a store for each side, and one that merges them. */
export function joinStreams<K, V, O, R>(
  left: Place<K, V>,
  right: Place<K, O>,
  joiner: (value: V | null, other: O | null, key: K) => R,
  options: WindowJoinArguments<K, V, O> | undefined,
  verb: StreamJoinVerb = 'join',
): Place<K, R> {
  const { graph } = left
  const call = `${verb}(...) on '${left.lineage}'`
  checkOptions(options, call, WINDOW_JOIN_OPTIONS)
  checkFunction(joiner, call, 'joiner', '(left, right, key) => ({ ...left, ...right })')
  const window = joinWindow(options, call)
  const { beforeMs, afterMs } = window
  if (verb === 'join' && window.idleMs !== null) {
    throw new TypeError(
      `option idle of ${call} is for records that leave without a match; use leftJoin or outerJoin, or leave it out`,
    )
  }
  const key = serdeFor(options?.key, left.key ?? right.key, call, 'key')
  const value = serdeFor(options?.value, left.value, call, 'value')
  const otherValue = serdeFor(options?.otherValue, right.value, call, 'otherValue')
  const name = graph.name(left.lineage, verb, options?.name)
  const partitions = options?.partitions
  const [leftName, rightName] = [`${name}-left`, `${name}-right`]
  const keepsLeft = verb !== 'join'
  const keepsRight = verb === 'outerJoin'
  const shared = { call, key, partitions, keepsNullKeys: keepsLeft }
  const own = ownPartitions(left, { name: leftName, value, ...shared })
  // A stream joined with itself is repartitioned once.
  const isSelf = right.node === left.node && options?.name === undefined
  const other = isSelf
    ? { ...right, ...own, value: right.value }
    : ownPartitions(right, { name: rightName, value: otherValue, ...shared })
  checkKeys(own.key, other.key, call)
  const topics = [...new Set([...own.topics, ...other.topics])]
  graph.addCoPartitioning(topics, call)

  const store = { call, window, key, options: readStoreOptions(options?.store, call) }
  const leftStore = addJoinStore(graph, { ...store, side: 'left', derived: leftName, value })
  const rightStore = addJoinStore(graph, {
    ...store,
    side: 'right',
    derived: rightName,
    value: otherValue,
  })
  const unmatched = keepsLeft
    ? addUnmatchedStore(graph, { ...store, name, value, otherValue })
    : null
  const stores = [leftStore, rightStore, ...(unmatched === null ? [] : [unmatched])]
  const unmatchedOf = (side: ParkedSide, keepsOwn: boolean): object =>
    unmatched === null
      ? {}
      : {
          unmatched: {
            store: unmatched.definition.name,
            side,
            keepsOwn,
            waitMs: { left: afterMs, right: beforeMs },
            graceMs: window.graceMs,
            emitIntervalMs: window.emitIntervalMs,
            idleMs: window.idleMs,
            alone: (from: ParkedSide, value: unknown, key: K) =>
              from === 'left' ? joiner(value as V, null, key) : joiner(null, value as O, key),
          },
        }
  const leftNode = graph.operators.derive(leftName, call)
  graph.addProcessor(leftNode, [own.node], {
    create: windowJoin<K, V, O, R>({
      name,
      ownStore: leftStore.definition.name,
      otherStore: rightStore.definition.name,
      beforeMs,
      afterMs,
      joiner,
      ...unmatchedOf('left', keepsLeft),
    }),
    stores,
    keepsKey: unmatched === null,
  })
  const rightNode = graph.operators.derive(rightName, call)
  graph.addProcessor(rightNode, [other.node], {
    create: windowJoin<K, O, V, R>({
      name,
      ownStore: rightStore.definition.name,
      otherStore: leftStore.definition.name,
      beforeMs: afterMs,
      afterMs: beforeMs,
      joiner: (own, other, key) => joiner(other, own, key),
      ...unmatchedOf('right', keepsRight),
    }),
    stores,
    keepsKey: unmatched === null,
  })
  if (keepsLeft) graph.nullKeys.addJoin(name)
  const create = passThrough()
  graph.addProcessor(name, [leftNode, rightNode], { create, keepsKey: true, keepsValue: true })
  return { graph, node: name, lineage: name, topics, key, value: null, rekeyed: false }
}

interface JoinStorePlan {
  readonly side: 'left' | 'right'
  /** Its name where the user gives none. */
  readonly derived: string
  readonly options: StoreOptions
  readonly window: JoinWindow
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
  readonly call: string
}

/** Records of one side, kept as long as one of the other side may still meet them. */
function addJoinStore(graph: Graph, plan: JoinStorePlan): StoreDraft {
  const { side, options, window, call } = plan
  const { beforeMs, afterMs, graceMs } = window
  const named =
    options.name === undefined ? options : { ...options, name: `${options.name}-${side}` }
  return graph.addStore({
    kind: 'join',
    ...storeBasics(graph, named, plan.derived, call),
    keySerde: plan.key,
    valueSerde: plan.value,
    retentionMs: beforeMs + afterMs + graceMs,
    bucketMs: Math.max(BUCKET_MIN_MS, beforeMs + afterMs),
    times: { before: beforeMs, after: afterMs, grace: graceMs },
  })
}

/** Records of both sides that wait for a match. */
function addUnmatchedStore(
  graph: Graph,
  plan: Pick<JoinStorePlan, 'options' | 'call' | 'key' | 'value' | 'window'> & {
    readonly name: string
    readonly otherValue: Serde<unknown>
  },
): StoreDraft {
  const { options, call, key, value, otherValue } = plan
  const { beforeMs, afterMs, graceMs } = plan.window
  const named =
    options.name === undefined ? options : { ...options, name: `${options.name}-unmatched` }
  return graph.addStore({
    kind: 'time-ordered',
    ...storeBasics(graph, named, `${plan.name}-unmatched`, call),
    keySerde: key,
    valueSerde: value,
    otherSerde: otherValue,
    times: { before: beforeMs, after: afterMs, grace: graceMs },
  })
}

/** Options of a stream-table join, serdes aside. */
export interface TableJoinOptions {
  /** Name of the operator and of what it derives. Default: its lineage. */
  readonly name?: string | undefined
  /** Partitions of the repartition topic, where the stream is re-keyed. Default: as the table. */
  readonly partitions?: number | undefined
  /**
   * Records wait until stream time has passed them by this much, so that updates of the table that
   * come late are seen. Needs a versioned table. Default: records are joined as they come.
   */
  readonly grace?: Duration | undefined
  /**
   * With a grace: after so long without a record, by the wall clock, time goes on as the clock does, and
   * records that wait are joined although none comes after them. Default: they wait for records.
   */
  readonly idle?: Duration | undefined
}

export interface TableJoinPlan<K, V, T, R> {
  readonly table: TableParts<K, T>
  readonly joiner: (value: V, row: T | null, key: K) => R
  readonly left: boolean
  readonly options: (TableJoinOptions & SerdeOptions<K, V>) | undefined
}

/** Joins a stream with the rows of a table by key. */
export function joinTable<K, V, T, R>(
  stream: Place<K, V>,
  plan: TableJoinPlan<K, V, T, R>,
): Place<K, R> {
  const { graph } = stream
  const { joiner, left, options } = plan
  const { place: table, view } = plan.table
  const verb = left ? 'leftJoin' : 'join'
  const call = `${verb}(...) on '${stream.lineage}'`
  checkOptions(options, call, ['key', 'value', 'name', 'partitions', 'grace', 'idle'])
  checkFunction(joiner, call, 'joiner', '(value, row, key) => ({ ...value, ...row })')
  const definition = view.store?.definition
  if (definition !== undefined && !['key-value', 'versioned'].includes(definition.kind)) {
    throw new TypeError(
      `${call} looks rows up in a table of windows ('${definition.name}'); join with toStream().toTable() of it`,
    )
  }
  const graceMs = graceOf(options?.grace, view.historyMs ?? null, call)
  const idleMs = idleOf(options?.idle, graceMs, call)
  const { stores, open } = view.lookUp(call)
  const name = graph.name(stream.lineage, verb, options?.name)
  const key = options?.key ?? stream.key ?? table.key
  const place: Place<K, V> = { ...stream, key, value: options?.value ?? stream.value }
  const input = place.rekeyed
    ? repartitionThrough<K, V>(place, {
        name: `${name}-left`,
        call,
        key: serdeFor(undefined, place.key, call, 'key'),
        value: serdeFor(undefined, place.value, call, 'value'),
        partitions: options?.partitions,
        keepsNullKeys: left,
      })
    : place
  checkKeys(input.key, table.key, call)
  graph.addCoPartitioning([...input.topics, ...table.topics], call)
  if (left) graph.nullKeys.addJoin(name)
  const buffer = graceMs === null ? null : addGraceBuffer(graph, input, { name, call })
  const grace =
    buffer === null ? null : { store: buffer.definition.name, graceMs: graceMs ?? 0, idleMs }
  graph.addProcessor(name, [input.node], {
    create: streamTableJoin({ rows: open, joiner, left, grace }),
    stores: buffer === null ? stores : [...stores, buffer],
    keepsKey: buffer === null,
  })
  return { ...input, node: name, lineage: name, value: null }
}

/** How long records wait for the table, which has to know its past for that; null: not at all. */
function graceOf(
  grace: Duration | undefined,
  historyMs: number | null,
  call: string,
): number | null {
  if (grace === undefined) return null
  const graceMs = milliseconds(grace, `option grace of ${call}`)
  if (historyMs === null) {
    throw new TypeError(
      `option grace of ${call} needs a versioned table; give the table store: { name, history: '1h' }`,
    )
  }
  if (graceMs > historyMs) {
    throw new RangeError(
      `option grace of ${call} is ${graceMs} ms, but the table knows its rows for ${historyMs} ms; keep history at least as long as grace`,
    )
  }
  return graceMs
}

/** After how long a silence records that wait are joined; null: never. */
function idleOf(idle: Duration | undefined, graceMs: number | null, call: string): number | null {
  if (idle === undefined) return null
  if (graceMs !== null) return positiveMs(idle, `option idle of ${call}`)
  throw new TypeError(
    `option idle of ${call} is ${show(idle)}, but without grace no record waits; add grace, or leave idle out`,
  )
}

/** Records that wait for the table. */
function addGraceBuffer<K, V>(
  graph: Graph,
  { key, value }: Place<K, V>,
  { name, call }: { readonly name: string; readonly call: string },
): StoreDraft {
  return graph.addStore({
    kind: 'time-ordered',
    ...storeBasics(graph, {}, `${name}-buffer`, call),
    keySerde: serdeFor<unknown>(undefined, key, call, 'key'),
    valueSerde: serdeFor<unknown>(undefined, value, call, 'value'),
    otherSerde: null,
  })
}

/** The stream itself when its keys are where they belong, else through a repartition topic. */
function ownPartitions<K, V>(
  place: Place<K, V>,
  plan: {
    name: string
    call: string
    key: Serde<K>
    value: Serde<V>
    partitions: number | undefined
    keepsNullKeys: boolean
  },
): Place<K, V> {
  return place.rekeyed ? repartitionThrough<K, V>(place, plan) : place
}

/** Stops what is neither a stream nor a table where one is needed, or one of another program. */
export function checkOther(
  graph: unknown,
  other: unknown,
  { call, kinds, isKind }: { call: string; kinds: string; isKind: boolean },
): void {
  if (!isKind) throw new TypeError(`other of ${call} is ${show(other)}; pass ${kinds}`)
  if ((other as { place: { graph: unknown } }).place.graph !== graph) {
    throw new TypeError(`other of ${call} is of another StreamsBuilder; build both sides with one`)
  }
}

/** Serdes that write a number or text each in its own way: equal keys have different bytes. */
const PLAIN_SERDES = new Set(['int32', 'int64', 'float32', 'float64', 'text', 'json', 'bytes'])

/** Stops a join whose sides write equal keys differently: they would never meet. */
export function checkKeys(
  left: Serde<unknown> | null,
  right: Serde<unknown> | null,
  call: string,
): void {
  if (left === null || right === null || left.name === right.name) return
  if (!PLAIN_SERDES.has(left.name) || !PLAIN_SERDES.has(right.name)) return
  throw new TypeError(
    `${call} has keys written as ${left.name} on the left and as ${right.name} on the right, so equal keys never meet; write one side with the other's serde, by repartition({ key: ${right.name} })`,
  )
}
