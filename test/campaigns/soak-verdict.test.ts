/** What the soak calls flat: the slope and spread of samples. */
import { expect, test } from 'vitest'
import { perMinute, slopePerMinute, spreadOf } from './soak-verdict.ts'

const points = (valueAt: (second: number) => number, seconds = 300) =>
  Array.from({ length: seconds }, (_, second) => ({ seconds: second, value: valueAt(second) }))

test('the slope of a line is its rise in a minute', () => {
  expect(slopePerMinute(points((second) => 500 + second / 10))).toBeCloseTo(6)
})

test('a saw tooth and a single burst are flat, a rise under them is not', () => {
  const tooth = (second: number) => 500 + (second % 10) * 8
  const burst = (second: number) => (second === 200 ? 300 : 0)
  expect(Math.abs(slopePerMinute(points((second) => tooth(second) + burst(second))))).toBeLessThan(
    1,
  )
  const rising = slopePerMinute(points((second) => tooth(second) + burst(second) + second / 6))
  expect(rising).toBeGreaterThan(9)
})

test('less than two samples have no slope', () => {
  expect(slopePerMinute([])).toBe(0)
  expect(slopePerMinute([{ seconds: 1, value: 5 }])).toBe(0)
})

test('each minute has its own spread', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 })
  expect(perMinute(points((second) => second, 120)).map(({ max }) => max)).toEqual([59, 119])
})
