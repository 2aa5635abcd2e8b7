import { expect, test } from 'vitest'
import { hasHash, valueHash } from '../../../src/operators/foreign-key-join/value-hash.ts'
import { rangeOf } from '../../../src/state/byte-store.ts'

test('hashes differ when a byte, the length or the order differs', () => {
  const hashes = new Set<string>()
  const bytes = Buffer.alloc(70)
  const add = (end: number): void => {
    const hash = valueHash({ bytes, start: 0, end })
    expect(hash.length).toBe(16)
    hashes.add(hash.latin1Slice(0, 16))
  }
  for (let length = 0; length <= 70; length++) add(length)
  for (let at = 0; at < 70; at++) {
    for (const byte of [1, 128, 255]) {
      bytes[at] = byte
      add(70)
      bytes[at] = 0
    }
  }
  expect(hashes.size).toBe(71 + 70 * 3)
})

test('a hash is found again where it was written', () => {
  const row = rangeOf(Buffer.from('{"customer":"c1"}'))
  const message = Buffer.alloc(40)
  valueHash(row).copy(message, 11)
  expect(hasHash(row, message, 11)).toBe(true)
  expect(hasHash(row, message, 10)).toBe(false)
  expect(hasHash(rangeOf(Buffer.from('{"customer":"c2"}')), message, 11)).toBe(false)
})
