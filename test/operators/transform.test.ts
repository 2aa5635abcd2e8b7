/** The stateless operators: what leaves them, with which key, time and headers. */
import { int64, nullable, type StreamsBuilder, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

const nullableText = { key: nullable(text), value: nullable(text) }

function lines(builder: StreamsBuilder) {
  return builder.stream('in', nullableText)
}

semanticCase('filter and filterNot see null keys and values, and pass records on as they are', {
  program(builder) {
    lines(builder)
      .filter((key) => key !== 'no')
      .filterNot((_key, value) => value === 'no')
      .to('out')
  },
  lines: `
    in a:yes@5 {trace=1}  =>  out a:yes@5 {trace=1}
    in a:no@6             =>  nothing
    in no:yes@7           =>  nothing
    in _:yes@3            =>  out _:yes@3
    in b:_@2              =>  out b:_@2
  `,
})

semanticCase('map, mapValues and selectKey keep time and headers', {
  program(builder) {
    const stream = lines(builder)
    stream.map((key, value) => [value, key]).to('swapped')
    stream.mapValues((value, key) => `${key}${value}`).to('joined')
    stream.selectKey((_key, value) => value).to('rekeyed')
  },
  lines: `
    in a:x@9 {h=1 h=2}  =>  swapped x:a@9 {h=1 h=2}, joined a:ax@9 {h=1 h=2}, rekeyed x:x@9 {h=1 h=2}
    in a:_@0            =>  swapped _:a@0, joined a:anull@0, rekeyed _:_@0
  `,
})

semanticCase('flatMap and flatMapValues make any number of records, in order', {
  program(builder) {
    const stream = builder.stream('in', { key: text, value: text })
    stream.flatMapValues((value) => value.split('-')).to('values')
    stream.flatMap((key, value) => [...value].map((letter) => [key, letter] as const)).to('letters')
  },
  lines: `
    in a:x-y@5 {h=1}  =>  values a:x@5 {h=1}, values a:y@5 {h=1}, letters a:x@5 {h=1}, letters a:-@5 {h=1}, letters a:y@5 {h=1}
    in a:@6           =>  values a:@6
  `,
})

semanticCase('split sends a record to the first branch that takes it, merge brings them together', {
  program(builder) {
    const { small, even, rest } = builder
      .stream('in', { key: text, value: int64 })
      .split(
        { small: (_key, value) => value < 10, even: (_key, value) => value % 2 === 0 },
        { default: 'rest' },
      )
    small.to('small')
    even.merge(rest).to('large')
    even.mapValues((value) => value / 2).to('halves', { value: int64 })
  },
  lines: `
    in a:4@1   =>  small a:4@1
    in a:12@2  =>  large a:12@2, halves a:6@2
    in a:13@3  =>  large a:13@3
  `,
})

semanticCase('split leaves out what no branch takes', {
  program(builder) {
    lines(builder)
      .split({ x: (_key, value) => value === 'x' })
      .x.to('out')
  },
  lines: `
    in a:x@1  =>  out a:x@1
    in a:y@2  =>  nothing
  `,
})

semanticCase('repartition keeps time and headers, and drops records without a key', {
  program(builder) {
    lines(builder)
      .selectKey((_key, value) => value)
      .repartition({ name: 'by-value' })
      .to('out')
  },
  lines: `
    in a:x@5 {h=1}     =>  out x:x@5 {h=1}
    in b:x@3           =>  out x:x@3
    in a:_@6           =>  nothing
  `,
  dropped: ['null-key by-value-repartition-filter 1'],
})

semanticCase('a topic chosen for each record', {
  program(builder) {
    builder.stream('in', { key: text, value: text }).to(({ value }) => value)
    builder.stream('x', { key: text, value: text }).to('seen')
  },
  lines: `
    in a:x@5  =>  seen a:x@5
  `,
})
