/** Aggregations by sessions: which records belong together, what merges, what is late, what leaves. */
import { json, nullable, type StreamsBuilder, session, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

function visits(builder: StreamsBuilder, gap: number, grace = 0) {
  return builder
    .stream('in', { key: nullable(text), value: nullable(text) })
    .groupByKey()
    .windowedBy(session(gap, { grace }))
}

semanticCase('a record at most the gap away joins a session, whose old row is deleted first', {
  program(builder) {
    visits(builder, 5, 10).count({ emit: 'updates' }).toStream().to('out')
  },
  lines: `
    in a:x@0 {h=1}  =>  out a[0,0):1@0
    in a:x@0        =>  out a[0,0):2@0
    in a:x@5        =>  out a[0,0):_@0, out a[0,5):3@5
    in a:_@3        =>  out a[0,5):_@5, out a[0,5):4@5
    in a:x@11       =>  out a[11,11):1@11
    in b:x@11       =>  out b[11,11):1@11
    in a:x@8        =>  out a[0,5):_@5, out a[11,11):_@11, out a[0,11):6@11
  `,
})

semanticCase('a session takes records until stream time passes its end by gap and grace', {
  program(builder) {
    visits(builder, 5, 2).count({ emit: 'updates', store: 'visits' }).toStream().to('out')
  },
  lines: `
    in a:x@10  =>  out a[10,10):1@10
    in b:x@16  =>  out b[16,16):1@16
    in a:x@11  =>  out a[10,10):_@10, out a[10,11):2@11
    in b:x@19  =>  out b[16,16):_@16, out b[16,19):2@19
    in a:x@11  =>  nothing
    in a:x@16  =>  out a[16,16):1@16
    in a:x@10  =>  nothing
    in a:x@11  =>  out a[16,16):_@16, out a[11,16):2@16
    in _:x@99  =>  nothing
  `,
  dropped: ['late visits-count 2', 'null-key visits-count 1'],
  onePartition: true,
})

semanticCase("emit 'commit' sends a session once, and nothing of what came and went", {
  program(builder) {
    visits(builder, 5, 100).count({ store: 'visits' }).toStream().to('out')
  },
  lines: `
    in a:x@0, in a:x@4, in a:x@6, in b:x@7  =>  out a[0,6):3@6, out b[7,7):1@7
    in a:x@20, in a:x@8                     =>  out a[20,20):1@20, out a[0,6):_@6, out a[0,8):4@8
    in b:x@7                                =>  out b[7,7):2@7
    in a:x@13, in a:x@15                    =>  out a[0,8):_@8, out a[20,20):_@20, out a[0,20):7@20
  `,
})

semanticCase('a reduction brings sessions that meet down to one by the same function', {
  program(builder) {
    visits(builder, 5, 100)
      .reduce((sofar, value) => `${sofar}${value}`, { emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@0  =>  out a[0,0):x@0
    in a:y@9  =>  out a[9,9):y@9
    in a:z@5  =>  out a[0,0):_@0, out a[9,9):_@9, out a[0,9):xyz@9
  `,
})

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`an aggregator and a merger that change their argument in place, emit '${emit}'`, {
    program(builder) {
      builder
        .stream('in', { key: text, value: text })
        .groupByKey()
        .windowedBy(session(5, { grace: 100 }))
        .aggregate(
          (): { seen: string[] } => ({ seen: [] }),
          (_key, value, sum) => {
            sum.seen.push(value)
            return sum
          },
          {
            emit,
            value: json<{ seen: string[] }>(),
            merge(_key, one, other) {
              one.seen.push(...other.seen)
              return one
            },
          },
        )
        .toStream()
        .to('out')
    },
    lines: `
      in a:x@0  =>  out a[0,0):{"seen":["x"]}@0
      in a:y@9  =>  out a[9,9):{"seen":["y"]}@9
      in a:z@5  =>  out a[0,0):_@0, out a[9,9):_@9, out a[0,9):{"seen":["x","y","z"]}@9
    `,
  })
}

semanticCase("emit 'close' sends a session once, when nothing can join it any more", {
  program(builder) {
    visits(builder, 5, 2).count({ emit: 'close' }).toStream().to('out')
  },
  lines: `
    in a:x@0   =>  nothing
    in a:x@5   =>  nothing
    in a:x@12  =>  nothing
    in a:x@13  =>  out a[0,5):2@5
    in a:x@99  =>  out a[12,13):2@13
  `,
})
