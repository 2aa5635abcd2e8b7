/**
 * Time-ordered store: records that wait for their time, taken out in its order.
 *
 * Journey: a left or outer stream join parks what has found no match yet; a stream-table join with
 * grace parks records until the table had time to be up to date. The task drains and saves.
 *
 * Order: time, side (right before left), key bytes, arrival.
 * Database key: store number (2 bytes) + time (8) + side (1) + key bytes; changelog key: the same
 * without the number. Value of both: per record the number of headers (2), each as length and name,
 * length (-1: null) and value; then length (4) and bytes of the value. A row of the database has a
 * timestamp (8) in front. The key of one byte, 0xff, holds the notes.
 *
 * Invariants:
 * - A time is either in memory with all of its entries, or in `#resting`: then it is read whole
 *   before anything of it is looked at or changed.
 * - An entry that was removed stays in memory until the byte store has forgotten it too.
 * - What comes and goes between two commits reaches neither changelog nor byte store.
 */
import assert from 'node:assert'
import { StreamsError } from '../errors.ts'
import { ByteWriter, readInt64 } from '../record/byte-writer.ts'
import {
  type ByteRange,
  NO_HEADERS,
  type PromiseOrValue,
  type RecordHeader,
  type RecordHeaders,
} from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { storeClosed } from './merged-scan.ts'
import { endRestoredRow } from './restore-writer.ts'
import type {
  ByteBatch,
  ChangelogSink,
  ParkedSide,
  TimeOrderedStore,
  TimeOrderedStoreDefinition,
  VisitParked,
} from './store.ts'
import {
  EVICT_TO_SHARE,
  type StoreOptions,
  storeEnd,
  storePrefix,
  timeKey,
} from './store-options.ts'
import { ENTRY_OVERHEAD_BYTES, ROW_TIMESTAMP_BYTES } from './write-buffer.ts'

/** Side bytes: the order in which rows of one time leave. */
const SIDE_BYTE = { right: 0, left: 1 } as const
const TIME_BYTES = 8
/** Time and side, in front of the key. */
const KEY_PREFIX_BYTES = TIME_BYTES + 1
const NOTES_KEY = Buffer.of(0xff)
/** Resting times that are read with one scan. */
const LOAD_TIMES_MAX = 256

interface ParkedRecord {
  readonly headers: RecordHeaders
  readonly value: Buffer
}

interface Entry<K> {
  readonly time: number
  readonly side: ParkedSide
  readonly key: K
  /** Side and key bytes as latin1 text: identity within a time, and order. */
  readonly order: string
  /** Empty: removed. */
  records: ParkedRecord[]
  isDirty: boolean
  isUnsaved: boolean
  isLogged: boolean
  isStored: boolean
  size: number
}

/** Opens the store: reads what is parked, as far as its memory goes. */
export async function openTimeOrderedStore<K, V>(
  options: StoreOptions<TimeOrderedStoreDefinition>,
): Promise<TimeOrderedStore<K, V>> {
  const store = new BufferedTimeOrderedStore<K, V>(options)
  await store.open()
  return store
}

class BufferedTimeOrderedStore<K, V> implements TimeOrderedStore<K, V> {
  readonly name: string
  readonly #options: StoreOptions<TimeOrderedStoreDefinition>
  readonly #keySerde: Serde<K>
  readonly #serdes: Readonly<Record<ParkedSide, Serde<V>>>
  /** All times with entries, in memory or resting, ascending. */
  #times: number[] = []
  readonly #entries = new Map<number, Map<string, Entry<K>>>()
  /** Times whose entries are only in the byte store. */
  readonly #resting = new Set<number>()
  readonly #output = new ByteWriter()
  readonly #keyOutput = new ByteWriter()
  #dirty: Entry<K>[] = []
  #unsaved: Entry<K>[] = []
  #notes: readonly [number, number] | null = null
  #areNotesDirty = false
  #areNotesUnsaved = false
  #bytes = 0
  #pinnedBytes = 0
  #saves = 0
  #isClosed = false

  constructor(options: StoreOptions<TimeOrderedStoreDefinition>) {
    const { definition } = options
    this.name = definition.name
    this.#options = options
    this.#keySerde = definition.keySerde as Serde<K>
    this.#serdes = {
      left: definition.valueSerde as Serde<V>,
      right: (definition.otherSerde ?? definition.valueSerde) as Serde<V>,
    }
  }

  async open(): Promise<void> {
    const { bytes, number, memory } = this.#options
    const limit = memory.limitOf(0)
    for await (const chunk of bytes.scan({ from: storePrefix(number), to: storeEnd(number) })) {
      for (const { key, value } of chunk) {
        if (this.#takeNotes(key, 2, value)) continue
        const time = readInt64(key, 2)
        this.#addTime(time)
        if (this.#bytes > limit) this.#resting.add(time)
        // What follows of a time that rests is read with the rest of it.
        if (!this.#resting.has(time)) this.#insertStored(time, key, value)
      }
    }
    for (const time of this.#resting) this.#drop(time)
  }

  get notes(): readonly [number, number] | null {
    return this.#notes
  }

  setNotes(first: number, second: number): void {
    if (this.#notes?.[0] === first && this.#notes[1] === second) return
    this.#notes = [first, second]
    this.#areNotesDirty = true
  }

  firstTime(): number | null {
    return this.#times[0] ?? null
  }

  add(
    place: { readonly time: number; readonly side: ParkedSide; readonly key: K },
    value: V,
    headers: RecordHeaders,
  ): PromiseOrValue<void> {
    const { time } = place
    if (!this.#resting.has(time)) return this.#add(place, this.#bytesOf(place.side, value), headers)
    const bytes = this.#bytesOf(place.side, value)
    return this.#load(time).then(() => this.#add(place, bytes, headers))
  }

  remove(time: number, side: ParkedSide, key: K): PromiseOrValue<void> {
    if (this.#resting.has(time)) return this.#load(time).then(() => this.remove(time, side, key))
    const entries = this.#entries.get(time)
    if (entries === undefined) return
    const entry = entries.get(this.#orderOf(side, key))
    if (entry !== undefined && entry.records.length > 0) this.#remove(entry)
  }

  /** Visits as the store is now: what is parked by the visits themselves is not visited. */
  visit(upTo: number, visit: VisitParked<K, V>): PromiseOrValue<void> {
    return this.#visitFrom(0, upTo, visit)
  }

  bufferedBytes(): number {
    return this.#bytes
  }

  dirtyBytes(): number {
    return this.#pinnedBytes
  }

  drainChanges(sink: ChangelogSink): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const entry of dirty) {
      entry.isDirty = false
      if (this.#options.definition.changelog) this.#log(entry, sink)
      if (entry.isUnsaved) continue
      entry.isUnsaved = true
      this.#unsaved.push(entry)
    }
    if (!this.#areNotesDirty) return
    this.#areNotesDirty = false
    this.#areNotesUnsaved = true
    if (!this.#options.definition.changelog) return
    writeNotes(this.#notes, this.#output.reset())
    sink({ bytes: NOTES_KEY, start: 0, end: 1 }, this.#output, Math.max(0, this.#times[0] ?? 0))
  }

  save(batch: ByteBatch): void {
    assert(this.#dirty.length === 0, `store ${this.name}: a save follows a drain`)
    const { output } = batch
    this.#saves++
    for (const entry of this.#unsaved) {
      entry.isUnsaved = false
      this.#pinnedBytes -= entry.size
      if (entry.records.length === 0 && !entry.isStored) {
        this.#forget(entry)
        continue
      }
      output.writeInt16(this.#options.number)
      this.#writeKey(entry, output)
      batch.endKey()
      if (entry.records.length === 0) {
        batch.endDelete()
        this.#forget(entry)
      } else {
        entry.isStored = true
        output.writeInt64(entry.time)
        writeRecords(entry.records, output)
        batch.endPut()
      }
    }
    this.#unsaved = []
    if (this.#areNotesUnsaved) this.#saveNotes(0, batch)
    this.#areNotesUnsaved = false
  }

  evict(): void {
    const limit = this.#options.memory.limitOf(this.#bytes)
    if (this.#bytes <= limit) return
    // What leaves last rests first.
    for (let index = this.#times.length - 1; index >= 0; index--) {
      if (this.#bytes <= limit * EVICT_TO_SHARE) return
      const time = this.#times[index] as number
      const entries = this.#entries.get(time)
      if (entries === undefined) continue
      if ([...entries.values()].some((entry) => entry.isDirty || entry.isUnsaved)) continue
      this.#resting.add(time)
      this.#drop(time)
    }
  }

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    if (key.end - key.start === NOTES_KEY.length) {
      if (value === null) return
      this.#notes = readNotes(value.bytes, value.start)
      this.#saveNotes(timestamp, batch)
      return
    }
    const time = readInt64(key.bytes, key.start)
    this.#addTime(time)
    this.#drop(time)
    this.#resting.add(time)
    batch.output.writeInt16(this.#options.number)
    batch.output.writeBytes(key.bytes, key.start, key.end)
    batch.endKey()
    endRestoredRow(batch, value, timestamp)
  }

  close(): void {
    this.#isClosed = true
    this.#entries.clear()
    this.#times = []
  }

  #visitFrom(from: number, upTo: number, visit: VisitParked<K, V>): PromiseOrValue<void> {
    for (let at = this.#position(from); at < this.#times.length; at = this.#position(from)) {
      const time = this.#times[at] as number
      if (time > upTo) return
      if (this.#resting.has(time)) {
        return this.#load(time).then(() => this.#visitFrom(time, upTo, visit))
      }
      const pending = this.#visitEntries(this.#inOrder(time), 0, visit)
      if (pending instanceof Promise) {
        return pending.then((goesOn) =>
          goesOn ? this.#visitFrom(time + 1, upTo, visit) : undefined,
        )
      }
      if (!pending) return
      from = time + 1
    }
  }

  #visitEntries(
    entries: readonly Entry<K>[],
    first: number,
    visit: VisitParked<K, V>,
  ): PromiseOrValue<boolean> {
    for (let index = first; index < entries.length; index++) {
      const entry = entries[index] as Entry<K>
      if (entry.records.length === 0) continue
      const answer = visit(entry, () => this.#decode(entry))
      if (answer instanceof Promise) {
        return answer.then((then) => {
          if (then === 'stop') return false
          if (then === 'remove') this.#remove(entry)
          return this.#visitEntries(entries, index + 1, visit)
        })
      }
      if (answer === 'stop') return false
      if (answer === 'remove') this.#remove(entry)
    }
    return true
  }

  #decode(entry: Entry<K>): { value: V; headers: RecordHeaders }[] {
    const serde = this.#serdes[entry.side]
    return entry.records.map(({ value, headers }) => ({
      value: serde.read(value, 0, value.length),
      headers,
    }))
  }

  #inOrder(time: number): Entry<K>[] {
    const entries = [...(this.#entries.get(time)?.values() ?? [])]
    return entries.length < 2 ? entries : entries.sort((a, b) => (a.order < b.order ? -1 : 1))
  }

  #add(
    { time, side, key }: { time: number; side: ParkedSide; key: K },
    value: Buffer,
    headers: RecordHeaders,
  ): void {
    const order = this.#orderOf(side, key)
    const entry = this.#entries.get(time)?.get(order) ?? this.#create(time, side, key, order)
    if (entry.records.length === 0) this.#addTime(time)
    entry.records.push({ headers: headers.length === 0 ? NO_HEADERS : headers, value })
    this.#touch(entry)
    this.#grow(entry, value.length + ENTRY_OVERHEAD_BYTES)
  }

  #create(time: number, side: ParkedSide, key: K, order: string): Entry<K> {
    const entry: Entry<K> = {
      time,
      side,
      key,
      order,
      records: [],
      isDirty: false,
      isUnsaved: false,
      isLogged: false,
      isStored: false,
      size: ENTRY_OVERHEAD_BYTES,
    }
    let entries = this.#entries.get(time)
    if (entries === undefined) {
      entries = new Map()
      this.#entries.set(time, entries)
      this.#addTime(time)
    }
    entries.set(order, entry)
    this.#bytes += entry.size
    return entry
  }

  #remove(entry: Entry<K>): void {
    entry.records = []
    this.#touch(entry)
  }

  #touch(entry: Entry<K>): void {
    if (entry.isDirty) return
    entry.isDirty = true
    this.#dirty.push(entry)
    if (!entry.isUnsaved) this.#pinnedBytes += entry.size
  }

  #grow(entry: Entry<K>, bytes: number): void {
    entry.size += bytes
    this.#bytes += bytes
    if (entry.isDirty || entry.isUnsaved) this.#pinnedBytes += bytes
  }

  /** The byte store knows nothing of it any more. */
  #forget(entry: Entry<K>): void {
    const entries = this.#entries.get(entry.time)
    if (entries?.delete(entry.order) !== true) return
    this.#bytes -= entry.size
    if (entries.size > 0) return
    this.#entries.delete(entry.time)
    this.#times.splice(this.#position(entry.time), 1)
  }

  /** Lets go of what memory holds of a time. */
  #drop(time: number): void {
    for (const entry of this.#entries.get(time)?.values() ?? []) this.#bytes -= entry.size
    this.#entries.delete(time)
  }

  #log(entry: Entry<K>, sink: ChangelogSink): void {
    const isRemoved = entry.records.length === 0
    if (isRemoved && !entry.isLogged) return
    entry.isLogged = !isRemoved
    this.#writeKey(entry, this.#keyOutput.reset())
    const output = this.#output.reset()
    writeRecords(entry.records, output)
    sink(this.#keyOutput, isRemoved ? null : output, entry.time)
  }

  #writeKey(entry: Entry<K>, output: ByteWriter): void {
    output.writeInt64(entry.time)
    output.writeUint8(SIDE_BYTE[entry.side])
    this.#keySerde.write(entry.key, output)
  }

  #saveNotes(timestamp: number, batch: ByteBatch): void {
    const { output } = batch
    output.writeInt16(this.#options.number)
    output.writeBytes(NOTES_KEY)
    batch.endKey()
    output.writeInt64(timestamp)
    writeNotes(this.#notes, output)
    batch.endPut()
  }

  #takeNotes(key: Buffer, start: number, row: Buffer): boolean {
    if (key.length - start !== NOTES_KEY.length) return false
    this.#notes = readNotes(row, ROW_TIMESTAMP_BYTES)
    return true
  }

  /** Reads a resting time, and those that rest behind it, with one scan. */
  async #load(first: number): Promise<void> {
    const times: number[] = []
    for (let at = this.#position(first); at < this.#times.length; at++) {
      const time = this.#times[at] as number
      if (!this.#resting.has(time) || times.length === LOAD_TIMES_MAX) break
      times.push(time)
    }
    const { bytes, number } = this.#options
    const saves = this.#saves
    const rows: { readonly key: Buffer; readonly value: Buffer }[] = []
    const range = { from: timeKey(number, first), to: timeKey(number, (times.at(-1) ?? first) + 1) }
    for await (const chunk of bytes.scan(range)) rows.push(...chunk)
    if (this.#isClosed) throw storeClosed(this.name)
    // Rows loaded, changed, saved and let go meanwhile are newer than those just read.
    if (saves !== this.#saves) return this.#resting.has(first) ? this.#load(first) : undefined
    const wanted = new Set(times.filter((time) => this.#resting.has(time)))
    for (const { key, value } of rows) {
      const time = readInt64(key, 2)
      if (wanted.has(time)) this.#insertStored(time, key, value)
    }
    for (const time of wanted) {
      this.#resting.delete(time)
      if (!this.#entries.has(time)) this.#times.splice(this.#position(time), 1)
    }
  }

  #insertStored(time: number, databaseKey: Buffer, row: Buffer): void {
    const keyStart = 2 + KEY_PREFIX_BYTES
    const side = databaseKey[keyStart - 1] === SIDE_BYTE.left ? 'left' : 'right'
    const key = this.#keySerde.read(databaseKey, keyStart, databaseKey.length)
    const entry = this.#create(time, side, key, this.#orderOf(side, key))
    entry.records = readRecords(row, ROW_TIMESTAMP_BYTES)
    entry.isLogged = true
    entry.isStored = true
    this.#grow(entry, row.length + entry.records.length * ENTRY_OVERHEAD_BYTES)
  }

  #orderOf(side: ParkedSide, key: K): string {
    const output = this.#keyOutput.reset()
    output.writeUint8(SIDE_BYTE[side])
    this.#keySerde.write(key, output)
    return output.bytes.latin1Slice(0, output.end)
  }

  #bytesOf(side: ParkedSide, value: V): Buffer {
    const output = this.#output.reset()
    try {
      this.#serdes[side].write(value, output)
    } catch (cause) {
      throw new StreamsError('serialization-failed', 'a row of a store cannot be serialised', {
        cause,
        place: { store: this.name },
      })
    }
    return output.copy()
  }

  #addTime(time: number): void {
    const times = this.#times
    if (times.length === 0 || time > (times[times.length - 1] as number)) {
      times.push(time)
      return
    }
    const at = this.#position(time)
    if (times[at] !== time) times.splice(at, 0, time)
  }

  /** Where the first time stands that is not below this one. */
  #position(time: number): number {
    const times = this.#times
    let low = 0
    let high = times.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((times[middle] as number) < time) low = middle + 1
      else high = middle
    }
    return low
  }
}

function writeNotes(notes: readonly [number, number] | null, output: ByteWriter): void {
  output.writeInt64(notes?.[0] ?? 0)
  output.writeInt64(notes?.[1] ?? 0)
}

function readNotes(bytes: Buffer, start: number): [number, number] {
  return [readInt64(bytes, start), readInt64(bytes, start + 8)]
}

function writeRecords(records: readonly ParkedRecord[], output: ByteWriter): void {
  for (const { headers, value } of records) {
    output.writeInt16(headers.length)
    for (const header of headers) {
      const name = Buffer.from(header.key)
      output.writeInt32(name.length)
      output.writeBytes(name)
      output.writeInt32(header.value === null ? -1 : header.value.length)
      if (header.value !== null) output.writeBytes(header.value)
    }
    output.writeInt32(value.length)
    output.writeBytes(value)
  }
}

function readRecords(row: Buffer, start: number): ParkedRecord[] {
  const records: ParkedRecord[] = []
  let at = start
  const take = (length: number): Buffer => {
    at += length
    return row.subarray(at - length, at)
  }
  while (at < row.length) {
    const headers: RecordHeader[] = []
    for (let left = take(2).readInt16BE(); left > 0; left--) {
      const key = take(take(4).readInt32BE()).toString()
      const length = take(4).readInt32BE()
      headers.push({ key, value: length < 0 ? null : take(length) })
    }
    const value = take(take(4).readInt32BE())
    records.push({ headers: headers.length === 0 ? NO_HEADERS : headers, value })
  }
  return records
}
