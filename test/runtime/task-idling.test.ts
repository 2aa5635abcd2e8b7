/** Option `maxTaskIdle`: how long records wait for partitions that have none. */
import { text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LogClient } from '../../src/client/client.ts'
import { TaskIdling } from '../../src/runtime/task-idling.ts'
import { application, openLog, produce, program, readAll, until } from './applications.ts'

const SERDES = { key: text, value: text }

/** `a` and `b` as one stream, so that one task reads both. */
const merged = program((builder) => {
  builder.stream('a', SERDES).merge(builder.stream('b', SERDES)).to('out')
})

/** Queues by what they hold: `records`, `empty`, or `behind`, which the log has more of. */
function queues(...states: ('records' | 'empty' | 'behind' | 'ended')[]) {
  return states.map((state) => ({
    peek: () => (state === 'records' ? ({} as never) : null),
    hasUndecoded: () => false,
    caughtUp: state !== 'behind',
    isBounded: state === 'ended',
    isAtEnd: state === 'ended',
  }))
}

function idling(maxIdleMs: number, ends: (number | undefined)[] = [undefined, undefined]) {
  const waits = new TaskIdling(maxIdleMs)
  waits.open(ends)
  return waits
}

describe('a wait', () => {
  test('ends when the time is over, and not before', () => {
    const waits = idling(1)
    expect(waits.holdsBack(queues('records', 'empty'), 0)).toBe(true)
    expect(waits.until).toBe(1)
    expect(waits.holdsBack(queues('records', 'empty'), 1)).toBe(false)
    expect(waits.holdsBack(queues('records', 'empty'), 2)).toBe(false)
  })

  test('begins anew when the partition had a record', () => {
    const waits = idling(10)
    waits.holdsBack(queues('records', 'empty'), 0)
    expect(waits.holdsBack(queues('records', 'records'), 5)).toBe(false)
    expect(waits.holdsBack(queues('records', 'empty'), 6)).toBe(true)
    expect(waits.until).toBe(16)
  })

  test('does not begin while there is nothing to process', () => {
    const waits = idling(10)
    expect(waits.holdsBack(queues('empty', 'empty'), 0)).toBe(false)
    expect([waits.until, waits.hasUncommitted]).toEqual([Number.POSITIVE_INFINITY, false])
  })

  test('is not for a partition whose records the log has, nor for one at the end of a bounded run', () => {
    const waits = idling(10)
    expect(waits.holdsBack(queues('records', 'behind'), 0)).toBe(false)
    expect(waits.holdsBack(queues('records', 'ended'), 0)).toBe(false)
  })

  test('is over when those for all empty partitions are', () => {
    const waits = idling(10, [undefined, 4, undefined])
    expect(waits.holdsBack(queues('records', 'empty', 'empty'), 3)).toBe(true)
    expect(waits.until).toBe(13)
    expect([waits.savedOf(0), waits.savedOf(1), waits.savedOf(2)]).toEqual([
      null,
      { max: 4 },
      { max: 13 },
    ])
  })
})

describe('a task', () => {
  async function open(maxTaskIdle: string | number) {
    const driver = await TopologyTestDriver.open(merged, { maxTaskIdle: maxTaskIdle as '1s' })
    onTestFinished(() => driver.close())
    const output = driver.output('out', SERDES)
    return {
      driver,
      pipe: (topic: string, timestamp: number) =>
        driver.input(topic, SERDES).pipe({ key: 'k', value: `${topic}${timestamp}`, timestamp }),
      read: async () => (await output.readAll()).map(({ value }) => value),
    }
  }

  test('takes records of two topics by their times, although they come one after the other', async () => {
    const { driver, pipe, read } = await open('1s')
    await pipe('a', 1)
    await pipe('a', 5)
    expect(await read()).toEqual([])
    await pipe('b', 2)
    expect(await read()).toEqual(['a1', 'b2'])
    await pipe('b', 9)
    expect(await read()).toEqual(['a5'])
    await driver.advanceWallClock(999)
    expect(await read()).toEqual([])
    await driver.advanceWallClock(1)
    expect(await read()).toEqual(['b9'])
  })

  test('waits no longer because it was restarted or crashed', async () => {
    const { driver, pipe, read } = await open(1000)
    await pipe('a', 1)
    for (let waited = 0; waited < 1000; waited += 100) {
      expect(await read()).toEqual([])
      await driver.restart()
      await driver.advanceWallClock(100)
    }
    expect(await read()).toEqual(['a1'])
  })

  test('does not wait by default', async () => {
    const { pipe, read } = await open(0)
    await pipe('a', 1)
    expect(await read()).toEqual(['a1'])
  })
})

describe('a running application', () => {
  /** A log that answers for topic `b`, as long as it is held, that there is more, and gives nothing. */
  async function holdingB() {
    const real = await openLog({ a: 1, b: 1 })
    const held = { b: true }
    const fetcher: LogClient['fetcher'] = (lane) => {
      const inner = real.fetcher(lane)
      return {
        wakeup: () => inner.wakeup(),
        close: () => inner.close(),
        async poll(items, options) {
          if (held.b) await new Promise((resolve) => setTimeout(resolve, 5))
          const fetched = await inner.poll(items, { ...options, maxWaitMs: 5 })
          return fetched.map((one) =>
            one.topic === 'b' && held.b ? { ...one, records: [], lastStableOffset: 1 } : one,
          )
        },
      }
    }
    const log = new Proxy(real, {
      get(target, name) {
        if (name === 'fetcher') return fetcher
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await produce(real, 'a', [['k', 'a']])
    await produce(real, 'b', [['k', 'b']])
    return { real, log, held }
  }

  const values = async (log: Awaited<ReturnType<typeof openLog>>) =>
    (await readAll(log, 'out')).map(({ value }) => value)

  test('waits for what the log has, without end', async () => {
    const { real, log, held } = await holdingB()
    await application(merged, { log }).start()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await values(real)).toEqual([])
    held.b = false
    await until(async () => (await values(real)).length === 2)
  })

  test("does not wait with 'never'", async () => {
    const { real, log, held } = await holdingB()
    await application(merged, { log, maxTaskIdle: 'never' }).start()
    await until(async () => (await values(real)).length === 1)
    expect(await values(real)).toEqual(['a'])
    held.b = false
    await until(async () => (await values(real)).length === 2)
  })

  test('goes on when the time is over, by the wall clock', async () => {
    const log = await openLog({ a: 1, b: 1 })
    await produce(log, 'a', [['k', 'a']])
    const app = application(merged, { log, maxTaskIdle: '150ms' })
    await app.start()
    const start = performance.now()
    await until(async () => (await values(log)).length === 1)
    expect(performance.now() - start).toBeGreaterThan(100)
  })

  test('of a bounded run waits for nobody at the end', async () => {
    const log = await openLog({ a: 1, b: 1 })
    await produce(log, 'a', [['k', 'a']])
    const app = application(merged, { log, maxTaskIdle: '1h', until: 'end' })
    await app.start()
    await app.finished
    expect(await values(log)).toEqual(['a'])
  })

  test('takes a duration or never', async () => {
    const log = await openLog()
    const wrong = { log, maxTaskIdle: 'always' as 'never' }
    expect(() => application(merged, wrong)).toThrow('maxTaskIdle')
  })
})
