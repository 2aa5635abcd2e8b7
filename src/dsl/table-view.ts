/**
 * How what stands below a table reaches its rows: in the table's own store, or through it to the
 * stores above.
 *
 * A filtered or mapped table, and one that comes out of a join, keeps rows only when the user names a
 * store for it: a look-up goes through to the tables above and makes the row anew, so that nothing is
 * kept twice. A table read from a topic keeps rows as soon as something looks them up or needs the
 * row before a change.
 */
import {
  emittedRows,
  type OpenRows,
  type RowStep,
  steppedRows,
  storedRows,
  storedSessionRows,
  storedWindowRows,
} from '../operators/table-rows.ts'
import type { Place, StoreDraft } from './graph.ts'
import { historyOf } from './versioned.ts'

/** What reads the rows of a table, and the stores it reads them from. */
export interface RowSource<K, V> {
  readonly stores: readonly StoreDraft[]
  readonly open: OpenRows<K, V>
}

/** The rows of a table while the program is written. */
export interface TableView<K, V> {
  /** The table's own store, whether or not it is kept in the end; null: it never has one. */
  readonly store: StoreDraft | null
  /** True below a filter, which leaves out what was not there before, when it knows the row before. */
  readonly filtered?: boolean
  /** How far back the rows of a versioned table are known; null or absent: only the latest are. */
  readonly historyMs?: number | null
  /**
   * From here on changes carry the row before: tables above keep their rows where they have to, or
   * with `forced` false only where they do already.
   *
   * @returns true when changes carry it
   */
  keepBefore(forced?: boolean): boolean | undefined
  /**
   * From here on rows are kept as bytes, if they are those of the topic the table is read from.
   *
   * @returns true when they are: a change of the table then is the row just put
   */
  keepBytes?(): boolean
  /**
   * From here on rows can be read. `call` is who looks, as errors say it.
   *
   * @param emitted true for rows as they were last handed on, for whoever takes the changes too: an
   * aggregation that sends at commit is ahead of that.
   */
  lookUp(call: string, emitted?: boolean): RowSource<K, V>
}

/** A table while the program is written: where it stands, and how its rows are reached. */
export interface TableParts<K, V> {
  readonly place: Place<K, V>
  readonly view: TableView<K, V>
}

/** The view of a table with a store of its own, kept at the latest when something needs it. */
export function storedView<K, V>(store: StoreDraft): TableView<K, V> {
  return {
    store,
    historyMs: historyOf(store.definition),
    keepBefore(forced = true) {
      if (!forced && !store.kept) return false
      store.kept = true
      store.keepsBefore = true
      return true
    },
    keepBytes() {
      store.keepsBytes = store.isSource === true
      return store.keepsBytes
    },
    lookUp(call, emitted = false) {
      store.kept = true
      return { stores: [store], open: openRowsOf(store, emitted, call) as OpenRows<K, V> }
    },
  }
}

/** The view of a table whose rows are made of those above, change by change, by a step. */
export function steppedView<K, V, R>(
  above: TableView<K, V>,
  draft: StoreDraft,
  step: RowStep<K, V, R>,
): TableView<K, R> {
  return {
    store: draft,
    filtered: above.filtered ?? false,
    historyMs: above.historyMs ?? null,
    keepBefore(forced) {
      if (above.keepBefore(forced) !== true) return false
      draft.keepsBefore = true
      return true
    },
    lookUp(call, emitted) {
      const { stores, open } = above.lookUp(call, emitted)
      return { stores, open: steppedRows(open, step) }
    },
  }
}

function openRowsOf(draft: StoreDraft, emitted: boolean, call: string): unknown {
  const { definition, emitsAtCommit } = draft
  const { kind, name } = definition
  const isBehind = emitted && emitsAtCommit === true
  if (isBehind) draft.keepsBefore = true
  if (kind === 'key-value') return isBehind ? emittedRows(name) : storedRows(name)
  if (kind === 'versioned') return storedRows(name)
  if (kind === 'window') return storedWindowRows(name, isBehind)
  if (kind === 'sliding') return storedWindowRows(name)
  if (kind === 'session') return storedSessionRows(name)
  throw new TypeError(
    `${call} looks rows up in '${name}', which has none by key; join with toStream().toTable() of it`,
  )
}
