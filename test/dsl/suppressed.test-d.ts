/** Suppression keeps the type of a table, and waits for windows only where there are some. */
import { describe, expectTypeOf, test } from 'vitest'
import {
  json,
  type KTable,
  StreamsBuilder,
  text,
  tumbling,
  untilTimeLimit,
  untilWindowCloses,
  type Windowed,
} from '../../src/index.ts'

interface Click {
  readonly price: number
}

const clicks = new StreamsBuilder().table('clicks', { key: text, value: json<Click>() })
const counts = clicks.toStream().groupByKey().windowedBy(tumbling('1m')).count()

describe('suppress', () => {
  test('gives the table it was given', () => {
    const limited = clicks.suppress(untilTimeLimit('10s'))
    expectTypeOf(limited).toEqualTypeOf<KTable<string, Click | null, 'key' | 'value'>>()
    const final = counts.suppress(untilWindowCloses())
    expectTypeOf(final).toEqualTypeOf<KTable<Windowed<string>, number, 'key' | 'value'>>()
    expectTypeOf(counts.suppress(untilTimeLimit('10s'))).toEqualTypeOf(final)
  })

  test('waits for windows to close only where there are windows', () => {
    // @ts-expect-error the keys of this table are no windows
    expectTypeOf(() => clicks.suppress(untilWindowCloses())).toBeFunction()
  })

  test('sends no result early that would not be final', () => {
    // @ts-expect-error final results cannot leave when there are too many
    expectTypeOf(() => untilWindowCloses({ whenFull: 'emit' })).toBeFunction()
  })
})
