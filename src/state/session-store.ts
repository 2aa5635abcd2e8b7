/**
 * Session store: the open sessions of each key, and those that closed until they expire.
 *
 * Journey: a session aggregate finds the sessions near a record and puts the one they become.
 *
 * It is interval rows under the contract of sessions; layout and expiry are those of
 * `interval-rows.ts`. A session has no timestamp but its end.
 */
import type { PromiseOrValue } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { ChangedInterval, IntervalRow } from './interval-changes.ts'
import { type IntervalEntry, IntervalRows, openIntervals } from './interval-rows.ts'
import type { Session, SessionStore, SessionStoreDefinition, SessionStoreEntry } from './store.ts'
import type { StoreOptions } from './store-options.ts'

const LATEST: number = Number.MAX_SAFE_INTEGER - 1
const NONE: readonly never[] = []

export async function openSessionStore<K, V>(
  options: StoreOptions<SessionStoreDefinition>,
): Promise<SessionStore<K, V>> {
  return new BufferedSessionStore<K, V>(await openIntervals<K, V>(options))
}

class BufferedSessionStore<K, V> extends IntervalRows<K, V> implements SessionStore<K, V> {
  get(key: K, start: number, end: number): PromiseOrValue<V | null> {
    const rows = this.findRows(key, end, end)
    return rows instanceof Promise
      ? rows.then((found) => valueAt(found, start))
      : valueAt(rows, start)
  }

  find(key: K, earliestEnd: number, latestStart: number): PromiseOrValue<readonly Session<V>[]> {
    const rows = this.findRows(key, earliestEnd, this.observedEnd)
    return rows instanceof Promise
      ? rows.then((found) => startedBy(found, latestStart))
      : startedBy(rows, latestStart)
  }

  put(
    key: K,
    session: { readonly start: number; readonly end: number; readonly value: V | null },
    replaced: readonly Session<V>[] = NONE,
  ): PromiseOrValue<void> {
    const { start, end, value } = session
    const row = { start, end, timestamp: end, value }
    if (replaced.length === 0) return this.putRow(key, row)
    if (replaced.length === 1) return this.moveRow(key, replaced[0] as IntervalRow<K, V>, row)
    const removed = inOrder(
      replaced.map((one) => ({ ...one, timestamp: one.end, value: null })),
      (one) => this.putRow(key, one),
    )
    return removed instanceof Promise
      ? removed.then(() => this.putRow(key, row))
      : this.putRow(key, row)
  }

  prefetch(keys: readonly K[], earliestEnds: readonly number[]): PromiseOrValue<void> {
    const { observedEnd } = this
    return this.prefetchRows(
      keys,
      earliestEnds,
      keys.map(() => observedEnd),
    )
  }

  async *fetch(
    key: K,
    earliestEnd = 0,
    latestStart: number = LATEST,
  ): AsyncIterable<SessionStoreEntry<K, V>> {
    for await (const { row } of this.rowsOf(key, earliestEnd, LATEST)) {
      const { start, end, value } = row
      if (start <= latestStart) yield { key, start, end, value }
    }
  }

  async *fetchAll(
    earliestEnd = 0,
    latestEnd: number = LATEST,
  ): AsyncIterable<SessionStoreEntry<K, V>> {
    for await (const entry of this.allRows(earliestEnd, latestEnd)) yield sessionOf(entry)
  }

  visitSessions(
    earliestEnd: number,
    latestEnd: number,
    visit: (key: K, session: Session<V>) => PromiseOrValue<void>,
    copies = false,
  ): PromiseOrValue<void> {
    return this.visitRows(earliestEnd, latestEnd, visit, copies)
  }

  forEachChanged(callback: ChangedInterval<K, V>, copies = false): PromiseOrValue<void> {
    return this.forEachChangedRow(callback, copies)
  }
}

function sessionOf<K, V>({ key, row }: IntervalEntry<K, V>): SessionStoreEntry<K, V> {
  return { key, start: row.start, end: row.end, value: row.value }
}

function valueAt<K, V>(rows: readonly IntervalRow<K, V>[], start: number): V | null {
  for (const row of rows) if (row.start === start) return row.value
  return null
}

function startedBy<K, V>(
  rows: readonly IntervalRow<K, V>[],
  latestStart: number,
): readonly IntervalRow<K, V>[] {
  for (const row of rows) {
    if (row.start > latestStart) return rows.filter(({ start }) => start <= latestStart)
  }
  return rows
}
