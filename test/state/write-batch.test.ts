import { describe, expect, it } from 'vitest'
import { rangeOf } from '../../src/state/byte-store.ts'
import { WriteBatch } from '../../src/state/write-batch.ts'
import { randomOf, SEED } from '../record/random.ts'

function batchOf(keys: readonly string[]): WriteBatch {
  const batch = new WriteBatch()
  for (const [index, key] of keys.entries()) {
    batch.put(rangeOf(Buffer.from(key, 'latin1')), rangeOf(Buffer.from(`${index}`)))
  }
  return batch
}

function keyText(batch: WriteBatch, operation: number): string {
  return Buffer.from(batch.key(operation)).toString('latin1')
}

function sortedKeys(batch: WriteBatch): string[] {
  const order = batch.sortedOrder()
  return Array.from({ length: batch.count }, (_, index) =>
    keyText(batch, order === null ? index : (order[index] as number)),
  )
}

describe('a write batch', () => {
  it('leaves operations in the order of their calls when their keys ascend', () => {
    expect(batchOf([]).sortedOrder()).toBeNull()
    expect(batchOf(['\0\x01a', '\0\x01b', '\0\x02a']).sortedOrder()).toBeNull()
    expect(batchOf(['\0\x02a', '\0\x02b', '\0\x01a', '\x80\x01a']).sortedOrder()).toBeNull()
  })

  it('knows a key that is the beginning of the one before it as the smaller one', () => {
    expect(batchOf(['\0\x01a', '\0\x01ab']).sortedOrder()).toBeNull()
    expect(sortedKeys(batchOf(['\0\x01ab', '\0\x01a']))).toEqual(['\0\x01a', '\0\x01ab'])
    expect(batchOf(['\0\x01a', '\0\x01a']).sortedOrder()).toBeNull()
  })

  it('orders each run of a store by what differs in its keys', () => {
    const keys = ['\0\x01same-b', '\0\x01same-a', '\0\x01same', '\0\x02z', '\0\x02y']
    expect(sortedKeys(batchOf(keys))).toEqual([
      '\0\x01same',
      '\0\x01same-a',
      '\0\x01same-b',
      '\0\x02y',
      '\0\x02z',
    ])
  })

  it(`keeps operations on one key in the order of their calls (SEED=${SEED})`, () => {
    const random = randomOf(SEED)
    for (const count of [2, 100, 5000, 70_000]) {
      const keys = Array.from({ length: count }, () => {
        const number = Math.floor((random() * count) / 3)
        return `\0\x01prefix${String.fromCharCode(number >> 16, (number >> 8) & 255, number & 255)}`
      })
      const batch = batchOf(keys)
      const order = batch.sortedOrder()
      const seen = new Map<string, number>()
      for (let index = 0; index < count; index++) {
        const operation = order === null ? index : (order[index] as number)
        const key = keyText(batch, operation)
        expect(seen.get(key) ?? -1).toBeLessThan(operation)
        seen.set(key, operation)
      }
      expect(sortedKeys(batch)).toEqual([...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
    }
  })

  it('is empty after a reset, and grows beyond its first arena', () => {
    const batch = batchOf(['\0\x01a'])
    batch.put(rangeOf(Buffer.from('\0\x01big')), rangeOf(Buffer.alloc(5_000_000, 7)))
    expect(batch.value(1)?.length).toBe(5_000_000)
    expect(keyText(batch, 0)).toBe('\0\x01a')
    batch.reset()
    expect(batch.isEmpty).toBe(true)
    batch.delete(rangeOf(Buffer.from('\0\x01a')))
    expect(batch.value(0)).toBeNull()
    expect(batch.isEmpty).toBe(false)
  })
})
