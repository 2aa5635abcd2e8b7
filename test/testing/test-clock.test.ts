/** The clock of tests: it stands still, and fires what is due while it moves on. */
import { TestClock } from 'millrace/testing'
import { expect, test } from 'vitest'
import { sleep } from '../../src/clock.ts'

test('stands still until it is told to go on', async () => {
  const clock = new TestClock(1000)
  await clock.yield()
  expect([clock.now(), clock.monotonic()]).toEqual([1000, 1000])
  clock.advance(5)
  expect([clock.now(), clock.monotonic()]).toEqual([1005, 1005])
})

test('fires timers in the order of their time, at their time, those it sets on the way too', () => {
  const clock = new TestClock()
  const fired: string[] = []
  const note = (name: string) => () => fired.push(`${name}@${clock.now()}`)
  clock.after(30, note('c'))
  clock.after(10, () => {
    note('a')()
    clock.after(5, note('nested'))
    clock.after(100, note('too late'))
  })
  clock.after(20, note('b'))
  clock.advance(30)
  expect(fired).toEqual(['a@10', 'nested@15', 'b@20', 'c@30'])
  expect(clock.now()).toBe(30)
})

test('timers of one time fire in the order they were set; a cancelled one does not', () => {
  const clock = new TestClock()
  const fired: string[] = []
  clock.after(10, () => fired.push('first'))
  const cancel = clock.after(10, () => fired.push('cancelled'))
  clock.after(10, () => fired.push('second'))
  cancel()
  clock.advance(9)
  expect(fired).toEqual([])
  clock.advance(1)
  expect(fired).toEqual(['first', 'second'])
})

test('sleepers wake when it has moved on far enough', async () => {
  const clock = new TestClock()
  let awake = false
  const sleeping = sleep(clock, 50).then(() => {
    awake = true
  })
  clock.advance(49)
  await clock.yield()
  expect(awake).toBe(false)
  clock.advance(1)
  await sleeping
  expect(awake).toBe(true)
})

test('its random numbers are those of its seed', () => {
  const draw = (seed: number) => {
    const clock = new TestClock(0, seed)
    return Array.from({ length: 5 }, () => clock.random())
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  for (const number of draw(9)) expect(number >= 0 && number < 1).toBe(true)
})
