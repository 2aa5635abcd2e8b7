/** Versioned tables: joined as of a record's time, with and without grace; late rows change the past. */
import { nullable, type StreamsBuilder, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: text }
const rows = { key: text, value: nullable(text), store: { name: 'rows', history: 100 } }

function tableAnd(builder: StreamsBuilder) {
  return [builder.stream('in', serdes), builder.table('rows', rows)] as const
}

semanticCase('a stream joins with the row of its own time', {
  program(builder) {
    const [stream, table] = tableAnd(builder)
    stream.leftJoin(table, (value, row) => `${value}${row}`).to('out')
  },
  lines: `
    rows a:x@10   =>  nothing
    rows a:y@20   =>  nothing
    in   a:A@15   =>  out a:Ax@15
    in   a:B@25   =>  out a:By@25
    in   a:C@5    =>  out a:Cnull@5
    rows a:w@4    =>  nothing
    in   a:D@5    =>  out a:Dw@5
    rows a:_@22   =>  nothing
    in   a:E@25   =>  out a:Enull@25
    in   a:F@21   =>  out a:Fy@21
  `,
})

semanticCase('with grace a stream waits for rows that come late', {
  program(builder) {
    const [stream, table] = tableAnd(builder)
    stream.join(table, (value, row) => `${value}${row}`, { grace: 10 }).to('out')
  },
  lines: `
    rows a:x@0          =>  nothing
    in   a:A@5 {h=1}    =>  nothing
    rows a:y@4          =>  nothing
    in   a:B@15         =>  out a:Ay@5 {h=1}
    in   a:C@3 {h=2}    =>  out a:Cx@3 {h=2}
    in   a:D@30         =>  out a:By@15
  `,
})

semanticCase('a row that is too late for the history is dropped, and not handed on', {
  program(builder) {
    builder
      .table('rows', { ...rows, name: 'table' })
      .toStream()
      .to('out', { value: nullable(text) })
  },
  lines: `
    rows a:x@200   =>  out a:x@200
    rows a:y@100   =>  out a:y@100
    rows a:z@99    =>  nothing
  `,
  dropped: ['late table 1'],
})

semanticCase('a late row is left out by joins and groupings of tables', {
  program(builder) {
    const table = builder.table('rows', rows)
    const other = builder.table('other', { key: text, value: nullable(text) })
    table
      .join(other, (row, one) => `${row}${one}`, { name: 'join' })
      .toStream()
      .to('out', {
        value: nullable(text),
      })
    table
      .groupBy((_key, row) => [row, row])
      .count({ store: 'counts', emit: 'updates' })
      .mapValues((count) => `${count}`)
      .toStream()
      .to('counts', { value: text })
  },
  lines: `
    other a:o@0   =>  nothing
    rows a:x@20   =>  out a:xo@20, counts x:1@20
    rows a:y@10   =>  nothing
  `,
  dropped: ['late join-left 1'],
})
