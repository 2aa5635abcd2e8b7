/** Variable-length integers at the edges of their sizes. */
import { expect, test } from 'vitest'
import {
  sizeOfVarint,
  sizeOfVarlong,
  VarintReader,
  writeVarint,
  writeVarlong,
} from '../../src/record/varint.ts'

const reader = new VarintReader()
const bytes = Buffer.alloc(16)

test('integers of every size are read as written, and have the size that was said', () => {
  for (let power = 0; power <= 53; power++) {
    for (const near of [-2, -1, 0, 1, 2]) {
      for (const value of [2 ** power + near, -(2 ** power) - near]) {
        if (!Number.isSafeInteger(value)) continue
        const end = writeVarlong(value, bytes, 0)
        expect(end).toBe(sizeOfVarlong(value))
        expect(reader.read(bytes, 0, end) + 0).toBe(value + 0)
        expect(reader.position).toBe(end)
        if ((value | 0) !== value) continue
        expect(writeVarint(value, bytes, 0)).toBe(end)
        expect(sizeOfVarint(value)).toBe(end)
      }
    }
  }
})

test('the bytes are those of the zigzag encoding', () => {
  for (const [value, hex] of [
    [0, '00'],
    [-1, '01'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [-65, '8101'],
    [2147483647, 'feffffff0f'],
    [-2147483648, 'ffffffff0f'],
    [2147483648, '8080808010'],
    [-2147483649, '8180808010'],
  ] as const) {
    const end = writeVarlong(value, bytes, 0)
    expect(bytes.toString('hex', 0, end)).toBe(hex)
  }
})

test('an integer that runs past its end, or beyond the safe integers, is refused', () => {
  for (const [hex, end] of [
    ['', 0],
    ['80', 1],
    ['8000', 1],
    ['ffffffffffffffffff01', 10],
    ['feffffffffffffffff01', 10],
    ['ffffffffffffffffffff01', 11],
  ] as const) {
    expect(() => reader.read(Buffer.from(hex, 'hex'), 0, end)).toThrow(
      expect.objectContaining({ code: 'record-batch-invalid' }),
    )
  }
})
