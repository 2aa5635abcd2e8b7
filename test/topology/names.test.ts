import { describe, expect, test } from 'vitest'
import { checkName, fitName, NAME_LENGTH_MAX, Names, show } from '../../src/topology/names.ts'

describe('a name the user writes', () => {
  test('has 1 to 249 letters, digits, dots, underscores and hyphens', () => {
    for (const name of ['a', 'page-stats', 'A.b_c-9', 'x'.repeat(NAME_LENGTH_MAX)]) {
      expect(checkName(name, 'name')).toBe(name)
    }
  })

  test.each([
    ['', `name is ''; a name has 1 to 249 characters and is not '.' or '..'`],
    ['.', `name is '.'; a name has 1 to 249 characters and is not '.' or '..'`],
    ['a b', `name is 'a b', with ' ' at 1; use letters, digits, '.', '_' and '-'`],
    ['größe', `name is 'größe', with 'ö' at 2; use letters, digits, '.', '_' and '-'`],
    ['a/b', `name is 'a/b', with '/' at 1; use letters, digits, '.', '_' and '-'`],
  ])('%j is refused with the place and the rule', (name, message) => {
    expect(() => checkName(name, 'name')).toThrow(new RangeError(message))
  })

  test('is text', () => {
    expect(() => checkName(5, 'option name of filter(...)')).toThrow(
      new TypeError('option name of filter(...) is 5; pass text'),
    )
  })

  test('is not longer than a topic may be', () => {
    expect(() => checkName('x'.repeat(250), 'name')).toThrow(RangeError)
  })

  test('is taken once, and the error names both takers', () => {
    const names = new Names('store')
    names.take('counts', `count(...) on 'a'`)
    expect(() => names.take('counts', `count(...) on 'b'`)).toThrow(
      new TypeError(
        `count(...) on 'b' uses the store name 'counts', which count(...) on 'a' has taken; give one of them another name`,
      ),
    )
  })
})

describe('a derived name', () => {
  test('gets an ordinal only among equal siblings', () => {
    const names = new Names('operator')
    expect(names.derive('a-filter', 'x')).toBe('a-filter')
    expect(names.derive('a-filter', 'x')).toBe('a-filter-2')
    expect(names.derive('b-filter', 'x')).toBe('b-filter')
    expect(names.derive('a-filter', 'x')).toBe('a-filter-3')
  })

  test('passes by a name that is taken', () => {
    const names = new Names('operator')
    names.take('a-filter-2', 'x')
    names.derive('a-filter', 'x')
    expect(names.derive('a-filter', 'x')).toBe('a-filter-3')
  })

  test('stays within a length, and stays different', () => {
    const long = 'x'.repeat(300)
    expect(fitName(long)).toHaveLength(160)
    expect(fitName(long)).not.toBe(fitName(`${long}y`))
    expect(fitName(long)).toBe(fitName(long))
    expect(fitName('short')).toBe('short')
  })
})

test('a value is shown in an error shortly, whatever it is', () => {
  expect(
    [
      'text',
      'x'.repeat(100),
      5,
      5n,
      null,
      undefined,
      [1, 2],
      {},
      new Map(),
      Object.create(null),
      () => 1,
      function named() {},
    ].map(show),
  ).toEqual([
    `'text'`,
    `'${'x'.repeat(77)}...'`,
    '5',
    '5n',
    'null',
    'undefined',
    'an array of 2',
    'an object',
    'a Map',
    'an object',
    'a function',
    'function named',
  ])
})
