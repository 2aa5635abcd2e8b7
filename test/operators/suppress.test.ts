/** Tables whose changes are held back: until a window closes, or for a time. */
import {
  hopping,
  int64,
  nullable,
  type StreamsBuilder,
  session,
  sliding,
  text,
  tumbling,
  untilTimeLimit,
  untilWindowCloses,
} from 'millrace'
import { semanticCase } from './semantic-case.ts'

function clicks(builder: StreamsBuilder) {
  return builder.stream('in', { key: nullable(text), value: nullable(text) }).groupByKey()
}

function rows(builder: StreamsBuilder) {
  return builder.table('in', { key: text, value: nullable(text) })
}

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`until a window closes its row is held back and sent once, emit '${emit}' above`, {
    program(builder) {
      clicks(builder)
        .windowedBy(tumbling(10, { grace: 5 }))
        .count({ emit, store: 'clicks' })
        .suppress(untilWindowCloses())
        .toStream()
        .to('out')
    },
    lines: `
      in a:x@1 {h=1}             =>  nothing
      in b:x@2, in a:x@3, in a:x@14  =>  nothing
      in a:x@4                   =>  nothing
      in b:x@15                  =>  out a[0,10):3@4, out b[0,10):1@2
      in a:x@5                   =>  nothing
      in c:x@1000                =>  out a[10,20):1@14, out b[10,20):1@15
    `,
    dropped: ['late clicks-count 1'],
    onePartition: true,
  })
}

semanticCase(
  'rows that come with one commit are judged together: each window leaves with its last',
  {
    program(builder) {
      clicks(builder)
        .windowedBy(tumbling(10, { grace: 5 }))
        .count({ emit: 'commit' })
        .suppress(untilWindowCloses())
        .toStream()
        .to('out')
    },
    lines: `
    in a:x@11                                 =>  nothing
    in b:x@20, in a:x@12, in b:x@29, in a:x@13  =>  out a[10,20):2@12
    in b:x@40                                 =>  out b[20,30):2@29
  `,
    dropped: ['late in-count 1'],
    onePartition: true,
  },
)

semanticCase('windows leave by their end, then by the bytes of their keys', {
  program(builder) {
    clicks(builder)
      .windowedBy(hopping(10, { advance: 5 }))
      .count({ emit: 'updates' })
      .suppress(untilWindowCloses())
      .toStream()
      .to('out')
  },
  lines: `
    in é:x@6, in b:x@7, in B:x@8  =>  nothing
    in a:x@100  =>  out B[0,10):1@8, out b[0,10):1@7, out é[0,10):1@6, out B[5,15):1@8, out b[5,15):1@7, out é[5,15):1@6
  `,
  onePartition: true,
})

semanticCase('a window whose end is inclusive is sent once: what comes after that is late', {
  program(builder) {
    clicks(builder)
      .windowedBy(sliding(10))
      .count({ emit: 'updates' })
      .suppress(untilWindowCloses(), { name: 'final' })
      .toStream()
      .to('out')
  },
  lines: `
    in b:x@10, in a:x@10  =>  out b[0,10):1@10, out a[0,10):1@10
    in a:x@10             =>  nothing
    in b:x@11             =>  out b[1,11):2@11
  `,
  dropped: ['late final 1'],
  onePartition: true,
})

semanticCase('sessions that merged away are not sent', {
  program(builder) {
    clicks(builder)
      .windowedBy(session(10, { grace: 20 }))
      .count({ emit: 'updates' })
      .suppress(untilWindowCloses())
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@0, in a:x@11, in a:x@5  =>  nothing
    in b:x@40                      =>  nothing
    in b:x@41                      =>  out a[0,11):3@11
  `,
  onePartition: true,
})

semanticCase('for a time: of the changes of a row the last leaves, deletions too', {
  program(builder) {
    rows(builder).suppress(untilTimeLimit(5)).toStream().to('out')
  },
  lines: `
    in a:1@0 {h=1}    =>  nothing
    in a:2@1 {h=2}    =>  nothing
    in b:3@2          =>  nothing
    in b:_@3          =>  nothing
    in c:4@10         =>  out a:2@1 {h=2}, out b:_@3
    in d:5@20         =>  out c:4@10
  `,
  onePartition: true,
})

semanticCase('no more rows than the bound are held back: the first leave early', {
  program(builder) {
    rows(builder)
      .suppress(untilTimeLimit('1h', { maxRecords: 2 }))
      .toStream()
      .to('out')
  },
  lines: `
    in b:1@5   =>  nothing
    in a:2@5   =>  nothing
    in c:3@4   =>  out c:3@4
    in d:4@6   =>  out a:2@5
    in b:5@9   =>  nothing
    in e:6@10  =>  out b:5@9
  `,
  onePartition: true,
})

semanticCase('no more bytes than the bound are held back', {
  program(builder) {
    rows(builder)
      .suppress(untilTimeLimit('1h', { maxBytes: 120 }))
      .toStream()
      .to('out')
  },
  lines: `
    in a:123456789@1           =>  nothing
    in b:123456789@2           =>  nothing
    in a:12345678901234567@3   =>  out a:12345678901234567@3
    in c:1@4                   =>  nothing
    in d:1@5                   =>  out b:123456789@2
  `,
  onePartition: true,
})

semanticCase(
  'who groups a suppressed table again subtracts what was sent, not what was held back',
  {
    program(builder) {
      rows(builder)
        .suppress(untilTimeLimit(5))
        .groupBy((_key, row) => ['sum', Number(row)], { key: text, value: int64 })
        .reduce(
          (sum, n) => sum + n,
          (sum, n) => sum - n,
          { emit: 'updates', value: int64 },
        )
        .toStream()
        .to('out')
    },
    lines: `
    in a:1@0   =>  nothing
    in a:2@1   =>  nothing
    in a:5@9   =>  out sum:5@9
    in a:7@20  =>  nothing
    in a:3@30  =>  out sum:3@30
  `,
    onePartition: true,
  },
)

semanticCase('who joins a suppressed table meets the row that was sent last', {
  program(builder) {
    const table = builder.table('rows', { key: text, value: text }).suppress(untilTimeLimit(5))
    builder
      .stream('in', { key: text, value: text })
      .join(table, (value, row) => `${value}+${row}`)
      .to('out')
  },
  lines: `
    rows a:1@0   =>  nothing
    in a:x@1     =>  nothing
    rows a:2@6   =>  nothing
    in a:y@7     =>  out a:y+2@7
    rows a:3@8   =>  nothing
    in a:z@9     =>  out a:z+2@9
  `,
  onePartition: true,
})

semanticCase('a filter above leaves nothing to hold back of a row that was never there', {
  program(builder) {
    rows(builder)
      .filter((_key, row) => row !== 'x')
      .suppress(untilTimeLimit(5))
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@0   =>  nothing
    in b:y@10  =>  nothing
    in b:x@20  =>  out b:_@20
    in c:x@30  =>  nothing
    in a:y@40  =>  nothing
    in a:z@50  =>  out a:z@50
  `,
  onePartition: true,
})

semanticCase('a filter below deletes only rows that were sent', {
  program(builder) {
    rows(builder)
      .suppress(untilTimeLimit(5))
      .filter((_key, row) => row !== 'x')
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@0   =>  nothing
    in a:x@10  =>  nothing
    in a:y@20  =>  nothing
    in a:z@30  =>  out a:z@30
    in a:x@40  =>  nothing
    in b:x@50  =>  out a:_@40
  `,
  onePartition: true,
})

semanticCase('a filter below final windows deletes none: none was sent before', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10))
      .count({ emit: 'updates' })
      .suppress(untilWindowCloses())
      .filter((_window, clicks) => clicks > 1)
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1, in b:x@2, in b:x@3  =>  nothing
    in c:x@10                     =>  out b[0,10):2@3
    in c:x@20                     =>  nothing
  `,
  onePartition: true,
})
