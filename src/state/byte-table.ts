/**
 * Byte table: rows by key, both as bytes, in an arena: what a store holds in memory when nobody needs
 * its rows decoded.
 *
 * Journey: a store serialises a key, finds its row here and reads or changes it in place; a drain
 * and a save copy the bytes as they lie.
 *
 * A row is named by a number, which stays the same as long as the row is there. It is where its
 * fields begin in `#fields`; its block in the arena holds the key and, right behind it, the row.
 * Keys are found by chains of rows that begin in `#buckets`.
 *
 * Invariants:
 * - A key is there once. A row of no bytes tells that its key is known to have none.
 * - Where bytes lie changes with every `add` and `resize`: positions are asked for again after one.
 */
import type { ByteRange } from '../record/record.ts'
import { ByteArena, fitsAlike, roundedLength } from './byte-arena.ts'

/** What `find` answers for a key that is not there. */
export const NOT_FOUND = -1

const HASH = 0
/** The next row of the same bucket; of a row that is free, the next one free. */
const NEXT = 1
/** Where the block begins, in units of 16 bytes, so that it fits. */
const BLOCK = 2
const BLOCK_UNIT = 16
/** -1: the row is free. */
const KEY_LENGTH = 3
const ROW_LENGTH = 4
const FLAGS = 5
const ROUND = 6
/** For the store's own use. */
const NOTE = 7
const FIELDS = 8
const FREE = -1

/** Bytes of a row besides its block: its fields and its bucket. */
export const ROW_OVERHEAD_BYTES: number = FIELDS * 4 + 8
const ROWS_AT_FIRST = 16

export class ByteTable {
  arena: ByteArena = new ByteArena()
  /** How many keys are there. */
  size = 0
  #fields = new Int32Array(ROWS_AT_FIRST * FIELDS)
  #fieldsEnd = 0
  #firstFree = FREE
  #buckets = new Int32Array(ROWS_AT_FIRST).fill(NOT_FOUND)

  /** The arena's bytes, in which the positions below are. */
  get bytes(): Buffer {
    return this.arena.bytes
  }

  /** Bytes of memory, with what was retained. */
  get usedBytes(): number {
    return this.arena.usedBytes + this.size * ROW_OVERHEAD_BYTES
  }

  /** The row of a key, or `NOT_FOUND`. */
  find(key: Buffer, start: number, end: number): number {
    const fields = this.#fields
    const hash = hashOf(key, start, end)
    let row = this.#buckets[hash & (this.#buckets.length - 1)] as number
    while (row !== NOT_FOUND) {
      if (fields[row + HASH] === hash && this.#hasKey(row, key, start, end)) return row
      row = fields[row + NEXT] as number
    }
    return NOT_FOUND
  }

  /** Adds a key that is not there, without a row. */
  add(key: Buffer, start: number, end: number): number {
    if (this.size === this.#buckets.length) this.#growBuckets()
    const row = this.#newFields()
    const fields = this.#fields
    const length = end - start
    const block = this.arena.allocate(length)
    const { bytes } = this.arena
    for (let at = 0; at < length; at++) bytes[block + at] = key[start + at] as number
    const hash = hashOf(key, start, end)
    const bucket = hash & (this.#buckets.length - 1)
    fields[row + HASH] = hash
    fields[row + NEXT] = this.#buckets[bucket] as number
    fields[row + BLOCK] = block / BLOCK_UNIT
    fields[row + KEY_LENGTH] = length
    fields[row + ROW_LENGTH] = 0
    fields[row + FLAGS] = 0
    fields[row + ROUND] = 0
    fields[row + NOTE] = 0
    this.#buckets[bucket] = row
    this.size++
    return row
  }

  /** Gives a row another length; its bytes stay as far as they go. */
  resize(row: number, length: number): void {
    const keyLength = this.#fields[row + KEY_LENGTH] as number
    const before = this.#fields[row + ROW_LENGTH] as number
    this.#fields[row + ROW_LENGTH] = length
    const had = keyLength + before
    const needs = keyLength + length
    if (fitsAlike(had, needs)) return
    const from = this.keyStart(row)
    this.#moveTo(row, this.arena.allocate(needs), Math.min(had, needs))
    this.arena.free(from, had)
  }

  /**
   * Gives a row a block of its own for a new length, and leaves the one it had with whoever asks,
   * until `release`.
   *
   * @returns where the row that was begins
   */
  replace(row: number, length: number): number {
    const keyLength = this.#fields[row + KEY_LENGTH] as number
    const from = this.keyStart(row)
    this.#moveTo(row, this.arena.allocate(keyLength + length), keyLength)
    this.#fields[row + ROW_LENGTH] = length
    return from + keyLength
  }

  /** Keeps bytes as a row that was, until `release`; where they begin. */
  keep(row: number, bytes: Buffer): number {
    const keyLength = this.#fields[row + KEY_LENGTH] as number
    const start = this.arena.allocate(keyLength + bytes.length) + keyLength
    bytes.copy(this.arena.bytes, start)
    return start
  }

  /** Takes back the block of a row that was. */
  release(row: number, rowStart: number, length: number): void {
    const keyLength = this.#fields[row + KEY_LENGTH] as number
    this.arena.free(rowStart - keyLength, keyLength + length)
  }

  remove(row: number): void {
    const fields = this.#fields
    const bucket = (fields[row + HASH] as number) & (this.#buckets.length - 1)
    const next = fields[row + NEXT] as number
    let at = this.#buckets[bucket] as number
    if (at === row) this.#buckets[bucket] = next
    else {
      while (fields[at + NEXT] !== row) at = fields[at + NEXT] as number
      fields[at + NEXT] = next
    }
    this.arena.free(this.keyStart(row), this.#blockLength(row))
    fields[row + KEY_LENGTH] = FREE
    fields[row + NEXT] = this.#firstFree
    this.#firstFree = row
    this.size--
  }

  /** Lets go of everything. */
  clear(): void {
    this.arena = new ByteArena()
    this.size = 0
    this.#fields = new Int32Array(ROWS_AT_FIRST * FIELDS)
    this.#fieldsEnd = 0
    this.#firstFree = FREE
    this.#buckets = new Int32Array(ROWS_AT_FIRST).fill(NOT_FOUND)
  }

  /** All rows, in no order; while they are gone through, rows may be removed. */
  *rows(): IterableIterator<number> {
    for (let row = 0; row < this.#fieldsEnd; row += FIELDS) {
      if (this.#fields[row + KEY_LENGTH] !== FREE) yield row
    }
  }

  keyStart(row: number): number {
    return (this.#fields[row + BLOCK] as number) * BLOCK_UNIT
  }

  keyLength(row: number): number {
    return this.#fields[row + KEY_LENGTH] as number
  }

  rowStart(row: number): number {
    return this.keyStart(row) + (this.#fields[row + KEY_LENGTH] as number)
  }

  /** 0 for one that is known to be absent. */
  rowLength(row: number): number {
    return this.#fields[row + ROW_LENGTH] as number
  }

  rowEnd(row: number): number {
    return this.rowStart(row) + this.rowLength(row)
  }

  key(row: number): ByteRange {
    const start = this.keyStart(row)
    return { bytes: this.bytes, start, end: start + this.keyLength(row) }
  }

  /** Bytes of memory of one row. */
  sizeOf(row: number): number {
    return ROW_OVERHEAD_BYTES + roundedLength(this.#blockLength(row))
  }

  flags(row: number): number {
    return this.#fields[row + FLAGS] as number
  }

  setFlags(row: number, flags: number): void {
    this.#fields[row + FLAGS] = flags
  }

  round(row: number): number {
    return this.#fields[row + ROUND] as number
  }

  setRound(row: number, round: number): void {
    this.#fields[row + ROUND] = round
  }

  note(row: number): number {
    return this.#fields[row + NOTE] as number
  }

  setNote(row: number, note: number): void {
    this.#fields[row + NOTE] = note
  }

  #blockLength(row: number): number {
    return (this.#fields[row + KEY_LENGTH] as number) + (this.#fields[row + ROW_LENGTH] as number)
  }

  #hasKey(row: number, key: Buffer, start: number, end: number): boolean {
    if (this.#fields[row + KEY_LENGTH] !== end - start) return false
    const { bytes } = this.arena
    let at = this.keyStart(row)
    for (let index = start; index < end; index++) if (bytes[at++] !== key[index]) return false
    return true
  }

  #moveTo(row: number, block: number, length: number): void {
    const from = this.keyStart(row)
    this.arena.bytes.copyWithin(block, from, from + length)
    this.#fields[row + BLOCK] = block / BLOCK_UNIT
  }

  #newFields(): number {
    const free = this.#firstFree
    if (free !== FREE) {
      this.#firstFree = this.#fields[free + NEXT] as number
      return free
    }
    const row = this.#fieldsEnd
    if (row === this.#fields.length) {
      const grown = new Int32Array(row * 2)
      grown.set(this.#fields)
      this.#fields = grown
    }
    this.#fieldsEnd = row + FIELDS
    return row
  }

  #growBuckets(): void {
    const buckets = new Int32Array(this.#buckets.length * 2).fill(NOT_FOUND)
    const fields = this.#fields
    for (let row = 0; row < this.#fieldsEnd; row += FIELDS) {
      if (fields[row + KEY_LENGTH] === FREE) continue
      const bucket = (fields[row + HASH] as number) & (buckets.length - 1)
      fields[row + NEXT] = buckets[bucket] as number
      buckets[bucket] = row
    }
    this.#buckets = buckets
  }
}

/** FNV-1a, its high bits mixed into the low ones, by which buckets are chosen. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193)
  }
  return hash ^ (hash >>> 15)
}
