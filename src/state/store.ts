/**
 * What operators remember: the definition of a store as data, and the contracts of the stores a
 * processor sees and the task drives.
 *
 * A typed store sits on a write buffer, and that on the task's byte store (RocksDB or memory). The
 * buffer is four things at once: the view in which a task reads its own writes, the cache, the
 * feed of the changelog and of the byte store. Reads answer at once when the row is buffered or
 * known absent, and return a promise only on a miss.
 */
import type { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue, RecordHeaders } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'

/**
 * What the times of a store's rows mean, in milliseconds: `size` and `grace` of their windows, say.
 * Rows written under one meaning are wrong under another, so a start compares.
 */
export type StoreTimes = Readonly<Record<string, number>>

export interface KeyValueStoreDefinition {
  readonly kind: 'key-value'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  /** True when a consumer of this table's changes needs the row before the change. */
  readonly keepsBefore: boolean
  /** How many rows are kept at most, those used last; absent: all. */
  readonly maxEntries?: number | undefined
  /** True when rows are kept as bytes, for those who want no other: an `EncodedStore`. */
  readonly keepsBytes?: boolean
  /** Where the rows of a read-only store come from. */
  readonly source?: StoreSource | undefined
}

/** The topic whose rows a store has, which takes the place of a changelog, and the node that puts them. */
export interface StoreSource {
  readonly topic: string
  readonly writer: string
}

export interface WindowStoreDefinition {
  readonly kind: 'window'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly keepsBefore: boolean
  /** How long after its start a window is kept, against the largest start written. */
  readonly retentionMs: number
  readonly windowSizeMs: number
  readonly times?: StoreTimes
}

/** Both sides of a stream-stream join keep their records here: several per key and time. */
export interface JoinStoreDefinition {
  readonly kind: 'join'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly retentionMs: number
  /** Width of the time buckets rows are grouped in. */
  readonly bucketMs: number
  readonly times?: StoreTimes
}

/** Sessions: rows whose bounds grow, several to a key. */
export interface SessionStoreDefinition {
  readonly kind: 'session'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly keepsBefore: boolean
  /** How long after its end a session is kept, against the largest end written. */
  readonly retentionMs: number
  /** How much longer `visitSessions` still finds it. Default 0. */
  readonly lingerMs?: number
  /** Width of the time buckets sessions are grouped in, by their ends. */
  readonly bucketMs: number
  readonly times?: StoreTimes
}

/** Windows that begin at any millisecond: a `WindowStore` whose rows are grouped by time. */
export interface SlidingStoreDefinition {
  readonly kind: 'sliding'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly keepsBefore: boolean
  /** How long after its start a window is kept, against the largest start written. */
  readonly retentionMs: number
  readonly windowSizeMs: number
  /** Width of the time buckets windows are grouped in. */
  readonly bucketMs: number
  readonly times?: StoreTimes
}

/** What a suppression holds back. */
export interface SuppressStoreDefinition {
  readonly kind: 'suppress'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  /** True when the bytes held are asked for: each change is then serialised as it is held. */
  readonly countsBytes: boolean
}

/** Records that wait for their time: unmatched ones of a join, or those a grace holds back. */
export interface TimeOrderedStoreDefinition {
  readonly kind: 'time-ordered'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  /** Values of the right side, where there are two. */
  readonly otherSerde: Serde<unknown> | null
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly times?: StoreTimes
}

/** A key-value store that knows what each row was at a time within its history. */
export interface VersionedStoreDefinition {
  readonly kind: 'versioned'
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
  /** How far back rows are known, and how late a row may come, against the largest time put. */
  readonly historyMs: number
}

/** Who is told of the rows of a table in a foreign-key join. */
export interface SubscriptionStoreDefinition {
  readonly kind: 'subscription'
  readonly name: string
  /** Of foreign keys. */
  readonly keySerde: Serde<unknown>
  /** Of primary keys, which the store has as bytes: for its name only. */
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
}

/** A store as data: its kind, name, serdes, and how long it keeps rows. */
export type StoreDefinition =
  | TimeOrderedStoreDefinition
  | VersionedStoreDefinition
  | KeyValueStoreDefinition
  | WindowStoreDefinition
  | JoinStoreDefinition
  | SessionStoreDefinition
  | SlidingStoreDefinition
  | SuppressStoreDefinition
  | SubscriptionStoreDefinition
/** Where a store lies. */
export type StorageKind = 'rocksdb' | 'memory'

/** A definition that says, in its type only, which store it makes: `context.store(definition)`. */
export type TypedStore<S extends StateStore> = StoreDefinition & {
  /** Never there: carries the type. */
  readonly opens?: (store: S) => S
}

/**
 * A row of a store: the value and the largest timestamp that shaped it. What a `get` returns is a
 * view of the buffer, valid until the next put of its key: read what is needed before that.
 */
export interface Row<V> {
  value: V
  timestamp: number
}

/** A row as a query returns it. */
export interface StoreEntry<K, V> {
  readonly key: K
  readonly value: V
  readonly timestamp: number
}

/** Takes each changed row at commit: changelog key and value (null deletes) and its timestamp. */
export type ChangelogSink = (key: ByteRange, value: ByteRange | null, timestamp: number) => void

/** What the task does with every store, whatever its kind. */
export interface StateStore {
  readonly name: string
  /** Bytes held in memory by this store's buffer, estimated. */
  bufferedBytes(): number
  /** Bytes of rows changed since the last `save`; they cannot be evicted. */
  dirtyBytes(): number
  /** True when a read, too, has changed what a commit is to keep. */
  readonly hasUndrained?: boolean
  /** Hands every row changed since the last call to the changelog and queues it for `save`. */
  drainChanges(sink: ChangelogSink): void
  /**
   * Adds what `drainChanges` queued to the byte store's batch, with expired rows' removal. Nothing
   * may be put between the drain and this: the byte store holds committed rows.
   */
  save(batch: ByteBatch): void
  /**
   * Lets go of clean rows beyond the buffer's budget. Never while a save's write is in flight, since
   * the rows could not be read back yet: `TaskState.evict` sees to that.
   */
  evict(): void
  /** Applies one changelog record read back at restore; `value` null deletes. */
  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void
  /**
   * Merges what was restored with rows that have to be read first, where a changelog record is not a
   * whole row. Called before each `save` of a restore, with no write in flight.
   */
  mergeRestored?(): Promise<void>
  /** Lets go of memory; what is not saved comes back from the changelog. */
  close(): void
}

/** Which rows of a key-value store are read, and from which end. */
export interface KeyRange<K> {
  readonly from?: K
  readonly to?: K
  readonly prefix?: K
  readonly reverse?: boolean
}

export interface ReadOnlyKeyValueStore<K, V> {
  /** The row; null when there is none. Valid until the next put of its key. */
  get(key: K): PromiseOrValue<Row<V> | null>
  /**
   * Rows with `from <= key <= to` in the order of their key bytes; an open end when omitted. Or those
   * whose key's bytes begin with the bytes of `prefix`, which makes sense for text and bytes.
   */
  range(range?: KeyRange<K>): AsyncIterable<StoreEntry<K, V>>
}

export interface KeyValueStore<K, V> extends StateStore, ReadOnlyKeyValueStore<K, V> {
  /** True while every row is in memory: nothing has to be prefetched. */
  readonly isComplete: boolean
  /**
   * The row as `forEachChanged` last handed it on, where it hands on every change and the store
   * keeps rows before: what whoever takes the changes knows of.
   */
  getEmitted(key: K): PromiseOrValue<Row<V> | null>
  /** An equal value that shares nothing with this one, by way of its bytes. */
  copyValue(value: V): V
  /** Writes a row; a null value deletes it. */
  put(key: K, value: V | null, timestamp: number): void
  /**
   * Loads the rows of these keys with one batched read, so that `get` answers at once. Null keys
   * are skipped.
   */
  prefetch(keys: readonly K[]): PromiseOrValue<void>
  /**
   * Calls back for each row changed since the last call, in the order they first changed. With
   * `copies` the values handed on share nothing with the rows that are kept.
   */
  forEachChanged(
    callback: (key: K, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies?: boolean,
  ): PromiseOrValue<void>
}

/** A row as bytes: those of its value. Valid until the next call of the store. */
export interface RowBytes extends ByteRange {
  readonly timestamp: number
}

/** A key-value store whose rows are bytes, which can be had and put as they are. */
export interface EncodedStore<K, V> extends KeyValueStore<K, V> {
  readonly valueSerde: Serde<V>
  /** As `get`, with the bytes that `valueSerde` writes. */
  getBytes(key: K): PromiseOrValue<RowBytes | null>
  /** As `put`, with the bytes that `valueSerde` writes; they are copied. */
  putBytes(key: K, value: ByteRange, timestamp: number): void
}

/** A row that changed since the last emission. */
export interface ChangedRow<V> {
  readonly before: V | null
  readonly after: V | null
  readonly timestamp: number
}

export interface ReadOnlyWindowStore<K, V> {
  /** The row; null when there is none. Valid until the next put of its key. */
  get(key: K, windowStart: number): PromiseOrValue<Row<V> | null>
  /** Rows of a key with `from <= windowStart <= to`, ascending. */
  fetch(key: K, from: number, to: number): AsyncIterable<WindowStoreEntry<K, V>>
  /** Rows of all keys with `from <= windowStart <= to`, by window start, then key bytes. */
  fetchAll(from?: number, to?: number): AsyncIterable<WindowStoreEntry<K, V>>
}

export interface WindowStoreEntry<K, V> extends StoreEntry<K, V> {
  readonly windowStart: number
}

export interface WindowStore<K, V> extends StateStore, ReadOnlyWindowStore<K, V> {
  /** As in a key-value store. */
  getEmitted(key: K, windowStart: number): PromiseOrValue<Row<V> | null>
  /** An equal value that shares nothing with this one, by way of its bytes. */
  copyValue(value: V): V
  /** Writes a row; a null value deletes it. False when its window is expired: nothing is written. */
  put(key: K, windowStart: number, value: V | null, timestamp: number): boolean
  /** False when every row of that window is in memory or known absent: nothing to prefetch. */
  mayRead(windowStart: number): boolean
  /** Loads the rows of `keys[i]` in the window that starts at `windowStarts[i]`, in one batched read. */
  prefetch(keys: readonly K[], windowStarts: readonly number[]): PromiseOrValue<void>
  /**
   * Visits the rows of all keys with `from <= windowStart <= to`, by window start, then key bytes;
   * at once when they are in memory. With `copies` as in `forEachChanged`.
   */
  visitWindows(
    from: number,
    to: number,
    visit: VisitWindow<K, V>,
    copies?: boolean,
  ): PromiseOrValue<void>
  /** As in a key-value store. */
  forEachChanged(
    callback: (key: K, windowStart: number, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies?: boolean,
  ): PromiseOrValue<void>
}

/** Takes a row of a window. */
export type VisitWindow<K, V> = (
  key: K,
  windowStart: number,
  value: V,
  timestamp: number,
) => PromiseOrValue<void>

/** A row of a key in a window, as `SlidingStore.find` shows it: valid until the next put of the key. */
export interface WindowRow<V> {
  readonly start: number
  readonly end: number
  readonly timestamp: number
  readonly value: V
}

/** A window store that answers at once which windows a key has around a time. */
export interface SlidingStore<K, V> extends Omit<WindowStore<K, V>, 'put' | 'getEmitted'> {
  /** Windows of a key with `from <= start <= to`, ascending. */
  find(key: K, from: number, to: number): PromiseOrValue<readonly WindowRow<V>[]>
  /** Loads, in one batched read, what `find(keys[i], from[i], to[i])` and puts there will touch. */
  prefetchRange(
    keys: readonly K[],
    from: readonly number[],
    to: readonly number[],
  ): PromiseOrValue<void>
  /** Writes a row; a null value deletes it. */
  put(key: K, windowStart: number, value: V | null, timestamp: number): PromiseOrValue<void>
}

/** A session: from its first record to its last, both inclusive. */
export interface Session<V> {
  readonly start: number
  readonly end: number
  readonly value: V
}

export interface SessionStoreEntry<K, V> extends Session<V> {
  readonly key: K
}

export interface ReadOnlySessionStore<K, V> {
  /** The value of the session with exactly these bounds. */
  get(key: K, start: number, end: number): PromiseOrValue<V | null>
  /** Sessions of a key that end at `earliestEnd` or later and start at `latestStart` or before, by end. */
  fetch(key: K, earliestEnd?: number, latestStart?: number): AsyncIterable<SessionStoreEntry<K, V>>
  /** Sessions of all keys that end in that time, by time bucket, then key bytes, then end. */
  fetchAll(earliestEnd?: number, latestEnd?: number): AsyncIterable<SessionStoreEntry<K, V>>
}

/** Several sessions to a key, found by the time they are near to. */
export interface SessionStore<K, V> extends StateStore, ReadOnlySessionStore<K, V> {
  /** An equal value that shares nothing with this one, by way of its bytes. */
  copyValue(value: V): V
  /**
   * Sessions of a key that end at `earliestEnd` or later and start at `latestStart` or before, by
   * end. They are the store's own, valid until the next put of the key.
   */
  find(key: K, earliestEnd: number, latestStart: number): PromiseOrValue<readonly Session<V>[]>
  /**
   * Writes a session; a null value deletes it. Nothing is written when it is expired.
   *
   * @param replaced what `find` gave and this session takes the place of
   */
  put(
    key: K,
    session: { readonly start: number; readonly end: number; readonly value: V | null },
    replaced?: readonly Session<V>[],
  ): PromiseOrValue<void>
  /** Loads, in one batched read, what `find(keys[i], earliestEnds[i], ...)` and the put will touch. */
  prefetch(keys: readonly K[], earliestEnds: readonly number[]): PromiseOrValue<void>
  /** Visits the sessions of all keys that end in that time, by end, start, then key bytes. */
  visitSessions(
    earliestEnd: number,
    latestEnd: number,
    visit: (key: K, session: Session<V>) => PromiseOrValue<void>,
    copies?: boolean,
  ): PromiseOrValue<void>
  /** As in a key-value store, in the order of last changes; a session that merged away has no `after`. */
  forEachChanged(
    callback: (
      key: K,
      bounds: { readonly start: number; readonly end: number },
      row: ChangedRow<V>,
    ) => PromiseOrValue<void>,
    copies?: boolean,
  ): PromiseOrValue<void>
}

/** Records of one side of a stream-stream join: several per key and time, each its own. */
export interface JoinStore<K, V> extends StateStore {
  readonly valueSerde: Serde<V>
  /**
   * Keeps a record; false when it is older than the retention allows and was not kept.
   *
   * @param bytes the value as `valueSerde` writes it, when the caller has it; copied by the call
   */
  add(key: K, timestamp: number, value: V, bytes?: ByteRange | null): PromiseOrValue<boolean>
  /** Visits the records of a key with `from <= timestamp <= to`, by timestamp, then arrival. */
  fetch(
    key: K,
    from: number,
    to: number,
    visit: (value: V, timestamp: number) => PromiseOrValue<void>,
  ): PromiseOrValue<void>
  /**
   * Loads, in one batched read, what `fetch(keys[i], timestamps[i] - beforeMs, timestamps[i] +
   * afterMs)` and `add` at that time will touch.
   */
  prefetch(
    keys: readonly K[],
    timestamps: readonly number[],
    range: { readonly beforeMs: number; readonly afterMs: number },
  ): PromiseOrValue<void>
}

/** A row that is held back; a null value deletes it. */
export interface HeldRow<K, V> {
  readonly key: K
  readonly value: V | null
  readonly timestamp: number
  readonly headers: RecordHeaders
}

/** Rows that a suppression holds back, a key once; all in memory, so it answers at once. */
export interface SuppressStore<K, V> extends StateStore {
  /** How many keys are held, marks left out. */
  readonly heldKeys: number
  /** Bytes of keys, values and headers, and 48 for each row; 0 unless the definition counts them. */
  readonly heldBytes: number
  /** The smallest time of a key that is held, or marked; infinity when there is none. */
  readonly firstTime: number
  /** Holds a row until `time`, unless its key is held: then until the time it is held to. */
  hold(time: number, row: HeldRow<K, V>): void
  /** Takes out the row of the smallest time, then key bytes; null when it is a mark, or nothing. */
  take(): HeldRow<K, V> | null
  /** Remembers until `time` that the row of a key was sent. */
  mark(time: number, key: K, timestamp: number): void
  isMarked(key: K): boolean
}

/** Takes a subscriber: the bytes of its primary key and its payload, valid during the call. */
export type VisitSubscriber = (primaryKey: ByteRange, payload: ByteRange) => PromiseOrValue<void>

/** For each foreign key the primary keys of the rows that name it, each with a payload of 20 bytes. */
export interface SubscriptionStore<F> extends StateStore {
  /** Subscribes a row, or replaces its payload; the bytes are copied. */
  put(
    foreignKey: F,
    primaryKey: ByteRange,
    payload: ByteRange,
    timestamp: number,
  ): PromiseOrValue<void>
  /** Ends the subscription of a row, if there is one. */
  delete(foreignKey: F, primaryKey: ByteRange, timestamp: number): PromiseOrValue<void>
  /** Visits the subscribers of a foreign key in the order of their primary keys. */
  visit(foreignKey: F, visit: VisitSubscriber): PromiseOrValue<void>
  /** Loads what putting and deleting `primaryKeys[i]` under `foreignKeys[i]` will touch. */
  prefetch(foreignKeys: readonly F[], primaryKeys: readonly ByteRange[]): PromiseOrValue<void>
  /** Loads where `visit` of these begins. */
  prefetchRoots(foreignKeys: readonly F[]): PromiseOrValue<void>
}

/** The side of a join a parked record came from; `left` where there is only one. */
export type ParkedSide = 'left' | 'right'

export interface ParkedPlace<K> {
  readonly time: number
  readonly side: ParkedSide
  readonly key: K
}

/** Sees what is parked at one place; `read` gives its records in the order of their arrival. */
export type VisitParked<K, V> = (
  place: ParkedPlace<K>,
  read: () => readonly { readonly value: V; readonly headers: RecordHeaders }[],
) => PromiseOrValue<'keep' | 'remove' | 'stop'>

/** Records parked until their time comes, in the order of time, side (right first), key, arrival. */
export interface TimeOrderedStore<K, V> extends StateStore {
  /** Two numbers kept with the rows, null before the first. */
  readonly notes: readonly [number, number] | null
  setNotes(first: number, second: number): void
  /** The earliest time at which something may be parked. */
  firstTime(): number | null
  add(place: ParkedPlace<K>, value: V, headers: RecordHeaders): PromiseOrValue<void>
  remove(time: number, side: ParkedSide, key: K): PromiseOrValue<void>
  /** Visits what is parked with a time up to this one. */
  visit(upTo: number, visit: VisitParked<K, V>): PromiseOrValue<void>
}

/** What a key's row was from a time on, until `validTo` (null: it is the latest). */
export interface VersionedRow<V> extends Row<V> {
  validTo: number | null
}

export interface ReadOnlyVersionedStore<K, V> extends ReadOnlyKeyValueStore<K, V> {
  /** The row a key had at a time; null for none, and for times older than the history. */
  asOf(key: K, timestamp: number): PromiseOrValue<VersionedRow<V> | null>
  /** The rows a key had in `from <= time <= to`, ascending, with the one valid at `from`. */
  versions(
    key: K,
    range?: { from?: number; to?: number; descending?: boolean },
  ): PromiseOrValue<readonly VersionedRow<V>[]>
}

/** What became of a put: it is the latest row, one of the history, or too old and not kept. */
export type VersionedPut = 'latest' | 'history' | 'expired'

export interface VersionedStore<K, V> extends StateStore, ReadOnlyVersionedStore<K, V> {
  /** An equal value that shares nothing with this one, by way of its bytes. */
  copyValue(value: V): V
  /** Writes what a key's row is from a time on; null: it has none. */
  put(key: K, value: V | null, timestamp: number): PromiseOrValue<VersionedPut>
  /** Ends the row of a key at a time; the row that was valid then. */
  delete(key: K, timestamp: number): PromiseOrValue<VersionedRow<V> | null>
  /** Loads what `get` and `put` of these keys will read, in few batched reads. */
  prefetch(keys: readonly K[]): PromiseOrValue<void>
}

/**
 * One atomic write to a task's byte store. Either hand over finished ranges (copied by the call), or
 * write a row into `output` in place: key bytes, `endKey()`, value bytes, `endPut()`.
 *
 * Range deletes apply before the puts and deletes of their batch; of several operations on one key
 * the last one counts.
 */
export interface ByteBatch {
  readonly output: ByteWriter
  endKey(): void
  endPut(): void
  endDelete(): void
  put(key: ByteRange, value: ByteRange): void
  delete(key: ByteRange): void
  /** Removes `from <= key < to`. */
  deleteRange(from: Buffer, to: Buffer): void
}
