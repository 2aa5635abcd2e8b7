/**
 * Versioned store: the latest row of each key, and what rows were before, as far back as the history
 * goes.
 *
 * Journey: a versioned table puts here; a join with a stream asks what a row was at the time of a
 * record. The task drains and saves.
 *
 * Layout: latest rows lie in a key-value store, everything older in a window store, one list per key
 * and segment of time. A version lies in the segment in which it ended, so that a segment goes, by
 * one range delete, when nothing in it can be asked for any more. A key that was deleted has no
 * latest row but a version without a value, open to the right, in the segment it began in.
 * Changelog keys: 0 + key (latest), 1 + key of the window store (history), 2 (the largest time put).
 *
 * Invariants:
 * - Versions of a key do not overlap; each ends where the next begins.
 * - What is older than the largest time put minus the history is neither taken nor answered, but for
 *   the latest row (RocksDBVersionedStore).
 */
import { ByteWriter, readInt64 } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { when } from '../record/when.ts'
import { openKeyValueStore } from './key-value-store.ts'
import type {
  ByteBatch,
  ChangelogSink,
  KeyRange,
  KeyValueStore,
  Row,
  StoreEntry,
  VersionedPut,
  VersionedRow,
  VersionedStore,
  VersionedStoreDefinition,
  WindowStore,
} from './store.ts'
import type { StoreOptions } from './store-options.ts'
import { StoredTimes } from './stored-times.ts'
import { openWindowStore } from './window-store.ts'

const LATEST = 0
const HISTORY = 1
const OBSERVED = 2
/** The end of a version that has none: the key is deleted since. */
const OPEN: number = Number.MAX_SAFE_INTEGER

/** What a row was with `from <= time < to`; a null value: there was none. */
interface Version<V> {
  readonly from: number
  readonly to: number
  readonly value: V | null
}

export interface VersionedStoreOptions extends StoreOptions<VersionedStoreDefinition> {
  /** The number of the window store that holds the history. */
  readonly historyNumber: number
}

/** Segments as Kafka Streams cuts them: few enough to read, enough to be let go in time. */
export function segmentMsOf(historyMs: number): number {
  if (historyMs <= 60_000) return Math.max(Math.floor(historyMs / 3), 2_000)
  if (historyMs <= 300_000) return Math.max(Math.floor(historyMs / 5), 20_000)
  if (historyMs <= 3_600_000) return Math.max(Math.floor(historyMs / 12), 60_000)
  return Math.max(Math.floor(historyMs / 24), 300_000)
}

/** Opens the store. */
export async function openVersionedStore<K, V>(
  options: VersionedStoreOptions,
): Promise<VersionedStore<K, V>> {
  const { definition, number, historyNumber, bytes } = options
  const { historyMs, ...basics } = definition
  const segmentMs = segmentMsOf(historyMs)
  // Both halves may have half of it.
  const memory = { limitOf: (used: number) => options.memory.limitOf(2 * used) / 2 }
  const latest = await openKeyValueStore<K, V>({
    definition: { ...basics, kind: 'key-value', keepsBefore: false },
    number,
    bytes,
    memory,
  })
  const history = await openWindowStore<K, Version<V>[]>({
    definition: {
      ...basics,
      kind: 'window',
      valueSerde: versionsSerde(definition.valueSerde) as Serde<unknown>,
      keepsBefore: false,
      retentionMs: historyMs + segmentMs,
      windowSizeMs: segmentMs,
    },
    number: historyNumber,
    bytes,
    memory,
  })
  const times = await StoredTimes.open(bytes, number)
  return new SegmentedVersionedStore<K, V>(definition, { latest, history, times })
}

class SegmentedVersionedStore<K, V> implements VersionedStore<K, V> {
  readonly name: string
  readonly #historyMs: number
  readonly #segmentMs: number
  readonly #changelog: boolean
  readonly #latest: KeyValueStore<K, V>
  readonly #history: WindowStore<K, Version<V>[]>
  readonly #times: StoredTimes
  readonly #key = new ByteWriter()
  readonly #value = new ByteWriter()
  /** The largest time put. */
  #observed: number
  #loggedObserved: number

  constructor(
    definition: VersionedStoreDefinition,
    parts: {
      readonly latest: KeyValueStore<K, V>
      readonly history: WindowStore<K, Version<V>[]>
      readonly times: StoredTimes
    },
  ) {
    this.name = definition.name
    this.#historyMs = definition.historyMs
    this.#segmentMs = segmentMsOf(definition.historyMs)
    this.#changelog = definition.changelog
    this.#latest = parts.latest
    this.#history = parts.history
    this.#times = parts.times
    this.#observed = parts.times.largest()
    this.#loggedObserved = this.#observed
  }

  get(key: K): PromiseOrValue<Row<V> | null> {
    return this.#latest.get(key)
  }

  asOf(key: K, timestamp: number): PromiseOrValue<VersionedRow<V> | null> {
    return when(this.#latest.get(key), (row) => {
      if (row !== null && row.timestamp <= timestamp) return latestRow(row)
      if (timestamp < this.#observed - this.#historyMs) return null
      return when(this.#versionsFrom(key, timestamp), (versions) => {
        const found = versions.find(({ from, to }) => from <= timestamp && timestamp < to)
        return found === undefined ? null : historyRow(found)
      })
    })
  }

  versions(
    key: K,
    range: { from?: number; to?: number; descending?: boolean } = {},
  ): PromiseOrValue<readonly VersionedRow<V>[]> {
    const { from = 0, to = OPEN, descending = false } = range
    return when(this.#latest.get(key), (latest) => {
      // What `get` returned is a view, valid only until the next put.
      const last = latest === null || latest.timestamp > to ? null : latestRow(latest)
      return when(this.#versionsFrom(key, from), (versions) => {
        const rows = versions
          .filter((version) => version.from <= to && version.to > from)
          .sort((a, b) => a.from - b.from)
          .map(historyRow)
          .filter((row) => row !== null)
        if (last !== null) rows.push(last)
        return descending ? rows.reverse() : rows
      })
    })
  }

  put(key: K, value: V | null, timestamp: number): PromiseOrValue<VersionedPut> {
    if (timestamp < this.#observed - this.#historyMs) return 'expired'
    if (timestamp > this.#observed) this.#observed = timestamp
    return when(this.#latest.get(key), (row) => {
      if (row === null) return this.#putWithoutLatest(key, value, timestamp)
      if (timestamp < row.timestamp) {
        return this.#putBefore(key, { from: timestamp, to: row.timestamp, value })
      }
      const before = { from: row.timestamp, to: timestamp, value: row.value }
      return when(this.#add(key, before), () => this.#putLatest(key, value, timestamp))
    })
  }

  delete(key: K, timestamp: number): PromiseOrValue<VersionedRow<V> | null> {
    if (timestamp < this.#observed - this.#historyMs) return null
    return when(this.asOf(key, timestamp), (row) => when(this.put(key, null, timestamp), () => row))
  }

  range(range?: KeyRange<K>): AsyncIterable<StoreEntry<K, V>> {
    return this.#latest.range(range)
  }

  copyValue(value: V): V {
    return this.#latest.copyValue(value)
  }

  /** History is read for the present segment, where a row that is replaced now ends. */
  prefetch(keys: readonly K[]): PromiseOrValue<void> {
    const latest = this.#latest.prefetch(keys)
    const start = this.#segmentOf(Math.max(0, this.#observed))
    const history = this.#history.mayRead(start)
      ? this.#history.prefetch(
          keys,
          keys.map(() => start),
        )
      : undefined
    if (latest instanceof Promise || history instanceof Promise) {
      return Promise.all([latest, history]).then(() => undefined)
    }
  }

  bufferedBytes(): number {
    return this.#latest.bufferedBytes() + this.#history.bufferedBytes()
  }

  dirtyBytes(): number {
    return this.#latest.dirtyBytes() + this.#history.dirtyBytes()
  }

  drainChanges(sink: ChangelogSink): void {
    this.#latest.drainChanges((key, value, time) => sink(this.#prefixed(LATEST, key), value, time))
    this.#history.drainChanges((key, value, time) =>
      sink(this.#prefixed(HISTORY, key), value, time),
    )
    if (!this.#changelog || this.#observed === this.#loggedObserved) return
    this.#loggedObserved = this.#observed
    this.#key.reset().writeUint8(OBSERVED)
    this.#value.reset().writeInt64(this.#observed)
    sink(this.#key, this.#value, this.#observed)
  }

  save(batch: ByteBatch): void {
    this.#latest.save(batch)
    this.#history.save(batch)
    this.#times.observe(this.#observed, batch)
  }

  evict(): void {
    this.#latest.evict()
    this.#history.evict()
  }

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    const kind = key.bytes[key.start]
    const rest = { bytes: key.bytes, start: key.start + 1, end: key.end }
    if (kind === LATEST) this.#latest.restore(batch, rest, value, timestamp)
    else if (kind === HISTORY) this.#history.restore(batch, rest, value, timestamp)
    else if (value !== null) {
      this.#observed = Math.max(this.#observed, readInt64(value.bytes, value.start))
      this.#loggedObserved = this.#observed
    }
  }

  close(): void {
    this.#latest.close()
    this.#history.close()
  }

  /** A key without a latest row may have been deleted: then that is its latest version. */
  #putWithoutLatest(key: K, value: V | null, timestamp: number): PromiseOrValue<VersionedPut> {
    const oldest = Math.max(0, this.#observed - this.#historyMs)
    return when(this.#versionsFrom(key, oldest), (versions) => {
      const deleted = versions.find(({ to }) => to === OPEN)
      if (deleted === undefined) return this.#putLatest(key, value, timestamp)
      if (timestamp < deleted.from) {
        return this.#putBefore(key, { from: timestamp, to: deleted.from, value })
      }
      return when(this.#remove(key, deleted), () =>
        when(this.#add(key, { ...deleted, to: timestamp }), () =>
          this.#putLatest(key, value, timestamp),
        ),
      )
    })
  }

  #putLatest(key: K, value: V | null, timestamp: number): PromiseOrValue<VersionedPut> {
    this.#latest.put(key, value, timestamp)
    if (value !== null) return 'latest'
    return when(this.#add(key, { from: timestamp, to: OPEN, value: null }), () => 'latest' as const)
  }

  /** Puts a version among the older ones; `to` is where the latest begins. */
  #putBefore(key: K, version: Version<V>): PromiseOrValue<VersionedPut> {
    const { from, value } = version
    return when(this.#versionsFrom(key, from), (versions) => {
      const around = versions.find((one) => one.from <= from && from < one.to)
      if (around === undefined) {
        const next = versions.reduce(
          (to, one) => (one.from > from ? Math.min(to, one.from) : to),
          version.to,
        )
        return when(this.#add(key, { from, to: next, value }), () => 'history' as const)
      }
      // A version of the very time is replaced, another one ends here.
      return when(this.#remove(key, around), () =>
        when(this.#add(key, { ...around, to: from }), () =>
          when(this.#add(key, { from, to: around.to, value }), () => 'history' as const),
        ),
      )
    })
  }

  /** Adds a version to its segment, unless it is empty. */
  #add(key: K, version: Version<V>): PromiseOrValue<void> {
    const { from, to } = version
    if (to <= from) return
    const start = this.#segmentOf(to === OPEN ? from : to)
    return when(this.#history.get(key, start), (row) => {
      const list = row === null ? [] : row.value
      list.push(version)
      this.#history.put(key, start, list, from)
    })
  }

  #remove(key: K, version: Version<V>): PromiseOrValue<void> {
    const start = this.#segmentOf(version.to === OPEN ? version.from : version.to)
    return when(this.#history.get(key, start), (row) => {
      const list = (row?.value ?? []).filter(({ from }) => from !== version.from)
      this.#history.put(key, start, list.length === 0 ? null : list, version.from)
    })
  }

  /** All versions of a key that end after a time, in one batched read of its segments. */
  #versionsFrom(key: K, time: number): PromiseOrValue<readonly Version<V>[]> {
    const oldest = Math.max(0, time, this.#observed - this.#historyMs)
    const starts: number[] = []
    for (let start = this.#segmentOf(oldest); start <= this.#observed; start += this.#segmentMs) {
      starts.push(start)
    }
    const keys = starts.map(() => key)
    return when(this.#history.prefetch(keys, starts), () => {
      const rows = starts.map((start) => this.#history.get(key, start))
      if (rows.some((row) => row instanceof Promise)) return Promise.all(rows).then(versionsOf)
      return versionsOf(rows as (Row<Version<V>[]> | null)[])
    })
  }

  #segmentOf(time: number): number {
    return time - (time % this.#segmentMs)
  }

  #prefixed(kind: number, key: ByteRange): ByteRange {
    const output = this.#key.reset()
    output.writeUint8(kind)
    output.writeBytes(key.bytes, key.start, key.end)
    return output
  }
}

function versionsOf<V>(rows: readonly (Row<Version<V>[]> | null)[]): readonly Version<V>[] {
  return rows.flatMap((row) => (row === null ? [] : row.value))
}

function latestRow<V>({ value, timestamp }: Row<V>): VersionedRow<V> {
  return { value, timestamp, validTo: null }
}

function historyRow<V>({ value, from, to }: Version<V>): VersionedRow<V> | null {
  return value === null ? null : { value, timestamp: from, validTo: to }
}

/** Versions one after the other: from (8), to (8), length (4, -1: no value), value bytes. */
function versionsSerde<V>(values: Serde<V>): Serde<Version<V>[]> {
  const scratch = new ByteWriter()
  return {
    name: `versions of ${values.name}`,
    write(versions, output) {
      for (const { from, to, value } of versions) {
        output.writeInt64(from)
        output.writeInt64(to)
        if (value === null) {
          output.writeInt32(-1)
          continue
        }
        values.write(value, scratch.reset())
        output.writeInt32(scratch.end)
        output.writeBytes(scratch.bytes, 0, scratch.end)
      }
    },
    read(bytes, start, end) {
      const versions: Version<V>[] = []
      for (let at = start; at < end; ) {
        const length = bytes.readInt32BE(at + 16)
        const valueStart = at + 20
        const valueEnd = valueStart + Math.max(0, length)
        const value = length < 0 ? null : values.read(bytes, valueStart, valueEnd)
        versions.push({ from: readInt64(bytes, at), to: readInt64(bytes, at + 8), value })
        at = valueEnd
      }
      return versions
    },
  }
}
