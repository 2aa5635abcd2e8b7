/** Aggregations without windows: what they make of keys, nulls, time and headers, and when it leaves. */
import { int64, json, nullable, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

interface Count {
  n: number
}

const serdes = { key: nullable(text), value: nullable(text) }

semanticCase('count counts values under keys; the time of a row never goes back', {
  program(builder) {
    builder
      .stream('in', serdes)
      .groupByKey()
      .count({ emit: 'updates', store: 'counts' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@5 {h=1}  =>  out a:1@5 {h=1}
    in a:y@9        =>  out a:2@9
    in a:z@7 {h=2}  =>  out a:3@9 {h=2}
    in b:x@1        =>  out b:1@1
    in _:x@2        =>  nothing
    in a:_@99       =>  nothing
    in a:x@8        =>  out a:4@9
  `,
  dropped: ['null-key counts-count 1', 'null-value counts-count 1'],
})

semanticCase('reduce starts with the first value', {
  program(builder) {
    builder
      .stream('in', { key: text, value: text })
      .groupByKey()
      .reduce((sofar, value) => `${sofar}+${value}`, { emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@5           =>  out a:x@5
    in a:y@6, in b:z@7 =>  out a:x+y@6, out b:z@7
    in a:z@1           =>  out a:x+y+z@6
  `,
})

semanticCase('a null result deletes the row, and the key begins anew', {
  program(builder) {
    builder
      .stream('in', { key: text, value: int64 })
      .groupByKey()
      .aggregate<number | null>(
        () => 100,
        (_key, value, sum) => (value === 0 ? null : (sum ?? 0) + value),
        { emit: 'updates', value: nullable(int64) },
      )
      .toStream()
      .to('out')
  },
  lines: `
    in a:5@1  =>  out a:105@1
    in a:0@2  =>  out a:_@2
    in a:7@1  =>  out a:107@1
  `,
})

semanticCase("emit 'commit' sends the last result of each row that changed, once a commit", {
  program(builder) {
    builder.stream('in', { key: text, value: text }).groupByKey().count().toStream().to('out')
  },
  lines: `
    in a:x@5 {h=1}, in b:x@6, in a:x@3  =>  out a:2@5, out b:1@6
    in b:x@1                            =>  out b:2@6
  `,
})

semanticCase('grouping by another key goes through a repartition topic', {
  program(builder) {
    builder
      .stream('in', serdes)
      .groupBy((_key, value) => (value === 'nobody' ? null : value), { name: 'by-value' })
      .count({ emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@5 {h=1}   =>  out x:1@5 {h=1}
    in b:x@3 {h=2}   =>  out x:2@5 {h=2}
    in a:nobody@6    =>  nothing
    in c:y@1         =>  out y:1@1
  `,
  dropped: ['null-key by-value-repartition-filter 1'],
})

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`an aggregator that changes its argument in place, emit '${emit}'`, {
    program(builder) {
      builder
        .stream('in', { key: text, value: text })
        .groupByKey()
        .aggregate(
          (): string[] => [],
          (_key, value, list) => {
            list.push(value)
            return list
          },
          { emit, value: json<string[]>() },
        )
        .toStream()
        .to('out')
    },
    lines: `
      in a:x@1  =>  out a:["x"]@1
      in a:y@2  =>  out a:["x","y"]@2
      in b:x@3  =>  out b:["x"]@3
      in a:z@4  =>  out a:["x","y","z"]@4
    `,
  })
}

for (const emit of ['updates', 'commit'] as const) {
  const name = 'what an aggregator that mutates hands on stays as it was in the next aggregation'
  semanticCase(`${name}, emit '${emit}'`, {
    program(builder) {
      builder
        .stream('in', { key: text, value: text })
        .groupByKey()
        .aggregate(
          (): { words: string[] } => ({ words: [] }),
          (_key, value, sum) => {
            sum.words.push(value)
            return sum
          },
          { emit, value: json<{ words: string[] }>() },
        )
        .toStream()
        .groupByKey()
        .aggregate(
          (): { words: string[] }[] => [],
          (_key, sum, all) => {
            all.push(sum)
            return all
          },
          { emit, value: json<{ words: string[] }[]>() },
        )
        .toStream()
        .mapValues((all) => all.map(({ words }) => words.join('+')).join('/'))
        .to('out')
    },
    lines: `
      in a:x@1  =>  out a:x@1
      in a:y@2  =>  out a:x/x+y@2
      in a:z@3  =>  out a:x/x+y/x+y+z@3
    `,
  })
}

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`a function below that changes what it is handed changes no row, emit '${emit}'`, {
    program(builder) {
      const counts = builder
        .stream('in', { key: text, value: text })
        .groupByKey()
        .aggregate(
          (): Count => ({ n: 0 }),
          (_key, _value, { n }) => ({ n: n + 1 }),
          {
            emit,
            value: json<Count>(),
          },
        )
      counts
        .toStream()
        .mapValues((count) => {
          count.n *= 100
          return count
        })
        .to('out', { value: json<Count>() })
    },
    lines: `
      in a:x@1  =>  out a:{"n":100}@1
      in a:x@2  =>  out a:{"n":200}@2
      in a:x@3  =>  out a:{"n":300}@3
      in a:x@4  =>  out a:{"n":400}@4
    `,
  })
}
