/**
 * Every window that closes is sent once, whatever happens in between: runs that are interrupted and
 * restored, with hardly any memory, give the rows of one that was left alone.
 */
import { rmSync } from 'node:fs'
import {
  type EmbeddedLog,
  hopping,
  type StreamsOptions,
  session,
  sliding,
  text,
  untilWindowCloses,
  type Windowed,
} from 'millrace'
import { describe, expect, test } from 'vitest'
import { randomOf, SEED } from '../record/random.ts'
import { application, openLog, program, readAll, testFolder } from './applications.ts'

const RECORDS = 2000
const OUTPUTS = ['hops', 'slides', 'visits', 'held']
/** A run is interrupted after at most this long. */
const RUN_MS_MAX = 30

function finals() {
  return program((builder) => {
    const grouped = builder.stream('in', { key: text, value: text }).groupByKey()
    const named = (window: Windowed<string>, count: number): [string, string] => [
      `${window.key}@${window.start}-${window.end}`,
      `${count}`,
    ]
    const hops = grouped.windowedBy(hopping(100, { advance: 40, grace: 60 }))
    const slides = grouped.windowedBy(sliding(50, { grace: 20 }))
    const visits = grouped.windowedBy(session(9, { grace: 40 }))
    hops.count({ emit: 'close', store: 'hops' }).toStream().map(named).to('hops')
    slides.count({ emit: 'close', store: 'slides' }).toStream().map(named).to('slides')
    visits.count({ emit: 'close', store: 'visits' }).toStream().map(named).to('visits')
    const held = hops.count({ emit: 'updates', store: 'held' }).suppress(untilWindowCloses())
    held.toStream().map(named).to('held')
  })
}

/** Records whose times go forward on the whole, and back by up to 200. */
async function openInput(): Promise<EmbeddedLog> {
  const random = randomOf(SEED)
  const log = await openLog({ in: 1 })
  await using producer = log.producer({ key: text, value: text })
  await producer.sendMany(
    Array.from({ length: RECORDS }, (_, index) => ({
      topic: 'in',
      key: `k${Math.floor(random() ** 2 * 40)}`,
      value: 'x',
      timestamp: Math.max(0, index * 5 - Math.floor(random() ** 4 * 200)),
    })),
  )
  return log
}

/** The rows of each output, sorted: of rows that leave together the order is one of the others' tests. */
async function rowsOf(log: EmbeddedLog): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {}
  for (const topic of OUTPUTS) {
    const records = await readAll(log, topic)
    rows[topic] = records.map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`).sort()
  }
  return rows
}

async function run(log: EmbeddedLog, options: Partial<StreamsOptions>): Promise<void> {
  const app = application(finals(), { log, until: 'end', ...options })
  await app.start()
  await app.finished
}

async function runInterrupted(
  log: EmbeddedLog,
  options: Partial<StreamsOptions>,
  betweenRuns: () => void = () => {},
): Promise<void> {
  const random = randomOf(SEED + 1)
  for (let processed = 0; processed < RECORDS; ) {
    const app = application(finals(), { log, until: 'end', commitInterval: 1, ...options })
    await app.start()
    await new Promise((resolve) => setTimeout(resolve, random() * RUN_MS_MAX))
    await app.close()
    await app.finished
    processed += app.metrics().recordsConsumed
    betweenRuns()
  }
}

describe(`final windows, SEED=${SEED}`, () => {
  let expected: Record<string, string[]>

  test('are sent once, each of them', async () => {
    const log = await openInput()
    await run(log, {})
    expected = await rowsOf(log)
    for (const topic of OUTPUTS) {
      const windows = expected[topic]?.map((row) => row.split('=')[0]) ?? []
      expect(windows.length).toBeGreaterThan(500)
      expect(new Set(windows).size).toBe(windows.length)
    }
    expect(expected.held).toEqual(expected.hops)
  })

  test('with hardly any memory, on RocksDB', async () => {
    const log = await openInput()
    const place = { storage: 'rocksdb', stateDirectory: testFolder() } as const
    await run(log, { ...place, storeBytes: 20_000, commitInterval: 1, saveInterval: 0 })
    expect(await rowsOf(log)).toEqual(expected)
  })

  test('interrupted, on RocksDB', async () => {
    const log = await openInput()
    await runInterrupted(log, { storage: 'rocksdb', stateDirectory: testFolder() })
    expect(await rowsOf(log)).toEqual(expected)
  })

  test('interrupted, and the folder deleted each time', async () => {
    const log = await openInput()
    const stateDirectory = testFolder()
    const remove = () => rmSync(stateDirectory, { recursive: true, force: true })
    await runInterrupted(log, { storage: 'rocksdb', stateDirectory }, remove)
    expect(await rowsOf(log)).toEqual(expected)
  })
})
