/**
 * Window store: one row a key and window, over the write buffer.
 *
 * Journey: a window aggregate gets and puts here; the task drains and saves.
 *
 * Database key: store number (2 bytes) + window start (8) + key bytes, so that an expired window
 * goes by one range delete. A second, tiny range (`StoredTimes`) lists the windows that have rows.
 * Changelog key: key bytes + window start (8) + sequence 0 (4), as Kafka's WindowKeySchema.
 *
 * Invariants:
 * - A bucket is complete when the byte store has no row of its window but those in memory: what it
 *   does not hold is known absent. So a window that began while the task runs is never read.
 * - A window is expired when its start is at or below the largest start ever put minus the
 *   retention (Kafka's window stores): not written, not read, dropped at once from memory, and from
 *   the byte store with the next save.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { inOrder, when } from '../record/when.ts'
import { KeyList } from './key-list.ts'
import { rowBytes } from './key-value-store.ts'
import { mergedScan, storeClosed, type UnsavedRow } from './merged-scan.ts'
import { endRestoredRow } from './restore-writer.ts'
import { SortedTimes } from './sorted-times.ts'
import type {
  ByteBatch,
  ChangedRow,
  ChangelogSink,
  Row,
  VisitWindow,
  WindowStore,
  WindowStoreDefinition,
  WindowStoreEntry,
} from './store.ts'
import { EVICT_TO_SHARE, type StoreOptions, timeKey, within } from './store-options.ts'
import { StoredTimes } from './stored-times.ts'
import { type TableKey, TableKeys } from './table-keys.ts'
import { type Entry, ROW_TIMESTAMP_BYTES, readTimestamp, WriteBuffer } from './write-buffer.ts'

/** Bytes behind the key in a changelog key: window start and sequence number. */
const CHANGELOG_SUFFIX_BYTES = 12
/** Bytes in front of the key in a database key: store number and window start. */
const DATABASE_PREFIX_BYTES = 10

interface Bucket<K, V> {
  readonly start: number
  readonly rows: Map<TableKey, Entry<K, V>>
  isComplete: boolean
  round: number
}

/** Opens the store: learns which windows the byte store has. */
export async function openWindowStore<K, V>(
  options: StoreOptions<WindowStoreDefinition>,
): Promise<WindowStore<K, V>> {
  const times = await StoredTimes.open(options.bytes, options.number)
  return new BufferedWindowStore<K, V>(options, times)
}

class BufferedWindowStore<K, V> implements WindowStore<K, V> {
  readonly name: string
  readonly #options: StoreOptions<WindowStoreDefinition>
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #tableKeys: TableKeys<K>
  readonly #isPrimitive: boolean
  readonly #buffer: WriteBuffer<K, V>
  readonly #times: StoredTimes
  /** The starts of all windows with rows, in memory or not. */
  readonly #starts = new SortedTimes()
  readonly #buckets = new Map<number, Bucket<K, V>>()
  /** The largest window start put so far. */
  #observedStart: number
  /** Windows starting here or before are expired. */
  #expiredUpTo: number
  /** No bucket starts before this: expiry looks at the buckets only when it is passed. */
  #oldestBucket = Number.POSITIVE_INFINITY
  #evictions = 0
  #isClosed = false
  #lastBucket: Bucket<K, V> | null = null
  /** The last row looked up, so that a get and its put cost one look-up; primitive keys only. */
  #lastKey: K | undefined = undefined
  #lastEntry: Entry<K, V> | null = null

  constructor(options: StoreOptions<WindowStoreDefinition>, times: StoredTimes) {
    const { definition, number } = options
    this.name = definition.name
    this.#options = options
    this.#keySerde = definition.keySerde as Serde<K>
    this.#valueSerde = definition.valueSerde as Serde<V>
    this.#tableKeys = new TableKeys(this.#keySerde)
    this.#isPrimitive = this.#tableKeys.isPrimitive
    this.#times = times
    for (const start of [...times.values()].sort((a, b) => a - b)) this.#starts.add(start)
    this.#observedStart = times.largest()
    this.#expiredUpTo = this.#observedStart - definition.retentionMs
    const keySerde = this.#keySerde
    this.#buffer = new WriteBuffer<K, V>({
      name: definition.name,
      valueSerde: this.#valueSerde,
      keepsBefore: definition.keepsBefore,
      changelog: definition.changelog,
      keys: {
        writeChangelogKey(key, windowStart, output) {
          keySerde.write(key, output)
          output.writeInt64(windowStart)
          output.writeInt32(0)
        },
        writeDatabaseKey(key, windowStart, output) {
          output.writeInt16(number)
          output.writeInt64(windowStart)
          keySerde.write(key, output)
        },
      },
      readRows: (entries) =>
        this.#read(
          entries.map((entry) => entry.key),
          entries.map((entry) => entry.windowStart),
        ),
    })
  }

  get(key: K, windowStart: number): PromiseOrValue<Row<V> | null> {
    const entry = this.#find(key, windowStart)
    if (entry !== null) return rowOf(entry)
    if (!this.mayRead(windowStart)) return null
    return this.#load([key], [windowStart]).then(() => {
      const loaded = this.#find(key, windowStart)
      return loaded === null ? null : rowOf(loaded)
    })
  }

  getEmitted(key: K, windowStart: number): PromiseOrValue<Row<V> | null> {
    return when(this.get(key, windowStart), () => {
      const entry = this.#find(key, windowStart)
      return entry === null ? null : this.#buffer.emitted(entry)
    })
  }

  put(key: K, windowStart: number, value: V | null, timestamp: number): boolean {
    this.#see(windowStart)
    const entry = this.#find(key, windowStart)
    if (entry !== null) {
      this.#buffer.put(entry, value, timestamp)
      return true
    }
    if (windowStart <= this.#expiredUpTo) return false
    this.#buffer.put(this.#create(key, windowStart), value, timestamp)
    return true
  }

  mayRead(windowStart: number): boolean {
    if (windowStart <= this.#expiredUpTo) return false
    const bucket = this.#bucketAt(windowStart)
    return bucket === undefined ? this.#times.has(windowStart) : !bucket.isComplete
  }

  prefetch(keys: readonly K[], windowStarts: readonly number[]): PromiseOrValue<void> {
    const missing = new Map<number, Map<TableKey, K>>()
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as K
      const start = windowStarts[index] as number
      if (key === null || !this.mayRead(start)) continue
      const tableKey = this.#tableKeys.of(key)
      if (this.#bucketAt(start)?.rows.has(tableKey) === true) continue
      let ofWindow = missing.get(start)
      if (ofWindow === undefined) {
        ofWindow = new Map()
        missing.set(start, ofWindow)
      }
      ofWindow.set(tableKey, key)
    }
    if (missing.size === 0) return
    const missingKeys: K[] = []
    const missingStarts: number[] = []
    for (const [start, ofWindow] of missing) {
      for (const key of ofWindow.values()) {
        missingKeys.push(key)
        missingStarts.push(start)
      }
    }
    return this.#load(missingKeys, missingStarts)
  }

  copyValue(value: V): V {
    return this.#buffer.copyValue(value)
  }

  forEachChanged(
    callback: (key: K, windowStart: number, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies = false,
  ): PromiseOrValue<void> {
    return this.#buffer.forEachChanged(
      (entry, row) => callback(entry.key, entry.windowStart, row),
      copies,
    )
  }

  visitWindows(
    from: number,
    to: number,
    visit: VisitWindow<K, V>,
    copies = false,
  ): PromiseOrValue<void> {
    return inOrder(this.#startsBetween(from, to), (start) =>
      this.#visitWindow(start, visit, copies),
    )
  }

  async *fetch(key: K, from: number, to: number): AsyncIterable<WindowStoreEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const starts = this.#startsBetween(from, to)
    await this.prefetch(
      starts.map(() => key),
      starts,
    )
    for (const windowStart of starts) {
      const row = await this.get(key, windowStart)
      if (this.#isClosed) throw storeClosed(this.name)
      if (row === null) continue
      yield { key, windowStart, value: this.copyValue(row.value), timestamp: row.timestamp }
    }
  }

  async *fetchAll(
    from = 0,
    to: number = Number.MAX_SAFE_INTEGER - 1,
  ): AsyncIterable<WindowStoreEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const { bytes, number } = this.#options
    const first = Math.max(0, from, this.#expiredUpTo + 1)
    if (first > to) return
    const rows = mergedScan(bytes, this.#unsavedRows(), {
      from: timeKey(number, first),
      to: timeKey(number, to + 1),
      reverse: false,
    })
    for await (const { key, row } of rows) {
      yield {
        key: this.#keySerde.read(key, DATABASE_PREFIX_BYTES, key.length),
        windowStart: readTimestamp(key.subarray(2)),
        value: this.#valueSerde.read(row, ROW_TIMESTAMP_BYTES, row.length),
        timestamp: readTimestamp(row),
      }
      if (this.#isClosed) throw storeClosed(this.name)
    }
  }

  bufferedBytes(): number {
    return this.#buffer.bytes
  }

  dirtyBytes(): number {
    return this.#buffer.pinnedBytes
  }

  drainChanges(sink: ChangelogSink): void {
    this.#buffer.drain(sink)
  }

  save(batch: ByteBatch): void {
    for (const entry of this.#buffer.unsavedEntries()) {
      if (entry.windowStart > this.#expiredUpTo) this.#times.add(entry.windowStart, batch)
    }
    this.#buffer.save(batch)
    this.#times.deleteUpTo(this.#expiredUpTo, batch)
  }

  evict(): void {
    const buffer = this.#buffer
    const round = buffer.round++
    const limit = this.#options.memory.limitOf(buffer.bytes)
    if (buffer.bytes <= limit) return
    this.#forget()
    const target = limit * EVICT_TO_SHARE
    // Whole windows that rest first, then rows that rest, then any clean row.
    for (const bucket of [...this.#buckets.values()].sort((a, b) => a.round - b.round)) {
      if (buffer.bytes <= target) return
      if (bucket.round !== round) this.#evictRows(bucket, target, -1)
    }
    for (const spared of [round, -1]) {
      for (const bucket of this.#buckets.values()) {
        if (buffer.bytes <= target) return
        this.#evictRows(bucket, target, spared)
      }
    }
  }

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    const { output } = batch
    const keyEnd = key.end - CHANGELOG_SUFFIX_BYTES
    const start = key.bytes.readInt32BE(keyEnd) * 0x1_0000_0000 + key.bytes.readUInt32BE(keyEnd + 4)
    this.#see(start)
    if (start <= this.#expiredUpTo) return
    this.#times.add(start, batch)
    this.#starts.add(start)
    output.writeInt16(this.#options.number)
    output.writeBytes(key.bytes, keyEnd, keyEnd + 8)
    output.writeBytes(key.bytes, key.start, keyEnd)
    batch.endKey()
    endRestoredRow(batch, value, timestamp)
  }

  close(): void {
    this.#isClosed = true
    this.#forget()
    this.#buckets.clear()
  }

  #bucketAt(start: number): Bucket<K, V> | undefined {
    const last = this.#lastBucket
    if (last !== null && last.start === start) return last
    const bucket = this.#buckets.get(start)
    if (bucket !== undefined) {
      this.#lastBucket = bucket
      this.#lastEntry = null
    }
    return bucket
  }

  #find(key: K, start: number): Entry<K, V> | null {
    const last = this.#lastEntry
    if (last !== null && start === last.windowStart && this.#isPrimitive && key === this.#lastKey) {
      return last
    }
    const bucket = this.#bucketAt(start)
    if (bucket === undefined) return null
    const { round } = this.#buffer
    bucket.round = round
    const entry = bucket.rows.get(this.#isPrimitive ? key : this.#tableKeys.of(key))
    if (entry === undefined) return null
    entry.round = round
    this.#lastKey = key
    this.#lastEntry = entry
    return entry
  }

  #create(key: K, start: number): Entry<K, V> {
    const bucket = this.#bucketAt(start) ?? this.#createBucket(start)
    const entry = this.#buffer.create(key, start, bucket.isComplete)
    bucket.rows.set(this.#isPrimitive ? key : this.#tableKeys.of(key), entry)
    this.#lastKey = key
    this.#lastEntry = entry
    return entry
  }

  #createBucket(start: number): Bucket<K, V> {
    const bucket: Bucket<K, V> = {
      start,
      rows: new Map(),
      isComplete: !this.#times.has(start),
      round: this.#buffer.round,
    }
    this.#buckets.set(start, bucket)
    this.#starts.add(start)
    if (start < this.#oldestBucket) this.#oldestBucket = start
    this.#lastBucket = bucket
    this.#lastEntry = null
    return bucket
  }

  /** Moves the store's time on, as far as it may go. */
  #see(time: number): void {
    const seen = within(this.#options.timeLimit, time)
    if (seen > this.#observedStart) this.#observe(seen)
  }

  /** What is no longer kept at that time is let go of. */
  #observe(start: number): void {
    this.#observedStart = start
    this.#expiredUpTo = start - this.#options.definition.retentionMs
    this.#starts.deleteUpTo(this.#expiredUpTo)
    if (this.#oldestBucket > this.#expiredUpTo) return
    this.#forget()
    this.#oldestBucket = Number.POSITIVE_INFINITY
    for (const bucket of this.#buckets.values()) {
      if (bucket.start <= this.#expiredUpTo) {
        this.#buckets.delete(bucket.start)
        for (const entry of bucket.rows.values()) this.#buffer.expire(entry)
      } else if (bucket.start < this.#oldestBucket) {
        this.#oldestBucket = bucket.start
      }
    }
  }

  #evictRows(bucket: Bucket<K, V>, target: number, spared: number): void {
    const buffer = this.#buffer
    for (const [tableKey, entry] of bucket.rows) {
      if (buffer.bytes <= target) break
      if (entry.round === spared || !buffer.isEvictable(entry)) continue
      bucket.rows.delete(tableKey)
      buffer.release(entry)
      this.#evictions++
      if (entry.value !== null) bucket.isComplete = false
    }
    // What an empty bucket knows, the stored times know too.
    if (bucket.rows.size === 0) this.#buckets.delete(bucket.start)
  }

  #forget(): void {
    this.#lastBucket = null
    this.#lastEntry = null
    this.#lastKey = undefined
  }

  /** Starts of windows with rows, ascending, expired ones left out. */
  #startsBetween(from: number, to: number): number[] {
    return this.#starts.between(Math.max(from, this.#expiredUpTo + 1), to)
  }

  #visitWindow(start: number, visit: VisitWindow<K, V>, copies: boolean): PromiseOrValue<void> {
    const bucket = this.#bucketAt(start)
    if (bucket?.isComplete !== true) return this.#visitStored(start, bucket, visit)
    const rows: { readonly order: string; readonly entry: Entry<K, V> }[] = []
    const output = new ByteWriter()
    for (const entry of bucket.rows.values()) {
      if (entry.value === null) continue
      this.#keySerde.write(entry.key, output.reset())
      rows.push({ order: output.bytes.latin1Slice(0, output.end), entry })
    }
    rows.sort((a, b) => (a.order < b.order ? -1 : 1))
    return inOrder(rows, ({ entry }) => {
      const value = entry.value as V
      return visit(entry.key, start, copies ? this.copyValue(value) : value, entry.timestamp)
    })
  }

  /** A window of which rows are only in the byte store. */
  async #visitStored(
    start: number,
    bucket: Bucket<K, V> | undefined,
    visit: VisitWindow<K, V>,
  ): Promise<void> {
    const { bytes, number } = this.#options
    const range = { from: timeKey(number, start), to: timeKey(number, start + 1), reverse: false }
    const buffered = this.#unsavedRows(bucket?.rows.values() ?? [])
    for await (const { key, row } of mergedScan(bytes, buffered, range)) {
      const pending = visit(
        this.#keySerde.read(key, DATABASE_PREFIX_BYTES, key.length),
        start,
        this.#valueSerde.read(row, ROW_TIMESTAMP_BYTES, row.length),
        readTimestamp(row),
      )
      if (pending instanceof Promise) await pending
    }
  }

  async #load(keys: readonly K[], starts: readonly number[]): Promise<void> {
    for (;;) {
      const evictions = this.#evictions
      const rows = await this.#read(keys, starts)
      if (this.#isClosed) throw storeClosed(this.name)
      // A row put, saved and evicted meanwhile is newer than the one just read.
      if (evictions !== this.#evictions) continue
      keys.forEach((key, index) => {
        this.#insertLoaded(key, starts[index] as number, rows[index] ?? null)
      })
      return
    }
  }

  #insertLoaded(key: K, start: number, row: Buffer | null): void {
    if (start <= this.#expiredUpTo) return
    const bucket = this.#bucketAt(start) ?? this.#createBucket(start)
    const tableKey = this.#tableKeys.of(key)
    if (bucket.rows.has(tableKey)) return
    bucket.rows.set(tableKey, this.#buffer.load(key, start, row))
  }

  #read(keys: readonly K[], starts: readonly number[]): Promise<(Buffer | null)[]> {
    const list = new KeyList(keys.length)
    keys.forEach((key, index) => {
      list.output.writeInt16(this.#options.number)
      list.output.writeInt64(starts[index] as number)
      this.#keySerde.write(key, list.output)
      list.endKey()
    })
    return this.#options.bytes.getMany(list.keys())
  }

  #unsavedRows(entries: Iterable<Entry<K, V>> = this.#buffer.unsavedEntries()): UnsavedRow[] {
    const rows: UnsavedRow[] = []
    const output = new ByteWriter()
    for (const entry of entries) {
      if (entry.windowStart <= this.#expiredUpTo) continue
      output.reset().writeInt16(this.#options.number)
      output.writeInt64(entry.windowStart)
      this.#keySerde.write(entry.key, output)
      rows.push({ key: output.copy(), row: rowBytes(entry, this.#valueSerde, output) })
    }
    return rows
  }
}

/** The entry itself: a row is a view of the buffer, valid until the next put of its key. */
function rowOf<K, V>(entry: Entry<K, V>): Row<V> | null {
  return entry.value === null ? null : (entry as Row<V>)
}
