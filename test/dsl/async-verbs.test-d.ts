/** Types flow through the asynchronous verbs. */
import { expectTypeOf, test } from 'vitest'
import {
  type AsyncAttempt,
  int32,
  json,
  type KStream,
  nullable,
  StreamsBuilder,
  text,
} from '../../src/index.ts'

const lines = new StreamsBuilder().stream('lines', { key: text, value: nullable(text) })

test('mapValuesAsync gives what the promise gives, and keeps the key', () => {
  const lengths = lines.mapValuesAsync(async (value, key, attempt) => {
    expectTypeOf(value).toEqualTypeOf<string | null>()
    expectTypeOf(key).toEqualTypeOf<string>()
    expectTypeOf(attempt).toEqualTypeOf<AsyncAttempt>()
    return value?.length ?? 0
  })
  expectTypeOf(lengths).toEqualTypeOf<KStream<string, number, 'key' | 'partitioned'>>()
  lengths.to('lengths', { value: int32 })
  // @ts-expect-error no serde of a number is known
  lengths.to('lengths')
})

test('flatMapAsync gives new keys and values, none of whose serdes are known', () => {
  const pairs = lines.flatMapAsync(async (key, value) => [[key.length, value] as const])
  expectTypeOf(pairs).toEqualTypeOf<KStream<number, string | null>>()
  pairs.to('pairs', { key: int32, value: json<string | null>() })
})

test('foreachAsync ends the stream', () => {
  expectTypeOf(lines.foreachAsync(async () => {})).toBeVoid()
  // @ts-expect-error attempts are required
  lines.foreachAsync(async () => {}, { retry: { backoff: '1s' } })
  // @ts-expect-error the option has another name
  lines.foreachAsync(async () => {}, { parallel: 8 })
})
