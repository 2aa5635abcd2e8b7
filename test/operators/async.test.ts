/** Asynchronous verbs: order, bounds, attempts, and that a commit never passes what is in flight. */
import { setTimeout as wait } from 'node:timers/promises'
import {
  type AsyncOptions,
  AsyncTimeoutError,
  deadLetter,
  embedded,
  type Guarantee,
  int64,
  type Processor,
  type ProcessorContext,
  Streams,
  StreamsBuilder,
  StreamsError,
  type Topology,
  text,
  tumbling,
} from 'millrace'
import {
  type TestRecord,
  TopologyTestDriver,
  type TopologyTestDriverOptions,
} from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { COMMIT_STEPS } from '../../src/runtime/commit.ts'

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
const serdes = { key: text, value: text }

/** A small generator of its own, so that a seed gives the same delays on every machine. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}

type Mapper = Parameters<ReturnType<typeof linesOf>['mapValuesAsync']>[0]

function linesOf(builder: StreamsBuilder) {
  return builder.stream('lines', serdes)
}

function mapping(mapper: Mapper, options?: AsyncOptions): Topology {
  const builder = new StreamsBuilder()
  linesOf(builder)
    .mapValuesAsync(mapper as (value: string) => Promise<string>, { name: 'ask', ...options })
    .to('out', { value: text })
  return builder.build()
}

interface Piped {
  readonly records: readonly TestRecord<string, string>[]
  readonly driver: TopologyTestDriver
}

/** Pipes `key:value` records, timestamps counting up, while the test's clock ticks on. */
async function pipe(
  topology: Topology,
  lines: readonly string[],
  options: TopologyTestDriverOptions & {
    readonly prepare?: (driver: TopologyTestDriver) => void
  } = {},
): Promise<Piped> {
  const { prepare, ...rest } = options
  const driver = await TopologyTestDriver.open(topology, rest)
  prepare?.(driver)
  const input = driver.input('lines', serdes)
  const records = lines.map((line, index) => {
    const [key, value] = line.split(':') as [string, string]
    return { key, value, timestamp: index }
  })
  await ticking(driver, input.pipeAll(records))
  return { driver, records: await driver.output('out', serdes).readAll() }
}

/** Moves the driver's clock a millisecond at a time until the work is done. */
async function ticking<T>(driver: TopologyTestDriver, work: Promise<T>): Promise<T> {
  let done = false
  const settled = work.finally(() => {
    done = true
  })
  settled.catch(() => {})
  while (!done) {
    driver.clock.advance(1)
    await wait(1)
  }
  return settled
}

const abc = ['a:1', 'b:2', 'a:3', 'c:4', 'b:5', 'a:6', 'c:7', 'a:8']

describe('results', () => {
  test('leave in the order of their records, whichever call answers first', async () => {
    const delays = [9, 1, 7, 0, 5, 1, 3, 0]
    const topology = mapping(async (value) => {
      await wait(delays.shift() ?? 0)
      return `${value}!`
    })
    const { driver, records } = await pipe(topology, abc)
    expect(records.map(({ key, value }) => `${key}:${value}`)).toEqual(abc.map((one) => `${one}!`))
    expect(records.map(({ timestamp }) => timestamp)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await driver.close()
  })

  test('with ordered: false leave as they come, in order among the records of one key', async () => {
    const delays: Record<string, number> = { 1: 40, 2: 1, 3: 1, 4: 20, 5: 1, 6: 1, 7: 1, 8: 1 }
    const topology = mapping(
      async (value) => {
        await wait(delays[value])
        return value
      },
      { ordered: false },
    )
    const { driver, records } = await pipe(topology, abc)
    expect(records.map(({ value }) => value).join('')).toBe('25471368')
    await driver.close()
  })

  test('of records without a key wait for nothing', async () => {
    const builder = new StreamsBuilder()
    linesOf(builder)
      .map((_key, value): [string | null, string] => [null, value])
      .mapValuesAsync(
        async (value) => {
          await wait(value === '1' ? 20 : 0)
          return value
        },
        { ordered: false },
      )
      .to('out', { value: text })
    const { driver, records } = await pipe(builder.build(), ['a:1', 'a:2'])
    expect(records.map(({ value }) => value)).toEqual(['2', '1'])
    await driver.close()
  })

  test('need no promise', async () => {
    const { driver, records } = await pipe(
      mapping((value) => `${value}!`),
      abc,
    )
    expect(records.map(({ value }) => value)).toEqual(abc.map((one) => `${one.slice(2)}!`))
    await driver.close()
  })

  test('of flatMapAsync are any number of records with new keys', async () => {
    const builder = new StreamsBuilder()
    linesOf(builder)
      .flatMapAsync(async (key, value) => {
        await wait(3 - Number(value))
        return Array.from({ length: Number(value) }, (_, n) => [value + n, key] as const)
      })
      .to('out', { key: text, value: text })
    const { driver, records } = await pipe(builder.build(), ['a:2', 'b:0', 'c:3'])
    expect(records.map(({ key, value }) => `${key}:${value}`)).toEqual([
      '20:a',
      '21:a',
      '30:c',
      '31:c',
      '32:c',
    ])
    await driver.close()
  })

  test('keep the key bytes and the metadata of their own records, for what is below', async () => {
    const builder = new StreamsBuilder()
    const seen: string[] = []
    linesOf(builder)
      .mapValuesAsync(async (value, _key, { metadata }) => {
        await wait(Number(value) % 3)
        return `${metadata?.offset}`
      })
      .processValues(() => {
        let offset = (): number => -1
        return {
          init: (context) => {
            offset = () => context.metadata()?.offset ?? -1
          },
          process: ({ key, value }) => void seen.push(`${key}:${value}=${offset()}`),
        }
      })
    linesOf(builder)
      .mapValuesAsync((value) => wait(8 - Number(value), value))
      .to('out', { value: text })
    const { driver, records } = await pipe(builder.build(), abc)
    expect(seen).toEqual(abc.map((one, at) => `${one[0]}:${at}=${at}`))
    expect(records.map(({ key, value }) => `${key}:${value}`)).toEqual(abc)
    await driver.close()
  })
})

test(`random delays change no order (SEED=${SEED})`, async () => {
  for (const ordered of [true, false]) {
    const random = randomOf(SEED)
    const lines = Array.from(
      { length: 300 },
      (_, at) => `${'abcdefgh'[Math.floor(random() * 8)]}:${at}`,
    )
    let inFlight = 0
    let most = 0
    const topology = mapping(
      async (value) => {
        most = Math.max(most, ++inFlight)
        await wait(random() < 0.3 ? 0 : random() * 6)
        inFlight--
        return value
      },
      { ordered, concurrency: 12 },
    )
    const { driver, records } = await pipe(topology, lines)
    const out = records.map(({ key, value }) => `${key}:${value}`)
    const byKey = (all: readonly string[]) =>
      [...'abcdefgh'].map((key) => all.filter((one) => one.startsWith(`${key}:`)))
    expect(byKey(out)).toEqual(byKey(lines))
    if (ordered) expect(out).toEqual(lines)
    expect(most).toBe(12)
    await driver.close()
  }
})

describe('a call', () => {
  test('is tried again after waits that double, then its result goes on in its turn', async () => {
    const at: number[] = []
    let clock: TopologyTestDriver['clock'] | null = null
    const topology = mapping(
      async (value, _key, { attempt }) => {
        if (value !== '1') return value
        at.push(clock?.now() ?? -1)
        if (attempt < 3) throw new Error('busy')
        return `${value} at ${attempt}`
      },
      { retry: { attempts: 3, backoff: (attempt) => 100 * attempt } },
    )
    const { driver, records } = await pipe(topology, ['a:1', 'b:2'], {
      prepare: (one) => {
        clock = one.clock
      },
    })
    expect(records.map(({ value }) => value)).toEqual(['1 at 3', '2'])
    expect(at[1]! - at[0]!).toBe(100)
    expect(at[2]! - at[1]!).toBe(200)
    await driver.close()
  })

  test('that does not answer in time has failed, and its signal is aborted', async () => {
    const reasons: unknown[] = []
    const topology = mapping(
      (_value, _key, { signal, attempt }) =>
        attempt === 2
          ? 'second'
          : new Promise<string>(() => {
              signal.addEventListener('abort', () => reasons.push(signal.reason))
            }),
      { timeout: 50, retry: { attempts: 2, backoff: 0 } },
    )
    const { driver, records } = await pipe(topology, ['a:1'])
    expect(records.map(({ value }) => value)).toEqual(['second'])
    expect(reasons).toEqual([expect.any(AsyncTimeoutError)])
    await driver.close()
  })

  test('that fails for good fails the application, naming operator and record', async () => {
    const topology = mapping(async (value) => {
      await wait(1)
      if (value === '3') throw new RangeError('no such thing')
      return value
    })
    const failure = await pipe(topology, abc).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(StreamsError)
    expect(failure).toMatchObject({
      code: 'processing-failed',
      place: { node: 'ask', topic: 'lines', partition: 0, offset: 2 },
    })
    expect((failure as Error).message).toContain("'ask' failed: no such thing")
  })

  test('that fails for good goes to the handler once, with its own record and error', async () => {
    const asked: unknown[] = []
    const topology = mapping(
      async (value) => {
        await wait(Number(value) % 4)
        if (value === '3' || value === '6') throw new RangeError(`not ${value}`)
        return value
      },
      { retry: { attempts: 2, backoff: 1 } },
    )
    const { driver, records } = await pipe(topology, abc, {
      onProcessingError: (record, { node, offset }, error) => {
        asked.push([record?.value, node, offset, (error as Error).message])
        return record?.value === '3' ? 'skip' : deadLetter('dead')
      },
      partitions: { lines: 1, dead: 1 },
    })
    expect(records.map(({ value }) => value)).toEqual(['1', '2', '4', '5', '7', '8'])
    expect(asked).toEqual([
      ['3', 'ask', 2, 'not 3'],
      ['6', 'ask', 5, 'not 6'],
    ])
    const [dead] = await driver.output('dead', serdes).readAll()
    expect(dead).toMatchObject({ key: 'a', value: '6' })
    await driver.close()
  })

  test('whose failure a handler lets through is not put to it again with another record', async () => {
    const asked: unknown[] = []
    const topology = mapping(
      async (value) => {
        await wait(2)
        if (value === '1') throw new Error('broken')
        return value
      },
      { concurrency: 2 },
    )
    const failing = pipe(topology, abc, {
      onProcessingError: (record) => {
        asked.push(record?.value)
        return asked.length === 1 ? 'fail' : 'skip'
      },
    })
    await expect(failing).rejects.toMatchObject({ code: 'processing-failed', place: { offset: 0 } })
    expect(asked).toEqual(['1'])
  })
})

describe('a commit', () => {
  const guarantees: readonly Guarantee[] = ['exactly-once', 'at-least-once']
  const cases = guarantees.flatMap((guarantee) =>
    COMMIT_STEPS.map((step) => [guarantee, step] as const),
  )

  /** Counts by key below the asynchronous step: what is lost or doubled shows in the counts. */
  function counting(concurrency: number, ordered: boolean): Topology {
    const random = randomOf(SEED)
    const builder = new StreamsBuilder()
    linesOf(builder)
      .mapValuesAsync((value) => wait(random() * 3, value), { concurrency, ordered })
      .groupByKey({ value: text })
      .count({ store: 'counts' })
      .toStream()
      .to('counts', { value: int64 })
    return builder.build()
  }

  test.each(cases)(
    '%s, crashed after %s, loses nothing that is in flight',
    async (guarantee, step) => {
      for (const ordered of [true, false]) {
        const driver = await TopologyTestDriver.open(counting(4, ordered), { guarantee })
        const input = driver.input('lines', serdes)
        for (let round = 0; round < 3; round++) {
          driver.crashAfter(step)
          const records = abc.map((line) => ({ key: line[0] as string, value: line.slice(2) }))
          await ticking(driver, input.pipeAll(records))
        }
        const counts = await driver.output('counts', { key: text, value: int64 }).readTable()
        if (guarantee === 'exactly-once') {
          expect(counts).toEqual(
            new Map([
              ['a', 12],
              ['b', 6],
              ['c', 6],
            ]),
          )
        } else {
          for (const [key, least] of Object.entries({ a: 12, b: 6, c: 6 })) {
            expect(counts.get(key)).toBeGreaterThanOrEqual(least)
          }
        }
        await driver.close()
      }
    },
  )

  test('waits for calls of one asynchronous step below another', async () => {
    const builder = new StreamsBuilder()
    linesOf(builder)
      .mapValuesAsync((value) => wait(5, `${value}+`))
      .mapValuesAsync((value) => wait(5, `${value}+`), { ordered: false })
      .to('out', { value: text })
    const { driver, records } = await pipe(builder.build(), ['a:1', 'b:2'])
    expect(records.map(({ value }) => value).sort()).toEqual(['1++', '2++'])
    await driver.close()
  })

  test('covers a record of foreachAsync only when its call has ended', async () => {
    const builder = new StreamsBuilder()
    const done: string[] = []
    linesOf(builder).foreachAsync(async (_key, value) => {
      await wait(10 - Number(value))
      done.push(value)
    })
    const driver = await TopologyTestDriver.open(builder.build())
    const input = driver.input('lines', serdes)
    await input.pipeAll(abc.map((line) => ({ key: 'k', value: line.slice(2) })))
    expect(done.sort().join('')).toBe('12345678')
    await driver.close()
  })
})

test('records wait when the window is full', async () => {
  const calls: string[] = []
  const answers: (() => void)[] = []
  const topology = mapping(
    (value) => {
      calls.push(value)
      return new Promise<string>((resolve) => answers.push(() => resolve(value)))
    },
    { concurrency: 3 },
  )
  const driver = await TopologyTestDriver.open(topology)
  const input = driver.input('lines', serdes)
  const piped = input.pipeAll(abc.map((line) => ({ key: line[0] as string, value: line.slice(2) })))
  await wait(20)
  expect(calls).toEqual(['1', '2', '3'])
  answers.splice(1, 1)[0]?.()
  await wait(5)
  expect(calls, 'the first is still in the way').toEqual(['1', '2', '3'])
  answers.shift()?.()
  await wait(5)
  expect(calls).toEqual(['1', '2', '3', '4', '5'])
  while (calls.length < abc.length || answers.length > 0) {
    answers.shift()?.()
    await wait(1)
  }
  await piped
  await driver.close()
})

test('a task that closes cancels its calls', async () => {
  const reasons: unknown[] = []
  const topology = mapping(
    (value, _key, { signal }) => {
      if (value === '2') throw new Error('broken')
      return new Promise<string>((resolve) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason.message))
        if (value === '1') setTimeout(() => resolve(value), 1)
      })
    },
    { concurrency: 5 },
  )
  const driver = await TopologyTestDriver.open(topology)
  const input = driver.input('lines', serdes)
  const records = ['1', '2', '3'].map((value) => ({ key: 'k', value }))
  await expect(input.pipeAll(records)).rejects.toMatchObject({ code: 'processing-failed' })
  await driver.close()
  expect(reasons).toEqual(['The task was closed'])
})

test('a commit comes in time though each record waits for the one before', async () => {
  const log = embedded()
  await log.open()
  await log.admin.createTopics(['lines', 'out'].map((topic) => ({ topic, partitions: 1 })))
  await using producer = log.producer(serdes)
  const values = Array.from({ length: 100 }, (_, at) => `${at}`)
  await producer.sendMany(values.map((value) => ({ topic: 'lines', key: 'k', value })))
  const app = new Streams(
    mapping((value) => wait(50, value), { concurrency: 1 }),
    { applicationId: 'slow', log, storage: 'memory', handleSignals: false },
  )
  await app.start()
  await using consumer = log.consumer({ topics: ['out'], ...serdes })
  const first = await consumer.next()
  expect(first?.records.length).toBeLessThan(50)
  await app.close()
  await log.shutdown()
})

test('aligned time does not pass what is in flight: nothing that was in time is late', async () => {
  const windows = 20
  const builder = new StreamsBuilder()
  linesOf(builder)
    .mapValuesAsync((value) => wait(Number(value) % 4, value), { name: 'ask' })
    .groupByKey({ value: text })
    .windowedBy(tumbling(5))
    .count({ store: 'counts', emit: 'close' })
    .toStream()
    .map(({ key, start }, count): [string, string] => [`${key}@${start}`, `${count}`])
    .mapValuesAsync((value) => wait(1, value))
    .to('out', { key: text, value: text })
  const lines = Array.from({ length: 5 * windows }, (_, at) => `k:${at}`)
  const { driver, records } = await pipe(builder.build(), lines, { time: 'aligned' })
  // The last window is open: nothing has passed its end.
  const expected = Array.from({ length: windows - 1 }, (_, at) => `k@${at * 5}=5`)
  expect(records.map(({ key, value }) => `${key}=${value}`)).toEqual(expected)
  expect(driver.metrics().dropped).toEqual([])
  await driver.close()
})

test('a processor of a user puts records aside and goes on with them in flush', async () => {
  const builder = new StreamsBuilder()
  linesOf(builder)
    .processValues((): Processor<string, string, string, string> => {
      const aside: (() => Promise<void> | void)[] = []
      let context: ProcessorContext<string, string>
      return {
        init: (given) => {
          context = given
        },
        process(record) {
          if (record.key === 'c') return context.forward({ ...record, value: 'at once' })
          const resume = context.suspend(record)
          aside.push(() =>
            resume(() => {
              const place = `${record.value} of ${context.metadata()?.offset}`
              return context.forward({ ...record, value: place })
            }),
          )
        },
        async flush() {
          for (const goOn of aside.splice(0)) await goOn()
        },
      }
    })
    .to('out', { value: text })
  const { driver, records } = await pipe(builder.build(), ['a:1', 'b:2', 'c:3', 'a:4'])
  expect(records.map(({ key, value }) => `${key}: ${value}`)).toEqual([
    'c: at once',
    'a: 1 of 0',
    'b: 2 of 1',
    'a: 4 of 3',
  ])
  await driver.close()
})
