/** What stops an application, what it says, and that nothing of it is committed. */
import {
  type ErrorCode,
  type Guarantee,
  int64,
  json,
  Streams,
  StreamsError,
  type StreamsOptions,
  text,
} from 'millrace'
import { describe, expect, test } from 'vitest'
import {
  application,
  countsIn,
  countsOf,
  openLog,
  produce,
  program,
  readAll,
  runToEnd,
  type TestOptions,
  testFolder,
  words,
} from './applications.ts'
import { counting } from './programs.ts'

/** Runs until it fails, and gives the error that `finished` rejects with. */
async function failureOf(
  topology: ReturnType<typeof counting>,
  options: TestOptions,
): Promise<StreamsError> {
  const app = application(topology, { until: 'end', ...options })
  const error: unknown = await app
    .start()
    .then(() => app.finished)
    .catch((reason: unknown) => reason)
  expect(app.state).toBe('failed')
  expect(error).toBeInstanceOf(StreamsError)
  return error as StreamsError
}

function codeOf(error: StreamsError): ErrorCode {
  return error.code
}

describe.each<Guarantee>(['exactly-once', 'at-least-once'])(
  'a function that throws, %s',
  (guarantee) => {
    function countingUnless(isBad: (value: string) => boolean) {
      return program((builder) =>
        builder
          .stream('in', { key: text, value: text })
          .mapValues(
            (value) => {
              if (isBad(value)) throw new RangeError(`cannot take ${value}`)
              return value
            },
            { name: 'careful' },
          )
          .groupByKey({ value: text })
          .count({ emit: 'updates' })
          .toStream()
          .to('counts'),
      )
    }

    test('fails the application with its node and its record; a fixed one goes on exactly there', async () => {
      const log = await openLog({ in: 1 })
      await produce(log, 'in', [
        ['a', 'x'],
        ['a', 'x'],
      ])
      const options = { log, guarantee }
      await runToEnd(
        countingUnless(() => false),
        options,
      )
      await produce(log, 'in', [
        ['a', 'x'],
        ['a', 'bad'],
        ['a', 'x'],
      ])

      const error = await failureOf(
        countingUnless((value) => value === 'bad'),
        options,
      )
      expect(codeOf(error)).toBe('processing-failed')
      expect(error.place).toEqual({
        topic: 'in',
        partition: 0,
        offset: 3,
        task: '0_0',
        node: 'careful',
      })
      expect(error.message).toContain("'careful' failed: cannot take bad")
      expect(error.cause).toBeInstanceOf(RangeError)
      expect((await countsIn(log)).get('a')).toEqual([1, 2])
      const [committed] = await log.fetchOffsets('app', [{ topic: 'in', partition: 0 }], {
        requireStable: false,
      })
      expect(committed?.offset).toBe(2)

      const app = await runToEnd(
        countingUnless(() => false),
        options,
      )
      expect(app.metrics().recordsConsumed).toBe(3)
      expect((await countsIn(log)).get('a')).toEqual([1, 2, 3, 4, 5])
    })
  },
)

describe('bytes and serdes', () => {
  test('a poison record is named by its place and what it should have been', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [
      ['a', '{"n":1}'],
      ['b', '{"n":'],
    ])
    const topology = program((builder) =>
      builder.stream('in', { key: text, value: json<{ n: number }>() }).to('out'),
    )
    const error = await failureOf(topology, { log })
    expect(codeOf(error)).toBe('deserialization-failed')
    expect(error.place).toEqual({ topic: 'in', partition: 0, offset: 1, node: 'in' })
    expect(error.message).toContain('The value cannot be read as json')
    expect(await readAll(log, 'out')).toEqual([])
  })

  test('a key that cannot be read says so', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [['a', 'x']])
    const topology = program((builder) =>
      builder.stream('in', { key: int64, value: text }).to('out'),
    )
    const error = await failureOf(topology, { log })
    expect(codeOf(error)).toBe('deserialization-failed')
    expect(error.message).toContain('The key cannot be read as int64')
  })

  test('a value that its sink cannot write is named by sink and record', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [
      ['a', '1'],
      ['a', 'x'],
    ])
    const topology = program((builder) =>
      builder
        .stream('in', { key: text, value: text })
        .mapValues((value) => Number(value))
        .to('out', { value: int64, name: 'numbers' }),
    )
    const error = await failureOf(topology, { log })
    expect(codeOf(error)).toBe('serialization-failed')
    expect(error.place.node).toBe('numbers')
    expect(error.message).toContain("Give 'numbers' the serde of what reaches it")
    expect(error.place).toMatchObject({ topic: 'in', partition: 0, offset: 1 })
  })

  test('an extractor without an answer is named, a negative one drops the record', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [
      ['a', '5'],
      ['a', '-1'],
      ['a', '7'],
    ])
    const timed = program((builder) =>
      builder
        .stream('in', { key: text, value: text, timestamp: ({ value }) => Number(value) })
        .to('out'),
    )
    const app = await runToEnd(timed, { log })
    expect((await readAll(log, 'out')).map(({ timestamp }) => timestamp)).toEqual([5, 7])
    expect(app.metrics().dropped).toEqual([{ reason: 'invalid-timestamp', node: 'in', count: 1 }])

    await produce(log, 'in', [['a', 'soon']])
    const error = await failureOf(timed, { log })
    expect(codeOf(error)).toBe('timestamp-invalid')
    expect(error.place).toEqual({ topic: 'in', partition: 0, offset: 3, node: 'in' })
    expect(error.message).toContain("the timestamp option of 'in' returned NaN")
  })

  test('a partitioner out of range and a topic that does not exist are errors at their record', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [['a', 'x']])
    const partitioned = program((builder) =>
      builder.stream('in', { key: text, value: text }).to('out', { partitioner: () => 7 }),
    )
    expect((await failureOf(partitioned, { log })).message).toContain(
      'returned 7; return a whole number from 0 to 0',
    )
    const chosen = program((builder) =>
      builder.stream('in', { key: text, value: text }).to(({ value }) => value),
    )
    const error = await failureOf(chosen, { log })
    expect(codeOf(error)).toBe('topic-not-found')
    expect(error.message).toContain(
      "No topic 'x' to write to. Create it before the application starts",
    )
  })
})

describe('topics at start', () => {
  test('a missing source topic is named, with those that are there', async () => {
    const log = await openLog({ other: 1 })
    const error = await failureOf(counting(), { log })
    expect(codeOf(error)).toBe('source-topic-missing')
    expect(error.message).toContain("The topology reads topic 'in', which does not exist")
    expect(error.message).toContain('topics there are: other')
  })

  test('joined topics need equal partition counts', async () => {
    const log = await openLog({ left: 2, right: 3 })
    const topology = program((builder) => {
      const right = builder.stream('right', { key: text, value: text })
      builder
        .stream('left', { key: text, value: text })
        .join(right, (a, b) => a + b, { within: 5 })
        .to('out')
    })
    const error = await failureOf(topology, { log })
    expect(codeOf(error)).toBe('partition-count-mismatch')
    expect(error.message).toContain("'left' has 2, 'right' has 3")
    expect(error.message).toContain('.repartition({ partitions })')
  })

  test('an internal topic of another partition count is refused', async () => {
    const log = await openLog({ in: 2, 'app-by-value-repartition': 5 })
    const error = await failureOf(counting(), { log })
    expect(codeOf(error)).toBe('state-incompatible')
    expect(error.message).toContain(
      "Repartition topic 'by-value-repartition': it has 5 partitions, and 2 are needed now",
    )
  })

  test('repartition topics take the count of what they are joined with, else of their source', async () => {
    const log = await openLog({ in: 3, rows: 4 })
    const topology = program((builder) => {
      const rows = builder.table('rows', { key: text, value: text })
      const stream = builder.stream('in', { key: text, value: text })
      const byValue = stream.selectKey((_key, value) => value)
      byValue.join(rows, (value, row) => value + row, { name: 'joined' }).to('joined')
      byValue.groupByKey({ name: 'grouped' }).count({ store: 'grouped' }).toStream().to('grouped')
      byValue.repartition({ name: 'wide', partitions: 6 }).to('wide')
    })
    await runToEnd(topology, { log })
    const described = await log.describeTopics()
    const counts = Object.fromEntries(
      described.map((topic) => [topic.topic, topic.partitions.length]),
    )
    expect(counts).toMatchObject({
      'app-joined-left-repartition': 4,
      'app-grouped-repartition': 3,
      'app-grouped-changelog': 3,
      'app-wide-repartition': 6,
      joined: 4,
      grouped: 3,
      wide: 6,
    })
    const [changelog, repartition] = await Promise.all([
      log.admin.describeConfig('app-grouped-changelog'),
      log.admin.describeConfig('app-grouped-repartition'),
    ])
    expect(changelog['cleanup.policy']).toBe('compact')
    expect(repartition).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '-1' })
  })

  test('a repartition topic whose records come back to its writers takes the count of what else they read', async () => {
    const log = await openLog({ in: 3 })
    const topology = program((builder) => {
      const stream = builder.stream('in', { key: text, value: text })
      const counts = stream
        .groupBy((_key, value) => value, { name: 'grouped' })
        .count({ store: 'counts' })
        .toStream()
      stream.merge(counts.mapValues(String)).to('out')
    })
    await runToEnd(topology, { log })
    const described = await log.describeTopics()
    const repartition = described.find(({ topic }) => topic === 'app-grouped-repartition')
    expect(repartition?.partitions).toHaveLength(3)
  })
})

describe('two of a kind', () => {
  test('a state folder has one application at a time', async () => {
    const stateDirectory = testFolder()
    const first = await openLog({ in: 1 })
    const app = application(counting(), { log: first, storage: 'rocksdb', stateDirectory })
    await app.start()
    const second = await openLog({ in: 1 })
    const error = await failureOf(counting(), { log: second, storage: 'rocksdb', stateDirectory })
    expect(codeOf(error)).toBe('state-locked')
    expect(app.state).toBe('running')
    await app.close()
    await app.finished
    await runToEnd(counting(), { log: first, storage: 'rocksdb', stateDirectory })
  })

  test('a newer instance of an application id fences the older one', async () => {
    const log = await openLog({ in: 1 })
    const older = application(counting(), { log, commitInterval: 5 })
    await older.start()
    const newer = application(counting(), { log, commitInterval: 5 })
    await newer.start()
    const input = words(20)
    await produce(log, 'in', input)
    await expect(older.finished).rejects.toMatchObject({ code: 'producer-fenced' })
    await newer.close()
    await newer.finished
    await runToEnd(counting(), { log })
    expect(await countsIn(log)).toEqual(countsOf(input))
  })
})

describe('options', () => {
  const wrong: readonly (readonly [string, object, string])[] = [
    [
      'an unknown one',
      { applicationID: 'x' },
      "No option 'applicationID'; there are applicationId, log",
    ],
    [
      'no application id',
      { applicationId: undefined },
      'applicationId is undefined; use 1 to 100 letters',
    ],
    ['a wrong application id', { applicationId: 'a b' }, 'applicationId is "a b"'],
    ['no log', { log: undefined }, 'log is missing; pass a log client such as embedded('],
    [
      'another guarantee',
      { guarantee: 'exactly_once' },
      `guarantee is "exactly_once"; write 'exactly-once' or 'at-least-once'`,
    ],
    ['another end', { until: 'now' }, `until is "now"; write 'end', or leave it out to go on`],
    ['another storage', { storage: 'disk' }, `storage is "disk"; write 'rocksdb' or 'memory'`],
    ['a wrong duration', { commitInterval: '1 fortnight' }, 'commitInterval'],
    ['negative bytes', { storeBytes: -1 }, 'storeBytes is -1; write a whole number of bytes'],
  ]

  test.each(wrong)('%s', async (_name, option, message) => {
    const log = await openLog()
    const options = { applicationId: 'app', log, ...option } as StreamsOptions
    expect(() => new Streams(counting(), options)).toThrow(message)
  })
})
