/**
 * Key-value store: one row a key, over the write buffer.
 *
 * Journey: table source, aggregate and joins get and put here; the task drains and saves.
 *
 * Database key: store number (2 bytes) + key bytes. Database value: timestamp (8 bytes) + value
 * bytes. Changelog: key bytes -> value bytes, the record's timestamp being the row's.
 *
 * Invariants:
 * - `#isComplete`: every row of the store is in the table, so what is not there is known absent and
 *   needs no read. True from an empty start until a row is evicted or restored.
 * - A read never overwrites an entry, and is repeated when an eviction happened meanwhile.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { when } from '../record/when.ts'
import { prefixEnd } from './byte-store.ts'
import { KeyList } from './key-list.ts'
import { mergedScan, storeClosed, type UnsavedRow } from './merged-scan.ts'
import { endRestoredRow } from './restore-writer.ts'
import type {
  ByteBatch,
  ChangedRow,
  ChangelogSink,
  KeyRange,
  KeyValueStore,
  KeyValueStoreDefinition,
  Row,
  StoreEntry,
} from './store.ts'
import { EVICT_TO_SHARE, type StoreOptions, storeEnd, storePrefix } from './store-options.ts'
import { type TableKey, TableKeys } from './table-keys.ts'
import { type Entry, ROW_TIMESTAMP_BYTES, readTimestamp, WriteBuffer } from './write-buffer.ts'

/** Opens the store: looks whether the byte store has any row of it. */
export async function openKeyValueStore<K, V>(
  options: StoreOptions<KeyValueStoreDefinition>,
): Promise<KeyValueStore<K, V>> {
  const { number, bytes } = options
  let isEmpty = true
  for await (const _ of bytes.scan({ from: storePrefix(number), to: storeEnd(number), limit: 1 })) {
    isEmpty = false
  }
  return new BufferedKeyValueStore<K, V>(options, isEmpty)
}

class BufferedKeyValueStore<K, V> implements KeyValueStore<K, V> {
  readonly name: string
  readonly #options: StoreOptions<KeyValueStoreDefinition>
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #tableKeys: TableKeys<K>
  readonly #isPrimitive: boolean
  readonly #buffer: WriteBuffer<K, V>
  readonly #table = new Map<TableKey, Entry<K, V>>()
  #isComplete: boolean
  #evictions = 0
  #isClosed = false
  /** The last key looked up, so that a get and its put cost one look-up; primitive keys only. */
  #lastKey: K | undefined = undefined
  #lastEntry: Entry<K, V> | null = null

  constructor(options: StoreOptions<KeyValueStoreDefinition>, isEmpty: boolean) {
    const { definition } = options
    this.name = definition.name
    this.#options = options
    this.#keySerde = definition.keySerde as Serde<K>
    this.#valueSerde = definition.valueSerde as Serde<V>
    this.#tableKeys = new TableKeys(this.#keySerde)
    this.#isPrimitive = this.#tableKeys.isPrimitive
    this.#isComplete = isEmpty
    const keySerde = this.#keySerde
    const { number } = options
    this.#buffer = new WriteBuffer<K, V>({
      name: definition.name,
      valueSerde: this.#valueSerde,
      keepsBefore: definition.keepsBefore,
      changelog: definition.changelog,
      keys: {
        writeChangelogKey: (key, _windowStart, output) => keySerde.write(key, output),
        writeDatabaseKey(key, _windowStart, output) {
          output.writeInt16(number)
          keySerde.write(key, output)
        },
      },
      readRows: (entries) => this.#read(entries.map((entry) => entry.key)),
    })
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  get(key: K): PromiseOrValue<Row<V> | null> {
    const entry = this.#find(key)
    if (entry !== null) return rowOf(entry)
    if (this.#isComplete) return null
    return this.#load([key]).then(() => this.#loaded(key))
  }

  getEmitted(key: K): PromiseOrValue<Row<V> | null> {
    return when(this.get(key), () => this.#emitted(key))
  }

  put(key: K, value: V | null, timestamp: number): void {
    const entry = this.#find(key) ?? this.#create(key)
    this.#buffer.put(entry, value, timestamp)
  }

  prefetch(keys: readonly K[]): PromiseOrValue<void> {
    if (this.#isComplete) return
    const missing = new Map<TableKey, K>()
    for (const key of keys) {
      if (key === null) continue
      const tableKey = this.#tableKeys.of(key)
      const entry = this.#table.get(tableKey)
      if (entry === undefined) missing.set(tableKey, key)
      else entry.round = this.#buffer.round
    }
    if (missing.size > 0) return this.#load([...missing.values()])
  }

  copyValue(value: V): V {
    return this.#buffer.copyValue(value)
  }

  forEachChanged(
    callback: (key: K, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies = false,
  ): PromiseOrValue<void> {
    return this.#buffer.forEachChanged((entry, row) => callback(entry.key, row), copies)
  }

  async *range(range: KeyRange<K> = {}): AsyncIterable<StoreEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const rows = mergedScan(this.#options.bytes, this.#unsavedRows(), {
      ...this.#databaseRange(range),
      reverse: range.reverse ?? false,
    })
    for await (const { key, row } of rows) {
      yield {
        key: this.#keySerde.read(key, 2, key.length),
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
    this.#buffer.save(batch)
  }

  evict(): void {
    const buffer = this.#buffer
    const round = buffer.round++
    const limit = this.#options.memory.limitOf(buffer.bytes)
    if (buffer.bytes <= limit) return
    this.#lastEntry = null
    const target = limit * EVICT_TO_SHARE
    // Rows used since the last eviction stay if the others suffice.
    for (const spared of [round, -1]) {
      for (const [tableKey, entry] of this.#table) {
        if (buffer.bytes <= target) return
        if (entry.round === spared || !buffer.isEvictable(entry)) continue
        this.#table.delete(tableKey)
        buffer.release(entry)
        this.#evictions++
        if (entry.value !== null) this.#isComplete = false
      }
    }
  }

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    const { output } = batch
    output.writeInt16(this.#options.number)
    output.writeBytes(key.bytes, key.start, key.end)
    batch.endKey()
    endRestoredRow(batch, value, timestamp)
    this.#isComplete = false
  }

  close(): void {
    this.#isClosed = true
    this.#lastEntry = null
    this.#table.clear()
  }

  #find(key: K): Entry<K, V> | null {
    if (this.#isPrimitive && key === this.#lastKey && this.#lastEntry !== null) {
      return this.#lastEntry
    }
    const entry = this.#table.get(this.#isPrimitive ? key : this.#tableKeys.of(key))
    if (entry === undefined) return null
    entry.round = this.#buffer.round
    this.#lastKey = key
    this.#lastEntry = entry
    return entry
  }

  #emitted(key: K): Row<V> | null {
    const entry = this.#find(key)
    return entry === null ? null : this.#buffer.emitted(entry)
  }

  #create(key: K): Entry<K, V> {
    const entry = this.#buffer.create(key, 0, this.#isComplete)
    this.#table.set(this.#tableKeys.of(key), entry)
    this.#lastKey = key
    this.#lastEntry = entry
    return entry
  }

  #loaded(key: K): Row<V> | null {
    const entry = this.#find(key)
    return entry === null ? null : rowOf(entry)
  }

  async #load(keys: readonly K[]): Promise<void> {
    for (;;) {
      const evictions = this.#evictions
      const rows = await this.#read(keys)
      if (this.#isClosed) throw storeClosed(this.name)
      // A row put, saved and evicted meanwhile is newer than the one just read.
      if (evictions !== this.#evictions) continue
      keys.forEach((key, index) => {
        const tableKey = this.#tableKeys.of(key)
        if (this.#table.has(tableKey)) return
        this.#table.set(tableKey, this.#buffer.load(key, 0, rows[index] ?? null))
      })
      return
    }
  }

  #read(keys: readonly K[]): Promise<(Buffer | null)[]> {
    const list = new KeyList(keys.length)
    for (const key of keys) {
      list.output.writeInt16(this.#options.number)
      this.#keySerde.write(key, list.output)
      list.endKey()
    }
    return this.#options.bytes.getMany(list.keys())
  }

  #databaseKey(key: K): Buffer {
    const output = new ByteWriter()
    output.writeInt16(this.#options.number)
    this.#keySerde.write(key, output)
    return output.copy()
  }

  #databaseRange({ from, to, prefix }: KeyRange<K>): { from: Buffer; to: Buffer } {
    const { number } = this.#options
    if (prefix !== undefined) {
      const start = this.#databaseKey(prefix)
      return { from: start, to: prefixEnd(start) as Buffer }
    }
    return {
      from: from === undefined ? storePrefix(number) : this.#databaseKey(from),
      // Inclusive: the smallest key above `to` is `to` and a zero byte.
      to:
        to === undefined ? storeEnd(number) : Buffer.concat([this.#databaseKey(to), Buffer.of(0)]),
    }
  }

  #unsavedRows(): UnsavedRow[] {
    const rows: UnsavedRow[] = []
    const output = new ByteWriter()
    for (const entry of this.#buffer.unsavedEntries()) {
      rows.push({
        key: this.#databaseKey(entry.key),
        row: rowBytes(entry, this.#valueSerde, output),
      })
    }
    return rows
  }
}

/** The entry itself: a row is a view of the buffer, valid until the next put of its key. */
function rowOf<K, V>(entry: Entry<K, V>): Row<V> | null {
  return entry.value === null ? null : (entry as Row<V>)
}

/** A row as the byte store would hold it; null when it is deleted. */
export function rowBytes<K, V>(
  entry: Entry<K, V>,
  serde: Serde<V>,
  output: ByteWriter,
): Buffer | null {
  if (entry.value === null) return null
  output.reset().writeInt64(entry.timestamp)
  serde.write(entry.value, output)
  return output.copy()
}
