/** Rows made of rows by an object of the user's. */
import {
  int64,
  type KeyValueStore,
  keyValueStore,
  type RowTransformer,
  StreamsBuilder,
  text,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: text }
const seen = keyValueStore({ name: 'seen', key: text, value: int64 })

/** Appends how often the key changed, deletions too; an empty row deletes. */
function numbering(): RowTransformer<string, string, string> {
  let store: KeyValueStore<string, number>
  return {
    init(context) {
      store = context.store(seen)
    },
    async transform(row, key, { timestamp }) {
      const changes = ((await store.get(key))?.value ?? 0) + 1
      store.put(key, changes, timestamp)
      return row === null || row === '' ? null : `${row}#${changes}`
    },
  }
}

semanticCase('a transformer is asked about every change, and keeps state of its own', {
  program(builder) {
    builder
      .table('in', serdes)
      .transformValues({ stores: [seen], create: numbering })
      .toStream()
      .to('out', { value: text })
  },
  lines: `
    in a:x@5 {h=1}  =>  out a:x#1@5 {h=1}
    in a:y@3        =>  out a:y#2@3
    in a:_@9        =>  out a:_@9
    in a:z@10       =>  out a:z#4@10
    in a:@11        =>  out a:_@11
    in b:x@1        =>  out b:x#1@1
  `,
})

semanticCase('who groups the result takes out what was put in', {
  program(builder) {
    builder
      .table('in', serdes)
      .transformValues({ stores: [seen], create: numbering })
      .groupBy((_key, row) => [row.slice(0, 1), row])
      .reduce(
        (all, row) => `${all}+${row}`,
        (all, row) => all.replace(row, '').replace(/^\\+|\\+$/, ''),
        { emit: 'updates' },
      )
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1  =>  out x:x#1@1
    in a:x@2  =>  out x:+x#2@2
    in a:y@3  =>  out x:+@3, out y:y#3@3
  `,
  onePartition: true,
})

semanticCase('who joins the result sees its rows, made once', {
  program(builder) {
    const rows = builder
      .table('in', serdes)
      .transformValues({ stores: [seen], create: numbering }, { store: 'rows' })
    builder
      .stream('asked', serdes)
      .leftJoin(rows, (value, row) => `${value}=${row}`)
      .to('out', { value: text })
  },
  lines: `
    in a:x@1       =>  nothing
    asked a:q@2    =>  out a:q=x#1@2
    asked a:q@3    =>  out a:q=x#1@3
    in a:y@4       =>  nothing
    asked a:q@5    =>  out a:q=y#2@5
    asked b:q@6    =>  out b:q=null@6
  `,
})

describe('a transformer', () => {
  test('sees its task, is told of the record, schedules, and is closed', async () => {
    const told: string[] = []
    const builder = new StreamsBuilder()
    builder.table('in', serdes).transformValues<string>(
      () => ({
        init({ taskId, nodeName, schedule, streamTime }) {
          told.push(`${nodeName} in ${taskId}`)
          schedule(10, 'stream-time', (time) => void told.push(`${time} of ${streamTime()}`))
        },
        transform(row, key, { headers, metadata }) {
          told.push(`${key}:${row} ${headers.length} ${metadata?.topic}@${metadata?.offset}`)
          return row
        },
        close: () => void told.push('closed'),
      }),
      { name: 'told' },
    )
    const driver = await TopologyTestDriver.open(builder.build())
    onTestFinished(() => driver.close())
    await driver.input('in', serdes).pipe({ key: 'a', value: 'x', timestamp: 5 })
    await driver.close()
    expect(told).toEqual(['told in 0_0', 'a:x 0 in@0', '5 of 5', 'closed'])
  })

  test('is a new one for each task, and has a transform function', () => {
    const table = new StreamsBuilder().table('in', serdes)
    const one = { transform: (row: string | null) => row }
    expect(() => table.transformValues(() => one)).toThrow(
      "the transformer of transformValues(...) on 'in-table' returns one object each time",
    )
    expect(() => table.transformValues<string>(() => ({}) as never)).toThrow(
      'which has no transform function; pass () => ({ transform(row, key) { return row } })',
    )
    expect(() => table.transformValues(() => ({ ...one }), { stores: ['none'] })).toThrow(
      "names 'none', and there is no such store",
    )
  })
})
