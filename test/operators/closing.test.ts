/** Windows that are sent once, when they close: emit 'close'. */
import {
  hopping,
  json,
  nullable,
  type StreamsBuilder,
  session,
  sliding,
  text,
  tumbling,
} from 'millrace'
import { semanticCase } from './semantic-case.ts'

function clicks(builder: StreamsBuilder) {
  return builder.stream('in', { key: nullable(text), value: nullable(text) }).groupByKey()
}

semanticCase("emit 'close' sends each window once, when stream time passes its end by the grace", {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10, { grace: 5 }))
      .count({ emit: 'close', store: 'clicks' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1         =>  nothing
    in a:x@12        =>  nothing
    in a:x@4         =>  nothing
    in a:x@14        =>  nothing
    in b:x@15 {h=1}  =>  out a[0,10):2@4 {h=1}
    in a:x@9         =>  nothing
    in a:x@19        =>  nothing
    in a:x@25        =>  out a[10,20):3@19, out b[10,20):1@15
  `,
  dropped: ['late clicks-count 1'],
  onePartition: true,
})

semanticCase('windows that closed together leave by start, then by the bytes of their keys', {
  program(builder) {
    clicks(builder)
      .windowedBy(hopping(10, { advance: 5 }))
      .reduce((sofar, value) => `${sofar}${value}`, { emit: 'close' })
      .toStream()
      .to('out')
  },
  lines: `
    in é:x@6, in b:x@3, in B:x@2, in aa:x@1, in a:y@7  =>  nothing
    in a:z@1000  =>  out B[0,10):x@2, out a[0,10):y@7, out aa[0,10):x@1, out b[0,10):x@3, out é[0,10):x@6, out a[5,15):y@7, out é[5,15):x@6
  `,
  onePartition: true,
})

semanticCase('a jump of stream time beyond the retention loses no window', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10, { grace: 5 }))
      .count({ emit: 'close' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1, in b:x@8, in a:x@12  =>  nothing
    in c:x@1000                    =>  out a[0,10):1@1, out b[0,10):1@8, out a[10,20):1@12
    in c:x@2000                    =>  out c[1000,1010):1@1000
  `,
  onePartition: true,
})

semanticCase('a deleted row of a window is not sent; one that begins anew is', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10))
      .reduce((sofar, value) => (value === 'y' ? (null as never) : `${sofar}${value}`), {
        emit: 'close',
      })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1, in b:x@2, in a:y@3, in b:y@4, in b:z@5  =>  nothing
    in c:x@10                                         =>  out b[0,10):z@5
  `,
  onePartition: true,
})

semanticCase('closed windows of an aggregator that changes its argument in place', {
  program(builder) {
    builder
      .stream('in', { key: text, value: text })
      .groupByKey()
      .windowedBy(hopping(10, { advance: 5 }))
      .aggregate(
        (): { seen: string[] } => ({ seen: [] }),
        (_key, value, sum) => {
          sum.seen.push(value)
          return sum
        },
        { emit: 'close', value: json<{ seen: string[] }>() },
      )
      .toStream()
      .peek((_key, row) => row?.seen.push('below'))
      .to('out')
  },
  lines: `
    in a:x@1   =>  nothing
    in a:y@6   =>  nothing
    in a:z@11  =>  out a[0,10):{"seen":["x","y","below"]}@6
    in a:w@20  =>  out a[5,15):{"seen":["y","z","below"]}@11, out a[10,20):{"seen":["z","below"]}@11
  `,
})

semanticCase('closed windows are grouped again', {
  program(builder) {
    clicks(builder)
      .windowedBy(tumbling(10))
      .count({ emit: 'close' })
      .toStream()
      .map((windowed, count) => [windowed.key, `${windowed.start}=${count}`])
      .groupByKey()
      .reduce((sofar, value) => `${sofar} ${value}`, { emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@1, in a:x@2, in a:x@11  =>  out a:0=2@2
    in a:x@25                      =>  out a:0=2 10=1@11
  `,
})

semanticCase('sliding windows are sent when time is past their last millisecond and the grace', {
  program(builder) {
    clicks(builder)
      .windowedBy(sliding(10, { grace: 5 }))
      .reduce((sofar, value) => `${sofar}${value}`, { emit: 'close' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@10            =>  nothing
    in a:y@14            =>  nothing
    in b:z@25            =>  out a[0,10):x@10, out a[4,14):xy@14
    in b:z@30 {h=1}      =>  out a[11,21):y@14 {h=1}
    in b:w@31, in b:v@1000  =>  out b[15,25):z@25, out b[20,30):zz@30, out b[21,31):zzw@31, out b[26,36):zw@31, out b[31,41):w@31
  `,
  onePartition: true,
})

semanticCase('a backlog of sliding windows is sent, however far time moves in one batch', {
  program(builder) {
    clicks(builder).windowedBy(sliding(5)).count({ emit: 'close' }).toStream().to('out')
  },
  lines: `
    in a:x@100, in a:x@120, in a:x@140, in a:x@1000, in a:x@5000  =>  out a[95,100):1@100, out a[115,120):1@120, out a[135,140):1@140, out a[995,1000):1@1000
  `,
})

semanticCase('sessions are sent when no record can join them any more', {
  program(builder) {
    clicks(builder)
      .windowedBy(session(10, { grace: 5 }))
      .count({ emit: 'close' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@0, in a:x@10        =>  nothing
    in b:x@25                  =>  nothing
    in b:x@26 {h=1}            =>  out a[0,10):2@10 {h=1}
    in a:x@30                  =>  nothing
    in c:x@1000, in c:x@2000   =>  out b[25,26):2@26, out a[30,30):1@30, out c[1000,1000):1@1000
  `,
  onePartition: true,
})
