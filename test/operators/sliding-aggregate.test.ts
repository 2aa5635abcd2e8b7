/** Aggregations by sliding windows: which windows there are, what is in them, what is late. */
import {
  json,
  nullable,
  StreamsBuilder,
  sliding,
  type TimeWindowedKStream,
  text,
  type Windowed,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { expect, onTestFinished, test } from 'vitest'
import { randomOf, SEED } from '../record/random.ts'
import { semanticCase } from './semantic-case.ts'

type Readings = TimeWindowedKStream<string, string | null, 'key' | 'value'>

function readings(builder: StreamsBuilder, difference: number, grace = 0): Readings {
  return builder
    .stream('in', { key: nullable(text), value: nullable(text) })
    .groupByKey()
    .windowedBy(sliding(difference, { grace }))
}

semanticCase('a record has a window that ends with it, and one after it when others follow', {
  program(builder) {
    readings(builder, 10, 50)
      .reduce((sofar, value) => `${sofar}${value}`, { emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:1@20 {h=1}  =>  out a[10,20):1@20 {h=1}
    in a:2@24        =>  out a[21,31):2@24, out a[14,24):12@24
    in a:3@32        =>  out a[25,35):3@32, out a[22,32):23@32
    in a:4@24        =>  out a[22,32):234@32, out a[21,31):24@24, out a[14,24):124@24
  `,
})

semanticCase('the first windows of time are one, which starts at 0', {
  program(builder) {
    readings(builder, 10, 50).count({ emit: 'updates' }).toStream().to('out')
  },
  lines: `
    in a:x@3   =>  out a[0,10):1@3
    in a:x@5   =>  out a[4,14):1@5, out a[0,10):2@5
    in a:x@10  =>  out a[4,14):2@10, out a[0,10):3@10, out a[6,16):1@10
  `,
})

semanticCase('a window takes records until stream time less the grace is past its end', {
  program(builder) {
    readings(builder, 10).count({ emit: 'updates', store: 'readings' }).toStream().to('out')
  },
  lines: `
    in a:x@20  =>  out a[10,20):1@20
    in b:x@30  =>  out b[20,30):1@30
    in a:x@19  =>  nothing
    in a:_@40  =>  nothing
    in _:x@40  =>  nothing
  `,
  dropped: ['late readings-count 1', 'null-key readings-count 1', 'null-value readings-count 1'],
  onePartition: true,
})

semanticCase('a window between two records is sent once, although it is of both', {
  program(builder) {
    readings(builder, 10, 5).count({ emit: 'updates' }).toStream().to('out')
  },
  lines: `
    in a:x@20  =>  out a[10,20):1@20
    in a:x@31  =>  out a[21,31):1@31
  `,
})

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`an aggregator of windows that copy each other changes its argument, '${emit}'`, {
    program(builder) {
      builder
        .stream('in', { key: text, value: text })
        .groupByKey()
        .windowedBy(sliding(10, { grace: 100 }))
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
      in a:x@20  =>  out a[10,20):{"seen":["x"]}@20
      in a:y@25  =>  out a[21,31):{"seen":["y"]}@25, out a[15,25):{"seen":["x","y"]}@25
      in a:z@18  =>  out a[15,25):{"seen":["x","y","z"]}@25, out a[10,20):{"seen":["x","z"]}@20, out a[8,18):{"seen":["z"]}@18, out a[19,29):{"seen":["x","y"]}@25
    `,
  })
}

test(`random records are in all the windows that brute force finds (SEED=${SEED})`, async () => {
  const random = randomOf(SEED)
  const difference = 12
  const builder = new StreamsBuilder()
  readings(builder, difference, 1000)
    .aggregate(
      (): string[] => [],
      (_key, value, seen) => [...seen, value as string],
      { value: json<string[]>() },
    )
    .toStream()
    .to('out')
  const topology = builder.build()
  const driver = await TopologyTestDriver.open(topology)
  onTestFinished(() => driver.close())
  const input = driver.input('in', { key: text, value: text })
  const times: number[] = []
  for (let index = 0; index < 150; index++) {
    const timestamp = Math.floor(random() * 400)
    times.push(timestamp)
    await input.pipe({ key: 'a', value: String(index), timestamp })
  }
  const serdes = {
    key: topology.nodes.flatMap((node) =>
      node.kind === 'sink' ? [node.keySerde] : [],
    )[0] as never,
    value: json<string[]>(),
  }
  const found = new Map<number, string[]>()
  for (const { key, value } of await driver
    .output<Windowed<string>, string[]>('out', serdes)
    .readAll()) {
    found.set((key as Windowed<string>).start, [...(value as string[])].sort())
  }
  const starts = times.flatMap((time) => [Math.max(0, time - difference), time + 1])
  const expected = new Map<number, string[]>()
  for (const start of starts) {
    const inside = times.flatMap((time, index) =>
      time >= start && time <= start + difference ? [String(index)] : [],
    )
    if (inside.length > 0) expected.set(start, inside.sort())
  }
  expect(new Map([...found].sort(([a], [b]) => a - b))).toEqual(
    new Map([...expected].sort(([a], [b]) => a - b)),
  )
})
