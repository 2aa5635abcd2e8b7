/** Windows of every kind keep the types of keys and results. */
import { describe, expectTypeOf, test } from 'vitest'
import {
  type CustomWindows,
  customWindows,
  float64,
  json,
  type KTable,
  type SessionWindowedKStream,
  StreamsBuilder,
  session,
  sessionWindowed,
  sliding,
  type TimeWindowedKStream,
  text,
  tumbling,
  unlimited,
  type Windowed,
} from '../../src/index.ts'

interface Click {
  readonly price: number
}

const clicks = new StreamsBuilder()
  .stream('clicks', { key: text, value: json<Click>() })
  .groupByKey()

describe('windowedBy', () => {
  test('gives sessions for sessions, windows for everything else', () => {
    type Windows = TimeWindowedKStream<string, Click, 'key' | 'value'>
    type Sessions = SessionWindowedKStream<string, Click, 'key' | 'value'>
    expectTypeOf(clicks.windowedBy(session('30m'))).toEqualTypeOf<Sessions>()
    for (const windows of [tumbling('1m'), sliding('1m'), unlimited()]) {
      expectTypeOf(clicks.windowedBy(windows)).toEqualTypeOf<Windows>()
    }
    const days = customWindows((timestamp) => [{ start: timestamp, end: timestamp + 1 }], {
      size: 1,
    })
    expectTypeOf(days).toEqualTypeOf<CustomWindows>()
    expectTypeOf(clicks.windowedBy(days)).toEqualTypeOf<Windows>()
    // @ts-expect-error a size alone says nothing
    clicks.windowedBy({ sizeMs: 5 })
    // @ts-expect-error windows have a start and an end
    customWindows((timestamp) => [timestamp], { size: 1 })
  })
})

describe('a session aggregate', () => {
  const sessions = clicks.windowedBy(session('30m'))

  test('needs a merger of results and a serde for them', () => {
    const spent = sessions.aggregate(
      () => 0,
      (_user, click, sum) => sum + click.price,
      { merge: (_user, one, other) => one + other, value: float64 },
    )
    expectTypeOf(spent).toEqualTypeOf<KTable<Windowed<string>, number, 'key' | 'value'>>()
    sessions.aggregate(
      () => 0,
      (_user, click, sum) => sum + click.price,
      // @ts-expect-error two sessions may meet
      { value: float64 },
    )
    sessions.aggregate(
      () => 0,
      (_user, click, sum) => sum + click.price,
      // @ts-expect-error the merger gives a number
      { merge: () => 'sum', value: float64 },
    )
    sessions.aggregate(
      () => 0,
      (_user, click, sum) => sum + click.price,
      // @ts-expect-error numbers have many forms
      { merge: (_user, one, other) => one + other },
    )
  })

  test('counts and reduces', () => {
    expectTypeOf(sessions.count()).toEqualTypeOf<
      KTable<Windowed<string>, number, 'key' | 'value'>
    >()
    const dearest = sessions.reduce((one, other) => (one.price > other.price ? one : other))
    expectTypeOf(dearest).toEqualTypeOf<KTable<Windowed<string>, Click, 'key' | 'value'>>()
    sessions
      .count()
      .toStream()
      .to('clicks-per-visit', { key: sessionWindowed(text) })
  })
})
