import { expect, test } from 'vitest'
import { StoreMemory } from '../../src/state/store-memory.ts'

function memoryOf(bytesMax: number, ...sizes: readonly number[]): StoreMemory {
  const memory = new StoreMemory(bytesMax)
  for (const bytes of sizes) memory.add({ bufferedBytes: () => bytes })
  return memory
}

test('a store may have what the others leave', () => {
  const memory = memoryOf(1000, 100, 300)
  expect(memory.limitOf(300)).toBe(900)
  expect(memory.limitOf(0)).toBe(600)
})

test('when not all fit, those above their share divide what the others leave', () => {
  const memory = memoryOf(1000, 50, 150, 700, 900)
  expect(memory.limitOf(700)).toBe(400)
  expect(memory.limitOf(900)).toBe(400)
  expect(memory.limitOf(150)).toBe(400)
  expect(memoryOf(1000, 2000, 2000).limitOf(2000)).toBe(500)
  expect(memoryOf(1000, 4000).limitOf(4000)).toBe(1000)
})

test('a store that went leaves its share', () => {
  const memory = new StoreMemory(1000)
  const [one, other] = [{ bufferedBytes: () => 800 }, { bufferedBytes: () => 700 }]
  memory.add(one)
  memory.add(other)
  expect(memory.limitOf(800)).toBe(500)
  memory.remove(other)
  expect(memory.limitOf(800)).toBe(1000)
})
