import { expectTypeOf, test } from 'vitest'
import { ByteWriter } from '../../src/record/byte-writer.ts'
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
  sessionWindowed,
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
  expectTypeOf(sessionWindowed(text)).toEqualTypeOf<Serde<Windowed<string>>>()
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

test('a writer takes each kind of value by its own call', () => {
  const output: ByteWriter = new ByteWriter()
  expectTypeOf(output.writeText('a')).toEqualTypeOf<void>()
  expectTypeOf(output.writeBytes(new Uint8Array())).toEqualTypeOf<void>()
  expectTypeOf(output.writeUint8(1)).toEqualTypeOf<void>()
  expectTypeOf(output.writeInt16(1)).toEqualTypeOf<void>()
  expectTypeOf(output.writeInt32(1)).toEqualTypeOf<void>()
  expectTypeOf(output.writeInt64(1)).toEqualTypeOf<void>()
  expectTypeOf(output.writeFloat64(1)).toEqualTypeOf<void>()
  expectTypeOf(output.reserve(8)).toEqualTypeOf<number>()
  // @ts-expect-error a number, whatever its size
  output.writeInt64(1n)
})
