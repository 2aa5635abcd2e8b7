/** Joins of tables by foreign key: what goes in, what comes out, in every way of running it. */
import { nullable, StreamsBuilder, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { semanticCase } from '../semantic-case.ts'

const serdes = { key: nullable(text), value: nullable(text) }

/** `x|r1` names `r1`; `x|` and `x` name none. */
const options = {
  foreignKey: (row: string) => row.split('|')[1] || null,
  key: text,
  otherKey: text,
  value: text,
}

function both(builder: StreamsBuilder) {
  return [builder.table('left', serdes), builder.table('right', serdes)] as const
}

function inner(builder: StreamsBuilder): void {
  const [left, right] = both(builder)
  left
    .join(right, (row, other) => `${row}+${other}`, options)
    .toStream()
    .to('out')
}

function leftOuter(builder: StreamsBuilder): void {
  const [left, right] = both(builder)
  left
    .leftJoin(right, (row, other) => `${row}+${other}`, options)
    .toStream()
    .to('out')
}

semanticCase('a right row is told to all left rows that name it, and to no other', {
  program: inner,
  lines: `
    left  a:x|r1@1, left b:y|r1@2, left c:z|r10@3  =>  nothing
    right r1:v@5 {h=1}   =>  out a:x|r1+v@5 {h=1}, out b:y|r1+v@5 {h=1}
    right r10:w@2        =>  out c:z|r10+w@2
    right r1:_@7         =>  out a:_@7, out b:_@7
  `,
})

semanticCase('a left row that moves leaves the old right row', {
  program: inner,
  lines: `
    right r1:v@1, right r2:w@2  =>  nothing
    left  a:x|r1@3 {h=1}  =>  out a:x|r1+v@3 {h=1}
    left  a:x|r2@1        =>  out a:x|r2+w@2
    right r1:V@4          =>  nothing
    right r2:W@5          =>  out a:x|r2+W@5
    left  a:x|r3@6        =>  out a:_@6
    right r3:u@7          =>  out a:x|r3+u@7
    left  a:_@8           =>  out a:_@8
    left  a:_@9           =>  nothing
    right r3:U@10         =>  nothing
  `,
})

semanticCase(
  'a left row that names nothing is dropped by an inner join, and ends what was joined',
  {
    program: inner,
    lines: `
    right r1:v@1   =>  nothing
    left  a:x|@2   =>  nothing
    left  a:x|r1@3 =>  out a:x|r1+v@3
    left  a:y|@4   =>  out a:_@4
    right r1:w@5   =>  nothing
  `,
    dropped: ['null-key left-table-join-subscribe 2'],
  },
)

semanticCase('a left join answers every left row', {
  program: leftOuter,
  lines: `
    left  a:x|r1@1  =>  out a:x|r1+null@1
    left  b:y|@2    =>  out b:y|+null@2
    right r1:v@3    =>  out a:x|r1+v@3
    left  a:x|r2@4  =>  out a:x|r2+null@4
    right r1:w@5    =>  nothing
    left  b:y|r1@6  =>  out b:y|r1+w@6
    left  b:z|@7    =>  out b:z|+null@7
    right r1:_@8    =>  nothing
    left  a:_@9     =>  out a:_@9
  `,
})

semanticCase('a response to a row that has changed meanwhile is stale', {
  program: inner,
  onePartition: true,
  lines: `
    right r1:v@1, right r2:w@1  =>  nothing
    left  a:x|r1@2, left a:y|r2@3  =>  out a:y|r2+w@3
    left  b:x|r1@4, left b:_@5     =>  out b:_@5
  `,
  dropped: ['stale left-table-join-joined 2'],
})

describe('tables whose topics are written by a partitioner of their own', () => {
  /** By the last character of the key, a digit. */
  const byDigit = (key: string, partitions: number) => Number(key.at(-1)) % partitions

  test.each<[string, object, string[]]>([
    [
      'meet where the other one says its rows are',
      { otherPartitioner: byDigit },
      ['x|r1+v1', 'y|r2+v2', 'z|r3+v3'],
    ],
    ['do not find each other by the hash of keys', {}, []],
  ])('%s', async (_what, more, expected) => {
    const builder = new StreamsBuilder()
    const [left, right] = both(builder)
    const joiner = (row: string, other: string) => `${row}+${other}`
    left
      .join(right, joiner, { ...options, ...more })
      .toStream()
      .to('out')
    const driver = await TopologyTestDriver.open(builder.build(), { partitions: 8 })
    onTestFinished(() => driver.close())
    for (const [key, value] of [
      ['r1', 'v1'],
      ['r2', 'v2'],
      ['r3', 'v3'],
    ] as const) {
      const partition = byDigit(key, 8)
      await driver.input('right', serdes).pipe({ key, value, partition, timestamp: 1 })
    }
    // The left table's rows lie anywhere: answers come back to where they are.
    for (const [index, value] of ['x|r1', 'y|r2', 'z|r3'].entries()) {
      const record = { key: `k${index}`, value, partition: 7 - index, timestamp: 2 }
      await driver.input('left', serdes).pipe(record)
    }
    const joined = await driver.output('out', serdes).readAll()
    expect(joined.map(({ value }) => value).sort()).toEqual(expected)
  })

  test('the partitioner is a function', () => {
    const wrong = (otherPartitioner: unknown) => () => {
      const [left, right] = both(new StreamsBuilder())
      left.join(right, (row) => row, { ...options, otherPartitioner: otherPartitioner as never })
    }
    expect(wrong(1)).toThrow("option otherPartitioner of join(...) on 'left-table' is 1")
  })
})
