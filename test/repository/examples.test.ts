/**
 * Every example in the documentation of the code runs, as it stands; those of `src/rxjs/` in
 * `test/rxjs/examples.test.ts`. What the examples of a room take for granted is said here.
 */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import * as millrace from 'millrace'
import * as testing from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { filesUnder, sourceRoot } from './source-files.ts'

/** The code of each example of a file, by the line it stands on. */
function examplesOf(file: string): [place: string, code: string][] {
  const source = readFileSync(join(sourceRoot, file), 'utf8')
  const marks = [...source.matchAll(/@example\b/g)]
  const found = [...source.matchAll(/@example\n\s*\* ```ts\n(.*?)\n\s*\* ```/gs)].map(
    (match): [string, string] => {
      const line = source.slice(0, match.index).split('\n').length
      return [`${file}:${line}`, (match[1] as string).replace(/^\s*\* ?/gm, '')]
    },
  )
  expect(found.length, `${file}: an example is a block of ts`).toBe(marks.length)
  return found
}

const examples = filesUnder('src', '.ts')
  .filter((file) => !file.startsWith('rxjs/'))
  .flatMap(examplesOf)
const ofDsl = examples.filter(([place]) => place.startsWith('dsl/'))
const ofRest = examples.filter(([place]) => !place.startsWith('dsl/'))

const quiet = { log() {}, warn() {}, error() {} }

/** What examples of the DSL take for granted: streams and tables by name. */
function streamsAndTables(): Record<string, unknown> {
  const builder = new millrace.StreamsBuilder()
  const { text, json } = millrace
  const stream = (name: string): unknown => builder.stream(name, { key: text, value: json() })
  const table = (name: string): unknown => builder.table(name, { key: text, value: json() })
  const streams = [
    'alerts',
    'appHits',
    'clicks',
    'hits',
    'impressions',
    'lines',
    'orders',
    'readings',
    'updates',
    'webHits',
    'words',
  ]
  const names = Object.fromEntries(streams.map((name) => [name, stream(`the-${name}`)]))
  const tables = { users: table('the-users'), customers: table('the-customers') }
  return { ...millrace, ...names, ...tables, builder, parseTime: Date.parse, console: quiet }
}

/** What the others take for granted: a program, a log with its topics, and what runs on them. */
async function programAndLog(): Promise<Record<string, unknown>> {
  const { text, int64 } = millrace
  const builder = new millrace.StreamsBuilder()
  builder
    .stream('lines', { key: millrace.nullable(text), value: text })
    .flatMapValues((line) => line.split(' '))
    .groupBy((_key, word) => word)
    .count({ store: 'word-counts' })
    .toStream()
    .to('counts', { value: int64 })
  const topology = builder.build()
  const log = millrace.embedded()
  await log.open()
  onTestFinished(() => log.shutdown())
  const topics = [
    { topic: 'lines', partitions: 1 },
    { topic: 'orders', partitions: 2 },
  ]
  await log.admin.createTopics(topics)
  const producer = log.producer({ key: text, value: text })
  for (const partition of [0, 1]) {
    await producer.send({ topic: 'orders', key: 'o-0', value: '{"amount":1}', partition })
  }
  await producer.close()
  const options = { applicationId: 'app', log, storage: 'memory', until: 'end' } as const
  const consumer = log.consumer({ topics: ['orders'], key: text, value: text })
  onTestFinished(() => consumer.close())
  const driver = await testing.TopologyTestDriver.open(topology)
  onTestFinished(() => driver.close())
  class StreamsInMemory extends millrace.Streams {
    constructor(topology: millrace.Topology, given: millrace.StreamsOptions) {
      super(topology, { storage: 'memory', handleSignals: false, ...given })
    }
  }
  return {
    ...millrace,
    ...testing,
    builder,
    topology,
    log,
    consumer,
    driver,
    app: new millrace.Streams(topology, options),
    Streams: StreamsInMemory,
    // A folder of an example is the log in memory that has its topics.
    embedded: (given: millrace.EmbeddedOptions = {}) =>
      given.directory === undefined ? millrace.embedded(given) : log,
    // A cluster of an example is that log too.
    kafka: (given: millrace.KafkaOptions) =>
      Object.assign(log, { counts: millrace.kafka(given).counts }),
    console: quiet,
    expect,
  }
}

async function run(code: string, given: Record<string, unknown>): Promise<void> {
  const javascript = stripTypeScriptTypes(`async () => {${code}}`)
  const example = new Function(...Object.keys(given), `return (${javascript})()`)
  await example(...Object.values(given))
}

describe('the example of the DSL at', () => {
  test.each(ofDsl)('%s builds', async (_place, code) => {
    const given = streamsAndTables()
    await run(code, given)
    expect((given.builder as millrace.StreamsBuilder).build().describe()).toMatch(/^Topologies:/)
  })
})

describe('the example at', () => {
  test.each(ofRest)('%s runs', async (_place, code) => run(code, await programAndLog()))
})
