/** Objects of a known form are read as `JSON.parse` reads them; what it refuses is refused. */
import { describe, expect, test } from 'vitest'
import { readJson } from '../../src/record/json-read.ts'
import { randomOf, SEED } from './random.ts'

/** Read out of the middle of a larger buffer, several times: a form is learnt at the first. */
function read(text: string | Buffer): unknown {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const buffer = Buffer.concat([Buffer.from('{"x'), bytes, Buffer.from('":1}')])
  const reads = [0, 1, 2].map(() => outcome(() => readJson(buffer, 3, 3 + bytes.length)))
  expect(reads[1]).toEqual(reads[0])
  expect(reads[2]).toEqual(reads[0])
  return reads[2]
}

function parsed(text: string | Buffer): unknown {
  return outcome(() => JSON.parse(text.toString()))
}

/** The value and the order of its names, or that there was none. */
function outcome(work: () => unknown): unknown {
  try {
    const value = work()
    return [value, typeof value === 'object' && value !== null ? Object.keys(value) : null]
  } catch (error) {
    return (error as Error).name
  }
}

describe('values', () => {
  test.each([
    '{"path":"/a","status":200,"bytes":53868}',
    '{"path":"/a","status":-0,"bytes":-17.25}',
    '{"a":0.1,"b":123456789012345,"c":1234567890123456,"d":0.000001,"e":1e3}',
    '{"a":true,"b":false,"c":null}',
    '{"a":"","b":"two\\nlines","c":"caf\u00e9 \u2713 \ud83d\ude00"}',
    '{"a":"twenty-four characters..","b":"twenty-five characters..."}',
    '{"a":"a text that is far too long to be looked up before it is decoded, \u00e9"}',
    '{"a":[1,2],"b":{"c":1}}',
    '{ "a" : 1 }',
    '{"a":1,"a":2}',
    '{"b":1,"1":2,"a":3}',
    '{"__proto__":1,"a":2}',
    '{"toString":1,"constructor":2}',
    '{}',
    '[]',
    '17',
    '"text"',
    'null',
  ])('%s', (text) => {
    expect(read(text)).toEqual(parsed(text))
  })

  test('a property of its own: the prototype stays', () => {
    const text = Buffer.from('{"__proto__":null,"a":2}')
    for (let n = 0; n < 3; n++) {
      const value = readJson(text, 0, text.length) as object
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(Object.hasOwn(value, '__proto__')).toBe(true)
    }
  })

  test('objects share nothing', () => {
    const text = Buffer.from('{"mine":1,"yours":"b"}')
    const first = readJson(text, 0, text.length) as { mine: number; more?: number }
    first.mine = 99
    first.more = 1
    const next = readJson(text, 0, text.length)
    expect(next).toEqual({ mine: 1, yours: 'b' })
  })
})

test.each([
  '{"path":"/a","status":}',
  '{"path":"/a","status":01}',
  '{"path":"/a","status":1.}',
  '{"path":"/a","status":.5}',
  '{"path":"/a","status":-}',
  '{"path":"/a","status":1',
  '{"path":"/a","status":1}}',
  '{"path":"/a","status":1,}',
  '{"path":"/a","status":tru}',
  '{"path":"/a","status":nulL}',
  '{"path":"/a","status":true1}',
  '{"path":"/a\u0001","status":1}',
  '{"path":"/a',
  '{"path":"/a","status":1} ',
  '{"path"',
])('what JSON.parse makes of %s', (text) => {
  read('{"path":"/a","status":1}')
  expect(read(text)).toEqual(parsed(text))
})

test('random objects, and the same with a byte changed, are what JSON.parse makes of them', () => {
  const next = randomOf(SEED)
  const below = (limit: number): number => Math.floor(next() * limit)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const texts = ['', 'a', '/index.html', 'x'.repeat(30), 'ä', '"', '\\', '\u2028', '12', 'null']
  const value = (): unknown =>
    pick<() => unknown>([
      () => pick(texts),
      () => below(2 ** 31),
      () => (below(2 ** 31) - 2 ** 30) / pick([1, 10, 100, 3, 1e9]),
      () => pick([true, false, null, 0, -0, 1e21, 5e-324]),
      () => (below(12) === 0 ? { nested: 1 } : 7),
    ])()
  for (let round = 0; round < 400; round++) {
    const names = Array.from({ length: 1 + below(5) }, () => pick(['id', 'path', 'a', 'é', 'n']))
    for (let n = 0; n < 25; n++) {
      const text = JSON.stringify(Object.fromEntries(names.map((name) => [name, value()])))
      expect(read(text), `SEED=${SEED}: ${text}`).toEqual(parsed(text))
      const damaged = Buffer.from(text)
      damaged[below(damaged.length)] = below(256)
      expect(read(damaged), `SEED=${SEED}: ${damaged.toString('hex')}`).toEqual(parsed(damaged))
    }
  }
})

test('decimal fractions are rounded as the engine rounds them', () => {
  const next = randomOf(SEED)
  const below = (limit: number): number => Math.floor(next() * limit)
  for (let n = 0; n < 20_000; n++) {
    const digits = String(below(2 ** 31)) + String(below(10_000))
    const at = 1 + below(digits.length - 1)
    const text = `{"n":${BigInt(digits.slice(0, at))}.${digits.slice(at)}}`
    expect(readJson(Buffer.from(text), 0, text.length)).toEqual(JSON.parse(text))
  }
})

test('forms that keep changing are left to JSON.parse, and still read right', () => {
  for (let n = 0; n < 20_000; n++) {
    const text = `{"same":1,"name${n}":${n}}`
    expect(readJson(Buffer.from(text), 0, text.length)).toEqual({ same: 1, [`name${n}`]: n })
  }
})
