/** What a start reads back: nothing, a little or all, by how much of the state folder is left. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type EmbeddedLog, type Guarantee, text, tumbling } from 'millrace'
import { describe, expect, test } from 'vitest'
import {
  countsIn,
  countsOf,
  openLog,
  produce,
  program,
  readAll,
  runToEnd,
  testFolder,
  words,
} from './applications.ts'
import { counting } from './programs.ts'

const INPUT = words(900, 90)

describe.each<Guarantee>(['exactly-once', 'at-least-once'])('counts, %s', (guarantee) => {
  /** Runs over the next records of the input with the folder as it is; how many rows were restored. */
  async function run(
    log: EmbeddedLog,
    stateDirectory: string,
    from: number,
    to: number,
  ): Promise<number> {
    await produce(log, 'in', INPUT.slice(from, to))
    const options = { log, guarantee, stateDirectory, storage: 'rocksdb' } as const
    const app = await runToEnd(counting(), options)
    return app.metrics().recordsRestored
  }

  test('a folder that was kept needs nothing read back', async () => {
    const log = await openLog({ in: 2 })
    const folder = testFolder()
    expect(await run(log, folder, 0, 450)).toBe(0)
    expect(await run(log, folder, 450, 900)).toBe(0)
    expect(await countsIn(log)).toEqual(countsOf(INPUT))
  })

  test('a folder that was deleted is restored from the changelog', async () => {
    const log = await openLog({ in: 2 })
    const folder = testFolder()
    await run(log, folder, 0, 450)
    rmSync(folder, { recursive: true })
    expect(await run(log, folder, 450, 900)).toBeGreaterThanOrEqual(90)
    expect(await countsIn(log)).toEqual(countsOf(INPUT))
  })

  test('a folder that is behind is restored from where it is', async () => {
    const log = await openLog({ in: 2 })
    const folder = testFolder()
    const kept = join(testFolder(), 'copy')
    await run(log, folder, 0, 870)
    cpSync(folder, kept, { recursive: true })
    await run(log, folder, 870, 885)
    const restored = await run(log, kept, 885, 900)
    expect(restored).toBeGreaterThan(0)
    expect(restored).toBeLessThanOrEqual(15)
    expect(await countsIn(log)).toEqual(countsOf(INPUT))
  })

  test('a folder that is ahead of its changelog is refused, saying what to do', async () => {
    const folder = testFolder()
    await run(await openLog({ in: 2 }), folder, 0, 450)
    const other = await openLog({ in: 2 })
    await expect(run(other, folder, 0, 10)).rejects.toMatchObject({
      code: 'restore-failed',
      message: expect.stringContaining('Delete the folder of task 1_'),
    })
  })
})

test('stores in memory are restored at every start; one without a changelog begins anew', async () => {
  const log = await openLog({ in: 1 })
  const topology = program((builder) => {
    const grouped = builder.stream('in', { key: text, value: text }).groupByKey()
    grouped.count({ store: 'kept' }).toStream().mapValues(String).to('kept')
    grouped
      .count({ store: { name: 'forgotten', changelog: false } })
      .toStream()
      .mapValues(String)
      .to('forgotten')
  })
  for (const expected of [
    ['2', '2'],
    ['4', '2'],
  ]) {
    await produce(log, 'in', [
      ['a', 'x'],
      ['a', 'y'],
    ])
    await runToEnd(topology, { log })
    const last = async (topic: string) => (await readAll(log, topic)).at(-1)?.value
    expect([await last('kept'), await last('forgotten')]).toEqual(expected)
  }
  const topics = (await log.describeTopics()).map(({ topic }) => topic)
  expect(topics).toContain('app-kept-changelog')
  expect(topics).not.toContain('app-forgotten-changelog')
})

test('what is late is late after a restart too, also without the state that made it so', async () => {
  const log = await openLog({ in: 1 })
  const topology = program((builder) =>
    builder
      .stream('in', { key: text, value: text, timestamp: ({ value }) => Number(value) })
      .groupByKey()
      .windowedBy(tumbling(10, { grace: 5 }))
      .count({ store: 'windows' })
      .toStream()
      .mapValues(String)
      .to('out'),
  )
  await produce(log, 'in', [
    ['a', '3'],
    ['a', '20'],
  ])
  const first = await runToEnd(topology, { log })
  expect(first.metrics().streamTime).toBe(20)
  expect(first.metrics().dropped).toEqual([])
  await produce(log, 'in', [
    ['a', '4'],
    ['a', '12'],
    ['a', '21'],
  ])
  const second = await runToEnd(topology, { log })
  expect(second.metrics().dropped).toEqual([{ reason: 'late', node: 'windows-count', count: 1 }])
})

test('an operator added later does not disturb the state of those there were', async () => {
  const log = await openLog({ in: 2 })
  const folder = testFolder()
  const options = { log, stateDirectory: folder, storage: 'rocksdb' } as const
  await produce(log, 'in', INPUT.slice(0, 450))
  await runToEnd(counting(), options)
  await produce(log, 'in', INPUT.slice(450))
  const extended = program((builder) => {
    const stream = builder.stream('in', { key: text, value: text })
    const grouped = stream.groupBy((_key, value) => value, { name: 'by-value' })
    grouped.reduce((_before, value) => value, { store: 'added' })
    grouped.count({ store: 'counts', emit: 'updates' }).toStream().to('counts')
  })
  await runToEnd(extended, options)
  expect(await countsIn(log)).toEqual(countsOf(INPUT))
})
