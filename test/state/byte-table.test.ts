/** Rows by key in an arena, against a map. */
import { describe, expect, test } from 'vitest'
import { ByteArena, roundedLength } from '../../src/state/byte-arena.ts'
import { ByteTable, NOT_FOUND, ROW_OVERHEAD_BYTES } from '../../src/state/byte-table.ts'
import { randomOf, SEED } from '../record/random.ts'

describe('byte arena', () => {
  test('rounds lengths up by less than an eighth, or to 16 bytes', () => {
    for (let length = 1; length < 100_000; length += 1 + (length >>> 6)) {
      const rounded = roundedLength(length)
      expect(rounded % 16).toBe(0)
      expect(rounded).toBeGreaterThanOrEqual(length)
      expect(rounded - length).toBeLessThan(Math.max(16, length / 8))
      expect(roundedLength(rounded)).toBe(rounded)
    }
  })

  test(`gives out blocks that do not overlap, and gives them out again, SEED=${SEED}`, () => {
    const random = randomOf(SEED)
    const below = (end: number): number => Math.floor(random() * end)
    const arena = new ByteArena()
    const blocks: { start: number; length: number; byte: number }[] = []
    for (let step = 0; step < 5000; step++) {
      if (below(2) === 0 || blocks.length < 50) {
        const length = 4 + below(below(20) === 0 ? 5000 : 300)
        const start = arena.allocate(length)
        const byte = below(256)
        arena.bytes.fill(byte, start, start + length)
        blocks.push({ start, length, byte })
      } else {
        const [block] = blocks.splice(below(blocks.length), 1)
        const { start, length, byte } = block!
        expect(arena.bytes.subarray(start, start + length).every((one) => one === byte)).toBe(true)
        arena.free(start, length)
      }
    }
    const used = blocks.reduce((sum, { length }) => sum + roundedLength(length), 0)
    expect(arena.usedBytes).toBe(used)
    const capacity = arena.bytes.length
    for (const { start, length } of blocks) arena.free(start, length)
    expect(arena.usedBytes).toBe(0)
    for (const { length } of blocks) arena.allocate(length)
    expect(arena.bytes.length).toBe(capacity)
  })
})

describe('byte table', () => {
  test(`finds what was added, and not what was removed, SEED=${SEED}`, () => {
    const random = randomOf(SEED)
    const below = (end: number): number => Math.floor(random() * end)
    const table = new ByteTable()
    const model = new Map<string, string>()
    for (let step = 0; step < 30_000; step++) {
      const text = `key ${below(3000).toString(1 + below(2) * 34 + 1)}`
      const key = Buffer.from(text)
      const row = table.find(key, 0, key.length)
      expect(row !== NOT_FOUND).toBe(model.has(text))
      if (row === NOT_FOUND || below(3) > 0) {
        const value = `${step}`.repeat(1 + below(40))
        const at = row === NOT_FOUND ? table.add(key, 0, key.length) : row
        table.resize(at, value.length)
        table.bytes.latin1Write(value, table.rowStart(at))
        model.set(text, value)
      } else {
        table.remove(row)
        model.delete(text)
      }
    }
    expect(table.size).toBe(model.size)
    const found = new Map<string, string>()
    let bytes = 0
    for (const row of table.rows()) {
      const { bytes: arena, start, end } = table.key(row)
      const value = arena.latin1Slice(table.rowStart(row), table.rowEnd(row))
      found.set(arena.latin1Slice(start, end), value)
      bytes += table.sizeOf(row)
    }
    expect(found).toEqual(model)
    expect(table.usedBytes).toBe(bytes)
    for (const row of table.rows()) table.remove(row)
    expect(table.usedBytes).toBe(0)
  })

  test('keeps the bytes of a row that is given another length, as far as they go', () => {
    const table = new ByteTable()
    const key = Buffer.from('k')
    const row = table.add(key, 0, 1)
    expect(table.rowLength(row)).toBe(0)
    expect(table.usedBytes).toBe(ROW_OVERHEAD_BYTES + 16)
    const text = (): string => table.bytes.latin1Slice(table.rowStart(row), table.rowEnd(row))
    table.resize(row, 4)
    table.bytes.latin1Write('abcd', table.rowStart(row))
    table.resize(row, 1000)
    expect(text().slice(0, 4)).toBe('abcd')
    table.resize(row, 2)
    expect(text()).toBe('ab')
    expect(table.find(key, 0, 1)).toBe(row)
  })

  test('leaves a replaced row where it was until it is released', () => {
    const table = new ByteTable()
    const row = table.add(Buffer.from('k'), 0, 1)
    table.resize(row, 3)
    table.bytes.latin1Write('old', table.rowStart(row))
    const before = table.replace(row, 3)
    table.bytes.latin1Write('new', table.rowStart(row))
    expect(table.bytes.latin1Slice(before, before + 3)).toBe('old')
    expect(table.usedBytes).toBe(ROW_OVERHEAD_BYTES + 32)
    table.release(row, before, 3)
    expect(table.usedBytes).toBe(ROW_OVERHEAD_BYTES + 16)
    expect(table.bytes.latin1Slice(table.rowStart(row), table.rowEnd(row))).toBe('new')
  })
})
