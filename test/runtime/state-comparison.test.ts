/** An edited topology on the state that the one before left: what is kept, new, gone, incompatible. */
import {
  hopping,
  int32,
  int64,
  json,
  type KStream,
  type Serde,
  type StateComparison,
  type StreamsBuilder,
  StreamsError,
  session,
  sliding,
  type Topology,
  text,
  tumbling,
} from 'millrace'
import { describe, expect, test } from 'vitest'
import {
  application,
  openLog,
  produce,
  program,
  readAll,
  runToEnd,
  testFolder,
} from './applications.ts'

type Log = Awaited<ReturnType<typeof openLog>>
type Write = (input: KStream<string, string, 'key' | 'value'>, builder: StreamsBuilder) => void

/** A program on topic `in`, text by text. */
function edited(write: Write): Topology {
  return program((builder) => write(builder.stream('in', { key: text, value: text }), builder))
}

/** The names in each list, with their reasons where there are. */
function listed(comparison: StateComparison | null): Record<string, string[]> {
  const lists = Object.entries(comparison ?? {}).map(([list, entries]) => [
    list,
    entries.map(({ name, reason }: { name: string; reason: string | null }) =>
      reason === null ? name : `${name}: ${reason}`,
    ),
  ])
  return Object.fromEntries(lists.filter(([, entries]) => entries?.length !== 0))
}

async function start(topology: Topology, log: Log, options: object = {}) {
  const app = await runToEnd(topology, { log, ...options })
  return listed(app.stateComparison())
}

/** The message with which a start ends; the topics are then as they were. */
async function refusal(topology: Topology, log: Log, options: object = {}): Promise<string> {
  const before = await log.describeTopics()
  const app = application(topology, { log, ...options })
  const error = await app.start().then(
    () => null,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(StreamsError)
  expect((error as StreamsError).code).toBe('state-incompatible')
  expect(app.stateComparison()?.incompatible).not.toEqual([])
  expect(await log.describeTopics()).toEqual(before)
  return (error as StreamsError).message
}

const counting = (store: string): Write => {
  return (input) => input.groupByKey().count({ store }).toStream().to(`${store}-out`)
}

describe('a start', () => {
  test('finds its stores and repartition topics new, then kept', async () => {
    const log = await openLog({ in: 2 })
    const topology = edited((input) => {
      counting('by-key')(input, null as never)
      input.groupBy((_key, value) => value, { name: 'by-value' }).count({ store: 'by-value' })
    })
    const names = ['by-key', 'by-value', 'by-value-repartition']
    expect(await start(topology, log)).toEqual({ new: names })
    expect(await start(topology, log)).toEqual({ kept: names })
  })

  test('says nothing before it has looked', async () => {
    const log = await openLog({ in: 1 })
    const app = application(edited(counting('counts')), { log })
    expect(app.stateComparison()).toBeNull()
  })

  test('of a program without state leaves no topic behind', async () => {
    const log = await openLog({ in: 1 })
    expect(
      await start(
        edited((input) => input.to('out')),
        log,
      ),
    ).toEqual({})
    expect((await log.describeTopics()).map(({ topic }) => topic)).toEqual(['in', 'out'])
  })

  test('knows what is gone, and that it lacks something when it comes back', async () => {
    const log = await openLog({ in: 1 })
    const both = edited((input, builder) => {
      counting('one')(input, builder)
      counting('two')(input, builder)
    })
    await start(both, log)
    expect(await start(edited(counting('one')), log)).toEqual({ kept: ['one'], gone: ['two'] })
    expect(
      await start(
        edited((input) => input.to('out')),
        log,
      ),
    ).toEqual({ gone: ['one', 'two'] })
    const note = 'it was not in the topology for a time, and lacks what was processed then'
    expect(await start(both, log)).toEqual({ kept: [`one: ${note}`, `two: ${note}`] })
    expect(await start(both, log)).toEqual({ kept: ['one', 'two'] })
  })

  test('forgets what was deleted', async () => {
    const log = await openLog({ in: 1 })
    await start(edited(counting('one')), log)
    await log.admin.deleteTopics(['app-one-changelog'])
    expect(await start(edited(counting('two')), log)).toEqual({ new: ['two'] })
    const other = edited(
      (input) => void input.groupByKey().reduce((a, b) => a + b, { store: 'one' }),
    )
    expect(await start(other, log)).toEqual({ new: ['one'], gone: ['two'] })
  })

  test('describes its state with the first commit, in the same transaction', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [['a', 'x']])
    await start(edited(counting('counts')), log)
    const described = await readAll(log, 'app-topology')
    expect(described.map(({ key }) => key)).toEqual(['store counts'])
    expect(JSON.parse(described[0]?.value ?? '')).toEqual({
      kind: 'key-value',
      key: 'text',
      value: 'int64',
      storage: 'memory',
      changelog: true,
      partitions: 1,
      subTopology: 0,
      sources: ['in'],
    })
  })
})

describe('rows that would be wrong', () => {
  const windows = (make: (input: KStream<string, string, 'key' | 'value'>) => unknown) =>
    edited((input) => void make(input))
  const other = (within: number, grace: number) =>
    edited((input, builder) => {
      const right = builder.stream('right', { key: text, value: text })
      input.leftJoin(right, (a, b) => a + b, { within, grace, store: 'join' }).to('out')
    })
  const table = (options: object) =>
    program((builder) => void builder.table('in', { key: text, value: text, ...options }))

  test.each<[string, Topology, Topology, string]>([
    [
      'the size of its windows',
      windows((input) => input.groupByKey().windowedBy(tumbling(10)).count({ store: 's' })),
      windows((input) => input.groupByKey().windowedBy(tumbling(20)).count({ store: 's' })),
      "Store 's': its size was 10 ms and is now 20 ms",
    ],
    [
      'their advance',
      windows((input) =>
        input
          .groupByKey()
          .windowedBy(hopping(10, { advance: 5 }))
          .count({ store: 's' }),
      ),
      windows((input) =>
        input
          .groupByKey()
          .windowedBy(hopping(10, { advance: 2 }))
          .count({ store: 's' }),
      ),
      "Store 's': its advance was 5 ms and is now 2 ms",
    ],
    [
      'their grace',
      windows((input) => input.groupByKey().windowedBy(tumbling(10)).count({ store: 's' })),
      windows((input) =>
        input
          .groupByKey()
          .windowedBy(tumbling(10, { grace: 5 }))
          .count({ store: 's' }),
      ),
      "Store 's': its grace was 0 ms and is now 5 ms",
    ],
    [
      'the difference of sliding windows',
      windows((input) => input.groupByKey().windowedBy(sliding(10)).count({ store: 's' })),
      windows((input) => input.groupByKey().windowedBy(sliding(20)).count({ store: 's' })),
      "Store 's': its difference was 10 ms",
    ],
    [
      'the gap of sessions',
      windows((input) => input.groupByKey().windowedBy(session(10)).count({ store: 's' })),
      windows((input) => input.groupByKey().windowedBy(session(20)).count({ store: 's' })),
      "Store 's': its gap was 10 ms",
    ],
    [
      'the buckets that a retention asks for',
      windows((input) =>
        input
          .groupByKey()
          .windowedBy(session(10))
          .count({ store: { name: 's', retention: '1h' } }),
      ),
      windows((input) =>
        input
          .groupByKey()
          .windowedBy(session(10))
          .count({ store: { name: 's', retention: '90d' } }),
      ),
      "Store 's': its rows lie in buckets of 1000 ms",
    ],
    ['the window of a join', other(10, 0), other(20, 0), "Store 'join-left': its before was 10 ms"],
    [
      'the grace of a join',
      other(10, 0),
      other(10, 5),
      "store 'join-unmatched': its grace was 0 ms",
    ],
    [
      'the history of a table',
      table({ store: { name: 's', history: '1h' } }),
      table({ store: { name: 's', history: '2h' } }),
      "Store 's': its history was 3600000 ms",
    ],
    [
      'a time to live',
      table({ store: 's', ttl: '1h' }),
      table({ store: 's', ttl: '2h' }),
      "Store 's-expiry': its ttl was 3600000 ms",
    ],
    [
      'a serde',
      windows((input) =>
        input.groupByKey().aggregate(
          () => 0,
          () => 1,
          { store: 's', value: int64 },
        ),
      ),
      windows((input) =>
        input.groupByKey().aggregate(
          () => 0,
          () => 1,
          { store: 's', value: int32 },
        ),
      ),
      "Store 's': it was written as key-value of text and int64 and is now declared as key-value of text and int32",
    ],
    [
      'the kind of store',
      windows((input) => input.groupByKey().count({ store: 's' })),
      windows((input) => input.groupByKey().windowedBy(tumbling(10)).count({ store: 's' })),
      "Store 's': it was written as key-value of text and int64 and is now declared as window of text and int64",
    ],
    [
      'where its records come from',
      windows((input) => input.groupByKey().count({ store: 's' })),
      windows((input) => input.repartition({ name: 'through' }).groupByKey().count({ store: 's' })),
      "Store 's': its rows were made of in and are now to be made of through-repartition",
    ],
  ])('are refused when a program changes %s', async (_what, before, after, message) => {
    const log = await openLog({ in: 1, right: 1 })
    await start(before, log)
    const refused = await refusal(after, log)
    expect(refused).toContain("The topology does not fit the state of application 'app'")
    expect(refused).toContain(message)
    expect(refused).toContain('Change it back, give it another name')
    expect(await start(before, log)).toMatchObject({ kept: expect.any(Array) })
  })

  test('are all named at once', async () => {
    const log = await openLog({ in: 1 })
    const both = (size: number): Write => {
      return (input) => {
        for (const store of ['a', 'b']) {
          input.groupByKey().windowedBy(tumbling(size)).count({ store })
        }
      }
    }
    await start(edited(both(10)), log)
    expect(await refusal(edited(both(20)), log)).toMatch(/Store 'a': .*; store 'b': /)
  })

  test('are refused when a source has more partitions than it had', async () => {
    const log = await openLog({ in: 1 })
    await start(edited(counting('s')), log)
    await log.admin.createPartitions('in', 3)
    expect(await refusal(edited(counting('s')), log)).toContain(
      "Store 's': its rows are in 1 partitions, and 3 are needed now, as many as there are of in",
    )
  })
})

describe('stores without a changelog', () => {
  const local = (store: string, changelog = false): Write => {
    return (input) => void input.groupByKey().count({ store: { name: store, changelog } })
  }
  const before = edited(local('s'))
  /** The store's sub-topology is the second now. */
  const moved = program((builder) => {
    builder.stream('first', { key: text, value: text }).to('first-out')
    local('s')(builder.stream('in', { key: text, value: text }), builder)
  })

  test('stay where their folders are', async () => {
    const log = await openLog({ in: 1, first: 1 })
    const disk = { storage: 'rocksdb', stateDirectory: testFolder() }
    expect(await start(before, log, disk)).toEqual({ new: ['s'] })
    expect(await start(before, log, disk)).toEqual({ kept: ['s'] })
    expect(await refusal(moved, log, disk)).toContain(
      "Store 's': it has no changelog, and its rows are in the folders of tasks 0_*, while its tasks are now 1_*",
    )
    expect(await start(moved, log, { ...disk, stateDirectory: testFolder() })).toEqual({
      new: ['s'],
    })
  })

  test('get none later, since it would lack their rows', async () => {
    const log = await openLog({ in: 1 })
    const disk = { storage: 'rocksdb', stateDirectory: testFolder() }
    await start(before, log, disk)
    expect(await refusal(edited(local('s', true)), log, disk)).toContain(
      'it was kept without a changelog, so the one it is to have now would lack its rows',
    )
  })

  test('begin anew in memory, whatever they were', async () => {
    const log = await openLog({ in: 1, first: 1 })
    expect(await start(before, log)).toEqual({ new: ['s'] })
    expect(await start(moved, log)).toEqual({ new: ['s'] })
  })
})

test('a store whose sub-topology is another by number comes back from its changelog', async () => {
  const log = await openLog({ in: 1, first: 1 })
  const disk = { storage: 'rocksdb', stateDirectory: testFolder() }
  await produce(log, 'in', [['a', 'x']])
  await start(edited(counting('s')), log, disk)
  await produce(log, 'in', [['a', 'x']])
  const moved = program((builder) => {
    builder.stream('first', { key: text, value: text }).to('first-out')
    counting('s')(builder.stream('in', { key: text, value: text }), builder)
  })
  expect(await start(moved, log, disk)).toEqual({
    kept: ['s: its tasks are now 1_* instead of 0_*: it is restored from its changelog'],
  })
  const counts = await readAll(log, 's-out', int64 as Serde<unknown> as Serde<string>)
  expect(counts.map(({ value }) => value)).toEqual([1, 2])
})

describe('a repartition topic', () => {
  const through = (name: string, value: Serde<string>): Topology =>
    edited((input) => input.repartition({ name, value }).to('out'))

  test('that is gone says how many records were left in it', async () => {
    const log = await openLog({ in: 1 })
    await start(through('old', text), log)
    await produce(log, 'app-old-repartition', [['a', '1']])
    expect(await start(through('new', text), log)).toEqual({
      new: ['new-repartition'],
      gone: ['old-repartition: 1 record in it is not processed'],
    })
  })

  test('is read with another serde only when nothing is left in it', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', [['a', '1']])
    await start(through('by', text), log)
    await produce(log, 'app-by-repartition', [
      ['a', '"2"'],
      ['a', '"3"'],
    ])
    expect(await refusal(through('by', json()), log)).toContain(
      "Repartition topic 'by-repartition': 2 records in it are not processed, written as text and text and now read as text and json",
    )
    await start(through('by', text), log)
    expect(await start(through('by', json()), log)).toEqual({ kept: ['by-repartition'] })
  })
})
