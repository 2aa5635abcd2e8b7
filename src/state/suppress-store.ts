/**
 * Suppress store: what a suppression holds back, the first to leave in front.
 *
 * Journey: suppress holds changes here and takes them out; the task drains and saves, so that what
 * is held back survives a restart and leaves once.
 *
 * All of it is in memory, so nothing here waits. Database key: store number (2 bytes) + key bytes;
 * changelog key: key bytes. Row, as changelog value and behind the timestamp in the database:
 *
 *   time (8) | 0 = deletes, 1 = has a value, 2 = a mark (1) | headers: count (4), each name length (4)
 *   + name + value length (4, -1 for null) + value | value, when there is one
 *
 * Invariants:
 * - A key is held once. A row of a key that is held takes its place, with the time of the first.
 * - A mark takes the place of a row that was sent; it counts for nothing and is never handed out.
 * - What was held and taken between two commits leaves no trace in the changelog.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import { type ByteRange, NO_HEADERS, type RecordHeader } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { rangeOf } from './byte-store.ts'
import { endRestoredRow } from './restore-writer.ts'
import type {
  ByteBatch,
  ChangelogSink,
  HeldRow,
  SuppressStore,
  SuppressStoreDefinition,
} from './store.ts'
import { type StoreOptions, storeEnd, storePrefix } from './store-options.ts'
import { readTimestamp } from './write-buffer.ts'

const ROW_HEADER_BYTES = 8
const DELETES = 0
const HAS_VALUE = 1
const IS_MARK = 2
/** What Kafka Streams counts of a row beside its bytes: times, offset, partition and a topic's name. */
const COUNTED_OVERHEAD_BYTES = 48
/** Heap of an entry, its places in table and heap, and its values' objects. */
const ENTRY_OVERHEAD_BYTES = 300

interface Entry<K, V> extends HeldRow<K, V> {
  readonly time: number
  /** Key bytes as latin1 text: compares like the bytes. */
  readonly order: string
  value: V | null
  timestamp: number
  headers: readonly RecordHeader[]
  /** Bytes of key, values and headers; 0 where nobody asks. */
  size: number
  /** The changelog has a row of this key. */
  isLogged: boolean
  isGone: boolean
  /** Not a row: its key was sent. */
  readonly isMark: boolean
}

/** Opens the store: reads all that is held back. */
export async function openSuppressStore<K, V>(
  options: StoreOptions<SuppressStoreDefinition>,
): Promise<SuppressStore<K, V>> {
  const { bytes, number } = options
  const store = new MemorySuppressStore<K, V>(options)
  for await (const rows of bytes.scan({ from: storePrefix(number), to: storeEnd(number) })) {
    for (const { key, value } of rows) store.load(key.subarray(2), value)
  }
  return store
}

class MemorySuppressStore<K, V> implements SuppressStore<K, V> {
  readonly name: string
  heldBytes = 0
  readonly #definition: SuppressStoreDefinition
  readonly #number: number
  readonly #keySerde: Serde<K>
  readonly #valueSerde: Serde<V>
  readonly #table = new Map<string, Entry<K, V>>()
  /** A binary heap by time, then key bytes; entries that are gone are skipped. */
  readonly #heap: Entry<K, V>[] = []
  readonly #dirty = new Set<Entry<K, V>>()
  /** Keys in the changelog that are no longer held, with the time of their row. */
  readonly #removed = new Map<string, number>()
  /** Rows drained and not saved, by key; null: removed. */
  readonly #unsaved = new Map<string, Buffer | null>()
  readonly #keyOutput = new ByteWriter()
  readonly #output = new ByteWriter()
  #typicalBytes = 64
  #marks = 0

  constructor({ definition, number }: StoreOptions<SuppressStoreDefinition>) {
    this.name = definition.name
    this.#definition = definition
    this.#number = number
    this.#keySerde = definition.keySerde as Serde<K>
    this.#valueSerde = definition.valueSerde as Serde<V>
  }

  get heldKeys(): number {
    return this.#table.size - this.#marks
  }

  get firstTime(): number {
    return this.#first()?.time ?? Number.POSITIVE_INFINITY
  }

  hold(time: number, row: HeldRow<K, V>): void {
    const { value, timestamp, headers } = row
    const order = this.#orderOf(row.key)
    let entry = this.#table.get(order)
    if (entry === undefined) {
      entry = this.#add(time, order, row, false)
    } else {
      entry.value = value
      entry.timestamp = timestamp
      entry.headers = headers
    }
    this.#dirty.add(entry)
    if (this.#definition.countsBytes) this.#measure(entry)
  }

  mark(time: number, key: K, timestamp: number): void {
    const row = { key, value: null, timestamp, headers: NO_HEADERS }
    this.#dirty.add(this.#add(time, this.#orderOf(key), row, true))
  }

  isMarked(key: K): boolean {
    return this.#marks > 0 && this.#table.get(this.#orderOf(key))?.isMark === true
  }

  take(): HeldRow<K, V> | null {
    const entry = this.#first()
    if (entry === null) return null
    this.#remove(entry)
    return entry.isMark ? null : entry
  }

  bufferedBytes(): number {
    return this.#table.size * (ENTRY_OVERHEAD_BYTES + this.#typicalBytes)
  }

  dirtyBytes(): number {
    const rows = this.#dirty.size + this.#removed.size + this.#unsaved.size
    return rows * (ENTRY_OVERHEAD_BYTES + this.#typicalBytes)
  }

  drainChanges(sink: ChangelogSink): void {
    for (const [order, timestamp] of this.#removed) {
      sink(rangeOf(Buffer.from(order, 'latin1')), null, timestamp)
      this.#unsaved.set(order, null)
    }
    for (const entry of this.#dirty) {
      this.#writeRow(entry, this.#output.reset())
      this.#typicalBytes = entry.order.length + this.#output.end
      sink(rangeOf(Buffer.from(entry.order, 'latin1')), this.#output, entry.timestamp)
      const row = Buffer.allocUnsafe(ROW_HEADER_BYTES + this.#output.end)
      row.writeBigInt64BE(BigInt(entry.timestamp))
      this.#output.bytes.copy(row, ROW_HEADER_BYTES, 0, this.#output.end)
      this.#unsaved.set(entry.order, row)
      entry.isLogged = true
    }
    this.#removed.clear()
    this.#dirty.clear()
  }

  save(batch: ByteBatch): void {
    for (const [order, row] of this.#unsaved) {
      batch.output.writeInt16(this.#number)
      batch.output.writeBytes(Buffer.from(order, 'latin1'))
      batch.endKey()
      if (row === null) {
        batch.endDelete()
      } else {
        batch.output.writeBytes(row)
        batch.endPut()
      }
    }
    this.#unsaved.clear()
  }

  /** What is held back stays in memory. */
  evict(): void {}

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    const { output } = batch
    output.writeInt16(this.#number)
    output.writeBytes(key.bytes, key.start, key.end)
    batch.endKey()
    endRestoredRow(batch, value, timestamp)
    const order = key.bytes.latin1Slice(key.start, key.end)
    const known = this.#table.get(order)
    if (known !== undefined) this.#forget(known)
    if (value === null) return
    const keyBytes = Buffer.from(order, 'latin1')
    this.#insertRow(keyBytes, value.bytes.subarray(value.start, value.end), timestamp)
  }

  close(): void {
    this.#table.clear()
    this.#heap.length = 0
  }

  /** A row of the database. */
  load(key: Buffer, row: Buffer): void {
    this.#insertRow(key, row.subarray(ROW_HEADER_BYTES), readTimestamp(row))
  }

  #orderOf(key: K): string {
    const output = this.#keyOutput.reset()
    this.#keySerde.write(key, output)
    return output.bytes.latin1Slice(0, output.end)
  }

  #add(time: number, order: string, row: HeldRow<K, V>, isMark: boolean): Entry<K, V> {
    const { key, value, timestamp, headers } = row
    const isLogged = this.#removed.delete(order)
    const held = { key, time, order, value, timestamp, headers, isMark }
    const entry = { ...held, size: 0, isLogged, isGone: false }
    this.#insert(entry)
    return entry
  }

  #insert(entry: Entry<K, V>): void {
    if (entry.isMark) this.#marks++
    this.#table.set(entry.order, entry)
    push(this.#heap, entry)
  }

  #first(): Entry<K, V> | null {
    const heap = this.#heap
    while (heap.length > 0 && heap[0]!.isGone) pop(heap)
    return heap[0] ?? null
  }

  #remove(entry: Entry<K, V>): void {
    this.#forget(entry)
    this.#dirty.delete(entry)
    if (entry.isLogged) this.#removed.set(entry.order, entry.timestamp)
  }

  #forget(entry: Entry<K, V>): void {
    entry.isGone = true
    if (entry.isMark) this.#marks--
    this.#table.delete(entry.order)
    this.heldBytes -= entry.size
  }

  #measure(entry: Entry<K, V>): void {
    let size = COUNTED_OVERHEAD_BYTES + entry.order.length
    for (const { key, value } of entry.headers) size += key.length + (value?.length ?? 0)
    if (entry.value !== null) {
      const output = this.#output.reset()
      this.#valueSerde.write(entry.value, output)
      size += output.end
    }
    this.heldBytes += size - entry.size
    entry.size = size
  }

  #writeRow(entry: Entry<K, V>, output: ByteWriter): void {
    const { time, value: held, headers } = entry
    output.writeInt64(time)
    output.writeUint8(entry.isMark ? IS_MARK : held === null ? DELETES : HAS_VALUE)
    output.writeInt32(headers.length)
    for (const { key, value } of headers) {
      const name = Buffer.from(key)
      output.writeInt32(name.length)
      output.writeBytes(name)
      output.writeInt32(value === null ? -1 : value.length)
      if (value !== null) output.writeBytes(value)
    }
    if (held !== null) this.#valueSerde.write(held, output)
  }

  #insertRow(key: Buffer, row: Buffer, timestamp: number): void {
    let at = 9
    const int32 = (): number => {
      at += 4
      return row.readInt32BE(at - 4)
    }
    const headers: RecordHeader[] = []
    for (let count = int32(); count > 0; count--) {
      const nameEnd = int32() + at
      const name = row.utf8Slice(at, nameEnd)
      at = nameEnd
      const length = int32()
      headers.push({
        key: name,
        value: length < 0 ? null : Buffer.from(row.subarray(at, at + length)),
      })
      at += Math.max(0, length)
    }
    const entry: Entry<K, V> = {
      key: this.#keySerde.read(key, 0, key.length),
      order: key.latin1Slice(0, key.length),
      time: readTimestamp(row),
      value: row[8] === HAS_VALUE ? this.#valueSerde.read(row, at, row.length) : null,
      timestamp,
      headers: headers.length === 0 ? NO_HEADERS : headers,
      size: 0,
      isLogged: true,
      isGone: false,
      isMark: row[8] === IS_MARK,
    }
    this.#insert(entry)
    if (this.#definition.countsBytes && !entry.isMark) this.#measure(entry)
  }
}

function isBefore<K, V>(one: Entry<K, V>, other: Entry<K, V>): boolean {
  return one.time === other.time ? one.order < other.order : one.time < other.time
}

function push<K, V>(heap: Entry<K, V>[], entry: Entry<K, V>): void {
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const parent = (at - 1) >>> 1
    if (!isBefore(entry, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = entry
}

/** Removes the first entry. */
function pop<K, V>(heap: Entry<K, V>[]): void {
  const moved = heap.pop() as Entry<K, V>
  if (heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, moved)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = moved
}
