/** Verbs on tables: filter, mapValues, grouping, joins of tables, and rows that live for a time. */
import { int64, nullable, type StreamsBuilder, session, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: text }
const numbers = { key: text, value: int64 }

function both(builder: StreamsBuilder) {
  return [builder.table('left', serdes), builder.table('right', serdes)] as const
}

semanticCase('a filter deletes rows that no longer hold, and says so also of rows it never had', {
  program(builder) {
    builder
      .table('in', numbers)
      .filter((_key, n) => n % 2 === 0)
      .toStream()
      .to('out')
  },
  lines: `
    in a:1@10        =>  out a:_@10
    in b:2@5 {h=1}   =>  out b:2@5 {h=1}
    in b:3@6         =>  out b:_@6
    in b:_@7         =>  out b:_@7
  `,
})

semanticCase('a filter of a table that keeps its rows deletes only what was there', {
  program(builder) {
    builder
      .table('in', { ...numbers, store: 'rows' })
      .filterNot((_key, n) => n % 2 === 1, { store: 'even' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:1@10        =>  nothing
    in b:2@5         =>  out b:2@5
    in b:3@6         =>  out b:_@6
    in b:_@7         =>  nothing
  `,
})

semanticCase('a mapper is not asked about deletions, and may delete', {
  program(builder) {
    builder
      .table('in', numbers)
      .mapValues((n) => (n > 9 ? null : n * 2), { value: nullable(int64), store: 'doubled' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:1@10  =>  out a:2@10
    in a:10@3  =>  out a:_@3
    in a:_@11  =>  out a:_@11
  `,
})

semanticCase('a stream joined with a filtered and mapped table sees through to the rows above', {
  program(builder) {
    const table = builder
      .table('rows', serdes)
      .filter((_key, row) => row !== 'hidden')
      .mapValues((row) => `<${row}>`)
    builder
      .stream('in', serdes)
      .leftJoin(table, (value, row) => `${value}${row}`)
      .to('out')
  },
  lines: `
    rows a:x@1       =>  nothing
    in   a:A@2       =>  out a:A<x>@2
    rows a:hidden@3  =>  nothing
    in   a:B@4       =>  out a:Bnull@4
    rows a:y@3       =>  nothing
    in   a:C@5       =>  out a:C<y>@5
  `,
})

semanticCase('a row that changes its group is taken out of one and put into the other', {
  program(builder) {
    builder
      .table('in', serdes)
      .groupBy((key, row) => [row.slice(0, 1), key + row.slice(1)])
      .reduce(
        (sum, row) => sum + row,
        (sum, row) => sum.replace(row, ''),
        { emit: 'updates', store: 'groups' },
      )
      .toStream()
      .to('out')
  },
  lines: `
    in a:x1@10        =>  out x:a1@10
    in b:x2@8 {h=1}   =>  out x:a1b2@10 {h=1}
    in a:x3@12        =>  out x:b2a3@12
    in a:y4@13        =>  out x:b2@13, out y:a4@13
    in b:_@9          =>  out x:@13
    in c:_@1          =>  nothing
  `,
})

semanticCase('a change within a group is one step: nobody sees the group without either row', {
  program(builder) {
    builder
      .table('in', serdes)
      .groupBy((_key, row) => (row === 'out' ? null : [row, row]))
      .count({ emit: 'updates', store: 'rows-per-value' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@10    =>  out x:1@10
    in a:x@12    =>  out x:1@12
    in b:x@11    =>  out x:2@12
    in a:out@13  =>  out x:1@13
    in b:_@14    =>  out x:0@14
  `,
})

semanticCase('an inner join of tables is evaluated anew when either side changes', {
  program(builder) {
    const [left, right] = both(builder)
    left
      .join(right, (a, b) => `${a}${b}`, { value: text, store: 'joined' })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:A@3        =>  nothing
    right a:x@4 {h=1}  =>  out a:Ax@4 {h=1}
    left  a:B@2 {h=2}  =>  out a:Bx@4 {h=2}
    left  a:_@7        =>  out a:_@7
    right a:_@8        =>  nothing
    left  a:C@9        =>  nothing
  `,
})

semanticCase('a left join keeps what only the left side has', {
  program(builder) {
    const [left, right] = both(builder)
    left
      .leftJoin(right, (a, b) => `${a}${b}`, { value: text })
      .toStream()
      .to('out')
  },
  lines: `
    right a:x@1   =>  nothing
    left  a:A@3   =>  out a:Ax@3
    right a:_@4   =>  out a:Anull@4
    left  a:_@5   =>  out a:_@5
    left  b:_@6   =>  nothing
  `,
})

semanticCase('an outer join keeps what one side has', {
  program(builder) {
    const [left, right] = both(builder)
    left
      .outerJoin(right, (a, b) => `${a}${b}`, { value: text })
      .toStream()
      .to('out')
  },
  lines: `
    right a:x@1   =>  out a:nullx@1
    left  a:A@3   =>  out a:Ax@3
    right a:_@4   =>  out a:Anull@4
    left  a:_@5   =>  out a:_@5
    right a:_@6   =>  nothing
  `,
})

semanticCase('a join of a join looks its rows up in the tables above', {
  program(builder) {
    const [left, right] = both(builder)
    const more = builder.table('more', serdes)
    left
      .leftJoin(right, (a, b) => `${a}${b}`)
      .join(more, (ab, c) => `${ab}${c}`, { value: text })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:A@3   =>  nothing
    more  a:1@1   =>  out a:Anull1@3
    right a:x@9   =>  out a:Ax1@9
    more  a:2@5   =>  out a:Ax2@9
    left  a:_@2   =>  out a:_@9
  `,
})

semanticCase('a table joined with itself has each row twice', {
  program(builder) {
    const table = builder.table('in', serdes)
    table
      .join(table, (a, b) => `${a}${b}`, { value: text })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1  =>  out a:xx@1, out a:xx@1
    in a:_@2  =>  nothing
  `,
})

semanticCase('rows expire when stream time has passed their last change by the time to live', {
  program(builder) {
    builder
      .table('in', { ...serdes, ttl: 100, store: 'recent' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1000         =>  out a:x@1000
    in b:y@1050         =>  out b:y@1050
    in a:z@1099 {h=1}   =>  out a:z@1099 {h=1}
    in c:w@1149         =>  out c:w@1149
    in c:v@1150         =>  out b:_@1150, out c:v@1150
    in d:u@1051         =>  out d:u@1051
    in d:t@1050         =>  nothing
    in e:s@5000         =>  out d:_@1151, out a:_@1199, out c:_@1250, out e:s@5000
    in e:_@5001         =>  out e:_@5001
    in f:r@9000         =>  out f:r@9000
  `,
  dropped: ['late recent-table 1'],
  onePartition: true,
})

semanticCase('rows expire also when only another topic of the task goes on', {
  program(builder) {
    const recent = builder.stream('rows', serdes).toTable({ ttl: '1s', store: 'recent' })
    recent.toStream().to('out')
    builder
      .stream('in', serdes)
      .leftJoin(recent, (value, row) => `${value}${row}`)
      .to('joined')
  },
  lines: `
    rows a:x@1000  =>  out a:x@1000
    in   a:A@1500  =>  joined a:Ax@1500
    in   a:B@2500  =>  out a:_@2000, joined a:Bx@2500
    in   a:C@2501  =>  joined a:Cnull@2501
  `,
  onePartition: true,
})

semanticCase('several grouped streams fold into one row', {
  program(builder) {
    const left = builder.stream('left', serdes).groupByKey()
    const right = builder.stream('right', serdes).groupByKey()
    left
      .cogroup((_key, value, seen: string) => `${seen}${value}`)
      .cogroup(right, (_key, value, seen) => `${seen}+${value}`)
      .aggregate(() => '=', { emit: 'updates', store: 'seen' })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:x@5   =>  out a:=x@5
    right a:y@3   =>  out a:=x+y@5
    right b:z@1   =>  out b:=+z@1
    left  a:w@9   =>  out a:=x+yw@9
  `,
})

semanticCase('a bounded table forgets the row that was used longest ago, and says nothing of it', {
  program(builder) {
    const towns = builder.table('towns', { ...serdes, store: { name: 'towns', maxEntries: 2 } })
    towns.toStream().to('changes')
    builder
      .stream('people', serdes)
      .leftJoin(towns, (name, town) => `${name}_of_${town ?? 'nowhere'}`)
      .to('out')
  },
  lines: `
    towns a:Aix@1    =>  changes a:Aix@1
    towns b:Bern@2   =>  changes b:Bern@2
    people a:Ann@3   =>  out a:Ann_of_Aix@3
    towns c:Cork@4   =>  changes c:Cork@4
    people b:Bob@5   =>  out b:Bob_of_nowhere@5
    people a:Ann@6   =>  out a:Ann_of_Aix@6
    people c:Cat@7   =>  out c:Cat_of_Cork@7
    towns a:_@8      =>  changes a:_@8
    people a:Ann@9   =>  out a:Ann_of_nowhere@9
  `,
  onePartition: true,
})

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`a bounded count begins anew when its row was forgotten, emit '${emit}'`, {
    program(builder) {
      builder
        .stream('in', serdes)
        .groupByKey()
        .count({ emit, store: { name: 'two', maxEntries: 2 } })
        .toStream()
        .to('out')
    },
    lines: `
      in a:x@1  =>  out a:1@1
      in b:x@2  =>  out b:1@2
      in a:x@3  =>  out a:2@3
      in c:x@4  =>  out c:1@4
      in b:x@5  =>  out b:1@5
      in c:x@6  =>  out c:2@6
      in a:x@7  =>  out a:1@7
    `,
    onePartition: true,
  })
}

semanticCase(
  'a join sees of an aggregation what it has sent: nobody takes out what was never put in',
  {
    program(builder) {
      const counts = builder.stream('in', serdes).groupByKey().count({ store: 'counts' })
      counts
        .join(builder.table('towns', serdes), (count, town) => `${town}:${count}`, { value: text })
        .groupBy(
          (_key, row) => [row.slice(0, row.indexOf(':')), Number(row.slice(row.indexOf(':') + 1))],
          {
            value: int64,
          },
        )
        .reduce(
          (sum, count) => sum + count,
          (sum, count) => sum - count,
          { emit: 'updates', store: 'counts-per-town' },
        )
        .toStream()
        .to('out')
    },
    lines: `
    towns a:x@1                        =>  nothing
    in a:1@2, in a:2@3                 =>  out x:2@3
    in a:3@4, towns a:y@5, in a:4@6    =>  out x:0@5, out y:2@5, out y:4@6
    in b:1@7, towns b:y@8              =>  out y:5@8
  `,
    onePartition: true,
  },
)

semanticCase('a table of sessions joins with another by key and session', {
  program(builder) {
    const visits = (topic: string) =>
      builder.stream(topic, serdes).groupByKey().windowedBy(session(10)).count({ emit: 'updates' })
    visits('left')
      .join(visits('right'), (one, other) => one * 10 + other, { value: int64 })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:x@0  =>  nothing
    left  a:y@5  =>  nothing
    right a:z@0  =>  nothing
    right a:w@5  =>  out a[0,5):22@5
  `,
})

semanticCase(
  'an inner join asks for no rows before, so a filter above it deletes what it never had',
  {
    program(builder) {
      const [left, right] = both(builder)
      left
        .filter((_key, row) => row !== 'hidden')
        .join(right, (a, b) => `${a}${b}`, { value: text })
        .toStream()
        .to('out')
    },
    lines: `
    right a:x@1       =>  nothing
    left  a:hidden@2  =>  out a:_@2
    left  a:A@3       =>  out a:Ax@3
  `,
  },
)
