/**
 * Verbs of a table as nodes and stores: filter and mapValues, joins of two tables, grouping.
 *
 * Journey: KTable -> [table verbs] -> graph.
 */
import { milliseconds } from '../duration.ts'
import { changeSerde } from '../operators/change-serde.ts'
import { type RowSelector, regroupChanges } from '../operators/table-group.ts'
import { tableJoin, tableResult } from '../operators/table-join.ts'
import { joinedRows, type RowStep } from '../operators/table-rows.ts'
import { changesToStream } from '../operators/table-source.ts'
import { tableStep } from '../operators/table-step.ts'
import { versionedTableSource } from '../operators/versioned-source.ts'
import type { Serde } from '../record/serde.ts'
import type { Change } from '../topology/processor.ts'
import { checkFunction, checkOptions } from './arguments.ts'
import type { Graph, Place, StoreDraft } from './graph.ts'
import { checkKeys } from './joins.ts'
import { repartitionThrough } from './repartition.ts'
import { type SerdeOptions, serdeFor } from './serde-options.ts'
import { storeBasics } from './store-options.ts'
import type { GroupOptions } from './stream-options.ts'
import { steppedView, storedView, type TableParts } from './table-view.ts'
import { readTableStoreOptions, type TableStoreOptions } from './versioned.ts'

/** Options of a verb whose result is a table that may be kept. */
export interface TableStepOptions {
  /** Name of the operator. Default: its lineage. */
  readonly name?: string | undefined
  /** Keeps the resulting rows in a store of this name. Default: they are made anew when looked up. */
  readonly store?: string | TableStoreOptions | undefined
}

type StepArguments = TableStepOptions & { readonly value?: Serde<unknown> | undefined }

export interface StepPlan<K, V, R> {
  readonly verb: string
  readonly argument: string
  readonly example: string
  readonly given: unknown
  readonly step: RowStep<K, V, R>
  readonly filters: boolean
  readonly options: StepArguments | undefined
}

/** Adds a filter or a mapper below a table. */
export function addTableStep<K, V, R>(
  { place, view }: TableParts<K, V>,
  plan: StepPlan<K, V, R>,
): TableParts<K, R> {
  const { verb, step, filters, options } = plan
  const { graph } = place
  const call = `${verb}(...) on '${place.lineage}'`
  checkFunction(plan.given, call, plan.argument, plan.example)
  checkOptions(options, call, ['name', 'store', 'value'])
  const known = filters ? (place.value as Serde<unknown> | null) : null
  const value = (options?.value ?? known) as Serde<R> | null
  const named = nameResult(place, { verb, call, options, key: place.key, value })
  // Where the row before costs nothing, a filter does not delete what was never there; of a table with
  // history that cannot be said.
  const filtersAbsent = filters && (view.historyMs ?? null) === null
  if (filtersAbsent && view.keepBefore(false) === true) named.rows.keepsBefore = true
  graph.addTableProcessor(named.name, place.node, named.rows, {
    create: ({ store, kept, keepsBefore }) =>
      tableStep<K, V, R>({
        step,
        filters: filtersAbsent,
        store: kept ? store : null,
        keepsBefore,
      }),
    keepsKey: true,
  })
  const below = named.rows.kept ? storedView<K, R>(named.rows) : steppedView(view, named.rows, step)
  const filtered = filters || below.filtered === true
  const result: TableParts<K, R> = {
    place: { ...place, node: named.name, lineage: named.lineage, value },
    view: { ...below, filtered },
  }
  return keepVersions(result, named, call)
}

/** Which side of a join of tables may be missing. */
const MAY_MISS: Readonly<Record<TableJoinVerb, { left: boolean; right: boolean }>> = {
  join: { left: false, right: false },
  leftJoin: { left: false, right: true },
  outerJoin: { left: true, right: true },
}

export type TableJoinVerb = 'join' | 'leftJoin' | 'outerJoin'

export interface JoinPlan<K, L, R, J> {
  readonly verb: TableJoinVerb
  readonly joiner: (left: L | null, right: R | null, key: K) => J
  readonly options: StepArguments | undefined
}

/** Joins two tables by key: a node for each side, and one where they meet. */
export function joinTables<K, L, R, J>(
  left: TableParts<K, L>,
  right: TableParts<K, R>,
  plan: JoinPlan<K, L, R, J>,
): TableParts<K, J> {
  const { verb, joiner, options } = plan
  const { graph } = left.place
  const call = `${verb}(...) on '${left.place.lineage}'`
  checkOptions(options, call, ['name', 'store', 'value'])
  checkFunction(joiner, call, 'joiner', '(left, right, key) => ({ ...left, ...right })')
  checkKeys(left.place.key, right.place.key, call)
  const mayMiss = MAY_MISS[verb]
  const topics = [...new Set([...left.place.topics, ...right.place.topics])]
  graph.addCoPartitioning(topics, call)
  // An inner join needs no row before, unless something below does (KTableImpl.doJoin).
  if (mayMiss.right) left.view.keepBefore()
  if (mayMiss.left) right.view.keepBefore()
  const lefts = left.view.lookUp(call, true)
  const rights = right.view.lookUp(call, true)

  const key = left.place.key ?? right.place.key
  const value = (options?.value ?? null) as Serde<J> | null
  const named = nameResult(left.place, { verb, call, options, key, value })
  const { name, lineage, rows } = named
  const leftNode = graph.operators.derive(`${name}-left`, call)
  graph.addProcessor(leftNode, [left.place.node], {
    create: tableJoin<K, L, R, J>({
      other: rights.open,
      joiner,
      ownMayMiss: mayMiss.left,
      otherMayMiss: mayMiss.right,
    }),
    stores: rights.stores,
    keepsKey: true,
  })
  const rightNode = graph.operators.derive(`${name}-right`, call)
  graph.addProcessor(rightNode, [right.place.node], {
    create: tableJoin<K, R, L, J>({
      other: lefts.open,
      joiner: (own, other, key) => joiner(other, own, key),
      ownMayMiss: mayMiss.right,
      otherMayMiss: mayMiss.left,
    }),
    stores: lefts.stores,
    keepsKey: true,
  })
  graph.addTableProcessor(name, [leftNode, rightNode], rows, {
    create: ({ store, kept }) => tableResult({ store: kept ? store : null }),
    keepsKey: true,
  })
  const place: Place<K, J> = { graph, node: name, lineage, topics, key, value, rekeyed: false }
  const keepBefore = (forced?: boolean): boolean => {
    left.view.keepBefore(forced)
    right.view.keepBefore(forced)
    return true
  }
  const filtered = left.view.filtered === true || right.view.filtered === true
  if (rows.kept) return { place, view: { ...storedView(rows), keepBefore, filtered } }
  const join = { joiner, leftMayMiss: mayMiss.left, rightMayMiss: mayMiss.right }
  const view: TableParts<K, J>['view'] = {
    store: rows,
    keepBefore,
    filtered,
    lookUp: () => ({
      stores: [...new Set([...lefts.stores, ...rights.stores])],
      open: joinedRows(lefts.open, rights.open, join),
    }),
  }
  return keepVersions({ place, view }, named, call)
}

/** Keeps a result in the versioned store that the user asked for, if so. */
export function keepVersions<K, V>(
  result: TableParts<K, V>,
  { name, versions }: Pick<NamedResult, 'name' | 'versions'>,
  call: string,
): TableParts<K, V> {
  if (versions === null) return result
  const { place } = result
  const { graph } = place
  const rows = graph.operators.derive(`${name}-rows`, call)
  graph.addProcessor(rows, [place.node], { create: changesToStream<K, V>(), keepsKey: true })
  const node = graph.operators.derive(`${name}-versions`, call)
  graph.addTableProcessor(node, rows, versions, {
    create: ({ store }) => versionedTableSource<K, V>(store),
    keepsKey: true,
  })
  return { place: { ...place, node }, view: storedView(versions) }
}

interface NamedResult {
  readonly name: string
  readonly lineage: string
  readonly rows: StoreDraft
  /** The store, where it is versioned; then `rows` are not kept. */
  readonly versions: StoreDraft | null
}

interface ResultPlan {
  readonly verb: string
  readonly call: string
  readonly options: StepArguments | undefined
  readonly key: Serde<unknown> | null
  readonly value: Serde<unknown> | null
}

/** Names the result of a verb and its store, which is kept when the user names it. */
export function nameResult(
  { graph, lineage }: { readonly graph: Graph; readonly lineage: string },
  { verb, call, options, key, value }: ResultPlan,
): NamedResult {
  const store = readTableStoreOptions(options?.store, call)
  const isVersioned = store.history !== undefined
  const name = graph.name(store.name ?? lineage, verb, options?.name)
  const serdes = {
    keySerde: serdeFor<unknown>(undefined, key, call, 'key'),
    valueSerde: serdeFor<unknown>(undefined, value, call, 'value'),
  }
  const rows = graph.addStore(
    {
      kind: 'key-value',
      ...storeBasics(graph, isVersioned ? {} : store, name, call),
      ...serdes,
      keepsBefore: false,
    },
    (store.name !== undefined || store.maxEntries !== undefined) && !isVersioned,
  )
  const below = options?.name ?? store.name ?? name
  const versions = isVersioned ? addVersions(graph, { store, serdes, name, call }) : null
  return { name, lineage: below, rows, versions }
}

/** Adds the versioned store of a result. */
export function addVersions(
  graph: Graph,
  plan: {
    readonly store: TableStoreOptions
    readonly serdes: { readonly keySerde: Serde<unknown>; readonly valueSerde: Serde<unknown> }
    readonly name: string
    readonly call: string
  },
): StoreDraft {
  const { store, serdes, name, call } = plan
  const historyMs = milliseconds(store.history ?? 0, `store history of ${call}`)
  const basics = storeBasics(graph, store, name, call)
  return graph.addStore({ kind: 'versioned', ...basics, ...serdes, historyMs })
}

export interface RegroupPlan<K, V, KOut, VOut> {
  readonly selector: RowSelector<K, V, KOut, VOut>
  readonly options: (GroupOptions & SerdeOptions<KOut, VOut>) | undefined
}

/** A grouping of a table: where its changes come out by group, and how its rows are written. */
export interface TableGrouping<K, V> {
  /** Where the changes come out, repartitioned at the first call. */
  readonly input: () => Place<K, Change<V>>
  readonly value: Serde<V>
}

/** Groups a table anew: its changes go through a repartition topic, made at the first aggregation. */
export function regroupTable<K, V, KOut, VOut>(
  { place, view }: TableParts<K, V>,
  { selector, options }: RegroupPlan<K, V, KOut, VOut>,
): TableGrouping<KOut, VOut> {
  const { graph } = place
  const call = `groupBy(...) on '${place.lineage}'`
  checkFunction(selector, call, 'selector', '(key, row) => [row.group, row]')
  checkOptions(options, call, ['key', 'value', 'name', 'partitions'])
  const key = serdeFor(options?.key, null, call, 'key')
  const value = serdeFor(options?.value, null, call, 'value')
  view.keepBefore()
  let input: Place<KOut, Change<VOut>> | undefined

  function grouped(): Place<KOut, Change<VOut>> {
    const name = graph.name(place.lineage, 'groupBy', options?.name)
    graph.addProcessor(name, [place.node], { create: regroupChanges(selector, key) })
    const regrouped = { ...place, node: name, lineage: name }
    return repartitionThrough<KOut, Change<VOut>>(regrouped, {
      name,
      call,
      key,
      value: changeSerde(value),
      partitions: options?.partitions,
      keepsNullKeys: true,
    })
  }

  return {
    value,
    input: () => {
      input ??= grouped()
      return input
    },
  }
}
