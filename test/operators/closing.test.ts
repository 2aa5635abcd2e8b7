/** Windows that are sent once, when they close: emit 'close'. */
import {
  customWindows,
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

/** Two inputs that write `l` and `r` into one row. */
function cogrouped(builder: StreamsBuilder) {
  const input = (topic: string) =>
    builder.stream(topic, { key: nullable(text), value: nullable(text) }).groupByKey()
  return input('left')
    .cogroup((_key, value, seen: string) => `${seen}l${value}`)
    .cogroup(input('right'), (_key, value, seen) => `${seen}r${value}`)
}

semanticCase('a window of a cogroup closes for all inputs when the latest of them has passed it', {
  program(builder) {
    cogrouped(builder)
      .windowedBy(tumbling(10, { grace: 5 }))
      .aggregate(() => '', { emit: 'close', store: 'seen' })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:1@1         =>  nothing
    right a:2@4         =>  nothing
    right a:3@14        =>  nothing
    left  a:4@2         =>  nothing
    right b:5@15 {h=1}  =>  out a[0,10):l1r2l4@4 {h=1}
    left  a:6@9         =>  nothing
    left  a:7@25        =>  out a[10,20):r3@14, out b[10,20):r5@15
  `,
  dropped: ['late seen-aggregate-1 1'],
  onePartition: true,
})

semanticCase('sliding windows of a cogroup are sent once', {
  program(builder) {
    cogrouped(builder)
      .windowedBy(sliding(10))
      .aggregate(() => '', { emit: 'close' })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:1@20   =>  nothing
    right a:2@25   =>  out a[10,20):l1@20
    left  a:3@40   =>  out a[15,25):l1r2@25, out a[21,31):r2@25
    right a:4@100  =>  out a[30,40):l3@40
  `,
  onePartition: true,
})

semanticCase('sessions of a cogroup are sent once', {
  program(builder) {
    cogrouped(builder)
      .windowedBy(session(5))
      .aggregate(() => '', { emit: 'close', merge: (_key, one, other) => one + other })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:1@1   =>  nothing
    right a:2@6   =>  nothing
    right b:3@12  =>  out a[1,6):l1r2@6
    left  a:4@30  =>  out b[12,12):r3@12
  `,
  onePartition: true,
})

semanticCase('windows that a function chooses close for all inputs of a cogroup', {
  program(builder) {
    const tens = (timestamp: number) => timestamp - (timestamp % 10)
    cogrouped(builder)
      .windowedBy(
        customWindows((time) => [{ start: tens(time), end: tens(time) + 10 }], { size: 10 }),
      )
      .aggregate(() => '', { emit: 'close' })
      .toStream()
      .to('out')
  },
  lines: `
    left  a:1@1   =>  nothing
    right b:2@5   =>  nothing
    right b:3@12  =>  out a[0,10):l1@1, out b[0,10):r2@5
    left  a:4@11  =>  nothing
    left  a:5@40  =>  out a[10,20):l4@11, out b[10,20):r3@12
  `,
  onePartition: true,
})
