/** Aggregations by windows of time: which windows a record is in, what is late, what leaves. */
import { hopping, json, nullable, type StreamsBuilder, text, tumbling } from 'millrace'
import { semanticCase } from './semantic-case.ts'

function clicks(builder: StreamsBuilder) {
  return builder.stream('in', { key: nullable(text), value: nullable(text) }).groupByKey()
}

semanticCase('tumbling: a record is in the one window that contains its time', {
  program(builder) {
    clicks(builder).windowedBy(tumbling(10)).count({ emit: 'updates' }).toStream().to('out')
  },
  lines: `
    in a:x@0 {h=1}  =>  out a[0,10):1@0 {h=1}
    in a:x@9        =>  out a[0,10):2@9
    in a:x@3        =>  out a[0,10):3@9
    in a:x@10       =>  out a[10,20):1@10
    in a:_@11       =>  out a[10,20):2@11
  `,
})

semanticCase('a window takes late records until stream time passes its end by the grace', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10, { grace: 5 }))
      .count({ emit: 'updates', store: 'clicks' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@9   =>  out a[0,10):1@9
    in a:x@14  =>  out a[10,20):1@14
    in a:x@1   =>  out a[0,10):2@9
    in a:x@15  =>  out a[10,20):2@15
    in a:x@9   =>  nothing
    in a:x@10  =>  out a[10,20):3@15
  `,
  dropped: ['late clicks-count 1'],
})

semanticCase('stream time is that of the operator: a record of another key makes one late', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10))
      .count({ emit: 'updates', store: 'clicks' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@5   =>  out a[0,10):1@5
    in b:x@10  =>  out b[10,20):1@10
    in a:x@6   =>  nothing
    in _:x@99  =>  nothing
    in b:x@11  =>  out b[10,20):2@11
  `,
  dropped: ['late clicks-count 1', 'null-key clicks-count 1'],
  onePartition: true,
})

semanticCase('hopping: a record is in every window that contains its time, the earliest first', {
  program(builder) {
    clicks(builder)
      .windowedBy(hopping(10, { advance: 5, grace: 2 }))
      .reduce((sofar, value) => `${sofar}${value}`, { emit: 'updates', store: 'clicks' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@3           =>  out a[0,10):x@3
    in a:y@7 {h=1}     =>  out a[0,10):xy@7 {h=1}, out a[5,15):y@7 {h=1}
    in a:z@12          =>  out a[5,15):yz@12, out a[10,20):z@12
    in a:w@9           =>  out a[5,15):yzw@12
    in a:v@2           =>  nothing
    in a:u@10          =>  out a[5,15):yzwu@12, out a[10,20):zu@12
  `,
  dropped: ['late clicks-reduce 2'],
})

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`a window aggregator that changes its argument in place, emit '${emit}'`, {
    program(builder) {
      builder
        .stream('in', { key: text, value: text })
        .groupByKey()
        .windowedBy(hopping(10, { advance: 5, grace: 100 }))
        .aggregate(
          (): { seen: string[] } => ({ seen: [] }),
          (_key, value, sum) => {
            sum.seen.push(value)
            return sum
          },
          { emit, value: json<{ seen: string[] }>() },
        )
        .toStream()
        .to('out')
    },
    lines: `
      in a:x@1  =>  out a[0,10):{"seen":["x"]}@1
      in a:y@6  =>  out a[0,10):{"seen":["x","y"]}@6, out a[5,15):{"seen":["y"]}@6
      in a:z@2  =>  out a[0,10):{"seen":["x","y","z"]}@6
    `,
  })
}

semanticCase("emit 'commit' sends each window that changed once, its last result", {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10, { grace: 10 }))
      .count()
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1, in a:x@12, in a:x@3, in a:x@4  =>  out a[0,10):3@4, out a[10,20):1@12
    in a:x@2                                 =>  out a[0,10):4@4
  `,
})

semanticCase('windows can be grouped again: of each key the latest window', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10))
      .count({ emit: 'updates' })
      .toStream()
      .map((windowed, count) => [windowed.key, `${windowed.start}=${count}`])
      .groupByKey()
      .reduce((_sofar, value) => value, { emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1   =>  out a:0=1@1
    in a:x@11  =>  out a:10=1@11
    in a:x@12  =>  out a:10=2@12
  `,
})
