/** Global tables and stores: all partitions, whatever the partition of the record that looks up. */
import {
  float64,
  keyValueStore,
  nullable,
  type Processor,
  type StreamRecord,
  StreamsBuilder,
  text,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { expect, test } from 'vitest'
import type { KeyValueStore } from '../../src/state/store.ts'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: text }

semanticCase('a stream looks up rows of all partitions by any key', {
  program(builder) {
    const table = builder.globalTable('rows', { ...serdes, store: 'rows' })
    const stream = builder.stream('in', serdes)
    stream.join(table, (value, row) => `${value}${row}`, { key: (_key, value) => value }).to('out')
  },
  lines: `
    rows x:1@0, rows y:2@1, rows z:3@2  =>  nothing
    in   a:x@10 {h=1}                   =>  out a:x1@10 {h=1}
    in   a:z@0                          =>  out a:z3@0
    in   a:q@0                          =>  nothing
    rows x:_@3                          =>  nothing
    in   a:x@10                         =>  nothing
    in   a:y@11                         =>  out a:y2@11
  `,
})

semanticCase('a left join goes on with null; no key to look up is no obstacle', {
  program(builder) {
    const table = builder.globalTable('rows', serdes)
    const stream = builder.stream('in', { key: nullable(text), value: text })
    stream
      .leftJoin(table, (value, row) => `${value}${row}`, {
        key: (key, value) => (value === '-' ? null : key),
      })
      .to('out', { key: nullable(text) })
  },
  lines: `
    rows a:1@0   =>  nothing
    in   a:x@1   =>  out a:x1@1
    in   a:-@2   =>  out a:-null@2
    in   _:x@3   =>  out _:xnull@3
  `,
})

test('a processor fills a global store, and tasks read it without being connected', async () => {
  const builder = new StreamsBuilder()
  const rates = keyValueStore({ name: 'rates', key: text, value: float64 })
  builder.addGlobalStore(rates, 'rates', () => {
    let store: KeyValueStore<string, number>
    return {
      init(context) {
        store = context.store(rates)
      },
      process({ key, value, timestamp }: StreamRecord<string, number>) {
        store.put(key.toUpperCase(), value, timestamp)
      },
    }
  })
  let written: unknown = null
  builder
    .stream('in', serdes)
    .process((): Processor<string, string, string, string> => {
      let store: KeyValueStore<string, number>
      let forward: (record: StreamRecord<string, string>) => void | Promise<void>
      return {
        init(context) {
          store = context.store('rates')
          forward = (record) => context.forward(record)
        },
        async process(record) {
          const row = await store.get(record.value)
          try {
            store.put('x', 1, 1)
          } catch (error) {
            written = error
          }
          await forward({ ...record, value: `${row?.value ?? 'none'}` })
        },
      }
    })
    .to('out', serdes)
  const driver = await TopologyTestDriver.open(builder.build(), { partitions: 2 })
  try {
    const out = driver.output('out', serdes)
    await driver.input('rates', { key: text, value: float64 }).pipe({ key: 'eur', value: 1.5 })
    await driver.input('in', serdes).pipe({ key: 'k', value: 'EUR', timestamp: 1 })
    await driver.restart()
    await driver.input('in', serdes).pipe({ key: 'k', value: 'EUR', timestamp: 2 })
    expect((await out.readAll()).map(({ value }) => value)).toEqual(['1.5', '1.5'])
    expect(String(written)).toMatch(/this store is written by its own processor only/)
  } finally {
    await driver.close()
  }
})

test('a topology shows global stores behind its tasks, as Kafka Streams prints them', () => {
  const builder = new StreamsBuilder()
  const table = builder.globalTable('rows', { ...serdes, name: 'table', store: 'rows' })
  builder
    .stream('in', serdes)
    .join(table, (value) => value, { key: (key) => key })
    .to('out')
  expect(builder.build().describe()).toContain(
    [
      '  Sub-topology: 1 for global store (will not generate tasks)',
      '    Source: table-source (topics: [rows])',
      '      --> table',
      '    Processor: table (stores: [rows])',
      '      --> none',
      '      <-- table-source',
      '',
    ].join('\n'),
  )
})
