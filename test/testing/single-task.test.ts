/** The driver's one-task mode, the loss of the state directory, and what a crash does not count twice. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { int64, StreamsBuilder, type Topology, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { expect, test } from 'vitest'
import { COMMIT_STEPS } from '../../src/runtime/commit.ts'
import type { KeyValueStore } from '../../src/state/store.ts'

const serdes = { key: text, value: text } as const

/** `a` goes through a repartition topic to `out`; `b` goes there straight. */
function twoSubTopologies(): Topology {
  const builder = new StreamsBuilder()
  const a = builder.stream('a', serdes)
  const b = builder.stream('b', serdes)
  a.selectKey((_key, value) => value)
    .repartition({ ...serdes, partitions: 3 })
    .to('out', serdes)
  b.to('out', serdes)
  return builder.build()
}

function counts(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('words', serdes)
    .groupByKey()
    .count({ store: 'counts' })
    .toStream()
    .to('counts', { value: int64 })
  return builder.build()
}

test('one task runs all sub-topologies by one stream time, its repartition topics among them', async () => {
  const driver = await TopologyTestDriver.open(twoSubTopologies(), { singleTask: true })
  const a = driver.input('a', serdes)
  const b = driver.input('b', serdes)
  await a.write({ key: 'k', value: 'late', timestamp: 20 })
  await b.write({ key: 'k', value: 'first', timestamp: 10 })
  await b.write({ key: 'k', value: 'last', timestamp: 30 })
  await driver.run()
  const values = (await driver.output('out', serdes).readAll()).map(({ value }) => value)
  expect(values).toEqual(['first', 'late', 'last'])
  expect(driver.streamTime).toBe(30)
  await driver.close()
})

test('a commit follows each record of one task', async () => {
  const driver = await TopologyTestDriver.open(counts(), { singleTask: true })
  const words = driver.input('words', serdes)
  for (let count = 0; count < 3; count++) await words.write({ key: 'a', value: 'x', timestamp: 1 })
  await driver.run()
  // What waits for the commit is sent after each record.
  const rows = await driver.output('counts', { key: text, value: int64 }).readAll()
  expect(rows.map(({ value }) => value)).toEqual([1, 2, 3])
  await driver.close()
})

test('a restart that loses the state directory restores RocksDB from the changelog', async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'millrace-driver-'))
  const options = { storage: 'rocksdb', stateDirectory } as const
  const driver = await TopologyTestDriver.open(counts(), options)
  try {
    const words = driver.input('words', serdes)
    await words.pipeAll([
      { key: 'a', value: 'x', timestamp: 1 },
      { key: 'b', value: 'x', timestamp: 2 },
      { key: 'a', value: 'x', timestamp: 3 },
    ])
    await driver.restart()
    const kept = driver.metrics().recordsRestored
    await driver.restart({ losesState: true })
    expect(driver.metrics().recordsRestored).toBeGreaterThan(kept)
    const row = await driver.store<KeyValueStore<string, number>>('counts').get('a')
    expect(row).toMatchObject({ value: 2, timestamp: 3 })
  } finally {
    await driver.close()
    rmSync(stateDirectory, { recursive: true, force: true })
  }
})

test('a record that is left out counts once, whatever step its commit crashes after', async () => {
  const driver = await TopologyTestDriver.open(counts())
  const words = driver.input('words', serdes)
  for (const step of [...COMMIT_STEPS, ...COMMIT_STEPS]) {
    driver.crashAfter(step)
    await words.pipe({ key: null, value: 'x', timestamp: 1 })
  }
  const dropped = driver.metrics().dropped.reduce((sum, { count }) => sum + count, 0)
  expect(dropped).toBe(2 * COMMIT_STEPS.length)
  await driver.close()
})
