/**
 * LRU store: a key-value store of so many rows at most, which forgets those that were used least
 * recently.
 *
 * Journey: operators and processors get and put here as in any key-value store; the task drains and
 * saves. All of it is in memory, so nothing here waits.
 *
 * Database key: store number (2 bytes) + key bytes. Database value: timestamp (8 bytes) + number of
 * the use (8 bytes) + value bytes. Changelog: key bytes -> value bytes, the record's timestamp being
 * the row's; a row that was only read is written again, so that the last records of the keys stand
 * in the order of their use.
 *
 * Invariants:
 * - A get or put uses a row; the row used longest ago goes when there is one too many, before the put
 *   returns, and is deleted from the changelog. Queries over ranges use nothing.
 * - What is forgotten is not sent: to those who take the changes the row stays as it was. One that
 *   changed since the last emission is emitted all the same.
 * - A restart changes neither the rows nor the order of their use. (Kafka's MemoryLRUCache restores
 *   in the order of the last puts.)
 */
import { StreamsError } from '../errors.ts'
import { ByteWriter, readInt64 } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { inOrder } from '../record/when.ts'
import { rangeOf } from './byte-store.ts'
import { storeClosed } from './merged-scan.ts'
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
import { type StoreOptions, storeEnd, storePrefix } from './store-options.ts'
import { ENTRY_OVERHEAD_BYTES, ROW_TIMESTAMP_BYTES, readTimestamp } from './write-buffer.ts'

const ROW_HEADER_BYTES = ROW_TIMESTAMP_BYTES + 8

interface Entry<K, V> {
  readonly key: K
  /** Key bytes as latin1 text: compares like the bytes. */
  readonly order: string
  /** null: deleted. */
  value: V | null
  timestamp: number
  /** The changelog has a row of this key. */
  isLogged: boolean
  isChanged: boolean
  /** The value last emitted: its bytes, or itself when it is a primitive; null when absent. */
  before: Buffer | V | null
}

/** Opens the store: reads all of it. */
export async function openLruStore<K, V>(
  options: StoreOptions<KeyValueStoreDefinition>,
): Promise<KeyValueStore<K, V>> {
  const { bytes, number } = options
  const rows: { readonly key: Buffer; readonly value: Buffer }[] = []
  for await (const chunk of bytes.scan({ from: storePrefix(number), to: storeEnd(number) })) {
    for (const { key, value } of chunk)
      rows.push({ key: Buffer.from(key), value: Buffer.from(value) })
  }
  rows.sort((one, other) => useOf(one.value) - useOf(other.value))
  const store = new LruStore<K, V>(options)
  for (const { key, value } of rows) store.load(key.subarray(2), value)
  return store
}

class LruStore<K, V> implements KeyValueStore<K, V> {
  readonly name: string
  readonly isComplete = true
  readonly #definition: KeyValueStoreDefinition
  readonly #number: number
  readonly #maxEntries: number
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  /** Rows by their key's bytes, the one used longest ago first. */
  readonly #rows = new Map<string, Entry<K, V>>()
  /** Rows changed since the last emission, by key, in the order of that; forgotten ones too. */
  readonly #changed = new Map<string, Entry<K, V>>()
  /** Rows put or read since the last drain, in the order of their use. */
  readonly #used = new Set<Entry<K, V>>()
  /** Keys in the changelog that have no row any more, with its timestamp. */
  readonly #removed = new Map<string, number>()
  /** Rows drained and not saved, by key; null: removed. */
  readonly #unsaved = new Map<string, Buffer | null>()
  readonly #keyOutput = new ByteWriter()
  readonly #output = new ByteWriter()
  #uses = 0
  #typicalBytes = 64
  #isClosed = false

  constructor({ definition, number }: StoreOptions<KeyValueStoreDefinition>) {
    this.name = definition.name
    this.#definition = definition
    this.#number = number
    this.#maxEntries = definition.maxEntries ?? Number.POSITIVE_INFINITY
    this.#keySerde = definition.keySerde as Serde<K>
    this.#valueSerde = definition.valueSerde as Serde<V>
  }

  /** A row was read or put since the last drain. */
  get hasUndrained(): boolean {
    return this.#used.size > 0 || this.#removed.size > 0
  }

  get(key: K): Row<V> | null {
    const entry = this.#rows.get(this.#orderOf(key))
    if (entry === undefined) return null
    this.#use(entry)
    return entry as Row<V>
  }

  getEmitted(key: K): Row<V> | null {
    const order = this.#orderOf(key)
    const entry = this.#rows.get(order)
    if (entry !== undefined) this.#use(entry)
    const known = entry ?? this.#forgotten(order)
    if (known === undefined) return null
    const value = known.isChanged ? this.#peekBefore(known) : known.value
    return value === null ? null : { value, timestamp: known.timestamp }
  }

  put(key: K, value: V | null, timestamp: number): void {
    const order = this.#orderOf(key)
    const known = this.#rows.get(order) ?? this.#forgotten(order)
    if (known === undefined && value === null) return
    const entry = known ?? this.#create(key, order)
    this.#markChanged(entry)
    entry.timestamp = timestamp
    if (value === null) {
      this.#remove(entry)
      entry.value = null
      return
    }
    entry.value = value
    this.#use(entry)
    for (const eldest of this.#rows.values()) {
      if (this.#rows.size <= this.#maxEntries) break
      this.#remove(eldest)
    }
  }

  prefetch(): void {}

  copyValue(value: V): V {
    if (this.#valueSerde.primitive === true) return value
    const output = this.#output.reset()
    this.#valueSerde.write(value, output)
    return this.#valueSerde.read(output.bytes, 0, output.end)
  }

  forEachChanged(
    callback: (key: K, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies = false,
  ): PromiseOrValue<void> {
    const changed = [...this.#changed.values()]
    this.#changed.clear()
    return inOrder(changed, (entry) => {
      const { key, value, timestamp } = entry
      const before = this.#takeBefore(entry)
      if (this.#definition.keepsBefore && before === null && value === null) return
      const after = copies && value !== null ? this.copyValue(value) : value
      return callback(key, { before, after, timestamp })
    })
  }

  async *range({
    from,
    to,
    prefix,
    reverse = false,
  }: KeyRange<K> = {}): AsyncIterable<StoreEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const least = from === undefined ? '' : this.#orderOf(from)
    const most = to === undefined ? null : this.#orderOf(to)
    const begin = prefix === undefined ? '' : this.#orderOf(prefix)
    const found = [...this.#rows.values()].filter(
      ({ order }) => order >= least && (most === null || order <= most) && order.startsWith(begin),
    )
    found.sort((one, other) => (one.order < other.order === reverse ? 1 : -1))
    for (const { key, value, timestamp } of found) {
      yield { key, value: this.copyValue(value as V), timestamp }
      if (this.#isClosed) throw storeClosed(this.name)
    }
  }

  bufferedBytes(): number {
    return this.#rows.size * (ENTRY_OVERHEAD_BYTES + this.#typicalBytes)
  }

  dirtyBytes(): number {
    const rows = this.#used.size + this.#removed.size + this.#unsaved.size
    return rows * (ENTRY_OVERHEAD_BYTES + this.#typicalBytes)
  }

  drainChanges(sink: ChangelogSink): void {
    const logs = this.#definition.changelog
    for (const [order, timestamp] of this.#removed) {
      if (logs) sink(rangeOf(Buffer.from(order, 'latin1')), null, timestamp)
      this.#unsaved.set(order, null)
    }
    this.#removed.clear()
    for (const entry of this.#used) {
      const key = rangeOf(Buffer.from(entry.order, 'latin1'))
      const value = this.#serialise(entry)
      if (logs) sink(key, value, entry.timestamp)
      this.#unsaved.set(entry.order, this.#rowOf(entry.timestamp, value))
      entry.isLogged = true
      this.#typicalBytes = key.end + value.end
    }
    this.#used.clear()
    // Not emitted (the operator forwards each update itself): the drain counts as emission.
    for (const entry of this.#changed.values()) this.#takeBefore(entry)
    this.#changed.clear()
  }

  save(batch: ByteBatch): void {
    for (const [order, row] of this.#unsaved) {
      this.#writeKey(batch, Buffer.from(order, 'latin1'))
      if (row === null) {
        batch.endDelete()
      } else {
        batch.output.writeBytes(row)
        batch.endPut()
      }
    }
    this.#unsaved.clear()
  }

  /** Rows stay in memory: there are not more than the definition says. */
  evict(): void {}

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    const keyBytes = Buffer.from(key.bytes.subarray(key.start, key.end))
    this.#writeKey(batch, keyBytes)
    this.#rows.delete(keyBytes.latin1Slice(0, keyBytes.length))
    if (value === null) {
      batch.endDelete()
      return
    }
    const row = this.#rowOf(timestamp, value)
    batch.output.writeBytes(row)
    batch.endPut()
    this.load(keyBytes, row)
  }

  close(): void {
    this.#isClosed = true
    this.#rows.clear()
  }

  /** A row of the database, after those that were used before it. */
  load(key: Buffer, row: Buffer): void {
    const value = this.#valueSerde.read(row, ROW_HEADER_BYTES, row.length)
    const entry = this.#create(
      this.#keySerde.read(key, 0, key.length),
      key.latin1Slice(0, key.length),
    )
    entry.value = value
    entry.timestamp = readTimestamp(row)
    entry.isLogged = true
    if (this.#definition.keepsBefore && this.#valueSerde.primitive !== true) {
      entry.before = row.subarray(ROW_HEADER_BYTES)
    }
    this.#rows.set(entry.order, entry)
    this.#uses = Math.max(this.#uses, useOf(row))
  }

  #orderOf(key: K): string {
    const output = this.#keyOutput.reset()
    this.#keySerde.write(key, output)
    return output.bytes.latin1Slice(0, output.end)
  }

  #create(key: K, order: string): Entry<K, V> {
    return {
      key,
      order,
      value: null,
      timestamp: 0,
      isLogged: false,
      isChanged: false,
      before: null,
    }
  }

  /** A row that is there no more, and whose last change is not emitted. */
  #forgotten(order: string): Entry<K, V> | undefined {
    return this.#rows.has(order) ? undefined : this.#changed.get(order)
  }

  #use(entry: Entry<K, V>): void {
    const { order } = entry
    if (this.#removed.delete(order)) entry.isLogged = true
    this.#rows.delete(order)
    this.#rows.set(order, entry)
    this.#used.delete(entry)
    this.#used.add(entry)
  }

  #remove(entry: Entry<K, V>): void {
    this.#rows.delete(entry.order)
    this.#used.delete(entry)
    if (entry.isLogged) this.#removed.set(entry.order, entry.timestamp)
    entry.isLogged = false
  }

  #markChanged(entry: Entry<K, V>): void {
    if (entry.isChanged) return
    entry.isChanged = true
    this.#changed.set(entry.order, entry)
    if (this.#definition.keepsBefore && this.#valueSerde.primitive === true) {
      entry.before = entry.value
    }
  }

  /** The row as last emitted; from here on that is the present one. */
  #takeBefore(entry: Entry<K, V>): V | null {
    entry.isChanged = false
    const before = this.#peekBefore(entry)
    if (!this.#definition.keepsBefore) return null
    const { value } = entry
    entry.before =
      value === null || this.#valueSerde.primitive === true ? null : this.#bytesOf(value)
    return before
  }

  #peekBefore({ before }: Entry<K, V>): V | null {
    if (before === null || this.#valueSerde.primitive === true) return before as V | null
    const bytes = before as Buffer
    return this.#valueSerde.read(bytes, 0, bytes.length)
  }

  #bytesOf(value: V): Buffer {
    const output = this.#output.reset()
    this.#valueSerde.write(value, output)
    return output.copy()
  }

  #serialise({ value }: Entry<K, V>): ByteWriter {
    const output = this.#output.reset()
    try {
      this.#valueSerde.write(value as V, output)
    } catch (cause) {
      throw new StreamsError('serialization-failed', 'a row of a store cannot be serialised', {
        cause,
        place: { store: this.name },
      })
    }
    return output
  }

  /** A row as the byte store has it, the last one used. */
  #rowOf(timestamp: number, { bytes, start, end }: ByteRange): Buffer {
    const row = Buffer.allocUnsafe(ROW_HEADER_BYTES + end - start)
    row.writeBigInt64BE(BigInt(timestamp))
    row.writeBigInt64BE(BigInt(++this.#uses), ROW_TIMESTAMP_BYTES)
    bytes.copy(row, ROW_HEADER_BYTES, start, end)
    return row
  }

  #writeKey(batch: ByteBatch, key: Buffer): void {
    batch.output.writeInt16(this.#number)
    batch.output.writeBytes(key)
    batch.endKey()
  }
}

function useOf(row: Buffer): number {
  return readInt64(row, ROW_TIMESTAMP_BYTES)
}
