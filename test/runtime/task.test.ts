/** Which record is next, and how much waits for its turn. */
import { int64, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { randomOf, SEED } from '../record/random.ts'
import { application, openLog, produce, program, readAll, runToEnd } from './applications.ts'

const serdes = { key: text, value: text }

function merging() {
  return program((builder) => {
    const left = builder.stream('left', serdes)
    left.merge(builder.stream('right', serdes)).to('out')
  })
}

describe('record choice', () => {
  test('of several topics the record with the lowest time is next, each topic in its own order', async () => {
    const driver = await TopologyTestDriver.open(merging())
    const left = driver.input('left', serdes)
    const right = driver.input('right', serdes)
    for (const timestamp of [10, 5, 30, 40])
      await left.write({ key: 'l', value: `${timestamp}`, timestamp })
    for (const timestamp of [7, 20, 3, 35])
      await right.write({ key: 'r', value: `${timestamp}`, timestamp })
    await driver.run()
    const times = (await driver.output('out', serdes).readAll()).map(
      ({ key, value }) => `${key}${value}`,
    )
    expect(times).toEqual(['r7', 'l10', 'l5', 'r20', 'r3', 'l30', 'r35', 'l40'])
    await driver.close()
  })

  test(`sorted topics of any length come out sorted, SEED=${SEED}`, async () => {
    const random = randomOf(SEED)
    const log = await openLog({ left: 1, right: 1 })
    for (const topic of ['left', 'right']) {
      await using producer = log.producer({ key: text, value: text })
      let timestamp = 0
      const records = Array.from({ length: 3000 + Math.floor(random() * 3000) }, () => {
        timestamp += Math.floor(random() * 5)
        return { topic, key: topic, value: 'x'.repeat(Math.floor(random() * 200)), timestamp }
      })
      await producer.sendMany(records)
    }
    await runToEnd(merging(), { log })
    const times = (await readAll(log, 'out')).map(({ timestamp }) => timestamp)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  test('the extracted time decides, not the time of the log', async () => {
    const topology = program((builder) => {
      const timed = { ...serdes, timestamp: ({ value }: { value: string }) => Number(value) }
      const left = builder.stream('left', timed)
      left.merge(builder.stream('right', timed)).to('out')
    })
    const driver = await TopologyTestDriver.open(topology)
    await driver.input('left', serdes).write({ key: 'l', value: '9', timestamp: 1 })
    await driver.input('right', serdes).write({ key: 'r', value: '8', timestamp: 2 })
    await driver.run()
    const out = await driver.output('out', serdes).readAll()
    expect(out.map(({ timestamp }) => timestamp)).toEqual([8, 9])
    expect(driver.streamTime).toBe(9)
    await driver.close()
  })

  test('partitions of one topic are tasks of their own: each has its stream time', async () => {
    const topology = program((builder) => builder.stream('in', serdes).to('out'))
    const driver = await TopologyTestDriver.open(topology, { partitions: 2 })
    const input = driver.input('in', serdes)
    await input.write({ value: 'a', timestamp: 100, partition: 0 })
    await input.write({ value: 'b', timestamp: 5, partition: 1 })
    await driver.run()
    expect(await driver.output('out', serdes).readAll()).toHaveLength(2)
    expect(driver.streamTime).toBe(100)
    await driver.close()
  })
})

test('a slow function lets 50 MB wait in the log: what is fetched ahead is bounded', async () => {
  const log = await openLog({ in: 2 })
  const value = 'x'.repeat(1000)
  await produce(
    log,
    'in',
    Array.from({ length: 50_000 }, (_, index) => [`k${index}`, value]),
  )
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  let seen = 0
  let queuedMax = 0
  const topology = program((builder) =>
    builder.stream('in', serdes).foreach(() => {
      if (++seen % 500 !== 0) return
      Atomics.wait(sleeper, 0, 0, 1)
      queuedMax = Math.max(queuedMax, app.metrics().queuedBytes)
    }),
  )
  const app = application(topology, { log, until: 'end' })
  await app.start()
  await app.finished
  expect(seen).toBe(50_000)
  // For each partition: below the bound before its last fetch, and that fetch.
  expect(queuedMax).toBeGreaterThan(0)
  expect(queuedMax).toBeLessThanOrEqual(2 * 2 * 512 * 1024)
})

test('stores that outgrow their memory commit early and lose nothing', async () => {
  const log = await openLog({ in: 1 })
  await produce(
    log,
    'in',
    Array.from({ length: 4000 }, (_, index) => [`k${index % 2000}`, 'x'.repeat(100)]),
  )
  const topology = program((builder) =>
    builder.stream('in', serdes).groupByKey().count({ store: 'counts' }).toStream().to('counts'),
  )
  const app = await runToEnd(topology, { log, storeBytes: 100_000, commitInterval: '1h' })
  expect(app.metrics().commits).toBeGreaterThan(2)
  const table = new Map((await readAll(log, 'counts', int64)).map(({ key, value }) => [key, value]))
  expect(table.size).toBe(2000)
  expect(new Set(table.values())).toEqual(new Set([2]))
})

test('a commit that holds results back sends each row once', async () => {
  const log = await openLog({ in: 1 })
  await produce(
    log,
    'in',
    Array.from({ length: 1000 }, (_, index) => [`k${index % 10}`, 'x']),
  )
  const topology = program((builder) =>
    builder.stream('in', serdes).groupByKey().count({ store: 'counts' }).toStream().to('counts'),
  )
  const app = await runToEnd(topology, { log, commitInterval: '1h' })
  expect(app.metrics()).toMatchObject({ recordsProduced: 10, changelogRecords: 10 })
})

test('a bounded run that begins at the end of one topic takes what is new in the other', async () => {
  const log = await openLog({ left: 1, right: 1 })
  await produce(log, 'left', [['k', 'a']])
  await runToEnd(merging(), { log })
  await produce(log, 'right', [['k', 'b']])
  await runToEnd(merging(), { log })
  expect((await readAll(log, 'out')).map(({ value }) => value)).toEqual(['a', 'b'])
})
