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
  type OpenRows,
  type RowStep,
  steppedRows,
  storedRows,
  storedWindowRows,
} from '../operators/table-rows.ts'
import type { StoreDefinition } from '../state/store.ts'
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
  /** How far back the rows of a versioned table are known; null or absent: only the latest are. */
  readonly historyMs?: number | null
  /**
   * From here on changes carry the row before: tables above keep their rows where they have to, or
   * with `forced` false only where they do already.
   *
   * @returns true when changes carry it
   */
  keepBefore(forced?: boolean): boolean | undefined
  /** From here on rows can be read. `call` is who looks, as errors say it. */
  lookUp(call: string): RowSource<K, V>
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
    lookUp(call) {
      store.kept = true
      return { stores: [store], open: openRowsOf(store.definition, call) as OpenRows<K, V> }
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
    historyMs: above.historyMs ?? null,
    keepBefore(forced) {
      if (above.keepBefore(forced) !== true) return false
      draft.keepsBefore = true
      return true
    },
    lookUp(call) {
      const { stores, open } = above.lookUp(call)
      return { stores, open: steppedRows(open, step) }
    },
  }
}

function openRowsOf(definition: StoreDefinition, call: string): unknown {
  if (definition.kind === 'key-value' || definition.kind === 'versioned') {
    return storedRows(definition.name)
  }
  if (definition.kind === 'window') return storedWindowRows(definition.name)
  throw new TypeError(
    `${call} looks rows up in '${definition.name}', which has none by key; join with toStream().toTable() of it`,
  )
}
