/**
 * Join store: what one side of a stream-stream join keeps for the other, several records a key.
 *
 * Journey: a window join adds and fetches here; the task drains and saves.
 *
 * Records of a key lie together per time bucket, in chunks of arrival order, so that a fetch is a
 * point read of a few rows and a hot key rewrites only its last chunk at commit.
 * Database key: store number (2 bytes) + bucket start (8) + chunk number (4) + key bytes. Changelog
 * key: key bytes + bucket start (8) + chunk number (4), like a window store's.
 * Value of both: in chunk 0 the number of chunks (4), then per record timestamp (8), length (4),
 * value bytes. A row of the database has its changelog record's timestamp (8) in front.
 *
 * Invariants:
 * - Records are only added: chunks before the last one are full and never change, but for the
 *   number of chunks in chunk 0.
 * - A record is expired when its time is at or below the largest time added minus the retention;
 *   whole buckets go when all of their times are.
 * - A value's bytes are those it had when it was added, whatever becomes of the object.
 * - A bucket is complete when the byte store has no records of it but those in memory.
 */
import assert from 'node:assert'
import { StreamsError } from '../errors.ts'
import { ByteWriter, readInt64 } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { KeyList } from './key-list.ts'
import { storeClosed } from './merged-scan.ts'
import { END, RecordColumns } from './record-columns.ts'
import {
  type Bucket,
  chainOf,
  insertInOrder,
  type RecordList,
  type Visit,
  visitList,
} from './record-list.ts'
import { endRestoredRow } from './restore-writer.ts'
import type { ByteBatch, ChangelogSink, JoinStore, JoinStoreDefinition } from './store.ts'
import { EVICT_TO_SHARE, type StoreOptions, within } from './store-options.ts'
import { StoredTimes } from './stored-times.ts'
import { type TableKey, TableKeys } from './table-keys.ts'
import { ENTRY_OVERHEAD_BYTES, ROW_TIMESTAMP_BYTES } from './write-buffer.ts'

/** A hot key rewrites at most this many records at a commit. */
const CHUNK_RECORDS = 32
const CHANGELOG_SUFFIX_BYTES = 12
/** Memory of a record beside its value: its place in the columns. */
const RECORD_OVERHEAD_BYTES = 24

/** Opens the store: learns which buckets the byte store has. */
export async function openJoinStore<K, V>(
  options: StoreOptions<JoinStoreDefinition>,
): Promise<JoinStore<K, V>> {
  const times = await StoredTimes.open(options.bytes, options.number)
  return new BufferedJoinStore<K, V>(options, times)
}

class BufferedJoinStore<K, V> implements JoinStore<K, V> {
  readonly name: string
  readonly #options: StoreOptions<JoinStoreDefinition>
  readonly #keySerde: Serde<K>
  readonly valueSerde: Serde<V>
  readonly #tableKeys: TableKeys<K>
  readonly #times: StoredTimes
  readonly #buckets = new Map<number, Bucket<K, V>>()
  readonly #keyOutput = new ByteWriter()
  readonly #valueOutput = new ByteWriter()
  /** Length and value bytes of each record that is not saved yet, as they were when it came. */
  readonly #arena = new ByteWriter(4096)
  #dirty: RecordList<K, V>[] = []
  #unsaved: RecordList<K, V>[] = []
  #expiredUnsaved = 0
  #observedTime: number
  /** Records of this time or before are expired. */
  #expiredUpTo: number
  #oldestBucket = Number.POSITIVE_INFINITY
  #bytes = 0
  #pinnedBytes = 0
  #round = 0
  #evictions = 0
  /** False while every record of the store is in memory. */
  #mayMiss: boolean
  #isClosed = false

  constructor(options: StoreOptions<JoinStoreDefinition>, times: StoredTimes) {
    const { definition } = options
    this.name = definition.name
    this.#options = options
    this.#keySerde = definition.keySerde as Serde<K>
    this.valueSerde = definition.valueSerde as Serde<V>
    this.#tableKeys = new TableKeys(this.#keySerde)
    this.#times = times
    this.#mayMiss = times.largest() >= 0
    this.#observedTime = times.largest()
    this.#expiredUpTo = this.#observedTime - definition.retentionMs
  }

  add(
    key: K,
    timestamp: number,
    value: V,
    bytes: ByteRange | null = null,
  ): PromiseOrValue<boolean> {
    this.#see(timestamp)
    if (timestamp <= this.#expiredUpTo) return false
    const start = this.#bucketStart(timestamp)
    const list = this.#find(key, start)
    if (list !== null) return this.#append(list, timestamp, value, bytes)
    if (!this.#mayRead(start)) {
      return this.#append(this.#create(key, start), timestamp, value, bytes)
    }
    // The caller's range is not valid when the read has come.
    return this.#load([key], [start]).then(() => {
      const loaded = this.#find(key, start) ?? this.#create(key, start)
      return this.#append(loaded, timestamp, value, null)
    })
  }

  fetch(key: K, from: number, to: number, visit: Visit<V>): PromiseOrValue<void> {
    const first = Math.max(from, this.#expiredUpTo + 1, 0)
    const last = Math.min(to, this.#observedTime)
    if (first > last) return
    if (!this.#mayMiss) return this.#visitFrom(key, first, last, visit)
    const starts: number[] = []
    for (let start = this.#bucketStart(first); start <= last; ) {
      if (this.#find(key, start) === null && this.#mayRead(start)) starts.push(start)
      start += this.#options.definition.bucketMs
    }
    if (starts.length === 0) return this.#visitFrom(key, first, last, visit)
    const keys = starts.map(() => key)
    return this.#load(keys, starts).then(() => this.#visitFrom(key, first, last, visit))
  }

  prefetch(
    keys: readonly K[],
    timestamps: readonly number[],
    range: { readonly beforeMs: number; readonly afterMs: number },
  ): PromiseOrValue<void> {
    if (!this.#mayMiss) return
    const missing = new Map<number, Map<TableKey, K>>()
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as K
      const timestamp = timestamps[index] as number
      if (key === null) continue
      const from = Math.max(0, this.#expiredUpTo + 1, timestamp - range.beforeMs)
      const to = timestamp + range.afterMs
      this.#addMissing(key, from, to, missing)
    }
    if (missing.size === 0) return
    const missingKeys: K[] = []
    const starts: number[] = []
    for (const [start, ofBucket] of missing) {
      for (const key of ofBucket.values()) {
        missingKeys.push(key)
        starts.push(start)
      }
    }
    return this.#load(missingKeys, starts)
  }

  bufferedBytes(): number {
    return this.#bytes
  }

  /** What expired before it was saved is not pinned, but its bytes stay in the arena till then. */
  dirtyBytes(): number {
    return Math.max(this.#pinnedBytes, this.#arena.end)
  }

  drainChanges(sink: ChangelogSink): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const list of dirty) {
      if (this.#options.definition.changelog) this.#drainList(list, sink)
      list.drained = list.count
      list.isDirty = false
      if (list.isUnsaved || list.isExpired) continue
      list.isUnsaved = true
      this.#unsaved.push(list)
    }
  }

  save(batch: ByteBatch): void {
    assert(this.#dirty.length === 0, `store ${this.name}: a save follows a drain`)
    for (const list of this.#unsaved) {
      if (list.isExpired) continue
      this.#times.add(list.bucket.start, batch)
      this.#eachChangedChunk(list, list.saved, (chunk) => this.#saveChunk(list, chunk, batch))
      list.saved = list.count
      list.isUnsaved = false
      this.#pinnedBytes -= list.size
    }
    this.#unsaved = []
    this.#expiredUnsaved = 0
    this.#arena.reset()
    this.#times.observe(this.#observedTime, batch)
    this.#times.deleteUpTo(this.#expiredBucketsUpTo(), batch)
  }

  evict(): void {
    const round = this.#round++
    const limit = this.#options.memory.limitOf(this.#bytes)
    if (this.#bytes <= limit) return
    const target = limit * EVICT_TO_SHARE
    const buckets = [...this.#buckets.values()].sort((a, b) => a.round - b.round)
    for (const rests of [true, false]) {
      for (const bucket of buckets) {
        if (this.#bytes <= target) return
        if (!rests || bucket.round !== round) this.#evictLists(bucket, target)
      }
    }
  }

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    const keyEnd = key.end - CHANGELOG_SUFFIX_BYTES
    const start = key.bytes.readInt32BE(keyEnd) * 0x1_0000_0000 + key.bytes.readUInt32BE(keyEnd + 4)
    this.#see(timestamp)
    if (start <= this.#expiredBucketsUpTo()) return
    this.#mayMiss = true
    this.#times.add(start, batch)
    const { output } = batch
    output.writeInt16(this.#options.number)
    output.writeBytes(key.bytes, keyEnd, key.end)
    output.writeBytes(key.bytes, key.start, keyEnd)
    batch.endKey()
    endRestoredRow(batch, value, timestamp)
  }

  close(): void {
    this.#isClosed = true
    this.#buckets.clear()
  }

  #bucketStart(timestamp: number): number {
    return timestamp - (timestamp % this.#options.definition.bucketMs)
  }

  /** The largest start of a bucket whose times have all expired. */
  #expiredBucketsUpTo(): number {
    return this.#expiredUpTo - this.#options.definition.bucketMs + 1
  }

  #find(key: K, start: number): RecordList<K, V> | null {
    const bucket = this.#buckets.get(start)
    if (bucket === undefined) return null
    bucket.round = this.#round
    return bucket.lists.get(this.#tableKeys.of(key)) ?? null
  }

  #mayRead(start: number): boolean {
    const bucket = this.#buckets.get(start)
    return bucket === undefined ? this.#times.has(start) : !bucket.isComplete
  }

  #addMissing(key: K, from: number, to: number, missing: Map<number, Map<TableKey, K>>): void {
    for (let start = this.#bucketStart(from); start <= to; ) {
      if (this.#mayRead(start) && this.#find(key, start) === null) {
        const ofBucket = missing.get(start) ?? new Map<TableKey, K>()
        missing.set(start, ofBucket)
        ofBucket.set(this.#tableKeys.of(key), key)
      }
      start += this.#options.definition.bucketMs
    }
  }

  #create(key: K, start: number): RecordList<K, V> {
    const bucket = this.#buckets.get(start) ?? this.#createBucket(start)
    const list: RecordList<K, V> = {
      key,
      bucket,
      first: END,
      last: END,
      count: 0,
      order: null,
      chunks: null,
      drained: 0,
      saved: 0,
      isDirty: false,
      isUnsaved: false,
      isExpired: false,
      size: ENTRY_OVERHEAD_BYTES,
    }
    bucket.lists.set(this.#tableKeys.of(key), list)
    this.#bytes += list.size
    return list
  }

  #createBucket(start: number): Bucket<K, V> {
    const isComplete = !this.#times.has(start)
    const bucket: Bucket<K, V> = {
      start,
      lists: new Map(),
      records: new RecordColumns(),
      isComplete,
      round: this.#round,
    }
    this.#buckets.set(start, bucket)
    if (start < this.#oldestBucket) this.#oldestBucket = start
    return bucket
  }

  #append(list: RecordList<K, V>, timestamp: number, value: V, bytes: ByteRange | null): true {
    const position = this.#arena.end
    this.#arena.writeInt32(0)
    if (bytes === null) this.#serialize(value)
    else this.#arena.writeBytes(bytes.bytes, bytes.start, bytes.end)
    const length = this.#arena.end - position - 4
    this.#arena.bytes.writeInt32BE(length, position)
    const isPinned = list.isDirty || list.isUnsaved
    if (!list.isDirty) {
      list.isDirty = true
      this.#dirty.push(list)
    }
    this.#push(list, { timestamp, value, position, length })
    this.#pinnedBytes += isPinned ? length + RECORD_OVERHEAD_BYTES : list.size
    return true
  }

  #serialize(value: V): void {
    try {
      this.valueSerde.write(value, this.#arena)
    } catch (cause) {
      throw this.#unserializable(cause)
    }
  }

  #unserializable(cause: unknown): StreamsError {
    return new StreamsError('serialization-failed', 'a row of a store cannot be serialised', {
      cause,
      place: { store: this.name },
    })
  }

  #push(
    list: RecordList<K, V>,
    added: {
      readonly timestamp: number
      readonly value: V
      readonly position: number
      readonly length: number
    },
  ): void {
    const { records } = list.bucket
    const { timestamp } = added
    const record = records.add(timestamp, added.value, added.position)
    if (list.count === 0) {
      list.first = record
    } else {
      records.nexts[list.last] = record
      if (list.order !== null) {
        insertInOrder(list.order, records.times, record)
      } else if (timestamp < (records.times[list.last] as number)) {
        list.order = chainOf(list)
        list.order.pop()
        insertInOrder(list.order, records.times, record)
      }
      if (list.count % CHUNK_RECORDS === 0) {
        list.chunks ??= [list.first]
        list.chunks.push(record)
      }
    }
    list.last = record
    list.count++
    list.size += added.length + RECORD_OVERHEAD_BYTES
    this.#bytes += added.length + RECORD_OVERHEAD_BYTES
  }

  #visitFrom(key: K, from: number, to: number, visit: Visit<V>): PromiseOrValue<void> {
    for (let start = this.#bucketStart(from); start <= to; ) {
      const list = this.#find(key, start)
      const next = start + this.#options.definition.bucketMs
      if (list !== null) {
        const pending = visitList(list, { from, to, visit })
        if (pending instanceof Promise) {
          return pending.then(() => this.#visitFrom(key, Math.max(from, next), to, visit))
        }
      }
      start = next
    }
  }

  #drainList(list: RecordList<K, V>, sink: ChangelogSink): void {
    this.#eachChangedChunk(list, list.drained, (chunk) => {
      const keyOutput = this.#keyOutput.reset()
      const valueOutput = this.#valueOutput.reset()
      let timestamp: number
      try {
        this.#keySerde.write(list.key, keyOutput)
        keyOutput.writeInt64(list.bucket.start)
        keyOutput.writeInt32(chunk)
        timestamp = this.#writeChunk(list, chunk, valueOutput)
      } catch (cause) {
        throw this.#unserializable(cause)
      }
      sink(keyOutput, valueOutput, timestamp)
    })
  }

  #saveChunk(list: RecordList<K, V>, chunk: number, batch: ByteBatch): void {
    const { output } = batch
    output.writeInt16(this.#options.number)
    output.writeInt64(list.bucket.start)
    output.writeInt32(chunk)
    this.#keySerde.write(list.key, output)
    batch.endKey()
    const position = output.end
    output.writeInt64(0)
    const timestamp = this.#writeChunk(list, chunk, output)
    writeInt64At(output, position, timestamp)
    batch.endPut()
  }

  /** Chunks that hold records from position `since` on, and chunk 0 when their number grew. */
  #eachChangedChunk(
    list: RecordList<K, V>,
    since: number,
    callback: (chunk: number) => void,
  ): void {
    const count = chunkCount(list.count)
    const first = Math.floor(since / CHUNK_RECORDS)
    if (first > 0 && chunkCount(since) !== count) callback(0)
    for (let chunk = first; chunk < count; chunk++) callback(chunk)
  }

  /** Appends a chunk's bytes; returns the largest timestamp in it. */
  #writeChunk(list: RecordList<K, V>, chunk: number, output: ByteWriter): number {
    if (chunk === 0) output.writeInt32(chunkCount(list.count))
    const { times, positions, nexts, values } = list.bucket.records
    const end = Math.min(list.count, (chunk + 1) * CHUNK_RECORDS)
    let record = list.chunks === null ? list.first : (list.chunks[chunk] as number)
    let largest = -1
    for (let index = chunk * CHUNK_RECORDS; index < end; index++) {
      const timestamp = times[record] as number
      if (timestamp > largest) largest = timestamp
      output.writeInt64(timestamp)
      if (index >= list.saved) {
        const position = positions[record] as number
        const length = this.#arena.bytes.readInt32BE(position)
        output.writeBytes(this.#arena.bytes, position, position + 4 + length)
      } else {
        const lengthAt = output.reserve(4)
        output.writeInt32(0)
        this.valueSerde.write(values[record] as V, output)
        output.bytes.writeInt32BE(output.end - lengthAt - 4, lengthAt)
      }
      record = nexts[record] as number
    }
    return largest
  }

  /** Moves the store's time on, as far as it may go. */
  #see(time: number): void {
    const seen = within(this.#options.timeLimit, time)
    if (seen > this.#observedTime) this.#observe(seen)
  }

  /** What is no longer kept at that time is let go of. */
  #observe(timestamp: number): void {
    this.#observedTime = timestamp
    this.#expiredUpTo = timestamp - this.#options.definition.retentionMs
    const upTo = this.#expiredBucketsUpTo()
    if (this.#oldestBucket > upTo) return
    this.#oldestBucket = Number.POSITIVE_INFINITY
    for (const bucket of this.#buckets.values()) {
      if (bucket.start <= upTo) {
        this.#buckets.delete(bucket.start)
        for (const list of bucket.lists.values()) this.#expire(list)
      } else if (bucket.start < this.#oldestBucket) {
        this.#oldestBucket = bucket.start
      }
    }
    this.#forgetExpired()
  }

  #expire(list: RecordList<K, V>): void {
    this.#bytes -= list.size
    if (list.isDirty || list.isUnsaved) this.#pinnedBytes -= list.size
    if (list.isUnsaved) this.#expiredUnsaved++
    list.isExpired = true
  }

  /** Lets go of lists that expired before their save came, once they are the larger part. */
  #forgetExpired(): void {
    if (this.#expiredUnsaved * 2 <= this.#unsaved.length) return
    this.#unsaved = this.#unsaved.filter((list) => !list.isExpired)
    this.#expiredUnsaved = 0
  }

  #evictLists(bucket: Bucket<K, V>, target: number): void {
    for (const [tableKey, list] of bucket.lists) {
      if (this.#bytes <= target) break
      if (list.isDirty || list.isUnsaved) continue
      bucket.lists.delete(tableKey)
      this.#bytes -= list.size
      this.#evictions++
      this.#mayMiss = true
      bucket.records.release(list.first)
      if (list.count > 0) bucket.isComplete = false
    }
    if (bucket.lists.size === 0) this.#buckets.delete(bucket.start)
  }

  async #load(keys: readonly K[], starts: readonly number[]): Promise<void> {
    for (;;) {
      const evictions = this.#evictions
      const chunks = await this.#readChunks(keys, starts)
      if (this.#isClosed) throw storeClosed(this.name)
      // Records added, saved and evicted meanwhile are newer than those just read.
      if (evictions !== this.#evictions) continue
      keys.forEach((key, index) => {
        this.#insertLoaded(key, starts[index] as number, chunks[index] as Buffer[])
      })
      return
    }
  }

  #insertLoaded(key: K, start: number, chunks: readonly Buffer[]): void {
    if (start <= this.#expiredBucketsUpTo()) return
    if (this.#buckets.get(start)?.lists.has(this.#tableKeys.of(key)) === true) return
    const list = this.#create(key, start)
    chunks.forEach((row, chunk) => {
      let at = ROW_TIMESTAMP_BYTES + (chunk === 0 ? 4 : 0)
      while (at < row.length) {
        const valueStart = at + 12
        const valueEnd = valueStart + row.readInt32BE(at + 8)
        const value = this.valueSerde.read(row, valueStart, valueEnd)
        const length = valueEnd - valueStart
        this.#push(list, { timestamp: readInt64(row, at), value, position: -1, length })
        at = valueEnd
      }
    })
    list.drained = list.count
    list.saved = list.count
  }

  /** All chunks of each key and bucket: chunk 0 says how many there are. */
  async #readChunks(keys: readonly K[], starts: readonly number[]): Promise<Buffer[][]> {
    const heads = new KeyList(keys.length)
    keys.forEach((key, index) => {
      this.#addChunkKey(heads, key, starts[index] as number, 0)
    })
    const rows = await this.#options.bytes.getMany(heads.keys())
    const rest = new KeyList()
    const owners: number[] = []
    rows.forEach((row, index) => {
      const count = row === null ? 0 : row.readInt32BE(ROW_TIMESTAMP_BYTES)
      for (let chunk = 1; chunk < count; chunk++) {
        this.#addChunkKey(rest, keys[index] as K, starts[index] as number, chunk)
        owners.push(index)
      }
    })
    const chunks = rows.map((row) => (row === null ? [] : [row]))
    if (owners.length === 0) return chunks
    const more = await this.#options.bytes.getMany(rest.keys())
    more.forEach((row, index) => {
      if (row !== null) chunks[owners[index] as number]?.push(row)
    })
    return chunks
  }

  #addChunkKey(list: KeyList, key: K, start: number, chunk: number): void {
    list.output.writeInt16(this.#options.number)
    list.output.writeInt64(start)
    list.output.writeInt32(chunk)
    this.#keySerde.write(key, list.output)
    list.endKey()
  }
}

function chunkCount(records: number): number {
  return Math.ceil(records / CHUNK_RECORDS)
}

function writeInt64At(output: ByteWriter, position: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  output.bytes.writeInt32BE(high, position)
  output.bytes.writeUInt32BE(value - high * 0x1_0000_0000, position + 4)
}
