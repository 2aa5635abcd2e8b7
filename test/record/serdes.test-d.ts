import { expectTypeOf, test } from 'vitest'
import type { Serde } from '../../src/record/serde.ts'
import {
  bigint64,
  boolean,
  bytes,
  custom,
  float64,
  int32,
  int64,
  json,
  nullable,
  text,
  windowed,
} from '../../src/record/serdes.ts'
import type { Windowed } from '../../src/record/windowed.ts'

interface Hit {
  readonly target: string
}

test('a serde carries the type of its values', () => {
  expectTypeOf(text).toEqualTypeOf<Serde<string>>()
  expectTypeOf(json<Hit>()).toEqualTypeOf<Serde<Hit>>()
  expectTypeOf(int32).toEqualTypeOf<Serde<number>>()
  expectTypeOf(int64).toEqualTypeOf<Serde<number>>()
  expectTypeOf(float64).toEqualTypeOf<Serde<number>>()
  expectTypeOf(bigint64).toEqualTypeOf<Serde<bigint>>()
  expectTypeOf(boolean).toEqualTypeOf<Serde<boolean>>()
  expectTypeOf(bytes).toEqualTypeOf<Serde<Uint8Array>>()
})

test('a serde made of another carries both', () => {
  expectTypeOf(nullable(text)).toEqualTypeOf<Serde<string | null>>()
  expectTypeOf(windowed(text, 1)).toEqualTypeOf<Serde<Windowed<string>>>()
  expectTypeOf(nullable(json<Hit>())).toEqualTypeOf<Serde<Hit | null>>()
})

test('custom takes its type from the pair of functions', () => {
  const day = custom({
    name: 'day',
    serialize: (value: Date) => Buffer.from(value.toISOString()),
    deserialize: (input) => new Date(Buffer.from(input).toString()),
  })
  expectTypeOf(day).toEqualTypeOf<Serde<Date>>()
  // @ts-expect-error serialize must give bytes
  custom({ name: 'x', serialize: (value: string) => value, deserialize: String })
})
