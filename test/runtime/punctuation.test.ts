/** When scheduled functions are called: by stream time, by the clock, through restarts and crashes. */
import {
  keyValueStore,
  type ProcessorContext,
  type PunctuationType,
  type Topology,
  text,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { COMMIT_STEPS } from '../../src/runtime/commit.ts'
import {
  application,
  openLog,
  produce,
  program,
  readAll,
  runToEnd,
  until,
  words,
} from './applications.ts'

const serdes = { key: text, value: text }
type Context = ProcessorContext<string, string>

/** Sends the time of each punctuation on, and nothing else. */
function ticking(
  type: PunctuationType,
  interval: number,
  schedule: (context: Context, tick: (timestamp: number) => void | Promise<void>) => void = (
    context,
    tick,
  ) => context.schedule(interval, type, tick),
): Topology {
  return program((builder) => {
    builder
      .stream('in', serdes)
      .processValues<string>(() => {
        let context: Context
        return {
          init(given) {
            context = given
            schedule(context, (timestamp) =>
              context.forward({ key: 'tick', value: `${timestamp}`, timestamp, headers: [] }),
            )
          },
          process: () => undefined,
        }
      })
      .to('out', serdes)
  })
}

async function open(topology: Topology, now = 0) {
  const driver = await TopologyTestDriver.open(topology, { now })
  onTestFinished(() => driver.close())
  const input = driver.input('in', serdes)
  const output = driver.output('out', serdes)
  return {
    driver,
    pipe: (timestamp: number) => input.pipe({ key: 'k', value: 'v', timestamp }),
    fired: async () => (await output.readAll()).map(({ value }) => Number(value)),
  }
}

describe('stream time', () => {
  test.each([
    [
      [20, 25, 142, 145, 155, 159, 160, 161],
      [20, 142, 155, 160],
    ],
    [
      [42, 42, 51, 52, 61, 65, 71, 72, 95, 101, 102],
      [42, 51, 61, 71, 95, 101],
    ],
  ])('records at %j fire an interval of 10 at %j', async (times, expected) => {
    const { pipe, fired } = await open(ticking('stream-time', 10))
    for (const time of times) await pipe(time)
    expect(await fired()).toEqual(expected)
  })

  test('a record that comes late fires nothing', async () => {
    const { pipe, fired } = await open(ticking('stream-time', 10))
    for (const time of [25, 3, 12, 29]) await pipe(time)
    expect(await fired()).toEqual([25])
  })

  test('what is fired is between the records: after the one that moved time', async () => {
    const topology = program((builder) => {
      builder
        .stream('in', serdes)
        .process<string, string>(() => {
          let context: Context
          return {
            init(given) {
              context = given
              context.schedule(10, 'stream-time', (timestamp) => {
                expect(context.metadata()).toBeNull()
                return context.forward({ key: 't', value: 'tick', timestamp, headers: [] })
              })
            },
            async process(record) {
              await Promise.resolve()
              await context.forward(record)
            },
          }
        })
        .to('out', serdes)
    })
    const { driver } = await open(topology)
    const input = driver.input('in', serdes)
    for (const timestamp of [1, 11, 12, 31]) {
      await input.write({ key: 'k', value: `${timestamp}`, timestamp })
    }
    await driver.run()
    const values = (await driver.output('out', serdes).readAll()).map(({ value }) => value)
    expect(values).toEqual(['1', 'tick', '11', 'tick', '12', '31', 'tick'])
  })
})

describe('the clock', () => {
  test.each([
    [
      [100, 10, 12, 7, 1, 105, 5],
      [100, 110, 122, 130, 235, 240],
    ],
    [
      [5, 9, 1, 20, 5],
      [14, 35, 40],
    ],
  ])('moved on by %j fires an interval of 10 at %j', async (steps, expected) => {
    const { driver, fired } = await open(ticking('wall-clock', 10))
    for (const step of steps) await driver.advanceWallClock(step)
    expect(await fired()).toEqual(expected)
    expect(driver.streamTime).toBe(-1)
  })

  test('begins an interval after the schedule, not at a multiple of it', async () => {
    const { driver, fired } = await open(ticking('wall-clock', 10), 1_003)
    for (const step of [9, 1, 9, 1]) await driver.advanceWallClock(step)
    expect(await fired()).toEqual([1_013, 1_023])
  })

  test('wakes an application that waits for records', async () => {
    const log = await openLog({ in: 1, out: 1 })
    const app = application(ticking('wall-clock', 20), { log })
    await app.start()
    await until(async () => (await readAll(log, 'out')).length >= 3)
    await app.close()
    const times = (await readAll(log, 'out')).map(({ timestamp }) => timestamp)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})

describe('schedules', () => {
  test('of one check the one that was due first is called first', async () => {
    const topology = ticking('wall-clock', 0, (context, tick) => {
      context.schedule(30, 'wall-clock', () => tick(30))
      context.schedule(20, 'wall-clock', () => tick(20))
      context.schedule(50, 'wall-clock', () => tick(50))
    })
    const { driver, fired } = await open(topology)
    await driver.advanceWallClock(60)
    expect(await fired()).toEqual([20, 30, 50])
  })

  test('end where they are cancelled, in the function itself too, and once is enough', async () => {
    const topology = ticking('stream-time', 0, (context, tick) => {
      const cancel = context.schedule(10, 'stream-time', async (timestamp) => {
        await tick(timestamp)
        cancel()
        cancel()
      })
    })
    const { pipe, fired } = await open(topology)
    for (const time of [10, 20, 30]) await pipe(time)
    expect(await fired()).toEqual([10])
  })

  test('may be made while a record is processed', async () => {
    const topology = program((builder) => {
      builder
        .stream('in', serdes)
        .processValues<string>(() => {
          let context: Context
          let isScheduled = false
          return {
            init: (given) => {
              context = given
            },
            process() {
              if (isScheduled) return
              isScheduled = true
              context.schedule(10, 'wall-clock', (timestamp) =>
                context.forward({ key: 't', value: `${timestamp}`, timestamp, headers: [] }),
              )
            },
          }
        })
        .to('out', serdes)
    })
    const { driver, pipe, fired } = await open(topology)
    await driver.advanceWallClock(95)
    await pipe(1)
    for (const step of [9, 1]) await driver.advanceWallClock(step)
    expect(await fired()).toEqual([105])
  })

  test.each([
    [0, 'stream-time', RangeError, 'is 0; write at least 1 ms'],
    ['1x', 'stream-time', RangeError, `is "1x"; write whole milliseconds`],
    [10, 'some-time', TypeError, `is some-time; write 'stream-time' or 'wall-clock'`],
  ])('of %s and %s are refused', async (interval, type, kind, message) => {
    const topology = ticking('stream-time', 0, (context, tick) => {
      context.schedule(interval as number, type as PunctuationType, tick)
    })
    const opening = TopologyTestDriver.open(topology)
    await expect(opening).rejects.toThrow(kind)
    await expect(opening).rejects.toThrow(message)
  })
})

describe('a restart', () => {
  test('neither repeats a punctuation of stream time nor leaves one out', async () => {
    const { driver, pipe, fired } = await open(ticking('stream-time', 10))
    for (const time of [20, 25, 142, 145, 155]) {
      await pipe(time)
      await driver.restart()
    }
    expect(await fired()).toEqual([20, 142, 155])
  })

  test('goes on with the clock where it was, and makes up for what was due meanwhile once', async () => {
    const { driver, fired } = await open(ticking('wall-clock', 10))
    await driver.advanceWallClock(4)
    await driver.restart()
    await driver.advanceWallClock(6)
    expect(await fired()).toEqual([10])
    driver.clock.advance(35)
    await driver.restart()
    await driver.run()
    await driver.advanceWallClock(5)
    expect(await fired()).toEqual([45, 50])
  })

  test.each(COMMIT_STEPS)('after a crash past step %s of a commit neither', async (step) => {
    const { driver, pipe, fired } = await open(ticking('stream-time', 10))
    for (const time of [20, 25, 31]) {
      driver.crashAfter(step)
      await pipe(time)
    }
    const clock = await open(ticking('wall-clock', 10))
    for (const ms of [12, 3, 7]) {
      clock.driver.crashAfter(step)
      await clock.driver.advanceWallClock(ms)
    }
    expect(await fired()).toEqual([20, 31])
    expect(await clock.fired()).toEqual([12, 22])
  })
})

test('a processor that asks for commits gets one after the records at hand', async () => {
  const counting = (asks: boolean) =>
    program((builder) => {
      const seen = keyValueStore({ name: 'seen', ...serdes })
      builder
        .stream('in', serdes)
        .processValues<string>({
          stores: [seen],
          create: () => {
            let context: Context
            return {
              init: (given) => {
                context = given
              },
              process({ key, value, timestamp }) {
                context.store(seen).put(key, value, timestamp)
                if (asks) context.requestCommit()
              },
            }
          },
        })
        .to('out', serdes)
    })
  const commits = async (asks: boolean) => {
    const log = await openLog({ in: 1, out: 1 })
    await produce(log, 'in', words(3_000))
    const app = await runToEnd(counting(asks), { log, commitInterval: '1h' })
    return app.metrics().commits
  }
  expect(await commits(false)).toBeLessThan(4)
  expect(await commits(true)).toBeGreaterThan(5)
})
