/** What the runtime's tests share: folders, logs with records in them, programs, and readers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type EmbeddedLog,
  embedded,
  int64,
  type Serde,
  Streams,
  StreamsBuilder,
  type StreamsOptions,
  type Topology,
  text,
} from 'millrace'
import { TestOutput, type TestRecord } from 'millrace/testing'
import { onTestFinished } from 'vitest'

/** A folder that is gone when the test is. */
export function testFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-runtime-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A log that stays open until the test ends, in memory or in a folder, with these topics. */
export async function openLog(
  topics: Readonly<Record<string, number>> = {},
  directory?: string,
): Promise<EmbeddedLog> {
  const retention = Number.MAX_SAFE_INTEGER // the records' times are near 1970
  const log = embedded(directory === undefined ? { retention } : { directory, retention })
  await log.open()
  onTestFinished(() => log.shutdown())
  await log.admin.createTopics(
    Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })),
  )
  return log
}

/** Writes text records, a key and a value each, at times 0, 1, 2 and so on. */
export async function produce(
  log: EmbeddedLog,
  topic: string,
  records: Iterable<readonly [key: string | null, value: string | null]>,
): Promise<void> {
  await using producer = log.producer({ key: text, value: text })
  let timestamp = 0
  const all = [...records].map(([key, value]) => ({ topic, key, value, timestamp: timestamp++ }))
  await producer.sendMany(all)
}

/** `count` records, whose values take the words in turn; keys go round the partitions. */
export function words(count: number, distinct = 7): [string, string][] {
  return Array.from({ length: count }, (_, index) => [`k${index % 5}`, `w${index % distinct}`])
}

export async function readAll<V = string>(
  log: EmbeddedLog,
  topic: string,
  value: Serde<V> = text as Serde<unknown> as Serde<V>,
): Promise<TestRecord<string, V>[]> {
  return new TestOutput(log, topic, { key: text, value }).readAll()
}

/** Each key with its values in the order they were written. */
export async function valuesByKey<V>(
  log: EmbeddedLog,
  topic: string,
  value: Serde<V>,
): Promise<Map<string | null, (V | null)[]>> {
  return Map.groupBy(await readAll(log, topic, value), ({ key }) => key) as never
}

/** A program of one line. */
export function program(write: (builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  write(builder)
  return builder.build()
}

/** What `counting` must have written for `records`: 1, 2, 3 ... for each value. */
export function countsOf(records: readonly (readonly [string, string])[]): Map<string, number[]> {
  const counts = new Map<string, number[]>()
  for (const [, value] of records) {
    const list = counts.get(value) ?? []
    list.push(list.length + 1)
    counts.set(value, list)
  }
  return counts
}

export async function countsIn(log: EmbeddedLog): Promise<Map<string | null, number[]>> {
  const values = new Map<string | null, number[]>()
  for (const { key, value } of await readAll(log, 'counts', int64)) {
    const list = values.get(key) ?? []
    list.push(value as number)
    values.set(key, list)
  }
  return values
}

export type TestOptions = Partial<StreamsOptions> & Pick<StreamsOptions, 'log'>

/** An application with its stores in memory and no signal handlers, closed when the test ends. */
export function application(topology: Topology, options: TestOptions): Streams {
  const app = new Streams(topology, {
    applicationId: 'app',
    storage: 'memory',
    stateDirectory: 'unused',
    handleSignals: false,
    ...options,
  })
  onTestFinished(() => app.close())
  return app
}

/** Runs to the end of what is there. */
export async function runToEnd(topology: Topology, options: TestOptions): Promise<Streams> {
  const app = application(topology, { until: 'end', ...options })
  await app.start()
  await app.finished
  return app
}

/** Waits until `holds`, or fails after ten seconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('waited for ten seconds')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
