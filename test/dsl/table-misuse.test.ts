/** Misuse of the verbs of tables is an error at the call, naming argument, value and fix. */
import { int64, keyValueStore, StreamsBuilder, session, text, tumbling } from 'millrace'
import { describe, expect, test } from 'vitest'

const serdes = { key: text, value: text }

function tables() {
  const builder = new StreamsBuilder()
  return {
    builder,
    left: builder.table('left', serdes),
    right: builder.table('right', serdes),
    stream: builder.stream('in', serdes),
  }
}

describe('a table', () => {
  test('takes functions, and says what to pass', () => {
    const { left } = tables()
    expect(() => left.filter('all' as never)).toThrow(
      "predicate of filter(...) on 'left-table' is 'all'; pass a function such as (key, row) => row.active",
    )
    expect(() => left.mapValues((async () => 1) as never)).toThrow(
      "mapper of mapValues(...) on 'left-table' is async",
    )
    expect(() => left.groupBy(undefined as never)).toThrow(
      "selector of groupBy(...) on 'left-table' is undefined; pass a function such as (key, row) => [row.group, row]",
    )
  })

  test('joins a table of the same builder only', () => {
    const { left, stream } = tables()
    expect(() => left.outerJoin(stream as never, () => '')).toThrow(
      "other of outerJoin(...) on 'left-table' is a KStream; pass a table",
    )
    const other = new StreamsBuilder().table('other', serdes)
    expect(() => left.join(other, () => '')).toThrow('is of another StreamsBuilder')
  })

  test('stops a join whose sides write equal keys differently', () => {
    const { builder, left } = tables()
    const other = builder.table('other', { key: int64, value: text })
    expect(() => left.join(other as never, () => '')).toThrow(
      'keys written as text on the left and as int64 on the right',
    )
  })

  test('knows its options', () => {
    const { left } = tables()
    expect(() => left.filter(() => true, { stores: 'x' } as never)).toThrow(
      "filter(...) on 'left-table' has no option 'stores'; its options are name, store, value",
    )
  })

  test('has a time to live above zero, and not with versions', () => {
    const { builder, stream } = tables()
    expect(() => builder.table('more', { ...serdes, ttl: 0 })).toThrow(
      "option ttl of table('more') is 0; pass a duration above zero",
    )
    expect(() => stream.toTable({ ttl: '1d', store: { name: 'rows', history: '1h' } })).toThrow(
      'has option ttl 86400000 ms and a versioned store',
    )
  })
})

describe('a bounded store', () => {
  test('keeps a whole number of rows, and no history', () => {
    const { stream } = tables()
    const count = (store: object) => () => stream.groupByKey().count({ store })
    expect(count({ name: 's', maxEntries: 0 })).toThrow(
      "store maxEntries of count(...) on 'in' is 0; pass a whole number above zero",
    )
    expect(count({ name: 's', maxEntries: 2, history: '1h' })).toThrow(
      "store of count(...) on 'in' has history and maxEntries 2; what rows were is kept of all of them, so leave one out",
    )
    const windows = stream.groupByKey().windowedBy(tumbling(10))
    expect(() => windows.count({ store: { name: 's', maxEntries: 2 } as object })).toThrow(
      "option store of count(...) on 'in' has no 'maxEntries'",
    )
    const store = { name: 's', key: text, value: text, maxEntries: 1.5 }
    expect(() => keyValueStore(store)).toThrow('option maxEntries of keyValueStore(...) is 1.5')
  })

  test('is kept although nobody names it', () => {
    const { stream } = tables()
    expect(stream.toTable({ store: { maxEntries: 10 } }).storeName).toBe('in-toTable')
  })
})

describe('a grouped table', () => {
  test('takes an adder and a subtractor', () => {
    const grouped = tables().left.groupBy((key, row) => [row, key])
    expect(() => grouped.reduce((sum) => sum, undefined as never)).toThrow(
      'subtractor of reduce(...) of a grouped table is undefined; pass a function such as (sum, value) => sum - value',
    )
    expect(() =>
      grouped.aggregate(
        () => '',
        1 as never,
        (_key, _value, sum) => sum,
      ),
    ).toThrow('adder of aggregate(...) of a grouped table is 1')
  })
})

describe('a cogroup', () => {
  test('takes grouped streams of the same builder', () => {
    const { stream } = tables()
    const cogrouped = stream.groupByKey().cogroup((_key, value, sum: string) => sum + value)
    expect(() => cogrouped.cogroup(stream as never, () => '')).toThrow(
      'grouped of cogroup(...) is a KStream; pass a grouped stream, such as orders.groupByKey()',
    )
    const other = new StreamsBuilder().stream('other', serdes).groupByKey()
    expect(() => cogrouped.cogroup(other, (_key, _value, sum) => sum).aggregate(() => '')).toThrow(
      'has an input of another StreamsBuilder',
    )
  })

  test('closes windows only, and merges sessions', () => {
    const cogrouped = tables()
      .stream.groupByKey()
      .cogroup((_key, value, sum: string) => sum + value)
    expect(() => cogrouped.aggregate(() => '', { emit: 'close' } as never)).toThrow(
      "option emit of aggregate(...) of a cogroup on 'in' is 'close', but there are no windows to close",
    )
    expect(() => cogrouped.windowedBy(session(10)).aggregate(() => '', {} as never)).toThrow(
      'option merge of aggregate(...)',
    )
  })
})

describe('what keeps the rows of a table', () => {
  test('is a store the user names, or what a join and a group need', () => {
    const { left, right } = tables()
    const mapped = left.mapValues((row) => row)
    expect([left.storeName, mapped.storeName]).toEqual([null, null])
    mapped.join(right, (a, b) => a + b)
    expect([left.storeName, mapped.storeName, right.storeName]).toEqual([
      'left-table',
      null,
      'right-table',
    ])
    expect(left.filter(() => true, { store: 'kept' }).storeName).toBe('kept')
  })
})
