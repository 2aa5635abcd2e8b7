/** Sources by regular expression: which topics they read, and where two sources meet. */
import { StreamsBuilder, type Topology, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openLog, produce, program, readAll, runToEnd } from './applications.ts'

const serdes = { key: text, value: text }

function reading(pattern: RegExp): Topology {
  return program((builder) => builder.stream(pattern, serdes).to('out', serdes))
}

async function open(topology: Topology, topics: readonly string[]) {
  const partitions = Object.fromEntries(topics.map((topic) => [topic, 1]))
  const driver = await TopologyTestDriver.open(topology, { partitions })
  onTestFinished(() => driver.close())
  return driver
}

describe('a source by pattern', () => {
  test('reads every topic whose whole name matches', async () => {
    const topics = ['web-1', 'web-22', 'web-1-raw', 'my-web-1']
    const driver = await open(reading(/web-\d+/), topics)
    for (const topic of topics) await driver.input(topic, serdes).pipe({ key: 'k', value: topic })
    const values = (await driver.output('out', serdes).readAll()).map(({ value }) => value)
    expect(values).toEqual(['web-1', 'web-22'])
  })

  test('reads a topic that came later from the next start on, from its beginning', async () => {
    const log = await openLog({ 'web-1': 1, out: 1 })
    await produce(log, 'web-1', [['k', 'a']])
    await runToEnd(reading(/web-\d+/), { log })
    await log.admin.createTopics([{ topic: 'web-2', partitions: 2 }])
    await produce(log, 'web-2', [['k', 'b']])
    await runToEnd(reading(/web-\d+/), { log })
    expect((await readAll(log, 'out')).map(({ value }) => value)).toEqual(['a', 'b'])
  })

  test("does not read the application's own topics", async () => {
    const topology = program((builder) => {
      const stream = builder.stream(/in|.*-changelog|.*-repartition/, serdes)
      stream.groupBy((_key, value) => value).count({ store: 'counts' })
    })
    const driver = await open(topology, ['in'])
    await driver.input('in', serdes).pipe({ key: 'k', value: 'v' })
    await driver.restart()
    expect(driver.metrics().recordsConsumed).toBe(1)
  })

  test('is named by what is readable of the pattern, and described by it', () => {
    const text = reading(/web-\d+[.]log/).describe()
    expect(text).toContain('Source: web-d-log (topics: [/web-\\d+[.]log/])')
  })

  test('needs a topic when the application starts', async () => {
    await expect(open(reading(/web-\d+/), ['app-1'])).rejects.toMatchObject({
      code: 'source-topic-missing',
      message: expect.stringContaining('/web-\\d+/'),
    })
  })

  test.each<[string, (builder: StreamsBuilder) => unknown, string]>([
    [
      'a flag that keeps a position',
      (builder) => builder.stream(/a/g, serdes),
      'topic of stream(/a/g) is /a/g; leave out the flags g and y',
    ],
    [
      'a topic that is read by name as well',
      (builder) => {
        builder.stream('web-1', serdes)
        builder.stream(/web-\d/, serdes)
        builder.build()
      },
      "which matches topic 'web-1' of source 'web-1'",
    ],
  ])('with %s is refused', (_what, call, message) => {
    expect(() => call(new StreamsBuilder())).toThrow(message)
  })

  test('that meets another one in a topic is refused at start', async () => {
    const topology = program((builder) => {
      builder.stream(/web-.+/, { ...serdes, name: 'web' }).to('out', serdes)
      builder.stream(/.+-1/, { ...serdes, name: 'first' }).to('out', serdes)
    })
    await expect(open(topology, ['web-1', 'web-2'])).rejects.toMatchObject({
      code: 'topology-invalid',
      message: expect.stringContaining("'web' and 'first' both read topic 'web-1'"),
    })
  })
})
