/**
 * Everything a user can call has an example, which `examples.test.ts` runs, and a type test; and
 * nothing a user can see is `any`.
 */
import { beforeAll, expect, test } from 'vitest'
import { type PublicSurface, readPublicSurface } from './public-surface.ts'

let surface: PublicSurface

beforeAll(() => {
  surface = readPublicSurface()
}, 180_000)

test('the doors are read: verbs, functions and classes are found', () => {
  const names = surface.calls.map(({ name }) => name)
  for (const name of ['KStream.filter', 'tumbling', 'Streams.start', 'TopologyTestDriver.open']) {
    expect(names).toContain(name)
  }
  expect(names).toContain('fromTopic')
  expect(names).not.toContain('KStream.place')
  expect(names.length).toBeGreaterThan(130)
})

test('every function and method has an example', () => {
  const bare = surface.calls.filter(({ hasExample }) => !hasExample)
  expect(bare.map(({ name, place }) => `${name} at ${place}`)).toEqual([])
})

test('every function and method has a type test: expectTypeOf, or an expected error', () => {
  const bare = surface.calls.filter(({ isTypeTested }) => !isTypeTested)
  expect(bare.map(({ name, place }) => `${name} at ${place}`)).toEqual([])
})

test('no declaration of the package says any', () => {
  expect(surface.anys).toEqual([])
})
