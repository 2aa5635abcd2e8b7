/** What becomes of records that cannot be read, processed or written, and of those left out. */
import {
  deadLetter,
  type ErrorHandler,
  type FailurePlace,
  type HandlerOptions,
  int64,
  json,
  type ProcessorContext,
  type RecordHeaders,
  type Serde,
  StreamsError,
  type Topology,
  text,
  tumbling,
} from 'millrace'
import { TopologyTestDriver, type TopologyTestDriverOptions } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { COMMIT_STEPS } from '../../src/runtime/commit.ts'
import { application, openLog, produce, program, readAll } from './applications.ts'

const serdes = { key: text, value: text }
const numbers = { key: text, value: json<number>() }

/** JSON numbers in; `x` cannot be read. */
function reading(): Topology {
  return program((builder) => builder.stream('in', numbers).to('out'))
}

/** Fails for the value `bad`, in the function `check`. */
function checking(): Topology {
  return program((builder) => {
    builder
      .stream('in', serdes)
      .mapValues(
        (value) => {
          if (value === 'bad') throw new RangeError('no good')
          return `${value}!`
        },
        { name: 'check' },
      )
      .to('out', serdes)
  })
}

/** Times of records that are piped by their values alone. */
let timestamp = 10

async function open(topology: Topology, options: TopologyTestDriverOptions) {
  const driver = await TopologyTestDriver.open(topology, options)
  onTestFinished(() => driver.close())
  const input = driver.input('in', serdes)
  return {
    driver,
    input,
    async pipe(...values: string[]) {
      for (const value of values) await input.pipe({ key: 'k', value, timestamp: timestamp++ })
    },
    read: async <V>(topic: string, value: Serde<V>) =>
      (await driver.output(topic, { key: text, value }).readAll()).map((record) => record.value),
    dropped: () => driver.metrics().dropped.map(({ reason, node, count }) => [reason, node, count]),
  }
}

/** Headers as an object of text. */
function toldIn(headers: RecordHeaders): Record<string, string> {
  return Object.fromEntries(
    headers.map(({ key, value }) => [
      key.replace('__streams.errors.', ''),
      Buffer.from(value ?? []).toString(),
    ]),
  )
}

describe('a value that cannot be read', () => {
  test('is left out and counted where the handler skips', async () => {
    const { pipe, read, dropped } = await open(reading(), { onDeserializationError: 'skip' })
    await pipe('1', 'x', '2')
    expect(await read('out', json())).toEqual([1, 2])
    expect(dropped()).toEqual([['deserialization', 'in', 1]])
  })

  test('goes as it is to the dead letters, with its place and reason', async () => {
    const onDeserializationError = deadLetter('dead')
    const { driver, input, read } = await open(reading(), { onDeserializationError })
    const headers = [{ key: 'trace', value: Buffer.from('7') }]
    await input.pipe({ key: 'k', value: '1', timestamp: 3 })
    await input.pipe({ key: 'k', value: 'x{', timestamp: 4, headers })
    const [dead] = await driver.output('dead', serdes).readAll()
    expect(dead).toMatchObject({ key: 'k', value: 'x{', timestamp: 4 })
    expect(toldIn(dead?.headers ?? [])).toEqual({
      trace: '7',
      reason: 'deserialization',
      operator: 'in',
      task: '0_0',
      exception: 'SyntaxError',
      message: expect.stringContaining('x{'),
      topic: 'in',
      partition: '0',
      offset: '1',
      timestamp: '4',
    })
    expect(await read('out', json())).toEqual([1])
  })

  test('is judged in its turn, by its bytes, its place and the error', async () => {
    const asked: unknown[] = []
    const handler: ErrorHandler = (record, place, error) => {
      asked.push([Buffer.from(record?.value as Uint8Array).toString(), place.offset, error])
      return 'skip'
    }
    const order: string[] = []
    const topology = program((builder) => {
      builder.stream('in', numbers).foreach((_key, value) => order.push(`${value}/${asked.length}`))
    })
    const { driver, input } = await open(topology, { onDeserializationError: handler })
    for (const value of ['1', 'x', '2', 'y', '3']) await input.write({ value, timestamp: 5 })
    await driver.run()
    expect(order).toEqual(['1/0', '2/1', '3/2'])
    expect(asked).toEqual([
      ['x', 1, expect.any(SyntaxError)],
      ['y', 3, expect.any(SyntaxError)],
    ])
  })

  test('alone in its partition moves the position on', async () => {
    const { driver, pipe, dropped } = await open(reading(), { onDeserializationError: 'skip' })
    await pipe('x', 'y')
    await driver.restart()
    await driver.run()
    expect(dropped()).toEqual([['deserialization', 'in', 2]])
  })

  test('ends the application without a handler', async () => {
    const { pipe } = await open(reading(), {})
    await pipe('1')
    await expect(pipe('x')).rejects.toMatchObject({
      code: 'deserialization-failed',
      place: { topic: 'in', offset: 1 },
    })
  })
})

describe('a function that throws', () => {
  test('costs the record where the handler skips, and no other', async () => {
    const { pipe, read, dropped } = await open(checking(), { onProcessingError: 'skip' })
    await pipe('a', 'bad', 'b')
    expect(await read('out', text)).toEqual(['a!', 'b!'])
    expect(dropped()).toEqual([['processing', 'check', 1]])
  })

  test('costs the branch it is in: its siblings have the record', async () => {
    const topology = program((builder) => {
      const stream = builder.stream('in', serdes)
      for (const name of ['one', 'two', 'three']) {
        stream
          .filter((_key, value) => {
            if (value === name) throw new Error('mine')
            return true
          })
          .to(name, serdes)
      }
    })
    const { pipe, read } = await open(topology, { onProcessingError: 'skip' })
    await pipe('two')
    const given = await Promise.all(['one', 'two', 'three'].map((topic) => read(topic, text)))
    expect(given).toEqual([['two'], [], ['two']])
  })

  test('puts the record to a function once, with operator and error as thrown', async () => {
    const asked: unknown[] = []
    const { pipe } = await open(checking(), {
      onProcessingError(record, place, error) {
        asked.push([record?.value, place.node, place.reason, (error as Error).message])
        return 'fail'
      },
    })
    await expect(pipe('bad')).rejects.toMatchObject({ code: 'processing-failed' })
    expect(asked).toEqual([['bad', 'check', 'processing', 'no good']])
  })

  test('that is a processor, waited for, is handled too', async () => {
    const topology = program((builder) => {
      builder
        .stream('in', serdes)
        .processValues<string>(() => {
          let context: ProcessorContext<string, string>
          return {
            init: (given) => {
              context = given
            },
            async process(record) {
              await Promise.resolve()
              if (record.value === 'bad') throw new Error('later')
              await context.forward(record)
            },
          }
        })
        .to('out', serdes)
    })
    const { pipe, read } = await open(topology, { onProcessingError: 'skip' })
    await pipe('a', 'bad', 'b')
    expect(await read('out', text)).toEqual(['a', 'b'])
  })

  test('on a schedule is put to the handler without a record', async () => {
    const places: [unknown, FailurePlace][] = []
    const topology = program((builder) => {
      builder.stream('in', serdes).process<never, never>(
        () => ({
          init: (context) => {
            context.schedule(10, 'wall-clock', () => {
              throw new Error('tick')
            })
          },
          process: () => undefined,
        }),
        { name: 'ticker' },
      )
    })
    const { driver, dropped } = await open(topology, {
      onProcessingError(record, place) {
        places.push([record, place])
        return deadLetter('dead')
      },
      partitions: { dead: 1 },
    })
    await driver.advanceWallClock(10)
    expect(places).toMatchObject([[null, { node: 'ticker', topic: null, offset: null }]])
    expect(dropped()).toEqual([['processing', 'ticker', 1]])
    const [dead] = await driver.output('dead', serdes).readAll()
    expect(dead).toMatchObject({ key: null, value: null })
  })

  test.each<[string, ErrorHandler, string]>([
    [
      'throws',
      () => {
        throw new Error('oh')
      },
      'onProcessingError failed: oh',
    ],
    ['answers nothing', (() => undefined) as never, 'onProcessingError returned undefined'],
    ['names a topic that is not there', () => deadLetter('nowhere'), `No topic 'nowhere'`],
  ])('ends the application when the handler %s', async (_what, onProcessingError, message) => {
    const { pipe } = await open(checking(), { onProcessingError })
    await expect(pipe('bad')).rejects.toThrow(message)
  })

  test.each(COMMIT_STEPS)(
    'gives one dead letter, though the commit crashes past %s',
    async (step) => {
      const { driver, pipe, read } = await open(checking(), {
        onProcessingError: deadLetter('dead'),
      })
      await pipe('a')
      driver.crashAfter(step)
      await pipe('bad')
      await pipe('b')
      expect(await read('dead', text)).toEqual(['bad'])
      expect(await read('out', text)).toEqual(['a!', 'b!'])
    },
  )

  test('gives a dead letter with at-least-once as well, in an application', async () => {
    const log = await openLog({ in: 2, out: 1 })
    const bad = Array.from({ length: 1_000 }, (_, index) => [`k${index}`, 'bad'] as const)
    await produce(log, 'in', [...bad, ['k', 'good']])
    const app = application(checking(), {
      log,
      guarantee: 'at-least-once',
      onProcessingError: deadLetter('dead'),
      until: 'end',
    })
    await app.start()
    await app.finished
    expect(await readAll(log, 'dead')).toHaveLength(1_000)
    expect((await readAll(log, 'out')).map(({ value }) => value)).toEqual(['good!'])
  })
})

describe('a value that cannot be written', () => {
  function writing(): Topology {
    return program((builder) => {
      builder
        .stream('in', serdes)
        .mapValues((value) => (value === 'bad' ? 'x' : Number(value)) as number)
        .to('out', { value: int64, name: 'sink' })
    })
  }

  test('is left out, counted, and sent to the dead letters as it was read', async () => {
    const { pipe, read, dropped } = await open(writing(), { onProductionError: deadLetter('dead') })
    await pipe('1', 'bad', '2')
    expect(await read('out', int64)).toEqual([1, 2])
    expect(await read('dead', text)).toEqual(['bad'])
    expect(dropped()).toEqual([['production', 'sink', 1]])
  })

  test('is left out too when it is larger than the topic takes', async () => {
    const topology = program((builder) => {
      builder
        .stream('in', serdes)
        .mapValues((value) => value.repeat(value === 'large' ? 300_000 : 20_000))
        .to('out', { value: text, name: 'sink' })
    })
    const { pipe, read, dropped } = await open(topology, { onProductionError: deadLetter('dead') })
    await pipe('small', 'large', 'fine')
    const lengths = (await read('out', text)).map((value) => value?.length)
    expect(lengths).toEqual([100_000, 80_000])
    expect(await read('dead', text)).toEqual(['large'])
    expect(dropped()).toEqual([['production', 'sink', 1]])
    const failing = await open(topology, {})
    await expect(failing.pipe('large')).rejects.toMatchObject({
      code: 'record-too-large',
      place: { node: 'sink' },
    })
  })

  test('is nothing that the handler of functions is asked about', async () => {
    const { pipe } = await open(writing(), { onProcessingError: 'skip' })
    await expect(pipe('bad')).rejects.toMatchObject({ code: 'serialization-failed' })
  })
})

describe('a record that is left out', () => {
  function counting(): Topology {
    return program((builder) => {
      builder
        .stream('in', serdes)
        .groupByKey()
        .windowedBy(tumbling(10, { grace: 0 }))
        .count({ name: 'per-window', emit: 'updates' })
        .toStream()
        .to('out', { value: int64 })
    })
  }

  test('late is routed with its window; the rest is only counted', async () => {
    const asked: string[] = []
    const { driver, input, dropped } = await open(counting(), {
      partitions: { late: 1 },
      onDrop(_record, { reason }) {
        asked.push(reason)
        return reason === 'late' ? deadLetter('late') : 'skip'
      },
    })
    await input.pipe({ key: 'k', value: 'a', timestamp: 1 })
    await input.pipe({ key: 'k', value: 'b', timestamp: 50 })
    await input.pipe({ key: 'k', value: 'too late', timestamp: 3 })
    await input.pipe({ value: 'no key', timestamp: 51 })
    expect(asked).toEqual(['late', 'null-key'])
    expect(dropped()).toEqual([
      ['late', 'per-window', 1],
      ['null-key', 'per-window', 1],
    ])
    const [late, ...more] = await driver.output('late', serdes).readAll()
    expect(more).toEqual([])
    expect(late).toMatchObject({ key: 'k', value: 'too late', timestamp: 3 })
    expect(toldIn(late?.headers ?? [])).toEqual({
      reason: 'late',
      operator: 'per-window',
      task: '0_0',
      topic: 'in',
      partition: '0',
      offset: '2',
      timestamp: '3',
      'window.start': '0',
      'window.end': '10',
    })
  })

  test('without a time is routed in its turn', async () => {
    const topology = program((builder) => {
      builder
        .stream('in', { ...serdes, timestamp: ({ value }) => (value === 'none' ? -1 : 5) })
        .to('out')
    })
    const { driver, pipe, read, dropped } = await open(topology, { onDrop: deadLetter('dead') })
    await pipe('a', 'none', 'b')
    await driver.restart()
    expect(await read('out', text)).toEqual(['a', 'b'])
    expect(await read('dead', text)).toEqual(['none'])
    expect(dropped()).toEqual([['invalid-timestamp', 'in', 1]])
  })
})

describe('the options', () => {
  test.each<[HandlerOptions, string]>([
    [
      { onProcessingError: 'ignore' as never },
      `onProcessingError is 'ignore'; write 'fail', 'skip'`,
    ],
    [{ onDrop: 'fail' as never }, `onDrop is 'fail'; write 'skip', deadLetter('topic')`],
    [{ onProductionError: {} as never }, 'onProductionError is an object'],
  ])('%j are refused', async (options, message) => {
    await expect(TopologyTestDriver.open(checking(), options)).rejects.toThrow(message)
  })

  test('a topic for dead letters has a name a topic may have', () => {
    expect(() => deadLetter('a b')).toThrow(RangeError)
  })

  test('a handler that throws an error of this library fails like any other', async () => {
    const { pipe } = await open(checking(), {
      onProcessingError: () => {
        throw new StreamsError('log-closed', 'closed')
      },
    })
    await expect(pipe('bad')).rejects.toMatchObject({ code: 'handler-failed' })
  })
})
