/**
 * Reads stores as cases ask for it: all rows at the end, and the queries between the records.
 *
 * A row is [key, value, timestamp]; the timestamp is null where Kafka's store keeps none (sessions,
 * a processor's own stores). Rows come by key bytes, then by start and end.
 *
 * Of a range over all keys of a window store Kafka's order depends on how its segments are cut; here
 * they are read by start and given in the order of one segment, by key bytes and start.
 */
import type {
  ReadOnlyKeyValueStore,
  ReadOnlySessionStore,
  ReadOnlyVersionedStore,
  ReadOnlyWindowStore,
  StoreDefinition,
  StoreEntry,
  WindowStoreEntry,
} from '../../src/state/store.ts'
import {
  type Key,
  type Query,
  type StoreRow,
  Unsupported,
  type Value,
  type WindowedKey,
} from './case.ts'
import type { StoreKind } from './ops/translation.ts'

/** A store of the driver, and what the reader needs to know of it. */
export interface StoreToRead {
  readonly store: unknown
  readonly kind: StoreKind
  readonly definition: StoreDefinition | undefined
  /** True where Kafka keeps rows by time, then key: windows that are sent when they close. */
  readonly byTime: boolean
}

type Rows = readonly StoreRow[]

/** Every row of a store. */
export async function allRows(target: StoreToRead): Promise<Rows> {
  switch (target.kind) {
    case 'key-value':
    case 'plain':
      return keyValueRows(target, {})
    case 'window':
      return windowRows(target, 0, Number.MAX_SAFE_INTEGER)
    case 'session':
      return sessionRows(await entriesOf(sessions(target).fetchAll()))
    case 'versioned':
      return keyValueRows(target, {})
  }
}

/** What a query of a case answers. */
export async function query(target: StoreToRead, asked: Query): Promise<unknown> {
  switch (target.kind) {
    case 'key-value':
    case 'plain':
      return keyValueQuery(target, asked)
    case 'window':
      return windowQuery(target, asked)
    case 'session':
      return sessionQuery(target, asked)
    case 'versioned':
      return versionedQuery(target, asked)
  }
}

async function keyValueQuery(target: StoreToRead, asked: Query): Promise<unknown> {
  const { type, key, from, to, prefix = '' } = asked
  const range = { ...(from == null ? {} : { from }), ...(to == null ? {} : { to }) }
  switch (type) {
    case 'get': {
      const row = await keyValues(target).get(needed(key))
      return row === null ? null : [key, row.value, timeIn(target, row.timestamp)]
    }
    case 'range':
      return keyValueRows(target, range)
    case 'reverseRange':
      return keyValueRows(target, { ...range, reverse: true })
    case 'all':
      return keyValueRows(target, {})
    case 'reverseAll':
      return keyValueRows(target, { reverse: true })
    case 'prefixScan':
      return (await keyValueRows(target, { from: prefix })).filter(
        ([key]) => typeof key === 'string' && key.startsWith(prefix),
      )
  }
  throw new Unsupported(`query ${type} of a key-value store`)
}

async function windowQuery(target: StoreToRead, asked: Query): Promise<unknown> {
  const { type, fromMs = 0, toMs = 0 } = asked
  switch (type) {
    case 'get': {
      const row = await windows(target).get(needed(asked.key), fromMs)
      return row === null ? null : [asked.key, row.value, row.timestamp]
    }
    case 'fetch':
      return windowsOfKey(target, asked)
    case 'backwardFetch':
      return (await windowsOfKey(target, asked)).reverse()
    case 'fetchAll':
      return scannedRows(target, fromMs, toMs)
    case 'backwardFetchAll':
      return (await scannedRows(target, fromMs, toMs)).reverse()
    case 'fetchRange':
      return (await scannedRows(target, fromMs, toMs)).filter(([key]) => isBetween(key, asked))
    case 'all':
      return scannedRows(target)
    case 'backwardAll':
      return (await scannedRows(target)).reverse()
  }
  throw new Unsupported(`query ${type} of a window store`)
}

/** Rows of windows of all keys, in the order in which they are kept. */
async function scannedRows(
  target: StoreToRead,
  from = 0,
  to = Number.MAX_SAFE_INTEGER,
): Promise<StoreRow[]> {
  const rows = [...(await windowRows(target, from, to))]
  return target.byTime ? rows.sort(([a], [b]) => startOf(a) - startOf(b)) : rows
}

function startOf(key: Key): number {
  return (key as WindowedKey).start
}

/** Windows of one key, as [start, value, timestamp]. */
async function windowsOfKey(target: StoreToRead, { key, fromMs = 0, toMs = 0 }: Query) {
  const entries = await entriesOf(windows(target).fetch(needed(key), fromMs, toMs))
  return entries.map(({ windowStart, value, timestamp }) => [windowStart, value, timestamp])
}

async function sessionQuery(target: StoreToRead, asked: Query): Promise<unknown> {
  const { type, fromMs = 0, toMs = 0 } = asked
  switch (type) {
    case 'get':
      return sessions(target).get(needed(asked.key), fromMs, toMs)
    case 'fetch':
      return sessionRows(await entriesOf(sessions(target).fetch(needed(asked.key))))
    case 'backwardFetch':
      return sessionRows(await entriesOf(sessions(target).fetch(needed(asked.key)))).reverse()
    case 'fetchRange':
      return (await allRows(target)).filter(([key]) => isBetween(key, asked))
    case 'findSessions':
      return sessionRows(await entriesOf(sessions(target).fetch(needed(asked.key), fromMs, toMs)))
    case 'backwardFindSessions':
      return sessionRows(
        await entriesOf(sessions(target).fetch(needed(asked.key), fromMs, toMs)),
      ).reverse()
  }
  throw new Unsupported(`query ${type} of a session store`)
}

async function versionedQuery(target: StoreToRead, asked: Query): Promise<unknown> {
  const { type, fromMs, toMs, descending = false } = asked
  const store = target.store as ReadOnlyVersionedStore<string, Value>
  const key = needed(asked.key)
  if (type === 'get' || type === 'asOf') {
    const row = type === 'get' ? await store.get(key) : await store.asOf(key, asked.asOfMs ?? 0)
    return row === null ? null : [key, row.value, row.timestamp, null]
  }
  if (type === 'versions') {
    const bounds = {
      ...(fromMs == null ? {} : { from: fromMs }),
      ...(toMs == null ? {} : { to: toMs }),
    }
    const rows = await store.versions(key, { ...bounds, descending })
    return rows.map(({ value, timestamp, validTo }) => [value, timestamp, validTo])
  }
  throw new Unsupported(`query ${type} of a versioned store`)
}

function isBetween(key: Key, { from, to }: Query): boolean {
  const text = typeof key === 'object' ? key?.key : key
  if (typeof text !== 'string') return false
  return (from == null || compare(from, text) <= 0) && (to == null || compare(text, to) <= 0)
}

async function keyValueRows(
  target: StoreToRead,
  range: { from?: string; to?: string; reverse?: boolean },
): Promise<Rows> {
  const entries = await entriesOf<StoreEntry<Key, Value>>(keyValues(target).range(range))
  return entries.map(({ key, value, timestamp }) => [key, value, timeIn(target, timestamp)])
}

async function windowRows(target: StoreToRead, from: number, to: number): Promise<Rows> {
  const size = windowSize(target)
  const entries = await entriesOf<WindowStoreEntry<string, Value>>(
    windows(target).fetchAll(from, to),
  )
  return entries
    .sort((a, b) => compare(a.key, b.key) || a.windowStart - b.windowStart)
    .map(({ key, value, timestamp, windowStart: start }) => [
      { key, start, end: start + size },
      value,
      timestamp,
    ])
}

function sessionRows(
  entries: readonly { key: string; start: number; end: number; value: Value }[],
): StoreRow[] {
  return [...entries]
    .sort((a, b) => compare(a.key, b.key) || a.start - b.start || a.end - b.end)
    .map(({ key, start, end, value }) => [{ key, start, end }, value, null])
}

function keyValues({ store }: StoreToRead): ReadOnlyKeyValueStore<Key, Value> {
  return store as ReadOnlyKeyValueStore<Key, Value>
}

function windows({ store }: StoreToRead): ReadOnlyWindowStore<string, Value> {
  return store as ReadOnlyWindowStore<string, Value>
}

function sessions({ store }: StoreToRead): ReadOnlySessionStore<string, Value> {
  return store as ReadOnlySessionStore<string, Value>
}

function windowSize({ definition }: StoreToRead): number {
  return definition !== undefined && 'windowSizeMs' in definition ? definition.windowSizeMs : 0
}

function timeIn({ kind }: StoreToRead, timestamp: number): number | null {
  return kind === 'plain' ? null : timestamp
}

function needed(key: string | null | undefined): string {
  if (typeof key !== 'string') throw new TypeError('the query has no key')
  return key
}

async function entriesOf<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
