/**
 * Interval rows: rows with a start and an end of their own, several to a key, as sessions and
 * sliding windows have them. `session-store.ts` and `sliding-store.ts` are this under two contracts.
 *
 * Journey: an operator finds the rows around a record's time and puts here; the task drains and saves.
 *
 * The rows of a key lie together in lists, one for each bucket of their ends, and a list is one row
 * of a window store: so what a record needs is a point read of a few rows, fetched ahead in one
 * batch, a record changes one or two of them, and expired buckets go by one range delete.
 * Bytes of a list: per row its end (8), its start (8), its timestamp (8, where rows have one), the
 * length of the value (4), the value.
 *
 * Invariants:
 * - A list is in the order of ends, then starts, and holds each pair of them once.
 * - A row is expired when its end is at or below the largest end put minus the retention.
 * - A row of the window store has the largest end put so far as its timestamp: restoring the
 *   changelog brings that back too.
 */
import { type ByteWriter, readInt64 } from '../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { inOrder } from '../record/when.ts'
import { type ChangedInterval, IntervalChanges, type IntervalRow } from './interval-changes.ts'
import { storeClosed } from './merged-scan.ts'
import type {
  ByteBatch,
  ChangelogSink,
  SessionStoreDefinition,
  SlidingStoreDefinition,
  StateStore,
  WindowStore,
} from './store.ts'
import { type StoreOptions, type TimeLimit, within } from './store-options.ts'
import { StoredTimes } from './stored-times.ts'
import { openWindowStore } from './window-store.ts'

type IntervalDefinition = SessionStoreDefinition | SlidingStoreDefinition

/** The rows of one key whose ends are in one bucket. */
type IntervalList<K, V> = IntervalRow<K, V>[]

/** A row as a query gives it. */
export interface IntervalEntry<K, V> {
  readonly key: K
  readonly row: IntervalRow<K, V>
}

const NO_ROWS: readonly never[] = []

/** What interval rows stand on. */
export interface IntervalParts<K, V> {
  readonly definition: IntervalDefinition
  readonly lists: WindowStore<K, IntervalList<K, V>>
  readonly times: StoredTimes
  readonly timeLimit: TimeLimit | null
}

/** Opens the store of the lists: learns which buckets the byte store has, and the largest end put. */
export async function openIntervals<K, V>(
  options: StoreOptions<IntervalDefinition>,
): Promise<IntervalParts<K, V>> {
  const { definition, number, bytes, memory, timeLimit } = options
  const { retentionMs, bucketMs, storage, changelog, name, keySerde } = definition
  const lists = await openWindowStore<K, IntervalList<K, V>>({
    number,
    bytes,
    memory,
    ...(timeLimit === undefined ? {} : { timeLimit }),
    definition: {
      kind: 'window',
      name,
      keySerde,
      valueSerde: listSerde<K, V>(definition) as Serde<unknown>,
      storage,
      changelog,
      keepsBefore: false,
      // A bucket goes when its last end has expired, and nothing visits it any more.
      retentionMs: retentionMs + lingerOf(definition) + bucketMs,
      windowSizeMs: bucketMs,
    },
  })
  return {
    definition,
    lists,
    times: await StoredTimes.open(bytes, number),
    timeLimit: timeLimit ?? null,
  }
}

export abstract class IntervalRows<K, V> implements StateStore {
  readonly name: string
  readonly #lists: WindowStore<K, IntervalList<K, V>>
  readonly #valueSerde: Serde<V>
  readonly #bucketMs: number
  readonly #retentionMs: number
  readonly #lingerMs: number
  readonly #times: StoredTimes
  readonly #timeLimit: TimeLimit | null
  readonly #changes: IntervalChanges<K, V>
  /** The largest end put so far. */
  #observedEnd: number
  /** Rows that end here or before are expired. */
  #expiredUpTo: number
  #isClosed = false

  constructor({ definition, lists, times, timeLimit }: IntervalParts<K, V>) {
    this.name = definition.name
    this.#lists = lists
    this.#valueSerde = definition.valueSerde as Serde<V>
    this.#bucketMs = definition.bucketMs
    this.#retentionMs = definition.retentionMs
    this.#lingerMs = lingerOf(definition)
    this.#times = times
    this.#timeLimit = timeLimit
    this.#changes = new IntervalChanges(this.#valueSerde, definition.keepsBefore)
    this.#observedEnd = times.largest()
    this.#expiredUpTo = this.#observedEnd - this.#retentionMs
  }

  protected forEachChangedRow(
    callback: ChangedInterval<K, V>,
    copies: boolean,
  ): PromiseOrValue<void> {
    return this.#changes.forEachChanged(callback, copies)
  }

  /**
   * The rows of a key with `from <= end <= to`, ascending. They are the store's own, valid until
   * the next put of the key.
   */
  protected findRows(
    key: K,
    from: number,
    to: number,
  ): PromiseOrValue<readonly IntervalRow<K, V>[]> {
    const first = Math.max(from, this.#expiredUpTo + 1, 0)
    const last = Math.min(to, this.#observedEnd)
    let found: IntervalRow<K, V>[] | null = null
    for (let start = this.#bucketOf(first); start <= last; start += this.#bucketMs) {
      const list = this.#lists.get(key, start)
      if (list instanceof Promise) {
        return list
          .then(() => this.#load(key, first, last))
          .then(() => this.findRows(key, from, to))
      }
      if (list === null) continue
      for (const row of list.value) {
        if (row.end < first || row.end > last) continue
        if (found === null) found = [row]
        else found.push(row)
      }
    }
    return found ?? NO_ROWS
  }

  /** Writes a row; a null value deletes it. Nothing is written when it is expired. */
  protected putRow(key: K, row: IntervalPut<V>): PromiseOrValue<void> {
    const { start, end, value } = row
    this.#see(end)
    if (end <= this.#expiredUpTo) return
    const bucket = this.#bucketOf(end)
    const stored = this.#lists.get(key, bucket)
    if (stored instanceof Promise) return stored.then(() => this.putRow(key, row))
    const list = stored === null ? [] : stored.value
    const at = placeOf(list, start, end)
    const before = list[at]
    if (before !== undefined && before.end === end && before.start === start) {
      if (value === null) {
        list.splice(at, 1)
        this.#changes.removed(key, before)
      } else {
        before.value = value
        before.timestamp = row.timestamp
        this.#changes.put(key, before)
      }
    } else if (value !== null) {
      const added = newRow<K, V>(start, end, row.timestamp, value)
      list.splice(at, 0, added)
      this.#changes.put(key, added)
    }
    this.#write(key, bucket, list)
  }

  /** Gives a row other bounds and another value: deletes the one and writes the other. */
  protected moveRow(key: K, row: IntervalRow<K, V>, to: IntervalPut<V>): PromiseOrValue<void> {
    const bucket = this.#bucketOf(row.end)
    const { start, end, value } = to
    if (value !== null && end >= row.end && this.#bucketOf(end) === bucket) {
      const stored = this.#lists.get(key, bucket)
      if (stored instanceof Promise) return stored.then(() => this.moveRow(key, row, to))
      const list = stored === null ? null : stored.value
      // The last of a list stays the last: the way nearly every session grows.
      if (list !== null && list[list.length - 1] === row) {
        this.#see(end)
        if (start !== row.start || end !== row.end) this.#changes.moved(key, row)
        row.start = start
        row.end = end
        row.timestamp = to.timestamp
        row.value = value
        this.#changes.put(key, row)
        this.#write(key, bucket, list)
        return
      }
    }
    const { start: startBefore, end: endBefore } = row
    const removed =
      startBefore === start && endBefore === end
        ? undefined
        : this.putRow(key, {
            start: startBefore,
            end: endBefore,
            timestamp: endBefore,
            value: null,
          })
    return removed instanceof Promise
      ? removed.then(() => this.putRow(key, to))
      : this.putRow(key, to)
  }

  /** Loads, in one batched read, what `findRows(keys[i], from[i], to[i])` and puts there will touch. */
  protected prefetchRows(
    keys: readonly K[],
    from: readonly number[],
    to: readonly number[],
  ): PromiseOrValue<void> {
    const bucketKeys: K[] = []
    const buckets: number[] = []
    for (let index = 0; index < keys.length; index++) {
      const first = Math.max(from[index] as number, this.#expiredUpTo + 1, 0)
      const last = to[index] as number
      for (let start = this.#bucketOf(first); start <= last; start += this.#bucketMs) {
        if (!this.#lists.mayRead(start)) continue
        bucketKeys.push(keys[index] as K)
        buckets.push(start)
      }
    }
    if (buckets.length > 0) return this.#lists.prefetch(bucketKeys, buckets)
  }

  /** False when all rows that end then are in memory or known absent. */
  protected mayReadEnd(end: number): boolean {
    return end > this.#expiredUpTo && this.#lists.mayRead(this.#bucketOf(end))
  }

  /** The largest end put so far, -1 before the first. */
  protected get observedEnd(): number {
    return this.#observedEnd
  }

  copyValue(value: V): V {
    if (this.#valueSerde.primitive === true) return value
    return this.#changes.copyValue(value)
  }

  /** Rows of a key with `from <= end <= to`, ascending; their values are copies. */
  protected async *rowsOf(key: K, from: number, to: number): AsyncIterable<IntervalEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const lists = this.#lists.fetch(key, this.#bucketOf(Math.max(from, 0)), to)
    for await (const { value: list } of lists) yield* this.#between(key, list, from, to)
  }

  /** Rows of all keys with `from <= end <= to`: by bucket, then key bytes, then end. */
  protected async *allRows(from: number, to: number): AsyncIterable<IntervalEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    const lists = this.#lists.fetchAll(this.#bucketOf(Math.max(from, 0)), to)
    for await (const { key, value: list } of lists) yield* this.#between(key, list, from, to)
  }

  /**
   * Visits the rows of all keys with `from <= end <= to`, by end, then start, then key bytes; those
   * that linger too.
   */
  protected visitRows(
    from: number,
    to: number,
    visit: (key: K, row: IntervalRow<K, V>) => PromiseOrValue<void>,
    copies: boolean,
  ): PromiseOrValue<void> {
    const first = Math.max(from, this.#expiredUpTo - this.#lingerMs + 1, 0)
    const last = Math.min(to, this.#observedEnd)
    if (first > last) return
    const found: { readonly key: K; readonly row: IntervalRow<K, V> }[] = []
    const collect = (key: K, _bucket: number, list: IntervalList<K, V>): void => {
      for (const row of list) if (row.end >= first && row.end <= last) found.push({ key, row })
    }
    const visitFound = (): PromiseOrValue<void> => {
      // Stable: rows of one interval stay in the order of their keys' bytes.
      found.sort((a, b) => a.row.end - b.row.end || a.row.start - b.row.start)
      return inOrder(found, ({ key, row }) =>
        visit(key, copies ? { ...row, value: this.copyValue(row.value) } : row),
      )
    }
    const pending = this.#lists.visitWindows(this.#bucketOf(first), last, collect)
    return pending instanceof Promise ? pending.then(visitFound) : visitFound()
  }

  bufferedBytes(): number {
    return this.#lists.bufferedBytes()
  }

  dirtyBytes(): number {
    return this.#lists.dirtyBytes()
  }

  drainChanges(sink: ChangelogSink): void {
    this.#changes.clear()
    this.#lists.drainChanges(sink)
  }

  save(batch: ByteBatch): void {
    this.#lists.save(batch)
    this.#times.observe(this.#observedEnd, batch)
  }

  evict(): void {
    this.#lists.evict()
  }

  restore(batch: ByteBatch, key: ByteRange, value: ByteRange | null, timestamp: number): void {
    this.#see(timestamp)
    this.#lists.restore(batch, key, value, timestamp)
  }

  close(): void {
    this.#isClosed = true
    this.#lists.close()
  }

  #write(key: K, bucket: number, list: IntervalList<K, V>): void {
    this.#lists.put(key, bucket, list.length === 0 ? null : list, this.#observedEnd)
  }

  #bucketOf(end: number): number {
    return end - (end % this.#bucketMs)
  }

  #see(time: number): void {
    const seen = within(this.#timeLimit, time)
    if (seen > this.#observedEnd) this.#observe(seen)
  }

  /** What is no longer kept at that time is let go of. */
  #observe(end: number): void {
    this.#observedEnd = end
    this.#expiredUpTo = end - this.#retentionMs
  }

  async #load(key: K, first: number, last: number): Promise<void> {
    await this.prefetchRows([key], [first], [last])
  }

  *#between(
    key: K,
    list: IntervalList<K, V>,
    from: number,
    to: number,
  ): Iterable<IntervalEntry<K, V>> {
    if (this.#isClosed) throw storeClosed(this.name)
    for (const row of list) {
      if (row.end >= from && row.end <= to && row.end > this.#expiredUpTo) yield { key, row }
    }
  }
}

function lingerOf(definition: IntervalDefinition): number {
  return definition.kind === 'session' ? (definition.lingerMs ?? 0) : 0
}

/** What a put writes. */
export interface IntervalPut<V> {
  readonly start: number
  readonly end: number
  readonly timestamp: number
  readonly value: V | null
}

function newRow<K, V>(start: number, end: number, timestamp: number, value: V): IntervalRow<K, V> {
  return { key: null, start, end, timestamp, value, slot: -1, isEmitted: false, before: null }
}

/** Where in a list an interval is, or belongs. Looked for from the end, where most changes are. */
function placeOf<K, V>(list: IntervalList<K, V>, start: number, end: number): number {
  let at = list.length
  while (at > 0) {
    const row = list[at - 1] as IntervalRow<K, V>
    if (row.end < end || (row.end === end && row.start < start)) break
    at--
  }
  return at
}

/** What was read was committed, and so emitted. */
function listSerde<K, V>(definition: IntervalDefinition): Serde<IntervalList<K, V>> {
  const valueSerde = definition.valueSerde as Serde<V>
  const { keepsBefore } = definition
  const isPrimitive = valueSerde.primitive === true
  const hasTimestamps = definition.kind === 'sliding'
  const headBytes = hasTimestamps ? 28 : 20
  return {
    name: `intervals(${valueSerde.name})`,
    write(list, output) {
      for (const row of list) {
        output.writeInt64(row.end)
        output.writeInt64(row.start)
        if (hasTimestamps) output.writeInt64(row.timestamp)
        writeWithLength(valueSerde, row.value, output)
      }
    },
    read(bytes, start, end) {
      const list: IntervalList<K, V> = []
      for (let at = start; at < end; ) {
        const valueStart = at + headBytes
        const valueEnd = valueStart + bytes.readInt32BE(valueStart - 4)
        const rowEnd = readInt64(bytes, at)
        const timestamp = hasTimestamps ? readInt64(bytes, at + 16) : rowEnd
        const value = valueSerde.read(bytes, valueStart, valueEnd)
        const row = newRow<K, V>(readInt64(bytes, at + 8), rowEnd, timestamp, value)
        row.isEmitted = true
        if (keepsBefore)
          row.before = isPrimitive ? value : Buffer.from(bytes.subarray(valueStart, valueEnd))
        list.push(row)
        at = valueEnd
      }
      return list
    },
  }
}

function writeWithLength<V>(serde: Serde<V>, value: V, output: ByteWriter): void {
  const position = output.end
  output.writeInt32(0)
  serde.write(value, output)
  output.bytes.writeInt32BE(output.end - position - 4, position)
}
