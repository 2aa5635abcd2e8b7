/** What a wrong left, outer, versioned or global join is told, at the call. */
import { StreamsBuilder, text, versionedStore } from 'millrace'
import { expect, test } from 'vitest'

const serdes = { key: text, value: text }

function parts() {
  const builder = new StreamsBuilder()
  return { builder, left: builder.stream('left', serdes), right: builder.stream('right', serdes) }
}

const joiner = (): string => ''

test('a left join of streams needs a window', () => {
  const { left, right } = parts()
  expect(() => left.leftJoin(right, joiner)).toThrow(
    "leftJoin(...) on 'left' of two streams needs a window; pass { within: '10s' }, or before and after",
  )
})

test('an outer join is of streams', () => {
  const { left, right } = parts()
  expect(() => left.outerJoin(right.toTable() as never, joiner, { within: 1 })).toThrow(
    "other of outerJoin(...) on 'left' is a KTable; pass a stream",
  )
})

test('grace needs a versioned table that knows its rows for so long', () => {
  const { builder, left } = parts()
  const table = builder.table('rows', serdes)
  expect(() => left.join(table, joiner, { grace: 5 })).toThrow(
    "option grace of join(...) on 'left' needs a versioned table; give the table store: { name, history: '1h' }",
  )
  const versioned = builder.table('old', { ...serdes, store: { name: 'old', history: 4 } })
  expect(() => left.join(versioned, joiner, { grace: 5 })).toThrow(
    "option grace of join(...) on 'left' is 5 ms, but the table knows its rows for 4 ms; keep history at least as long as grace",
  )
})

test('a join with a global table needs a key to look up', () => {
  const { builder, left } = parts()
  const table = builder.globalTable('rows', serdes)
  expect(() => left.join(table, joiner, {} as never)).toThrow(
    "option key of join(...) on 'left' is undefined; pass a function such as (key, value) => value.product",
  )
})

test('a global table keeps the latest rows only, and its topic is read by nothing else', () => {
  const { builder } = parts()
  expect(() =>
    builder.globalTable('rows', { ...serdes, store: { name: 'rows', history: '1h' } as never }),
  ).toThrow(
    "option store of globalTable('rows') has a history; a global table keeps the latest rows only",
  )
  builder.globalTable('left', serdes)
  expect(() => builder.build()).toThrow("both read topic 'left'")
})

test('a versioned store says how far back', () => {
  expect(() => versionedStore({ name: 'old', ...serdes } as never)).toThrow(
    "history of versionedStore(...) is undefined; say how far back, such as '1h'",
  )
})
