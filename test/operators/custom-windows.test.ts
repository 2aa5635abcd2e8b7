/** Windows that a function chooses, and the one that never ends. */
import { customWindows, int64, nullable, StreamsBuilder, text, unlimited } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { semanticCase } from './semantic-case.ts'

/** [0, 10), [10, 40), [40, 50), [50, 80), ...: ten long, then thirty. */
const uneven = customWindows(
  (timestamp) => {
    const round = timestamp - (timestamp % 40)
    return timestamp < round + 10
      ? [{ start: round, end: round + 10 }]
      : [{ start: round + 10, end: round + 40 }]
  },
  { size: 30, grace: 5 },
)

for (const emit of ['updates', 'commit'] as const) {
  semanticCase(`windows of several lengths close one by one, emit '${emit}'`, {
    program(builder) {
      builder
        .stream('in', { key: nullable(text), value: nullable(text) })
        .groupByKey()
        .windowedBy(uneven)
        .count({ emit, store: 'counts' })
        .toStream()
        .to('out')
    },
    lines: `
      in a:x@9   =>  out a[0,10):1@9
      in a:x@10  =>  out a[10,40):1@10
      in a:x@14  =>  out a[10,40):2@14
      in a:x@9   =>  out a[0,10):2@9
      in a:x@15  =>  out a[10,40):3@15
      in a:x@9   =>  nothing
      in a:x@44  =>  out a[40,50):1@44
      in a:x@39  =>  out a[10,40):4@39
      in a:x@45  =>  out a[40,50):2@45
      in a:x@39  =>  nothing
    `,
    dropped: ['late counts-count 2'],
  })
}

semanticCase("windows of several lengths are sent when they close, emit 'close'", {
  program(builder) {
    builder
      .stream('in', { key: nullable(text), value: nullable(text) })
      .groupByKey()
      .windowedBy(uneven)
      .count({ emit: 'close', store: 'counts' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@9        =>  nothing
    in a:x@10       =>  nothing
    in a:x@15 {h=1}  =>  out a[0,10):1@9 {h=1}
    in a:x@39       =>  nothing
    in a:x@41       =>  nothing
    in a:x@44       =>  nothing
    in a:x@45       =>  out a[10,40):3@39
    in a:x@40       =>  nothing
    in a:x@300      =>  out a[40,50):4@45
  `,
})

semanticCase('an unlimited window takes every record from its start on', {
  program(builder) {
    builder
      .stream('in', { key: nullable(text), value: nullable(text) })
      .groupByKey()
      .windowedBy(unlimited({ start: 10 }))
      .count({ emit: 'updates' })
      .toStream()
      .to('out')
  },
  lines: `
    in a:x@9        =>  nothing
    in a:x@10       =>  out a[10,9223372036854775808):1@10
    in a:x@9000000  =>  out a[10,9223372036854775808):2@9000000
    in a:x@11       =>  out a[10,9223372036854775808):3@9000000
  `.replaceAll('9223372036854775808', String(2 ** 63)),
})

describe('a function that gives no proper windows', () => {
  const cases: [string, { start: number; end: number }, RegExp][] = [
    [
      'that do not contain the time',
      { start: 10, end: 20 },
      /windowsFor\(5\) gave the window \[10, 20\)/,
    ],
    ['longer than they are said to be', { start: 0, end: 31 }, /at most 30 ms long/],
    ['with a part of a millisecond', { start: 0.5, end: 20 }, /start at a whole number/],
  ]
  test.each(cases)('ends the task: %s', async (_what, window, message) => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', { key: text, value: text })
      .groupByKey()
      .windowedBy(customWindows(() => [window], { size: 30 }))
      .count()
      .toStream()
      .map(({ key }, count) => [key, count])
      .to('out', { value: int64 })
    const driver = await TopologyTestDriver.open(builder.build())
    onTestFinished(() => driver.close())
    const input = driver.input('in', { key: text, value: text })
    const failed = await input.pipe({ key: 'a', value: 'x', timestamp: 5 }).catch((error) => error)
    expect(String(failed.cause ?? failed)).toMatch(message)
  })
})
