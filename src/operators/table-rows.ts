/**
 * Rows of a table by key, wherever they are kept: in the table's own store, or in that of a table
 * above, seen through what lies between.
 *
 * Journey: a join opens the rows of its other side at `init` and reads one per record. A filtered,
 * mapped or joined table without a store of its own has none to read, so its row is made anew from
 * the rows above (KTableValueGetter).
 *
 * Invariant: a row read is what the table would have said last, had it said everything at once.
 */
import type { PromiseOrValue } from '../record/record.ts'
import { when } from '../record/when.ts'
import type { Windowed } from '../record/windowed.ts'
import type { KeyValueStore, Row, SessionStore, WindowStore } from '../state/store.ts'
import type { ProcessorContext } from '../topology/processor.ts'

/** Reads rows of a table. A row is valid until the next put of its key. */
export interface TableRows<K, V> {
  get(key: K): PromiseOrValue<Row<V> | null>
  /** The row a key had at a time, where the table is versioned. */
  asOf?(key: K, timestamp: number): PromiseOrValue<Row<V> | null>
  /** Loads what `get` of these keys will read. */
  prefetch(keys: readonly K[]): PromiseOrValue<void>
}

/** Opens the rows in one task, for a node connected to the stores they are made of. */
export type OpenRows<K, V> = (
  context: Pick<ProcessorContext<unknown, unknown>, 'store'>,
) => TableRows<K, V>

/** The rows of a key-value store. */
export function storedRows<K, V>(store: string): OpenRows<K, V> {
  return (context) => context.store<KeyValueStore<K, V>>(store)
}

/** The rows of a store as they were last handed on, where that happens when a task commits. */
export function emittedRows<K, V>(name: string): OpenRows<K, V> {
  return (context) => {
    const store = context.store<KeyValueStore<K, V>>(name)
    return {
      get: (key) => store.getEmitted(key),
      prefetch: (keys) => store.prefetch(keys),
    }
  }
}

/** The rows of a store of sessions; the keys are windowed. Their time is their end. */
export function storedSessionRows<K, V>(name: string): OpenRows<Windowed<K>, V> {
  return (context) => {
    const store = context.store<SessionStore<K, V>>(name)
    return {
      get: ({ key, start, end }) =>
        when(store.get(key, start, end), (value) =>
          value === null ? null : { value, timestamp: end },
        ),
      prefetch(sessions) {
        const present = sessions.filter((session) => session !== null)
        return store.prefetch(
          present.map(({ key }) => key),
          present.map(({ end }) => end),
        )
      },
    }
  }
}

/** The rows of a store of windows; the keys are windowed. */
export function storedWindowRows<K, V>(name: string, emitted = false): OpenRows<Windowed<K>, V> {
  return (context) => {
    const store = context.store<WindowStore<K, V>>(name)
    return {
      get: ({ key, start }) => (emitted ? store.getEmitted(key, start) : store.get(key, start)),
      prefetch(windows) {
        const missing = windows.filter((window) => window !== null && store.mayRead(window.start))
        if (missing.length === 0) return
        return store.prefetch(
          missing.map(({ key }) => key),
          missing.map(({ start }) => start),
        )
      },
    }
  }
}

/** What a filter or a mapper makes of a row; null: there is none. */
export type RowStep<K, V, R> = (value: V, key: K) => R | null

/** Rows seen through a step. */
export function steppedRows<K, V, R>(open: OpenRows<K, V>, step: RowStep<K, V, R>): OpenRows<K, R> {
  return (context) => {
    const rows = open(context)
    const through = (row: Row<V> | null, key: K): Row<R> | null => {
      const value = row === null ? null : step(row.value, key)
      return row === null || value === null ? null : { value, timestamp: row.timestamp }
    }
    return {
      get: (key) => when(rows.get(key), (row) => through(row, key)),
      ...(rows.asOf === undefined
        ? {}
        : {
            asOf: (key: K, timestamp: number) =>
              when(rows.asOf?.(key, timestamp) ?? null, (row) => through(row, key)),
          }),
      prefetch: (keys) => rows.prefetch(keys),
    }
  }
}

/** Joins the rows of two tables; a side that may be missing comes as null. */
export interface RowJoin<K, L, R, J> {
  readonly joiner: (left: L | null, right: R | null, key: K) => J
  /** True when a row of the other side alone gives a result. */
  readonly leftMayMiss: boolean
  readonly rightMayMiss: boolean
}

/** The rows of a join, made of those of its two sides. */
export function joinedRows<K, L, R, J>(
  openLeft: OpenRows<K, L>,
  openRight: OpenRows<K, R>,
  { joiner, leftMayMiss, rightMayMiss }: RowJoin<K, L, R, J>,
): OpenRows<K, J> {
  return (context) => {
    const lefts = openLeft(context)
    const rights = openRight(context)

    function join(left: Row<L> | null, right: Row<R> | null, key: K): Row<J> | null {
      if (left === null && right === null) return null
      if (right === null && !rightMayMiss) return null
      const value = joiner(left?.value ?? null, right?.value ?? null, key)
      if (value === null) return null
      const timestamp = Math.max(left?.timestamp ?? -1, right?.timestamp ?? -1)
      return { value, timestamp }
    }

    return {
      get: (key) =>
        when(lefts.get(key), (left) => {
          if (left === null && !leftMayMiss) return null
          return when(rights.get(key), (right) => join(left, right, key))
        }),
      prefetch(keys) {
        const left = lefts.prefetch(keys)
        const right = rights.prefetch(keys)
        if (left instanceof Promise || right instanceof Promise) {
          return Promise.all([left, right]).then(() => undefined)
        }
      },
    }
  }
}
