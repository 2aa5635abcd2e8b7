/** The test driver: inputs, outputs, stores, restarts and crashes, as its users see them. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Guarantee, int64, StreamsBuilder, type Topology, text, tumbling } from 'millrace'
import { TopologyTestDriver, type TopologyTestDriverOptions } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { COMMIT_STEPS } from '../../src/runtime/commit.ts'
import type { KeyValueStore, WindowStore } from '../../src/state/store.ts'

const serdes = { key: text, value: text }
const counted = { key: text, value: int64 }

function counting(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('words', serdes)
    .groupBy((_key, word) => word, { name: 'by-word' })
    .count({ store: 'counts', emit: 'updates' })
    .toStream()
    .to('counts')
  return builder.build()
}

async function open(
  topology = counting(),
  options: TopologyTestDriverOptions = {},
): Promise<TopologyTestDriver> {
  const driver = await TopologyTestDriver.open(topology, options)
  onTestFinished(() => driver.close())
  return driver
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-driver-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('what is piped is processed to the end, through repartition topics, when pipe resolves', async () => {
  const driver = await open()
  await driver.input('words', serdes).pipe({ key: 'k', value: 'a', timestamp: 5 })
  const counts = driver.output('counts', counted)
  expect(await counts.read()).toEqual({
    key: 'a',
    value: 1,
    timestamp: 5,
    headers: [],
    partition: 0,
  })
  expect(await counts.read()).toBeNull()
})

test('what is left out of a record is null, the time of the clock, and no headers', async () => {
  const builder = new StreamsBuilder()
  builder.stream('in', serdes).to('out')
  const driver = await open(builder.build(), { now: 77 })
  await driver.input('in', serdes).pipe({})
  await driver.advanceWallClock(3)
  await driver.input('in', serdes).pipe({ headers: [{ key: 'h', value: null }] })
  const out = await driver.output('out', serdes).readAll()
  expect(out.map(({ key, value, timestamp }) => [key, value, timestamp])).toEqual([
    [null, null, 77],
    [null, null, 80],
  ])
  expect(out.map(({ headers }) => headers)).toEqual([[], [{ key: 'h', value: null }]])
})

test('records that are only written wait for run', async () => {
  const driver = await open()
  const words = driver.input('words', serdes)
  const counts = driver.output('counts', counted)
  await words.write({ value: 'a' })
  await words.write({ value: 'a' })
  expect(await counts.readAll()).toEqual([])
  await driver.run()
  expect((await counts.readAll()).map(({ value }) => value)).toEqual([1, 2])
  await words.pipeAll([{ value: 'a' }, { value: 'b' }])
  expect(await counts.readTable()).toEqual(
    new Map([
      ['a', 3],
      ['b', 1],
    ]),
  )
})

test('a table leaves out keys whose last value is null', async () => {
  const builder = new StreamsBuilder()
  builder.table('rows', serdes).toStream().to('out')
  const driver = await open(builder.build())
  const rows = driver.input('rows', serdes)
  await rows.pipeAll([{ key: 'a', value: 'x' }, { key: 'b', value: 'y' }, { key: 'a' }])
  expect(await driver.output('out', serdes).readTable()).toEqual(new Map([['b', 'y']]))
})

test('each reader of an output has its own place', async () => {
  const driver = await open()
  await driver.input('words', serdes).pipe({ value: 'a' })
  const first = driver.output('counts', counted)
  expect(await first.readAll()).toHaveLength(1)
  expect(await first.readAll()).toHaveLength(0)
  expect(await driver.output('counts', counted).readAll()).toHaveLength(1)
})

test('partitions: by key, or as the record says; counts by topic, other topics too', async () => {
  const builder = new StreamsBuilder()
  builder.stream('in', serdes).to(({ value }) => value)
  const driver = await open(builder.build(), { partitions: { in: 3, chosen: 2 } })
  const input = driver.input('in', serdes)
  for (const key of ['a', 'b', 'c', 'd']) await input.pipe({ key, value: 'chosen' })
  await input.pipe({ value: 'chosen', partition: 2 })
  const described = await driver.log.describeTopics(['in', 'chosen'])
  expect(described.map(({ partitions }) => partitions.length)).toEqual([3, 2])
  const chosen = await driver.output('chosen', serdes).readAll()
  expect(chosen).toHaveLength(5)
  expect(new Set(chosen.map(({ partition }) => partition))).toEqual(new Set([0, 1]))
  await expect(input.pipe({ value: 'x', partition: 9 })).rejects.toThrow()
  await expect(driver.input('other', serdes).pipe({ key: 'a', value: 'b' })).rejects.toThrow(
    "'other' is not a source topic of this topology",
  )
})

describe('stores', () => {
  test('of each partition can be read', async () => {
    const driver = await open(counting(), { partitions: 3 })
    const words = driver.input('words', serdes)
    for (const value of ['a', 'b', 'c', 'd', 'a']) await words.pipe({ key: value, value })
    const rows = new Map<string, number>()
    for (const partition of [0, 1, 2]) {
      const store = driver.store<KeyValueStore<string, number>>('counts', partition)
      for await (const { key, value } of store.range()) rows.set(key, value)
    }
    expect([...rows].sort()).toEqual([
      ['a', 2],
      ['b', 1],
      ['c', 1],
      ['d', 1],
    ])
    expect(() => driver.store('counts', 3)).toThrow("No store 'counts' in a task of partition 3")
    expect(() => driver.store('nothing')).toThrow("No store 'nothing'")
  })

  test('of windows too', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', serdes)
      .groupByKey()
      .windowedBy(tumbling(10, { grace: 100 }))
      .count({ store: 'windows' })
    const driver = await open(builder.build())
    const input = driver.input('in', serdes)
    for (const timestamp of [1, 12, 3]) await input.pipe({ key: 'a', value: 'x', timestamp })
    const store = driver.store<WindowStore<string, number>>('windows')
    expect(await store.get('a', 0)).toMatchObject({ value: 2, timestamp: 3 })
    expect(await store.get('a', 10)).toMatchObject({ value: 1, timestamp: 12 })
    expect(await store.get('a', 20)).toBeNull()
  })
})

describe('restart', () => {
  test('brings stores in memory back from their changelogs', async () => {
    const driver = await open(counting(), { partitions: 2 })
    const words = driver.input('words', serdes)
    await words.pipe({ key: 'k', value: 'a' })
    await driver.restart()
    expect(driver.metrics().recordsRestored).toBe(1)
    await words.pipe({ key: 'other', value: 'a' })
    expect(await driver.output('counts', counted).readTable()).toEqual(new Map([['a', 2]]))
  })

  test('finds stores on RocksDB as they were', async () => {
    const stateDirectory = folder()
    const driver = await open(counting(), { storage: 'rocksdb', stateDirectory })
    await driver.input('words', serdes).pipe({ value: 'a' })
    await driver.restart()
    expect(existsSync(join(stateDirectory, 'test'))).toBe(true)
    expect(driver.metrics().recordsRestored).toBe(0)
    const store = driver.store<KeyValueStore<string, number>>('counts')
    expect(await store.get('a')).toMatchObject({ value: 1 })
  })

  test('records written before it are processed after it', async () => {
    const driver = await open()
    await driver.input('words', serdes).write({ value: 'a' })
    await driver.restart()
    await driver.run()
    expect(await driver.output('counts', counted).readTable()).toEqual(new Map([['a', 1]]))
  })
})

describe.each<Guarantee>(['exactly-once', 'at-least-once'])('crashAfter, %s', (guarantee) => {
  test.each(COMMIT_STEPS)("'%s' crashes the next commit, once, and goes on", async (step) => {
    const driver = await open(counting(), { guarantee })
    const words = driver.input('words', serdes)
    const counts = driver.output('counts', counted)
    await words.pipe({ value: 'a' })
    driver.crashAfter(step)
    await words.pipe({ value: 'a' })
    await words.pipe({ value: 'a' })
    const values = (await counts.readAll()).map(({ value }) => value)
    if (guarantee === 'exactly-once') expect(values).toEqual([1, 2, 3])
    else expect(values.at(-1)).toBeGreaterThanOrEqual(3)
  })
})

test('a failing function rejects the pipe, naming the record; the driver still closes', async () => {
  const builder = new StreamsBuilder()
  builder
    .stream('in', serdes)
    .mapValues((value) => {
      if (value === 'bad') throw new Error('no')
      return value
    })
    .to('out')
  const driver = await open(builder.build())
  const input = driver.input('in', serdes)
  await input.pipe({ value: 'good' })
  await expect(input.pipe({ value: 'bad' })).rejects.toMatchObject({
    code: 'processing-failed',
    place: { topic: 'in', partition: 0, offset: 1 },
  })
  await driver.close()
  await driver.close()
  await expect(driver.run()).rejects.toThrow('The driver is closed; open a new one')
})

test('a record without a time fails, unless a timestamp option drops it', async () => {
  for (const timestamp of [undefined, ({ timestamp }: { timestamp: number }) => timestamp]) {
    const builder = new StreamsBuilder()
    builder.stream('in', { ...serdes, timestamp }).to('out')
    const driver = await open(builder.build())
    const piped = driver.input('in', serdes).pipe({ key: 'a', value: 'x', timestamp: -1 })
    if (timestamp === undefined) {
      await expect(piped).rejects.toMatchObject({
        code: 'timestamp-invalid',
        message: expect.stringContaining('the record was written with time -1'),
        place: { topic: 'in', partition: 0, offset: 0, node: 'in' },
      })
    } else {
      await piped
      expect(driver.metrics().dropped).toEqual([
        { reason: 'invalid-timestamp', node: 'in', count: 1 },
      ])
    }
  }
})

test('metrics count what was left out, by reason and node', async () => {
  const driver = await open()
  await driver.input('words', serdes).pipe({ key: 'k' })
  expect(driver.metrics().dropped).toEqual([
    { reason: 'null-key', node: 'by-word-repartition-filter', count: 1 },
  ])
  expect(driver.metrics()).toMatchObject({ recordsConsumed: 1, recordsProduced: 0 })
})
