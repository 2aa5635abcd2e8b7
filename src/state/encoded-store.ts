/**
 * Encoded store: a key-value store that keeps its rows as bytes and decodes those that are asked for.
 *
 * Journey: the tables of a foreign-key join lie here. Their rows come in as bytes, go out as bytes to
 * the other side, to the changelog and to the database, and are compared by a hash of their bytes; a
 * decoded row that stays in memory would be serialised for each of these, and copied to be safe from
 * whoever is handed it.
 *
 * Rows lie in the database and in the changelog as those of `key-value-store.ts` do, so that a table
 * may change from one to the other. In memory a row is what the database has: timestamp (8 bytes) and
 * value bytes. A row changes as an entry of the write buffer does: see there.
 *
 * Invariants:
 * - A row is in `#dirty` once while DIRTY and in `#unsaved` once while UNSAVED, and only others may be
 *   evicted.
 * - `#isComplete`: what is not in the table is known absent. True from an empty start until a row is
 *   evicted or restored.
 * - A read never overwrites a row, and is repeated when an eviction happened meanwhile.
 * - While CHANGED, and rows before are kept, the row as last emitted is in a block of its own.
 */
import assert from 'node:assert'
import { StreamsError } from '../errors.ts'
import { ByteWriter, readInt64, writeInt64At } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { when } from '../record/when.ts'
import { prefixEnd } from './byte-store.ts'
import { ByteTable, NOT_FOUND } from './byte-table.ts'
import { KeyList } from './key-list.ts'
import { mergedScan, storeClosed, type UnsavedRow } from './merged-scan.ts'
import { endRestoredRow } from './restore-writer.ts'
import type {
  ByteBatch,
  ChangedRow,
  ChangelogSink,
  EncodedStore,
  KeyRange,
  KeyValueStoreDefinition,
  Row,
  RowBytes,
  StoreEntry,
} from './store.ts'
import { EVICT_TO_SHARE, type StoreOptions, storeEnd, storePrefix } from './store-options.ts'
import { BEFORE_UNKNOWN, CHANGED, DIRTY, ROW_TIMESTAMP_BYTES, UNSAVED } from './write-buffer.ts'

const CANNOT_EVICT = DIRTY | UNSAVED
const STORE_NUMBER_BYTES = 2

/** Opens the store: looks whether the byte store has any row of it. */
export async function openEncodedStore<K, V>(
  options: StoreOptions<KeyValueStoreDefinition>,
): Promise<EncodedStore<K, V>> {
  const { number, bytes } = options
  let isEmpty = true
  for await (const _ of bytes.scan({ from: storePrefix(number), to: storeEnd(number), limit: 1 })) {
    isEmpty = false
  }
  return new EncodedKeyValueStore<K, V>(options, isEmpty)
}

/** A row that changed, and what it was when it was last emitted. */
interface Dirty {
  readonly row: number
  /** Where the row before lies, in a block of its own; its length is 0 when there was none. */
  beforeStart: number
  beforeLength: number
  /** When the row was deleted, if it was. */
  deletedAt: number
}

class EncodedKeyValueStore<K, V> implements EncodedStore<K, V> {
  readonly name: string
  readonly valueSerde: Serde<V>
  readonly #options: StoreOptions<KeyValueStoreDefinition>
  readonly #keySerde: Serde<K>
  readonly #keepsBefore: boolean
  readonly #table = new ByteTable()
  readonly #key = new ByteWriter()
  readonly #value = new ByteWriter()
  readonly #view: { bytes: Buffer; start: number; end: number; timestamp: number }
  #dirty: Dirty[] = []
  #unsaved: number[] = []
  #pinnedBytes = 0
  #round = 1
  #isComplete: boolean
  #evictions = 0
  #isClosed = false
  /** The last key found, so that what is done to a row costs one look-up; primitive keys only. */
  #lastKey: K | undefined = undefined
  #lastRow = NOT_FOUND

  constructor(options: StoreOptions<KeyValueStoreDefinition>, isEmpty: boolean) {
    const { definition } = options
    this.name = definition.name
    this.valueSerde = definition.valueSerde as Serde<V>
    this.#options = options
    this.#keySerde = definition.keySerde as Serde<K>
    this.#keepsBefore = definition.keepsBefore
    this.#isComplete = isEmpty
    this.#view = { bytes: this.#table.bytes, start: 0, end: 0, timestamp: 0 }
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  get(key: K): PromiseOrValue<Row<V> | null> {
    const row = this.#find(key)
    if (row !== NOT_FOUND) return this.#decoded(row)
    if (this.#isComplete) return null
    return this.#load([key]).then(() => this.#decoded(this.#find(key)))
  }

  getBytes(key: K): PromiseOrValue<RowBytes | null> {
    const row = this.#find(key)
    if (row !== NOT_FOUND) return this.#viewOf(row)
    if (this.#isComplete) return null
    return this.#load([key]).then(() => this.#viewOf(this.#find(key)))
  }

  getEmitted(key: K): PromiseOrValue<Row<V> | null> {
    return when(this.get(key), (present) => {
      const row = this.#find(key)
      if (row === NOT_FOUND || (this.#table.flags(row) & CHANGED) === 0) return present
      const change = this.#dirty[this.#table.note(row)] as Dirty
      const value = this.#before(change)
      return value === null ? null : { value, timestamp: this.#timestamp(change) }
    })
  }

  put(key: K, value: V | null, timestamp: number): void {
    if (value === null) {
      const row = this.#find(key)
      this.#change(row === NOT_FOUND ? this.#create() : row, 0).deletedAt = timestamp
      return
    }
    try {
      this.valueSerde.write(value, this.#value.reset())
    } catch (cause) {
      throw new StreamsError('serialization-failed', 'a row of a store cannot be serialised', {
        cause,
        place: { store: this.name },
      })
    }
    this.putBytes(key, this.#value, timestamp)
  }

  putBytes(key: K, { bytes, start, end }: ByteRange, timestamp: number): void {
    const table = this.#table
    const found = this.#find(key)
    const row = found === NOT_FOUND ? this.#create() : found
    this.#change(row, ROW_TIMESTAMP_BYTES + end - start)
    const position = table.rowStart(row)
    writeInt64At(timestamp, table.bytes, position)
    bytes.copy(table.bytes, position + ROW_TIMESTAMP_BYTES, start, end)
  }

  prefetch(keys: readonly K[]): PromiseOrValue<void> {
    if (this.#isComplete) return
    const missing = keys.filter((key) => key !== null && this.#find(key) === NOT_FOUND)
    if (missing.length > 0) return this.#load(missing)
  }

  copyValue(value: V): V {
    this.valueSerde.write(value, this.#value.reset())
    return this.valueSerde.read(this.#value.bytes, 0, this.#value.end)
  }

  forEachChanged(
    callback: (key: K, row: ChangedRow<V>) => PromiseOrValue<void>,
  ): PromiseOrValue<void> {
    const unknown = this.#dirty.filter(({ row }) => this.#isBeforeUnknown(row))
    if (unknown.length === 0) return this.#emitFrom(0, callback)
    return this.#learnBefore(unknown).then(() => this.#emitFrom(0, callback))
  }

  async *range(range: KeyRange<K> = {}): AsyncIterable<StoreEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const rows = mergedScan(this.#options.bytes, this.#unsavedRows(), {
      ...this.#databaseRange(range),
      reverse: range.reverse ?? false,
    })
    for await (const { key, row } of rows) {
      yield {
        key: this.#keySerde.read(key, STORE_NUMBER_BYTES, key.length),
        value: this.valueSerde.read(row, ROW_TIMESTAMP_BYTES, row.length),
        timestamp: readInt64(row, 0),
      }
      if (this.#isClosed) throw storeClosed(this.name)
    }
  }

  bufferedBytes(): number {
    return this.#table.usedBytes
  }

  dirtyBytes(): number {
    return this.#pinnedBytes
  }

  drainChanges(sink: ChangelogSink): void {
    const dirty = this.#dirty
    const table = this.#table
    this.#dirty = []
    for (const change of dirty) {
      const { row } = change
      const flags = table.flags(row)
      if (this.#options.definition.changelog) {
        const value = table.rowLength(row) === 0 ? null : this.#valueOf(row)
        sink(table.key(row), value, this.#timestamp(change))
      }
      this.#releaseBefore(change)
      table.setFlags(row, UNSAVED)
      if ((flags & UNSAVED) === 0) this.#unsaved.push(row)
    }
  }

  save(batch: ByteBatch): void {
    assert(this.#dirty.length === 0, `store ${this.name}: a save follows a drain`)
    const table = this.#table
    const { output } = batch
    const { bytes } = table
    for (const row of this.#unsaved) {
      const rowStart = table.rowStart(row)
      output.writeInt16(this.#options.number)
      output.writeBytes(bytes, table.keyStart(row), rowStart)
      batch.endKey()
      if (table.rowLength(row) === 0) {
        batch.endDelete()
      } else {
        output.writeBytes(bytes, rowStart, table.rowEnd(row))
        batch.endPut()
      }
      table.setFlags(row, 0)
    }
    this.#unsaved = []
    this.#pinnedBytes = 0
  }

  evict(): void {
    const table = this.#table
    this.#lastRow = NOT_FOUND
    const round = this.#round++
    const limit = this.#options.memory.limitOf(table.usedBytes)
    if (table.usedBytes <= limit) return
    const target = limit * EVICT_TO_SHARE
    // Rows used since the last eviction stay if the others suffice.
    for (const spared of [round, 0]) {
      for (const row of table.rows()) {
        if (table.usedBytes <= target) return
        if (table.round(row) === spared || (table.flags(row) & CANNOT_EVICT) !== 0) continue
        if (table.rowLength(row) > 0) this.#isComplete = false
        table.remove(row)
        this.#evictions++
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
    this.#lastRow = NOT_FOUND
    this.#table.clear()
  }

  /** The row of a key, used now; when it is not there, `#key` has its bytes. */
  #find(key: K): number {
    if (key === this.#lastKey && this.#lastRow !== NOT_FOUND) return this.#lastRow
    this.#keySerde.write(key, this.#key.reset())
    const row = this.#table.find(this.#key.bytes, 0, this.#key.end)
    if (row === NOT_FOUND) return row
    this.#table.setRound(row, this.#round)
    if (this.#keySerde.primitive === true) {
      this.#lastKey = key
      this.#lastRow = row
    }
    return row
  }

  /** Adds the key that was not found, without a row. */
  #create(): number {
    const table = this.#table
    const row = table.add(this.#key.bytes, 0, this.#key.end)
    table.setRound(row, this.#round)
    if (this.#keepsBefore && !this.#isComplete) table.setFlags(row, BEFORE_UNKNOWN)
    return row
  }

  /** Marks a row changed and makes room for what it becomes; what was emitted stays until the drain. */
  #change(row: number, length: number): Dirty {
    const table = this.#table
    const flags = table.flags(row)
    if ((flags & CANNOT_EVICT) !== 0) this.#pinnedBytes -= table.sizeOf(row)
    if ((flags & DIRTY) === 0) {
      table.setNote(row, this.#dirty.length)
      this.#dirty.push({ row, beforeStart: 0, beforeLength: 0, deletedAt: 0 })
    }
    const change = this.#dirty[table.note(row)] as Dirty
    const before = table.rowLength(row)
    if (this.#keepsBefore && (flags & CHANGED) === 0 && before > 0) {
      change.beforeStart = table.replace(row, length)
      change.beforeLength = before
    } else {
      table.resize(row, length)
    }
    table.setFlags(row, flags | DIRTY | CHANGED)
    this.#pinnedBytes += table.sizeOf(row)
    return change
  }

  #releaseBefore(change: Dirty): void {
    if (change.beforeLength === 0) return
    this.#table.release(change.row, change.beforeStart, change.beforeLength)
    change.beforeLength = 0
  }

  #isBeforeUnknown(row: number): boolean {
    return (this.#table.flags(row) & BEFORE_UNKNOWN) !== 0
  }

  async #learnBefore(changes: readonly Dirty[]): Promise<void> {
    const keys = new KeyList(changes.length)
    for (const { row } of changes) this.#writeDatabaseKey(this.#table.key(row), keys)
    const rows = await this.#options.bytes.getMany(keys.keys())
    const table = this.#table
    changes.forEach((change, index) => {
      table.setFlags(change.row, table.flags(change.row) & ~BEFORE_UNKNOWN)
      const row = rows[index] ?? null
      if (row === null) return
      change.beforeStart = table.keep(change.row, row)
      change.beforeLength = row.length
    })
  }

  #emitFrom(
    index: number,
    callback: (key: K, row: ChangedRow<V>) => PromiseOrValue<void>,
  ): PromiseOrValue<void> {
    const table = this.#table
    for (; index < this.#dirty.length; index++) {
      const change = this.#dirty[index] as Dirty
      const { row } = change
      if ((table.flags(row) & CHANGED) === 0) continue
      const before = this.#before(change)
      const after = this.#decoded(row)?.value ?? null
      this.#releaseBefore(change)
      table.setFlags(row, table.flags(row) & ~CHANGED)
      // Came and went between two emissions: nobody has heard of it.
      if (this.#keepsBefore && before === null && after === null) continue
      const { bytes, start, end } = table.key(row)
      const key = this.#keySerde.read(bytes, start, end)
      const pending = callback(key, { before, after, timestamp: this.#timestamp(change) })
      if (pending instanceof Promise) {
        const next = index + 1
        return pending.then(() => this.#emitFrom(next, callback))
      }
    }
  }

  /** The row as last emitted. */
  #before({ beforeStart, beforeLength }: Dirty): V | null {
    if (beforeLength === 0) return null
    const start = beforeStart + ROW_TIMESTAMP_BYTES
    return this.valueSerde.read(this.#table.bytes, start, beforeStart + beforeLength)
  }

  #timestamp({ row, deletedAt }: Dirty): number {
    const table = this.#table
    return table.rowLength(row) === 0 ? deletedAt : readInt64(table.bytes, table.rowStart(row))
  }

  #decoded(row: number): Row<V> | null {
    const table = this.#table
    if (row === NOT_FOUND || table.rowLength(row) === 0) return null
    const { bytes } = table
    const start = table.rowStart(row)
    const value = this.valueSerde.read(bytes, start + ROW_TIMESTAMP_BYTES, table.rowEnd(row))
    return { value, timestamp: readInt64(bytes, start) }
  }

  #viewOf(row: number): RowBytes | null {
    const table = this.#table
    if (row === NOT_FOUND || table.rowLength(row) === 0) return null
    const start = table.rowStart(row)
    const view = this.#view
    view.bytes = table.bytes
    view.start = start + ROW_TIMESTAMP_BYTES
    view.end = table.rowEnd(row)
    view.timestamp = readInt64(table.bytes, start)
    return view
  }

  #valueOf(row: number): ByteRange {
    const table = this.#table
    const start = table.rowStart(row) + ROW_TIMESTAMP_BYTES
    return { bytes: table.bytes, start, end: table.rowEnd(row) }
  }

  async #load(keys: readonly K[]): Promise<void> {
    const list = new KeyList(keys.length)
    for (const key of keys) {
      this.#keySerde.write(key, this.#key.reset())
      this.#writeDatabaseKey(this.#key, list)
    }
    const databaseKeys = list.keys()
    for (;;) {
      const evictions = this.#evictions
      const rows = await this.#options.bytes.getMany(databaseKeys)
      if (this.#isClosed) throw storeClosed(this.name)
      // A row put, saved and evicted meanwhile is newer than the one just read.
      if (evictions !== this.#evictions) continue
      databaseKeys.forEach((key, index) => {
        this.#insert(key, rows[index] ?? null)
      })
      return
    }
  }

  /** Takes a row as it was read, unless the key is there since. */
  #insert(databaseKey: Buffer, row: Buffer | null): void {
    const table = this.#table
    const { length } = databaseKey
    if (table.find(databaseKey, STORE_NUMBER_BYTES, length) !== NOT_FOUND) return
    const loaded = table.add(databaseKey, STORE_NUMBER_BYTES, length)
    table.setRound(loaded, this.#round)
    if (row === null) return
    table.resize(loaded, row.length)
    row.copy(table.bytes, table.rowStart(loaded))
  }

  #writeDatabaseKey({ bytes, start, end }: ByteRange, list: KeyList): void {
    list.output.writeInt16(this.#options.number)
    list.output.writeBytes(bytes, start, end)
    list.endKey()
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

  #databaseKey(key: K): Buffer {
    this.#keySerde.write(key, this.#key.reset())
    return Buffer.concat([storePrefix(this.#options.number), this.#key.copy()])
  }

  #unsavedRows(): UnsavedRow[] {
    const table = this.#table
    const dirty = this.#dirty.map(({ row }) => row)
    const isAlone = (row: number): boolean => (table.flags(row) & UNSAVED) === 0
    return [...this.#unsaved, ...dirty.filter(isAlone)].map((row) => {
      const { bytes } = table
      const key = bytes.subarray(table.keyStart(row), table.rowStart(row))
      const stored = bytes.subarray(table.rowStart(row), table.rowEnd(row))
      return {
        key: Buffer.concat([storePrefix(this.#options.number), key]),
        row: stored.length === 0 ? null : Buffer.from(stored),
      }
    })
  }
}
