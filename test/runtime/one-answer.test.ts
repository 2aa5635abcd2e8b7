/**
 * One answer however it is run: records out of order at random through windows, joins and tables,
 * with memory to spare and without, interrupted, restored, and over a log that fails now and then.
 */
import { rmSync } from 'node:fs'
import {
  type EmbeddedLog,
  hopping,
  json,
  nullable,
  type Streams,
  type StreamsOptions,
  text,
} from 'millrace'
import { describe, expect, test } from 'vitest'
import { randomOf, SEED } from '../record/random.ts'
import { application, openLog, program, readAll, testFolder } from './applications.ts'
import { flakyLog } from './flaky-log.ts'

const RECORDS = 1500
const OUTPUTS = ['counts', 'windows', 'pairs', 'enriched']
const serdes = { key: text, value: text }

function everything() {
  return program((builder) => {
    const left = builder.stream('left', serdes)
    const right = builder.stream('right', serdes)
    const rows = builder.table('rows', { key: text, value: nullable(text) })
    const grouped = left.groupByKey()
    grouped.count({ emit: 'updates', store: 'counts' }).toStream().mapValues(String).to('counts')
    grouped
      .windowedBy(hopping(100, { advance: 40, grace: 60 }))
      .aggregate(
        (): string[] => [],
        (_key, value, list) => {
          list.push(value)
          return list
        },
        { emit: 'updates', store: 'windows', value: json<string[]>() },
      )
      .toStream()
      .map((window, list) => [`${window.key}@${window.start}`, list.join(' ')])
      .to('windows', serdes)
    left.join(right, (a, b) => `${a}${b}`, { within: 50, grace: 30, name: 'pairs' }).to('pairs')
    left.leftJoin(rows, (value, row) => `${value}-${row}`).to('enriched')
  })
}

/** Records whose times go forward on the whole, and back by up to 200. */
async function openInput(): Promise<EmbeddedLog> {
  const random = randomOf(SEED)
  const log = await openLog({ left: 2, right: 2, rows: 2 })
  for (const topic of ['left', 'right', 'rows']) {
    await using producer = log.producer({ key: text, value: text })
    await producer.sendMany(
      Array.from({ length: RECORDS }, (_, index) => ({
        topic,
        key: `k${Math.floor(random() ** 2 * 40)}`,
        value: random() < 0.05 ? null : `${topic[0]}${index}`,
        timestamp: Math.max(0, index * 5 - Math.floor(random() ** 4 * 200)),
      })),
    )
  }
  return log
}

interface Answer {
  readonly outputs: Readonly<Record<string, Map<string | null, string[]>>>
  readonly dropped: Readonly<Record<string, number>>
}

/** What each key got, in order, and what was left out in all runs together. */
async function answerOf(log: EmbeddedLog, runs: readonly Streams[]): Promise<Answer> {
  const outputs: Record<string, Map<string | null, string[]>> = {}
  for (const topic of OUTPUTS) {
    const byKey = new Map<string | null, string[]>()
    for (const { key, value, timestamp } of await readAll(log, topic)) {
      const list = byKey.get(key) ?? []
      list.push(`${value}@${timestamp}`)
      byKey.set(key, list)
    }
    outputs[topic] = byKey
  }
  const dropped: Record<string, number> = {}
  for (const { reason, node, count } of runs.flatMap((run) => run.metrics().dropped)) {
    const name = `${reason} ${node}`
    dropped[name] = (dropped[name] ?? 0) + count
  }
  return { outputs, dropped }
}

async function run(log: EmbeddedLog, options: Partial<StreamsOptions>): Promise<Streams> {
  const app = application(everything(), { log, until: 'end', ...options })
  await app.start()
  await app.finished
  return app
}

/** Runs again and again, closed after a few milliseconds each time, until all is processed. */
async function runInterrupted(
  log: EmbeddedLog,
  options: Partial<StreamsOptions>,
  betweenRuns: () => void = () => {},
): Promise<Streams[]> {
  const random = randomOf(SEED + 1)
  const runs: Streams[] = []
  for (let processed = 0; processed < 3 * RECORDS; ) {
    const app = application(everything(), { log, until: 'end', commitInterval: 1, ...options })
    runs.push(app)
    await app.start()
    await new Promise((resolve) => setTimeout(resolve, random() * 4))
    await app.close()
    await app.finished
    processed += app.metrics().recordsConsumed
    betweenRuns()
  }
  return runs
}

describe(`one answer, SEED=${SEED}`, () => {
  let expected: Answer

  test('of an undisturbed run, with records of every fate', async () => {
    const log = await openInput()
    expected = await answerOf(log, [await run(log, {})])
    for (const topic of OUTPUTS) expect(expected.outputs[topic]?.size).toBeGreaterThan(10)
    expect(expected.dropped['late windows-aggregate']).toBeGreaterThan(0)
  })

  test('with hardly any memory, on RocksDB', async () => {
    const log = await openInput()
    const options = {
      storage: 'rocksdb',
      stateDirectory: testFolder(),
      storeBytes: 40_000,
    } as const
    const app = await run(log, { ...options, commitInterval: 1, saveInterval: 0 })
    expect(await answerOf(log, [app])).toEqual(expected)
  })

  test('interrupted, on RocksDB', async () => {
    const log = await openInput()
    const stateDirectory = testFolder()
    const runs = await runInterrupted(log, { storage: 'rocksdb', stateDirectory })
    expect(await answerOf(log, runs)).toEqual(expected)
  })

  test('interrupted, and its folder deleted each time', async () => {
    const log = await openInput()
    const stateDirectory = testFolder()
    const remove = () => rmSync(stateDirectory, { recursive: true, force: true })
    const options = { storage: 'rocksdb', stateDirectory, storeBytes: 100_000 } as const
    expect(await answerOf(log, await runInterrupted(log, options, remove))).toEqual(expected)
  })

  test('interrupted, in memory, at-least-once', async () => {
    const log = await openInput()
    const runs = await runInterrupted(log, { guarantee: 'at-least-once' })
    expect(await answerOf(log, runs)).toEqual(expected)
  })

  test('over a log that refuses batches and loses answers', async () => {
    const log = await openInput()
    const random = randomOf(SEED + 2)
    const flaky = flakyLog(log, () => {
      if (random() > 0.1) return null
      return random() < 0.5 ? 'refused' : 'answer-lost'
    })
    const app = await run(log, { log: flaky.log, commitInterval: 20 })
    expect(await answerOf(log, [app])).toEqual(expected)
  })
})
