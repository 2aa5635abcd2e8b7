/** Stores of a topic's rows, which processors look up and do not write. */
import {
  type KeyValueStore,
  keyValueStore,
  nullable,
  type Processor,
  type ProcessorContext,
  StreamsBuilder,
  type StreamsError,
  sessionStore,
  text,
} from 'millrace'
import { TopologyTestDriver, type TopologyTestDriverOptions } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  application,
  openLog,
  produce,
  program,
  readAll,
  runToEnd,
  testFolder,
} from '../runtime/applications.ts'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: nullable(text) }
const towns = keyValueStore({ name: 'towns', key: text, value: text })

/** Sends each value on with what the store has for its key. */
function lookup(): Processor<string, string | null, string, string> {
  let context: ProcessorContext<string, string>
  let store: KeyValueStore<string, string>
  return {
    init(given) {
      context = given
      store = context.store(towns)
    },
    async process(record) {
      const row = await store.get(record.key)
      await context.forward({ ...record, value: `${record.value}@${row?.value ?? 'nowhere'}` })
    },
  }
}

function lookingUp(builder: StreamsBuilder): void {
  builder.addReadOnlyStore(towns, 'towns')
  builder
    .stream('people', serdes)
    .process({ stores: [towns], create: lookup })
    .to('out', { key: text, value: text })
}

semanticCase('a processor sees the rows of the topic as they are', {
  program: lookingUp,
  lines: `
    people a:Ann@1  =>  out a:Ann@nowhere@1
    towns a:Aix@2   =>  nothing
    people a:Ann@3  =>  out a:Ann@Aix@3
    towns a:Apt@1   =>  nothing
    people a:Ann@4  =>  out a:Ann@Apt@4
    people b:Bob@5  =>  out b:Bob@nowhere@5
    towns a:_@6     =>  nothing
    people a:Ann@7  =>  out a:Ann@nowhere@7
    towns _:x@8     =>  nothing
  `,
  dropped: ['null-key towns-update 1'],
})

describe('a store of a topic', () => {
  async function opened(options: TopologyTestDriverOptions = {}) {
    const builder = new StreamsBuilder()
    lookingUp(builder)
    const driver = await TopologyTestDriver.open(builder.build(), options)
    onTestFinished(() => driver.close())
    return driver
  }

  test('has no changelog, and comes back from its topic when its rows are lost', async () => {
    const driver = await opened({ storage: 'rocksdb', stateDirectory: testFolder() })
    const input = driver.input('towns', serdes)
    await input.pipeAll([
      { key: 'a', value: 'Aix', timestamp: 1 },
      { key: 'b', value: 'Bern', timestamp: 1 },
      { key: 'b', value: null, timestamp: 2 },
    ])
    for (const losesState of [false, true]) {
      await driver.restart({ losesState })
      const store = driver.store<KeyValueStore<string, string>>('towns')
      expect([await store.get('a'), await store.get('b')]).toMatchObject([{ value: 'Aix' }, null])
    }
    const topics = (await driver.log.describeTopics()).map(({ topic }) => topic)
    expect(topics.filter((topic) => topic.includes('changelog'))).toEqual([])
    expect(driver.metrics().recordsRestored).toBe(3)
  })

  test('is restored up to where its topic was processed, and no further', async () => {
    const log = await openLog({ people: 1, towns: 1 })
    const topology = program(lookingUp)
    await produce(log, 'towns', [['a', 'Aix']])
    await runToEnd(topology, { log })
    await produce(log, 'people', [['a', 'Ann']])
    await produce(log, 'towns', [['b', 'Bern']])
    // What came meanwhile is processed by its time: at 0, both.
    const app = await runToEnd(topology, { log })
    expect(app.metrics()).toMatchObject({ recordsRestored: 1, recordsProcessed: 2 })
    expect((await readAll(log, 'out')).map(({ value }) => value)).toEqual(['Ann@Aix'])
    expect(app.stateComparison()?.kept.map(({ name }) => name)).toEqual(['towns'])
  })

  test('is refused when it is now of another topic', async () => {
    const log = await openLog({ people: 1, towns: 1, cities: 1 })
    const disk = { log, storage: 'rocksdb', stateDirectory: testFolder() } as const
    await runToEnd(program(lookingUp), disk)
    const edited = program((builder) => {
      builder.addReadOnlyStore(towns, 'cities')
      builder.stream('people', serdes).process({ stores: [towns], create: lookup })
    })
    const error: StreamsError = await application(edited, disk)
      .start()
      .then(() => expect.unreachable())
      .catch((reason) => reason)
    expect(error.code).toBe('state-incompatible')
    expect(error.message).toContain(
      "Store 'towns': its rows were those of topic 'towns' and are now to be those of 'cities'",
    )
    // Without rows on disk there is nothing to be wrong.
    const app = await runToEnd(edited, { log, stateDirectory: testFolder() })
    expect(app.stateComparison()?.new.map(({ name }) => name)).toEqual(['towns'])
  })

  test('is written by its own node only', async () => {
    const builder = new StreamsBuilder()
    builder.addReadOnlyStore(towns, 'towns')
    builder.stream('people', serdes).process({
      stores: [towns],
      create: () => {
        let store: KeyValueStore<string, string>
        return {
          init(context) {
            store = context.store(towns)
          },
          process({ key, timestamp }) {
            store.put(key, 'mine', timestamp)
          },
        }
      },
    })
    const driver = await TopologyTestDriver.open(builder.build())
    onTestFinished(() => driver.close())
    const written = driver.input('people', serdes).pipe({ key: 'a', value: 'Ann', timestamp: 1 })
    await expect(written).rejects.toThrow('this store is written by its own processor only')
  })

  test('has as many partitions as who looks it up', async () => {
    const log = await openLog({ people: 2, towns: 3 })
    const error: StreamsError = await application(program(lookingUp), { log })
      .start()
      .then(() => expect.unreachable())
      .catch((reason) => reason)
    expect(error.code).toBe('partition-count-mismatch')
    expect(error.message).toContain("'people' has 2, 'towns' has 3")
  })

  test('is connected by its name too', async () => {
    const log = await openLog({ people: 2, towns: 3 })
    const byName = program((builder) => {
      builder.addReadOnlyStore(towns, 'towns')
      builder.stream('people', serdes).process(lookup, { stores: ['towns'] })
    })
    const started = application(byName, { log }).start()
    await expect(started).rejects.toThrow("'people' has 2, 'towns' has 3")
  })

  test('keeps a row for each key', () => {
    const builder = new StreamsBuilder()
    const sessions = sessionStore({ name: 's', key: text, value: text, retention: '1h' })
    expect(() => builder.addReadOnlyStore(sessions as never, 'towns')).toThrow(
      "store of addReadOnlyStore(...) of 'towns' is 'session'; pass a definition that keeps a row for each key",
    )
    const recent = keyValueStore({ name: 'r', key: text, value: text, maxEntries: 2 })
    expect(() => builder.addReadOnlyStore(recent, 'towns')).toThrow('is a store with maxEntries')
    expect(() => builder.addReadOnlyStore(undefined as never, 'towns')).toThrow('is undefined')
  })
})
