/**
 * The write buffer: the decoded rows a store holds in memory, which of them changed, and how they
 * become changelog records and rows of the byte store.
 *
 * Journey: an operator's put marks an entry here; at commit `forEachChanged` emits it, then `drain`
 * writes it to the changelog, and some commits later `save` to the byte store.
 *
 * Life of an entry: clean -> DIRTY + CHANGED (put) -> emitted (not CHANGED) -> UNSAVED (drained)
 * -> clean (saved). A put starts it over at any point.
 *
 * Invariants:
 * - An entry is in `dirty` once while DIRTY and in `unsaved` once while UNSAVED: nothing is
 *   searched or sorted at commit, and only clean entries may be evicted.
 * - `save` follows a `drain` with nothing put between, so that the byte store gets committed rows.
 * - A value that may be changed in place is never trusted as the row before: `before` then holds the
 *   bytes of what was last emitted, and is decoded anew.
 */
import assert from 'node:assert'
import { StreamsError } from '../errors.ts'
import { ByteWriter } from '../record/byte-writer.ts'
import type { PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import type { ByteBatch, ChangedRow, ChangelogSink, Row } from './store.ts'

export interface Entry<K, V> {
  readonly key: K
  /** 0 in a key-value store. */
  readonly windowStart: number
  /** null: known absent, or deleted. */
  value: V | null
  timestamp: number
  flags: number
  /** Estimated bytes of memory. */
  size: number
  /** The eviction round in which it was last used. */
  round: number
  /** Where among the bytes of emitted copies its value lies, -1 when it is not there. */
  copyStart: number
  copyEnd: number
  /** The value last emitted: its bytes, or itself when it is a primitive; null when absent. */
  before: Buffer | V | null
}

export const DIRTY = 1
export const CHANGED = 2
export const UNSAVED = 4
/** Put without having been read: what was there before is still only in the byte store. */
export const BEFORE_UNKNOWN = 8
/** Its window expired: no longer saved. */
export const EXPIRED = 16
const CANNOT_EVICT = DIRTY | UNSAVED

/** Heap of an entry, its place in a Map and its key, measured at 200 to 300 bytes. */
export const ENTRY_OVERHEAD_BYTES = 200
/** Bytes of the timestamp in front of a row's value in the byte store. */
export const ROW_TIMESTAMP_BYTES = 8

/** How a kind of store writes the keys of its rows. */
export interface RowKeys<K> {
  writeChangelogKey(key: K, windowStart: number, output: ByteWriter): void
  writeDatabaseKey(key: K, windowStart: number, output: ByteWriter): void
}

export interface WriteBufferOptions<K, V> {
  readonly name: string
  readonly valueSerde: Serde<V>
  readonly keys: RowKeys<K>
  readonly keepsBefore: boolean
  readonly changelog: boolean
  /** Reads rows of the byte store, as stored, for entries whose row before is unknown. */
  readonly readRows: (entries: readonly Entry<K, V>[]) => Promise<(Buffer | null)[]>
}

export class WriteBuffer<K, V> {
  bytes = 0
  /** Bytes of entries that cannot be evicted. */
  pinnedBytes = 0
  round = 0
  readonly #options: WriteBufferOptions<K, V>
  readonly #valueSerde: Serde<V>
  readonly #keepsPrimitive: boolean
  readonly #keepsBytes: boolean
  readonly #keyOutput = new ByteWriter()
  readonly #valueOutput = new ByteWriter()
  /** The bytes by which values were copied for emission; the drain that follows writes the same. */
  readonly #copies = new ByteWriter()
  #dirty: Entry<K, V>[] = []
  #unsaved: Entry<K, V>[] = []
  /** Key and value bytes of the last row seen: the guess for rows not yet serialised. */
  #typicalBytes = 64
  #emitsCopies = false

  constructor(options: WriteBufferOptions<K, V>) {
    this.#options = options
    this.#valueSerde = options.valueSerde
    const primitive = options.valueSerde.primitive === true
    this.#keepsPrimitive = options.keepsBefore && primitive
    this.#keepsBytes = options.keepsBefore && !primitive
  }

  /** An entry for a row that is not in the byte store, or (`known` false) not read from it. */
  create(key: K, windowStart: number, known: boolean): Entry<K, V> {
    const flags = known || !this.#options.keepsBefore ? 0 : BEFORE_UNKNOWN
    return this.#entry(key, windowStart, null, 0, flags, this.#typicalBytes)
  }

  /** An entry for a row as the byte store answered it: timestamp and value bytes, or null. */
  load(key: K, windowStart: number, row: Buffer | null): Entry<K, V> {
    if (row === null) return this.#entry(key, windowStart, null, 0, 0, 0)
    const value = this.#valueSerde.read(row, ROW_TIMESTAMP_BYTES, row.length)
    const entry = this.#entry(key, windowStart, value, readTimestamp(row), 0, row.length)
    if (this.#keepsBytes) entry.before = row.subarray(ROW_TIMESTAMP_BYTES)
    return entry
  }

  put(entry: Entry<K, V>, value: V | null, timestamp: number): void {
    if ((entry.flags & (DIRTY | CHANGED)) !== (DIRTY | CHANGED)) this.#markChanged(entry)
    entry.copyStart = -1
    entry.value = value
    entry.timestamp = timestamp
  }

  /** An equal value that shares nothing with this one. */
  copyValue(value: V): V {
    if (this.#valueSerde.primitive === true) return value
    const output = this.#valueOutput.reset()
    this.#valueSerde.write(value, output)
    return this.#valueSerde.read(output.bytes, 0, output.end)
  }

  /**
   * Calls back with each row changed since the last emission or drain, in first-changed order.
   *
   * @param copies whether the value handed on must share nothing with the row
   */
  forEachChanged(
    callback: (entry: Entry<K, V>, row: ChangedRow<V>) => PromiseOrValue<void>,
    copies: boolean,
  ): PromiseOrValue<void> {
    this.#emitsCopies = copies && this.#valueSerde.primitive !== true
    const unknown = this.#options.keepsBefore
      ? this.#dirty.filter((entry) => (entry.flags & BEFORE_UNKNOWN) !== 0)
      : []
    if (unknown.length === 0) return this.#emitFrom(0, callback)
    return this.#learnBefore(unknown).then(() => this.#emitFrom(0, callback))
  }

  /** The row as last handed on by `forEachChanged`, which has to hand on every change. */
  emitted(entry: Entry<K, V>): Row<V> | null {
    const value = (entry.flags & CHANGED) === 0 ? entry.value : this.#peekBefore(entry)
    return value === null ? null : { value, timestamp: entry.timestamp }
  }

  /** Writes each row changed since the last drain to the changelog and queues it for `save`. */
  drain(sink: ChangelogSink): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const entry of dirty) {
      const { flags } = entry
      this.#drainEntry(entry, sink)
      entry.copyStart = -1
      entry.flags = (flags & EXPIRED) | UNSAVED
      if ((flags & (UNSAVED | EXPIRED)) === 0) this.#unsaved.push(entry)
    }
    this.#copies.reset()
  }

  save(batch: ByteBatch): void {
    assert(this.#dirty.length === 0, `store ${this.#options.name}: a save follows a drain`)
    const { keys } = this.#options
    const { output } = batch
    for (const entry of this.#unsaved) {
      if ((entry.flags & EXPIRED) !== 0) continue
      keys.writeDatabaseKey(entry.key, entry.windowStart, output)
      batch.endKey()
      if (entry.value === null) {
        batch.endDelete()
      } else {
        output.writeInt64(entry.timestamp)
        this.#writeValue(entry, entry.value, output)
        batch.endPut()
      }
      entry.flags = 0
      this.pinnedBytes -= entry.size
    }
    this.#unsaved = []
  }

  isEvictable(entry: Entry<K, V>): boolean {
    return (entry.flags & CANNOT_EVICT) === 0
  }

  /** The store let go of a clean entry. */
  release(entry: Entry<K, V>): void {
    this.bytes -= entry.size
  }

  /** The store let go of an entry whose window expired; a change is still emitted and logged. */
  expire(entry: Entry<K, V>): void {
    this.bytes -= entry.size
    if ((entry.flags & CANNOT_EVICT) !== 0) this.pinnedBytes -= entry.size
    entry.flags |= EXPIRED
  }

  /** Entries whose rows differ from those of the byte store, each once. */
  *unsavedEntries(): IterableIterator<Entry<K, V>> {
    for (const entry of this.#unsaved) yield entry
    for (const entry of this.#dirty) if ((entry.flags & UNSAVED) === 0) yield entry
  }

  #entry(
    key: K,
    windowStart: number,
    value: V | null,
    timestamp: number,
    flags: number,
    bytes: number,
  ): Entry<K, V> {
    const size = ENTRY_OVERHEAD_BYTES + (this.#keepsBytes ? 2 * bytes : bytes)
    this.bytes += size
    const { round } = this
    return {
      key,
      windowStart,
      value,
      timestamp,
      flags,
      size,
      round,
      copyStart: -1,
      copyEnd: -1,
      before: null,
    }
  }

  #markChanged(entry: Entry<K, V>): void {
    if (this.#keepsPrimitive && (entry.flags & CHANGED) === 0) entry.before = entry.value
    if ((entry.flags & DIRTY) === 0) this.#dirty.push(entry)
    if ((entry.flags & (CANNOT_EVICT | EXPIRED)) === 0) this.pinnedBytes += entry.size
    entry.flags |= DIRTY | CHANGED
  }

  async #learnBefore(entries: readonly Entry<K, V>[]): Promise<void> {
    const rows = await this.#options.readRows(entries)
    entries.forEach((entry, index) => {
      const row = rows[index] ?? null
      entry.flags &= ~BEFORE_UNKNOWN
      if (row === null) entry.before = null
      else if (this.#keepsBytes) entry.before = row.subarray(ROW_TIMESTAMP_BYTES)
      else entry.before = this.#valueSerde.read(row, ROW_TIMESTAMP_BYTES, row.length)
    })
  }

  #emitFrom(
    index: number,
    callback: (entry: Entry<K, V>, row: ChangedRow<V>) => PromiseOrValue<void>,
  ): PromiseOrValue<void> {
    for (; index < this.#dirty.length; index++) {
      const entry = this.#dirty[index] as Entry<K, V>
      if ((entry.flags & CHANGED) === 0) continue
      const row = {
        before: this.#takeBefore(entry),
        after: this.#emitsCopies && entry.value !== null ? this.#copyOf(entry) : entry.value,
        timestamp: entry.timestamp,
      }
      entry.flags &= ~CHANGED
      // Came and went between two emissions: nobody has heard of it.
      if (this.#options.keepsBefore && row.before === null && row.after === null) continue
      const pending = callback(entry, row)
      if (pending instanceof Promise) {
        const next = index + 1
        return pending.then(() => this.#emitFrom(next, callback))
      }
    }
  }

  /** The value by way of its bytes, which are kept for the drain. */
  #copyOf(entry: Entry<K, V>): V {
    const output = this.#copies
    const start = output.end
    this.#valueSerde.write(entry.value as V, output)
    entry.copyStart = start
    entry.copyEnd = output.end
    return this.#valueSerde.read(output.bytes, start, output.end)
  }

  /** The row as last emitted; from here on that is the present one. */
  #takeBefore(entry: Entry<K, V>): V | null {
    const { before } = entry
    if (this.#keepsPrimitive) {
      entry.before = null
      return before as V | null
    }
    if (!this.#keepsBytes) return null
    entry.before = entry.value === null ? null : this.#bytesOf(entry.value)
    return before === null
      ? null
      : this.#valueSerde.read(before as Buffer, 0, (before as Buffer).length)
  }

  #peekBefore({ before }: Entry<K, V>): V | null {
    if (before === null || this.#keepsPrimitive) return before as V | null
    const bytes = before as Buffer
    return this.#valueSerde.read(bytes, 0, bytes.length)
  }

  #bytesOf(value: V): Buffer {
    const output = this.#valueOutput.reset()
    this.#valueSerde.write(value, output)
    return output.copy()
  }

  #drainEntry(entry: Entry<K, V>, sink: ChangelogSink): void {
    const keyOutput = this.#keyOutput.reset()
    const valueOutput = this.#valueOutput.reset()
    const { value } = entry
    try {
      this.#options.keys.writeChangelogKey(entry.key, entry.windowStart, keyOutput)
      // Not emitted (the operator forwards each update itself): the drain counts as emission.
      if (this.#keepsBytes && (entry.flags & CHANGED) !== 0) {
        entry.before = value === null ? null : this.#bytesOf(value)
        valueOutput.reset()
      }
      if (value !== null) this.#writeValue(entry, value, valueOutput)
    } catch (cause) {
      throw new StreamsError('serialization-failed', 'a row of a store cannot be serialised', {
        cause,
        place: { store: this.#options.name },
      })
    }
    this.#resize(entry, keyOutput.end + valueOutput.end)
    if (this.#options.changelog) {
      sink(keyOutput, value === null ? null : valueOutput, entry.timestamp)
    }
  }

  #writeValue(entry: Entry<K, V>, value: V, output: ByteWriter): void {
    if (this.#keepsBytes) output.writeBytes(entry.before as Buffer)
    else if (entry.copyStart >= 0) {
      output.writeBytes(this.#copies.bytes, entry.copyStart, entry.copyEnd)
    } else this.#valueSerde.write(value, output)
  }

  #resize(entry: Entry<K, V>, bytes: number): void {
    this.#typicalBytes = bytes
    if ((entry.flags & EXPIRED) !== 0) return
    const size = ENTRY_OVERHEAD_BYTES + (this.#keepsBytes ? 2 * bytes : bytes)
    this.bytes += size - entry.size
    this.pinnedBytes += size - entry.size
    entry.size = size
  }
}

/** The timestamp in front of a stored row. */
export function readTimestamp(row: Buffer): number {
  return row.readInt32BE(0) * 0x1_0000_0000 + row.readUInt32BE(4)
}
