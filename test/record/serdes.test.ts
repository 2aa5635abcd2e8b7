/** The built-in serdes against Kafka's, and what they refuse. */
import { describe, expect, test } from 'vitest'
import { ByteWriter } from '../../src/record/byte-writer.ts'
import type { Serde } from '../../src/record/serde.ts'
import * as serdes from '../../src/record/serdes.ts'
import { fixtureJson } from './fixtures.ts'

const { text, json, int32, int64, bigint64, float32, float64, boolean, bytes } = serdes

/** Written behind other bytes into a writer that must grow. */
function encode<T>(serde: Serde<T>, value: T): Buffer {
  const output = new ByteWriter(1)
  output.writeUint8(99)
  serde.write(value, output)
  return output.copy().subarray(1)
}

/** Read out of the middle of a larger buffer. */
function decode<T>(serde: Serde<T>, encoded: Uint8Array): T {
  const buffer = Buffer.concat([Buffer.alloc(3, 7), encoded, Buffer.alloc(3, 9)])
  return serde.read(buffer, 3, 3 + encoded.length)
}

describe("Kafka's bytes", () => {
  const kafka = fixtureJson<Record<string, [string | number | boolean, string][]>>('serdes')
  const ours = { text, int32, int64, float32, float64, boolean } as unknown as Record<
    string,
    Serde<string | number | boolean>
  >

  test.each(Object.keys(ours))('%s writes and reads them', (name) => {
    const serde = ours[name]!
    expect(serde.name).toBe(name)
    for (const [value, hex] of kafka[name]!) {
      expect(encode(serde, value).toString('hex')).toBe(hex)
      expect(decode(serde, Buffer.from(hex, 'hex'))).toBe(value)
    }
  })

  test('bigint64 writes and reads them to the ends of 64 bits', () => {
    for (const [value, hex] of kafka.bigint64!) {
      expect(encode(bigint64, BigInt(value)).toString('hex')).toBe(hex)
      expect(decode(bigint64, Buffer.from(hex, 'hex'))).toBe(BigInt(value))
    }
  })

  test('windowed writes and reads those of a time window', () => {
    const serde = serdes.windowed(text, 60_000)
    for (const [key, start, hex] of fixtureJson<{ windowed: [string, number, string][] }>('serdes')
      .windowed) {
      const window = { key, start, end: start + 60_000 }
      expect(encode(serde, window).toString('hex')).toBe(hex)
      expect(decode(serde, Buffer.from(hex, 'hex'))).toEqual(window)
    }
    expect(serde.unpartitionedBytes).toBe(8)
  })

  test('sessionWindowed writes and reads those of a session: key, end, start', () => {
    const serde = serdes.sessionWindowed(text)
    const session = { key: 'ab', start: 5, end: 0x1_0000_0002 }
    const hex = '6162' + '0000000100000002' + '0000000000000005'
    expect(encode(serde, session).toString('hex')).toBe(hex)
    expect(decode(serde, Buffer.from(hex, 'hex'))).toEqual(session)
    expect(serde.unpartitionedBytes).toBe(16)
    expect(() => decode(serde, Buffer.alloc(15))).toThrow(/needs at least 16 bytes/)
    expect(() => decode(serde, Buffer.alloc(16, 0x7f))).toThrow(/cannot hold/)
  })

  test('windowed asks a function for the end, where windows have several sizes', () => {
    const serde = serdes.windowed(text, (start) => start * 2)
    const window = { key: 'a', start: 7, end: 14 }
    expect(decode(serde, encode(serde, window))).toEqual(window)
  })
})

describe('the other serdes', () => {
  test('json writes what JSON.stringify gives and is one object', () => {
    const value = { a: [1, null, 'é🔑'], b: { c: true } }
    expect(encode(json<object>(), value).toString()).toBe(JSON.stringify(value))
    expect(decode(json<object>(), encode(json<object>(), value))).toEqual(value)
    expect(json<string>()).toBe(json<number>())
  })

  test('nullable is the serde it was given', () => {
    expect(serdes.nullable(text)).toBe(text)
  })

  test('bytes and custom read copies that stay as they are', () => {
    const upper = serdes.custom<string>({
      name: 'hex',
      serialize: (value) => Buffer.from(value, 'hex'),
      deserialize: (input) => Buffer.from(input).toString('hex'),
    })
    expect(encode(upper, '0aff').toString('hex')).toBe('0aff')
    expect(decode(upper, Buffer.from('0aff', 'hex'))).toBe('0aff')
    const source = Buffer.from([1, 2, 3])
    const read = bytes.read(source, 1, 3)
    source.fill(0)
    expect(read).toEqual(new Uint8Array([2, 3]))
    expect(encode(bytes, read)).toEqual(Buffer.from([2, 3]))
  })

  test('only those whose equality is equality of bytes are primitive', () => {
    const all = { text, int32, int64, boolean, bigint64, float32, float64, bytes, json: json() }
    const primitive = Object.entries(all).filter(([, serde]) => serde.primitive === true)
    expect(primitive.map(([name]) => name)).toEqual(['text', 'int32', 'int64', 'boolean'])
  })
})

describe('a wrong value', () => {
  const wrong = (serde: Serde<never>, value: unknown) => () => encode(serde, value as never)

  test('is a TypeError that names serde, value and remedy', () => {
    expect(wrong(text as Serde<never>, 5)).toThrow(
      new TypeError(
        'The text serde writes a string, but was given a number; give the stream the serde of its values, or map them first',
      ),
    )
    for (const serde of [text, int32, int64, bigint64, float32, float64, boolean, bytes]) {
      expect(wrong(serde as unknown as Serde<never>, new Date())).toThrow(/class Date; give/)
      expect(wrong(serde as unknown as Serde<never>, null)).toThrow(TypeError)
    }
    expect(wrong(json() as Serde<never>, undefined)).toThrow(/json serde .* given undefined/)
    expect(wrong(serdes.windowed(text, 1) as unknown as Serde<never>, 'a')).toThrow(/windowed key/)
    const broken = serdes.custom({ name: 'x', serialize: () => 'a' as never, deserialize: String })
    expect(wrong(broken as Serde<never>, '')).toThrow(/serialize function of serde x returned/)
  })

  test('that does not fit is a RangeError that names the serde to use', () => {
    for (const value of [1.5, 2 ** 31, -(2 ** 31) - 1, Number.NaN]) {
      expect(() => encode(int32, value)).toThrow(/int32 serde cannot write .* use int64/)
    }
    for (const value of [0.5, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => encode(int64, value)).toThrow(/int64 serde cannot write .* use bigint64/)
    }
    expect(() => encode(bigint64, 2n ** 63n)).toThrow(RangeError)
    expect(() => serdes.windowed(text, 0)).toThrow(RangeError)
  })
})

test('bytes that cannot be read are a deserialization-failed error', () => {
  const failed = expect.objectContaining({ code: 'deserialization-failed' })
  for (const serde of [int32, int64, bigint64, float32, float64, boolean]) {
    for (const length of [0, 3, 9]) {
      expect(() => decode(serde as Serde<unknown>, Buffer.alloc(length))).toThrow(failed)
    }
  }
  expect(() => decode(boolean, Buffer.from([2]))).toThrow(failed)
  expect(() => decode(int64, Buffer.alloc(8, 127))).toThrow(failed)
  expect(() => decode(serdes.windowed(text, 1), Buffer.alloc(7))).toThrow(failed)
})
