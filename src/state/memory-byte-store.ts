/**
 * The byte store in memory: for stores with the storage 'memory', the test driver and tests.
 *
 * Rows lie in sorted blocks of bounded size (a B-tree of height two), keyed by the key's bytes as
 * latin1 text, whose order is the order of the bytes.
 *
 * Invariant: a stored value is never changed, so that a scan may keep the rows it began with.
 */
import assert from 'node:assert'
import { StreamsError } from '../errors.ts'
import type { ByteRow, ByteStore, ScanRange } from './byte-store.ts'
import { SCAN_CHUNK_ROWS } from './byte-store.ts'
import { WriteBatch } from './write-batch.ts'

/** A block is split at this size: small enough to insert by shifting. */
const BLOCK_ROWS_MAX = 512

interface Block {
  readonly keys: string[]
  readonly values: Buffer[]
}

export class MemoryByteStore implements ByteStore {
  readonly location: string
  #blocks: Block[] = [{ keys: [], values: [] }]
  #closed = false

  constructor(location = 'memory') {
    this.location = location
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | null)[]> {
    this.#assertOpen()
    return keys.map((key) => {
      assert(Buffer.isBuffer(key), 'a key of a byte store is a Buffer')
      return this.#get(key.latin1Slice(0, key.length))
    })
  }

  newBatch(): WriteBatch {
    return new WriteBatch()
  }

  async write(batch: WriteBatch): Promise<void> {
    this.#assertOpen()
    for (const { from, to } of batch.rangeDeletes) this.#deleteRange(text(from), text(to))
    for (let operation = 0; operation < batch.count; operation++) {
      const value = batch.value(operation)
      const key = text(batch.key(operation))
      if (value === null) this.#delete(key)
      else this.#put(key, Buffer.from(value))
    }
  }

  load(batch: WriteBatch): Promise<void> {
    return this.write(batch)
  }

  async *scan(range: ScanRange): AsyncIterable<ByteRow[]> {
    this.#assertOpen()
    const rows = this.#collect(range)
    for (let start = 0; start < rows.length; start += SCAN_CHUNK_ROWS) {
      this.#assertOpen()
      yield rows.slice(start, start + SCAN_CHUNK_ROWS)
    }
    this.#assertOpen()
  }

  async compact(): Promise<void> {}

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true
  }

  async destroy(): Promise<void> {
    this.#closed = true
    this.#blocks = [{ keys: [], values: [] }]
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new StreamsError('streams-state-invalid', 'the store was closed', {
        place: { file: this.location },
      })
    }
  }

  #get(key: string): Buffer | null {
    const block = this.#blocks[this.#blockOf(key)] as Block
    const at = lowerBound(block.keys, key)
    return block.keys[at] === key ? (block.values[at] as Buffer) : null
  }

  #put(key: string, value: Buffer): void {
    const index = this.#blockOf(key)
    const block = this.#blocks[index] as Block
    const at = lowerBound(block.keys, key)
    if (block.keys[at] === key) {
      block.values[at] = value
      return
    }
    block.keys.splice(at, 0, key)
    block.values.splice(at, 0, value)
    if (block.keys.length > BLOCK_ROWS_MAX) this.#split(index, block, at)
  }

  /** In the middle; at the end when rows arrive in order, so that blocks fill up. */
  #split(index: number, block: Block, inserted: number): void {
    const appended = inserted === block.keys.length - 1
    const middle = appended ? inserted : BLOCK_ROWS_MAX >> 1
    this.#blocks.splice(index + 1, 0, {
      keys: block.keys.splice(middle),
      values: block.values.splice(middle),
    })
  }

  #delete(key: string): void {
    const index = this.#blockOf(key)
    const block = this.#blocks[index] as Block
    const at = lowerBound(block.keys, key)
    if (block.keys[at] !== key) return
    block.keys.splice(at, 1)
    block.values.splice(at, 1)
    if (block.keys.length === 0 && this.#blocks.length > 1) this.#blocks.splice(index, 1)
  }

  #deleteRange(from: string, to: string): void {
    const kept = (block: Block): boolean => block.keys.length > 0
    const first = this.#blockOf(from)
    const last = this.#blockOf(to)
    for (let index = first; index <= last; index++) {
      const block = this.#blocks[index] as Block
      const start = lowerBound(block.keys, from)
      const count = lowerBound(block.keys, to) - start
      block.keys.splice(start, count)
      block.values.splice(start, count)
    }
    this.#blocks = this.#blocks.filter(kept)
    if (this.#blocks.length === 0) this.#blocks.push({ keys: [], values: [] })
  }

  #collect(range: ScanRange): ByteRow[] {
    const from = range.from === undefined ? '' : text(range.from)
    const to = range.to === undefined ? null : text(range.to)
    const rows: ByteRow[] = []
    for (let index = this.#blockOf(from); index < this.#blocks.length; index++) {
      const { keys, values } = this.#blocks[index] as Block
      const end = to === null ? keys.length : lowerBound(keys, to)
      for (let at = lowerBound(keys, from); at < end; at++) {
        rows.push({ key: Buffer.from(keys[at] as string, 'latin1'), value: values[at] as Buffer })
      }
      if (end < keys.length) break
    }
    if (range.reverse === true) rows.reverse()
    return rows.slice(0, range.limit ?? rows.length)
  }

  /** The last block whose first key is not above `key`, or the first one. */
  #blockOf(key: string): number {
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (((this.#blocks[middle] as Block).keys[0] as string) <= key) low = middle
      else high = middle - 1
    }
    return low
  }
}

function text({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).latin1Slice(0, length)
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}
