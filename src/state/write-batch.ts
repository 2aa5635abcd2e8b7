/**
 * A write batch: puts, deletes and range deletes for one atomic write, gathered in one arena.
 *
 * Journey: stores write key and value bytes straight into `output` and mark their ends, so that a
 * row is serialised once and copied never; the byte store reads the marks.
 *
 * Invariants:
 * - Range deletes apply before the puts and deletes of their batch, whatever the order of calls.
 * - Of several operations on one key the last one counts.
 * - The arena is not reused before the write of its batch has settled.
 */
import assert from 'node:assert'
import { ByteWriter } from '../record/byte-writer.ts'
import type { ByteRange } from '../record/record.ts'
import type { ByteBatch } from './store.ts'

/** Every key starts with its store's number in two bytes. */
export const STORE_PREFIX_BYTES = 2
/** Batches keep an arena up to this size for the next use: a restore batch of 50 k rows fits. */
const ARENA_KEPT_BYTES = 16 * 1024 * 1024
const MARKS_PER_OPERATION = 3
const DELETED = -1
/** Exact integers of a double: what a row's number and the leading bits of its key share. */
const SORT_BITS = 52
const KEY_BITS = 48

export class WriteBatch implements ByteBatch {
  output: ByteWriter = new ByteWriter(4096)
  /** Puts and deletes so far. */
  count = 0
  readonly rangeDeletes: { readonly from: Buffer; readonly to: Buffer }[] = []
  /** Of each operation: where its key starts and ends, and where its value ends (-1: a delete). */
  #marks = new Int32Array(MARKS_PER_OPERATION * 64)
  #operationStart = 0
  #keyEnd = -1
  /** No operation so far has a smaller key than the one before it, when that is of its store. */
  #isAscending = true

  get isEmpty(): boolean {
    return this.count === 0 && this.rangeDeletes.length === 0
  }

  get byteLength(): number {
    return this.output.end
  }

  put(key: ByteRange, value: ByteRange): void {
    this.output.writeBytes(key.bytes, key.start, key.end)
    this.endKey()
    this.output.writeBytes(value.bytes, value.start, value.end)
    this.endPut()
  }

  delete(key: ByteRange): void {
    this.output.writeBytes(key.bytes, key.start, key.end)
    this.endKey()
    this.endDelete()
  }

  deleteRange(from: Buffer, to: Buffer): void {
    assert(Buffer.isBuffer(from) && Buffer.isBuffer(to), 'a range delete needs two buffers')
    if (Buffer.compare(from, to) < 0) {
      this.rangeDeletes.push({ from: Buffer.from(from), to: Buffer.from(to) })
    }
  }

  endKey(): void {
    this.#keyEnd = this.output.end
  }

  endPut(): void {
    this.#mark(this.output.end)
  }

  endDelete(): void {
    this.#mark(DELETED)
  }

  /** A view of the arena, of plain bytes: a Buffer is three times as dear to make (measured). */
  key(operation: number): Uint8Array {
    const mark = operation * MARKS_PER_OPERATION
    return this.#view(this.#marks[mark] as number, this.#marks[mark + 1] as number)
  }

  /** The value of a put, null for a delete. */
  value(operation: number): Uint8Array | null {
    const mark = operation * MARKS_PER_OPERATION
    const end = this.#marks[mark + 2] as number
    return end === DELETED ? null : this.#view(this.#marks[mark + 1] as number, end)
  }

  /**
   * The operations ordered by the leading bytes of their keys, store by store: neighbours are
   * inserted twice as fast. Not a full sort: keys alike in the bits compared keep the order of
   * their calls, and so do operations on one key. Null when the calls were in that order.
   */
  sortedOrder(): Float64Array | null {
    if (this.#isAscending) return null
    const sortKeys = new Float64Array(this.count)
    const factor = 2 ** Math.ceil(Math.log2(this.count + 1))
    let sorted = true
    for (let start = 0; start < this.count; ) {
      const end = this.#sectionEnd(start)
      if (!this.#fillSortKeys(sortKeys, start, end, factor)) {
        sortKeys.subarray(start, end).sort()
        sorted = false
      }
      start = end
    }
    if (sorted) return null
    for (let index = 0; index < this.count; index++) {
      const sortKey = sortKeys[index] as number
      sortKeys[index] = sortKey - Math.floor(sortKey / factor) * factor
    }
    return sortKeys
  }

  /** Empties the batch for its next use. */
  reset(): void {
    if (this.output.bytes.length > ARENA_KEPT_BYTES) this.output = new ByteWriter(4096)
    this.output.reset()
    this.rangeDeletes.length = 0
    this.count = 0
    this.#operationStart = 0
    this.#keyEnd = -1
    this.#isAscending = true
  }

  #view(start: number, end: number): Uint8Array {
    const { buffer, byteOffset } = this.output.bytes
    return new Uint8Array(buffer, byteOffset + start, end - start)
  }

  #mark(valueEnd: number): void {
    assert(this.#keyEnd >= 0, 'endKey comes before endPut and endDelete')
    const mark = this.count * MARKS_PER_OPERATION
    if (mark === this.#marks.length) {
      const grown = new Int32Array(mark * 2)
      grown.set(this.#marks)
      this.#marks = grown
    }
    this.#marks[mark] = this.#operationStart
    this.#marks[mark + 1] = this.#keyEnd
    this.#marks[mark + 2] = valueEnd
    if (this.#isAscending && mark > 0) this.#isAscending = this.#ascends(mark)
    this.#operationStart = this.output.end
    this.#keyEnd = -1
    this.count++
  }

  /** The key at this mark is not below the one before it, or of another store. */
  #ascends(mark: number): boolean {
    const marks = this.#marks
    const bytes = this.output.bytes
    let before = marks[mark - MARKS_PER_OPERATION] as number
    const beforeEnd = marks[mark - MARKS_PER_OPERATION + 1] as number
    const start = marks[mark] as number
    const end = marks[mark + 1] as number
    let at = start
    for (; before < beforeEnd; before++, at++) {
      if (at === end) return false
      const difference = (bytes[at] as number) - (bytes[before] as number)
      if (difference !== 0) return difference > 0 || at - start < STORE_PREFIX_BYTES
    }
    return true
  }

  /** Stores fill the batch one after another: where the run of keys with this prefix ends. */
  #sectionEnd(start: number): number {
    const bytes = this.output.bytes
    const first = this.#marks[start * MARKS_PER_OPERATION] as number
    let end = start + 1
    for (; end < this.count; end++) {
      const next = this.#marks[end * MARKS_PER_OPERATION] as number
      if (bytes[next] !== bytes[first] || bytes[next + 1] !== bytes[first + 1]) break
    }
    return end
  }

  /** Key bits behind what all keys share, then the operation's number. True when ascending. */
  #fillSortKeys(sortKeys: Float64Array, start: number, end: number, factor: number): boolean {
    const shared = this.#sharedLength(start, end)
    const bytes = this.output.bytes
    const dropped = 2 ** Math.max(0, KEY_BITS + Math.log2(factor) - SORT_BITS)
    let ascending = true
    let previous = -1
    for (let index = start; index < end; index++) {
      const mark = index * MARKS_PER_OPERATION
      const keyEnd = this.#marks[mark + 1] as number
      const position = (this.#marks[mark] as number) + shared
      let bits = 0
      for (let at = position; at < position + KEY_BITS / 8; at++) {
        bits = bits * 256 + (at < keyEnd ? (bytes[at] as number) : 0)
      }
      bits = Math.floor(bits / dropped)
      if (bits < previous) ascending = false
      previous = bits
      sortKeys[index] = bits * factor + index
    }
    return ascending
  }

  #sharedLength(start: number, end: number): number {
    const bytes = this.output.bytes
    const first = this.#marks[start * MARKS_PER_OPERATION] as number
    let shared = (this.#marks[start * MARKS_PER_OPERATION + 1] as number) - first
    for (let index = start + 1; index < end; index++) {
      const mark = index * MARKS_PER_OPERATION
      const key = this.#marks[mark] as number
      const length = (this.#marks[mark + 1] as number) - key
      if (length < shared) shared = length
      let at = 0
      while (at < shared && bytes[key + at] === bytes[first + at]) at++
      shared = at
    }
    return shared
  }
}
