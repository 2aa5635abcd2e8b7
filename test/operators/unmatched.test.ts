/** Left and outer joins of streams: what leaves without a match, when, in which order. */
import { nullable, type StreamsBuilder, text } from 'millrace'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: text }
const nullables = { key: nullable(text), value: nullable(text) }

function both(builder: StreamsBuilder) {
  return [builder.stream('left', serdes), builder.stream('right', serdes)] as const
}

const pair = (a: string | null, b: string | null): string => `${a}${b}`

semanticCase('a left record without a match leaves when stream time has passed window and grace', {
  program(builder) {
    const [left, right] = both(builder)
    left.leftJoin(right, pair, { within: 10, grace: 5 }).to('out')
  },
  lines: `
    left  a:A@0 {h=1}    =>  nothing
    left  a:B@1          =>  nothing
    right a:x@11         =>  out a:Bx@11
    left  a:C@15         =>  out a:Cx@15
    right a:y@16 {h=2}   =>  out a:Anull@0 {h=2}, out a:Cy@16 {h=2}
  `,
})

semanticCase('an outer join sends both sides, the right one first at equal times', {
  program(builder) {
    const [left, right] = both(builder)
    left.outerJoin(right, pair, { within: 10 }).to('out')
  },
  lines: `
    left  a:A@0          =>  nothing
    right a:x@20         =>  out a:Anull@0
    left  a:B@20         =>  out a:Bx@20
    right a:y@31         =>  nothing
    left  a:C@60         =>  out a:nully@31
    right a:z@200        =>  out a:Cnull@60
  `,
})

semanticCase('a record whose window has passed leaves at once', {
  program(builder) {
    const [left, right] = both(builder)
    left.leftJoin(right, pair, { within: 10, grace: 100 }).to('out')
  },
  lines: `
    right a:x@100        =>  nothing
    left  a:A@50         =>  out a:Anull@50
    right a:y@45         =>  out a:Ay@50
  `,
})

semanticCase('a record without a key leaves at once, on the sides that may be alone', {
  program(builder) {
    const left = builder.stream('left', nullables)
    const right = builder.stream('right', nullables)
    left
      .leftJoin(right, pair, { within: 10, name: 'join' })
      .to('out', { key: nullable(text), value: text })
  },
  lines: `
    left  _:A@0 {h=1}    =>  out _:Anull@0 {h=1}
    right _:x@0          =>  nothing
    left  a:_@0          =>  nothing
  `,
  dropped: ['null-key join-right 1', 'null-value join-left 1'],
})

semanticCase('records without a key pass a repartition topic above a left join', {
  program(builder) {
    const [, right] = both(builder)
    builder
      .stream('left', serdes)
      .selectKey((_key, value): string => (value === 'A' ? (null as never) : 'a'))
      .repartition({ name: 'again', key: text, value: text })
      .leftJoin(right, pair, { within: 10 })
      .to('out', { key: nullable(text) as typeof text, value: text })
  },
  lines: `
    left  k:A@0          =>  out _:Anull@0
  `,
})
