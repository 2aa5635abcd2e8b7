/** Processors of users in a stream: what they see, what they may forward, and their stores. */
import {
  int64,
  type KeyValueStore,
  keyValueStore,
  type Processor,
  type ProcessorContext,
  type StreamRecord,
  StreamsBuilder,
  sessionStore,
  type Topology,
  text,
  type WindowStore,
  windowStore,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'

const serdes = { key: text, value: text }
type Context = ProcessorContext<string, string>
type Step = (record: StreamRecord<string, string>, context: Context) => void | Promise<void>

function processor(step: Step): () => Processor<string, string, string, string> {
  return () => {
    let context: Context
    return {
      init: (given) => {
        context = given
      },
      process: (record) => step(record, context),
    }
  }
}

function topologyOf(write: (builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  write(builder)
  return builder.build()
}

async function open(topology: Topology, partitions?: Record<string, number>) {
  const driver = await TopologyTestDriver.open(
    topology,
    partitions === undefined ? {} : { partitions },
  )
  onTestFinished(() => driver.close())
  return driver
}

/** Pipes values under key `k` through one processor; what reaches `out`. */
async function run(verb: 'process' | 'processValues', step: Step, values: readonly string[]) {
  const driver = await open(
    topologyOf((builder) => {
      const stream = builder.stream('in', serdes)
      const create = processor(step)
      const made =
        verb === 'process'
          ? stream.process(create, { name: 'mine' })
          : stream.processValues(create, { name: 'mine' })
      made.to('out', serdes)
    }),
  )
  const input = driver.input('in', serdes)
  for (const [timestamp, value] of values.entries())
    await input.pipe({ key: 'k', value, timestamp })
  return driver.output('out', serdes).readAll()
}

describe('a processor', () => {
  test('sees headers and where the record came from, and may change all of a record', async () => {
    const [out] = await run(
      'process',
      (record, context) => {
        const { topic, partition, offset } = context.metadata() ?? {}
        return context.forward({
          key: `${topic}/${partition}/${offset}`,
          value: `${context.taskId} ${context.nodeName} ${context.streamTime()}`,
          timestamp: record.timestamp + 5,
          headers: [...record.headers, { key: 'h', value: null }],
        })
      },
      ['a'],
    )
    expect(out).toMatchObject({
      key: 'in/0/0',
      value: '0_0 mine 0',
      timestamp: 5,
      headers: [{ key: 'h', value: null }],
    })
  })

  test('may forward to one child by name', async () => {
    const driver = await open(
      topologyOf((builder) => {
        const routed = builder
          .stream('in', serdes)
          .process(processor((record, context) => context.forward(record, record.value)))
        for (const name of ['left', 'right']) {
          routed.filter(() => true, { name }).to(`to-${name}`, serdes)
        }
      }),
    )
    const input = driver.input('in', serdes)
    for (const value of ['left', 'right', 'left']) await input.pipe({ key: 'k', value })
    expect(await driver.output('to-left', serdes).readAll()).toHaveLength(2)
    expect(await driver.output('to-right', serdes).readAll()).toHaveLength(1)
    await expect(input.pipe({ key: 'k', value: 'up' })).rejects.toThrow(
      "forwards to 'up'; its children are 'left', 'right'",
    )
  })

  test.each<[string, Step, string]>([
    [
      'without a time',
      (record, context) => context.forward({ ...record, timestamp: -1 }),
      'with timestamp -1; give it whole milliseconds',
    ],
    [
      'without headers',
      ({ key, value, timestamp }, context) => context.forward({ key, value, timestamp } as never),
      'without headers; write { ...record, value } or headers: []',
    ],
  ])('may not forward a record %s', async (_what, step, message) => {
    await expect(run('process', step, ['a'])).rejects.toThrow(message)
  })

  test('may not forward once its call is over', async () => {
    let late: Promise<unknown> = Promise.resolve()
    await run(
      'process',
      (record, context) => {
        late = new Promise((resolve) => setTimeout(resolve, 1)).then(() => context.forward(record))
        late.catch(() => {})
      },
      ['a'],
    )
    await expect(late).rejects.toThrow("'mine' forwards a record outside of process")
  })

  test('of values keeps the key', async () => {
    const keeps = await run(
      'processValues',
      (record, context) => context.forward({ ...record, value: record.value.toUpperCase() }),
      ['a'],
    )
    expect(keeps).toMatchObject([{ key: 'k', value: 'A' }])
    await expect(
      run('processValues', (record, context) => context.forward({ ...record, key: 'other' }), [
        'a',
      ]),
    ).rejects.toThrow('processValues keeps keys: use process to change them')
  })

  test('is closed with its task', async () => {
    let closed = 0
    const driver = await open(
      topologyOf((builder) => {
        builder.stream('in', serdes).process(() => ({
          process() {},
          close() {
            closed++
          },
        }))
      }),
    )
    await driver.restart()
    expect(closed).toBe(1)
  })
})

describe('stores of processors', () => {
  const counts = keyValueStore({ name: 'counts', key: text, value: int64 })

  /** Counts records of a key in `counts`. */
  const count: Step = async (record, context) => {
    const store = context.store(counts)
    const total = ((await store.get(record.key))?.value ?? 0) + 1
    store.put(record.key, total, record.timestamp)
    await context.forward({ ...record, value: `${total}` })
  }

  async function counted(topology: Topology): Promise<(string | null)[]> {
    const driver = await open(topology)
    const input = driver.input('in', serdes)
    for (const key of ['a', 'b', 'a']) {
      await input.pipe({ key, value: 'v' })
      await driver.restart()
    }
    return (await driver.output('out', serdes).readAll()).map(({ value }) => value)
  }

  test('are brought by the processor, restored, and typed by their definition', async () => {
    const topology = topologyOf((builder) => {
      const source = { create: processor(count), stores: [counts] }
      builder.stream('in', serdes).process(source).to('out', serdes)
    })
    expect(await counted(topology)).toEqual(['1', '1', '2'])
  })

  test('are added to the builder and connected by name', async () => {
    const topology = topologyOf((builder) => {
      builder.addStateStore(counts)
      builder.addStateStore(counts)
      const stream = builder.stream('in', serdes)
      stream.process(processor(count), { stores: ['counts'] }).to('out', serdes)
    })
    expect(await counted(topology)).toEqual(['1', '1', '2'])
  })

  test('shared by two streams put both into one task', async () => {
    const driver = await open(
      topologyOf((builder) => {
        builder.addStateStore(counts)
        for (const topic of ['in', 'too']) {
          const stream = builder.stream(topic, serdes)
          stream.process(processor(count), { stores: ['counts'] }).to('out', serdes)
        }
      }),
    )
    await driver.input('in', serdes).pipe({ key: 'a', value: 'v' })
    await driver.input('too', serdes).pipe({ key: 'a', value: 'v' })
    const values = (await driver.output('out', serdes).readAll()).map(({ value }) => value)
    expect(values).toEqual(['1', '2'])
  })

  test('may be those of a table', async () => {
    const driver = await open(
      topologyOf((builder) => {
        builder.table('users', { ...serdes, store: 'users' })
        const look: Step = async (record, context) => {
          const row = await context.store<KeyValueStore<string, string>>('users').get(record.key)
          await context.forward({ ...record, value: row?.value ?? 'nobody' })
        }
        const stream = builder.stream('in', serdes)
        stream.processValues(processor(look), { stores: ['users'] }).to('out', serdes)
      }),
    )
    await driver.input('users', serdes).pipe({ key: 'a', value: 'Ada' })
    for (const key of ['a', 'b']) await driver.input('in', serdes).pipe({ key, value: 'v' })
    const values = (await driver.output('out', serdes).readAll()).map(({ value }) => value)
    expect(values).toEqual(['Ada', 'nobody'])
  })

  test('keep windows', async () => {
    const seen = windowStore({ name: 'seen', ...serdes, size: 10, retention: 100 })
    const driver = await open(
      topologyOf((builder) => {
        const create = processor((record, context) => {
          const start = record.timestamp - (record.timestamp % 10)
          context.store(seen).put(record.key, start, record.value, record.timestamp)
        })
        builder.stream('in', serdes).process({ create, stores: [seen] })
      }),
    )
    const input = driver.input('in', serdes)
    for (const timestamp of [1, 12, 15])
      await input.pipe({ key: 'a', value: `${timestamp}`, timestamp })
    const rows: unknown[] = []
    for await (const { windowStart, value } of driver
      .store<WindowStore<string, string>>('seen')
      .fetch('a', 0, 100)) {
      rows.push([windowStart, value])
    }
    expect(rows).toEqual([
      [0, '1'],
      [10, '15'],
    ])
  })

  test('keep sessions', async () => {
    const visits = sessionStore({ name: 'visits', ...serdes, retention: '1h' })
    const found: unknown[] = []
    const driver = await open(
      topologyOf((builder) => {
        const create = processor(async ({ key, value, timestamp }, context) => {
          const store = context.store(visits)
          const near = await store.find(key, timestamp - 10, timestamp + 10)
          found.push(near.map(({ start, end, value: kept }) => `${start}-${end} ${kept}`))
          const start = near[0]?.start ?? timestamp
          await store.put(key, { start, end: timestamp, value }, near)
        })
        builder.stream('in', serdes).process({ create, stores: [visits] })
      }),
    )
    const input = driver.input('in', serdes)
    for (const timestamp of [1, 8, 30, 35]) {
      await input.pipe({ key: 'a', value: `v${timestamp}`, timestamp })
      await driver.restart()
    }
    expect(found).toEqual([[], ['1-1 v1'], [], ['30-30 v30']])
  })

  test('that a processor is not connected to are out of its reach', async () => {
    const driver = await open(
      topologyOf((builder) => {
        builder.table('users', { ...serdes, store: 'users' })
        const look: Step = (_record, context) => void context.store('users')
        builder.stream('in', serdes).process(processor(look), { name: 'looks' })
      }),
    )
    await expect(driver.input('in', serdes).pipe({ key: 'a', value: 'v' })).rejects.toThrow(
      "'looks' asks for store 'users'",
    )
  })
})

describe('misuse', () => {
  const fine = processor(() => undefined)
  const one = fine()

  test.each<[string, (builder: StreamsBuilder) => unknown, string]>([
    [
      'no function',
      (builder) => builder.stream('in', serdes).process('mine' as never),
      "processor of process(...) on 'in' is 'mine'",
    ],
    [
      'a processor in place of a function that makes one',
      (builder) => builder.stream('in', serdes).process(one as never),
      "create of the processor of process(...) on 'in' is undefined",
    ],
    [
      'one processor for all tasks',
      (builder) => builder.stream('in', serdes).process(() => one),
      'returns one object each time; make a new one',
    ],
    [
      'a function that makes no processor',
      (builder) => builder.stream('in', serdes).process((() => ({})) as never),
      'which has no process function',
    ],
    [
      'a store that is not there',
      (builder) => builder.stream('in', serdes).process(fine, { stores: ['mine'] }),
      `names 'mine', and there is no such store (there are: none); add it before with builder.addStateStore(...)`,
    ],
    [
      'two stores of one name',
      (builder) => {
        for (let count = 0; count < 2; count++) {
          builder.addStateStore(keyValueStore({ name: 's', ...serdes }))
        }
      },
      "addStateStore(...) uses the store name 's', which addStateStore(...) has taken",
    ],
    [
      'something else for a store',
      (builder) => builder.addStateStore({} as never),
      'store of addStateStore(...) is an object; pass a definition such as keyValueStore',
    ],
    [
      'a store without a serde',
      () => keyValueStore({ name: 's', key: text } as never),
      'option value of keyValueStore(...) is undefined, not a serde',
    ],
    [
      'windows kept shorter than they are',
      () => windowStore({ name: 's', ...serdes, size: '1m', retention: '10s' }),
      'retention of windowStore(...) is 10000 ms; a window is kept at least as long as it is, 60000 ms',
    ],
    [
      'an option that is none',
      (builder) => builder.stream('in', serdes).process(fine, { store: 's' } as never),
      "process(...) on 'in' has no option 'store'; its options are name, stores",
    ],
  ])('%s is an error at the call', (_what, call, message) => {
    expect(() => call(new StreamsBuilder())).toThrow(message)
  })
})

describe('a partitioner', () => {
  test('chooses one partition, several, none, or leaves the choice', async () => {
    const choices: Record<string, number | number[] | null> = { one: 2, two: [0, 1], none: [] }
    const driver = await open(
      topologyOf((builder) => {
        builder.stream('in', serdes).to('out', {
          name: 'sink',
          partitioner: ({ value }) => choices[value as string] ?? null,
        })
      }),
      { in: 1, out: 3 },
    )
    const input = driver.input('in', serdes)
    for (const value of ['one', 'two', 'none', 'any']) await input.pipe({ key: 'k', value })
    const rows = (await driver.output('out', serdes).readAll()).map(
      ({ value, partition }) => `${value}@${partition}`,
    )
    expect(rows.filter((row) => !row.startsWith('any'))).toEqual(['two@0', 'two@1', 'one@2'])
    expect(rows).toHaveLength(4)
    expect(driver.metrics().dropped).toEqual([{ reason: 'no-partition', node: 'sink', count: 1 }])
  })

  test('that chooses a partition there is not ends the application', async () => {
    const driver = await open(
      topologyOf((builder) => {
        builder.stream('in', serdes).to('out', { name: 'sink', partitioner: () => [3] })
      }),
    )
    await expect(driver.input('in', serdes).pipe({ key: 'k', value: 'v' })).rejects.toThrow(
      "the partitioner of 'sink' returned 3; return a whole number from 0 to 0",
    )
  })
})
