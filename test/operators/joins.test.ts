/** Joins: stream with stream in a window, stream with table, and the table's own rows. */
import { custom, json, nullable, type StreamsBuilder, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

interface Row {
  readonly n: number
  seen?: boolean
}

/** A number that is read as an object. */
const rowSerde = custom<Row>({
  name: 'row',
  serialize: ({ n, seen }) => Buffer.from(seen ? `${n}!` : `${n}`),
  deserialize: (bytes) => {
    const read = Buffer.from(bytes).toString()
    return read.endsWith('!') ? { n: Number.parseInt(read, 10), seen: true } : { n: Number(read) }
  },
})

const serdes = { key: text, value: text }
const nullables = { key: nullable(text), value: nullable(text) }

function both(builder: StreamsBuilder) {
  return [builder.stream('left', serdes), builder.stream('right', serdes)] as const
}

semanticCase('a pair meets when its times are at most the window apart, whichever came first', {
  program(builder) {
    const [left, right] = both(builder)
    left.join(right, (a, b) => `${a}${b}`, { within: 10, grace: 100 }).to('out')
  },
  lines: `
    left  a:A@10 {h=1}  =>  nothing
    right a:x@20 {h=2}  =>  out a:Ax@20 {h=2}
    right a:y@21        =>  nothing
    right b:z@10        =>  nothing
    left  a:B@11 {h=3}  =>  out a:Bx@20 {h=3}, out a:By@21 {h=3}
    right a:w@0         =>  out a:Aw@10
  `,
})

semanticCase('matches leave by time of the other side, then by arrival', {
  program(builder) {
    const [left, right] = both(builder)
    left.join(right, (a, b) => `${a}${b}`, { within: 100, grace: 100 }).to('out')
  },
  lines: `
    right a:x@5                  =>  nothing
    right a:y@3, right a:z@5     =>  nothing
    left  a:A@4                  =>  out a:Ay@4, out a:Ax@5, out a:Az@5
  `,
})

semanticCase('before and after bound the other side apart from each other', {
  program(builder) {
    const [left, right] = both(builder)
    left.join(right, (a, b) => `${a}${b}`, { before: 0, after: 5, grace: 100 }).to('out')
  },
  lines: `
    left  a:A@10  =>  nothing
    right a:x@9   =>  nothing
    right a:y@10  =>  out a:Ay@10
    right a:z@15  =>  out a:Az@15
    right a:w@16  =>  nothing
    left  a:B@12  =>  out a:Bz@15, out a:Bw@16
  `,
})

semanticCase('null keys and values are not joined, not kept, and counted', {
  program(builder) {
    const left = builder.stream('left', nullables)
    const right = builder.stream('right', nullables)
    left.join(right, (a, b) => `${a}${b}`, { within: 10, name: 'pairs' }).to('out')
  },
  lines: `
    left  _:A@1  =>  nothing
    left  a:_@1  =>  nothing
    right a:x@2  =>  nothing
    right _:x@2  =>  nothing
    left  a:A@3  =>  out a:Ax@3
  `,
  dropped: ['null-key pairs-left 1', 'null-key pairs-right 1', 'null-value pairs-left 1'],
})

semanticCase('re-keyed sides meet through repartition topics', {
  program(builder) {
    const [left, right] = both(builder)
    left
      .selectKey((_key, value) => value)
      .join(
        right.selectKey((_key, value) => value),
        (a, b, key) => `${key}=${a}${b}`,
        { within: 10 },
      )
      .to('out')
  },
  lines: `
    left  a:x@1 {h=1}  =>  nothing
    right b:x@2 {h=2}  =>  out x:x=xx@2 {h=2}
    right c:y@3        =>  nothing
  `,
})

semanticCase('a stream with itself', {
  program(builder) {
    const stream = builder.stream('in', serdes)
    stream.join(stream, (a, b) => `${a}${b}`, { within: 10 }).to('out')
  },
  lines: `
    in a:x@1  =>  out a:xx@1
    in a:y@5  =>  out a:yx@5, out a:xy@5, out a:yy@5
  `,
  onePartition: true,
})

semanticCase(
  'stream with table: the row of the key, at the time and with the headers of the record',
  {
    program(builder) {
      const rows = builder.table('rows', nullables)
      builder
        .stream('in', nullables)
        .join(rows, (value, row) => `${value}-${row}`, { name: 'with-row' })
        .to('out')
    },
    lines: `
    in   a:x@5           =>  nothing
    rows a:A@9 {h=1}     =>  nothing
    in   a:y@6 {h=2}     =>  out a:y-A@6 {h=2}
    rows a:B@1           =>  nothing
    in   a:z@7           =>  out a:z-B@7
    rows a:_@2           =>  nothing
    in   a:w@8           =>  nothing
    in   _:w@8           =>  nothing
    in   a:_@8           =>  nothing
    rows _:C@3           =>  nothing
  `,
    dropped: ['null-key rows-table 1', 'null-key with-row 1', 'null-value with-row 1'],
  },
)

semanticCase('left join with a table: null where there is no row, or no key', {
  program(builder) {
    const rows = builder.table('rows', nullables)
    builder
      .stream('in', nullables)
      .leftJoin(rows, (value, row) => `${value}-${row}`, { name: 'with-row' })
      .to('out')
  },
  lines: `
    in   a:x@5  =>  out a:x-null@5
    rows a:A@6  =>  nothing
    in   a:y@7  =>  out a:y-A@7
    in   _:z@8  =>  out _:z-null@8
    in   a:_@9  =>  nothing
  `,
  dropped: ['null-value with-row 1'],
})

semanticCase('rows that are there at the same time are joined in order of time', {
  program(builder) {
    const rows = builder.table('rows', serdes)
    builder
      .stream('in', serdes)
      .join(rows, (value, row) => `${value}-${row}`)
      .to('out')
  },
  lines: `
    in a:x@5, rows a:A@3, rows a:B@7, in a:y@9  =>  out a:x-A@5, out a:y-B@9
  `,
})

semanticCase('a re-keyed stream meets the table in its partition', {
  program(builder) {
    const rows = builder.table('rows', nullables)
    const rekeyed = builder.stream('in', nullables).selectKey((_key, value) => value)
    rekeyed.leftJoin(rows, (value, row) => `${value}-${row}`).to('out')
  },
  lines: `
    rows x:A@1  =>  nothing
    in   a:x@5  =>  out x:x-A@5
    in   b:y@6  =>  out y:y-null@6
  `,
})

semanticCase('a table is its last row, whatever the time; deletions are changes', {
  program(builder) {
    builder
      .table('rows', { ...nullables, store: 'rows' })
      .toStream()
      .to('out')
  },
  lines: `
    rows a:A@9 {h=1}  =>  out a:A@9 {h=1}
    rows a:B@1        =>  out a:B@1
    rows a:_@2        =>  out a:_@2
    rows _:C@3        =>  nothing
  `,
  dropped: ['null-key rows-table 1'],
})

semanticCase('toTable of a re-keyed stream', {
  program(builder) {
    const stream = builder.stream('in', serdes)
    const table = stream.selectKey((_key, value) => value).toTable({ store: 'last' })
    table.toStream().to('out')
  },
  lines: `
    in a:x@5  =>  out x:x@5
    in b:x@3  =>  out x:x@3
  `,
})

semanticCase('a function below a table that changes a row it is handed changes no row', {
  program(builder) {
    const rows = builder.table('rows', { key: text, value: rowSerde })
    rows
      .toStream()
      .mapValues((row) => {
        if (row !== null) row.seen = true
        return row
      })
      .to('changes', { value: json() })
    const stream = builder.stream('in', serdes)
    stream.join(rows, (value, row) => `${value}-${JSON.stringify(row)}`).to('out', serdes)
  },
  lines: `
    rows a:7@1  =>  changes a:{"n":7,"seen":true}@1
    in   a:x@2  =>  out a:x-{"n":7}@2
  `,
})
