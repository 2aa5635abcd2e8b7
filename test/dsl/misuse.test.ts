import { describe, expect, test } from 'vitest'
import {
  customWindows,
  hopping,
  int32,
  int64,
  json,
  StreamsBuilder,
  session,
  sliding,
  text,
  tumbling,
  unlimited,
  untilTimeLimit as untilTimeLimitTyped,
  untilWindowCloses as untilWindowClosesTyped,
} from '../../src/index.ts'

/** Calls as JavaScript may make them. */
// biome-ignore lint/suspicious/noExplicitAny: what the types forbid is what is tested here
type Untyped = any

const untilTimeLimit: Untyped = untilTimeLimitTyped
const untilWindowCloses: Untyped = untilWindowClosesTyped
const builder = (): Untyped => new StreamsBuilder()
const lines = (): Untyped => builder().stream('lines', { key: text, value: text })
const grouped = (): Untyped => lines().groupByKey()

const cases: [string, () => unknown, Error][] = [
  [
    'a topic that is none',
    () => builder().stream(5),
    new TypeError(`topic of stream(...) is 5; pass a topic, or an array of at least one`),
  ],
  [
    'no topics',
    () => builder().stream([]),
    new TypeError(
      `topic of stream(...) is an array of 0; pass a topic, or an array of at least one`,
    ),
  ],
  [
    'a topic with a space',
    () => builder().stream('a b'),
    new RangeError(
      `topic of stream('a b') is 'a b', with ' ' at 1; use letters, digits, '.', '_' and '-'`,
    ),
  ],
  [
    'an option that does not exist',
    () => builder().stream('lines', { serde: text }),
    new TypeError(
      `stream('lines') has no option 'serde'; its options are key, value, timestamp, offsetReset, name`,
    ),
  ],
  [
    'a serde that was not made',
    () => builder().stream('lines', { value: json }),
    new TypeError(
      `option value of stream('lines') is function json, not a serde; call it if it makes one: { value: json() }`,
    ),
  ],
  [
    'a serde that is none',
    () => lines().to('out', { key: 'text' }),
    new TypeError(
      `option key of to('out') on 'lines' is 'text', not a serde; pass one such as text or json()`,
    ),
  ],
  [
    'an offset reset that does not exist',
    () => builder().stream('lines', { offsetReset: 'first' }),
    new TypeError(
      `option offsetReset of stream('lines') is 'first'; pass 'earliest', 'latest', 'none' or { ago: '1h' }`,
    ),
  ],
  [
    'a topic read in two ways',
    () => {
      const program = builder()
      program.stream('lines', { value: text })
      program.stream('lines', { value: json() })
    },
    new TypeError(
      `stream('lines') reads topic 'lines', which source 'lines' reads with other value serde; use that stream, or read both in the same way`,
    ),
  ],
  [
    'topics that overlap',
    () => {
      const program = builder()
      program.stream(['a', 'b'])
      program.stream('b')
    },
    new TypeError(
      `stream('b') reads topic 'b', which source 'a-b' reads with other topics beside it; use that stream, or read both in the same way`,
    ),
  ],
  [
    'a predicate that is no function',
    () => lines().filter('x'),
    new TypeError(
      `predicate of filter(...) on 'lines' is 'x'; pass a function such as (key, value) => value !== null`,
    ),
  ],
  [
    'an async mapper',
    () => lines().mapValues(async (line: string) => line),
    new TypeError(
      `mapper of mapValues(...) on 'lines' is async, so records would carry promises; pass a function that answers at once, such as (value, key) => value; or use mapValuesAsync`,
    ),
  ],
  [
    'no mapper',
    () => lines().mapValues(),
    new TypeError(
      `mapper of mapValues(...) on 'lines' is undefined; pass a function such as (value, key) => value`,
    ),
  ],
  [
    'options that are none',
    () => lines().peek(() => {}, 'name'),
    new TypeError(
      `options of peek(...) on 'lines' is 'name'; pass an object such as { name: ... }`,
    ),
  ],
  [
    'no branches',
    () => lines().split({}),
    new TypeError(
      `branches of split(...) on 'lines' is an object; pass predicates by name: { failed: (key, value) => ... }`,
    ),
  ],
  [
    'a default that is a branch',
    () => lines().split({ a: () => true }, { default: 'a' }),
    new TypeError(
      `option default of split(...) on 'lines' is 'a', which is a branch; use another name`,
    ),
  ],
  [
    'no partitions',
    () => lines().repartition({ partitions: 0 }),
    new RangeError(
      `option partitions of repartition(...) on 'lines' is 0; pass a whole number from 1`,
    ),
  ],
  [
    'windows that are none',
    () => grouped().windowedBy('1m'),
    new TypeError(
      `windows of windowedBy(...) is '1m'; pass tumbling('1m'), hopping('5m', { advance: '1m' }), sliding('30s'), session('30m'), unlimited() or customWindows(...)`,
    ),
  ],
  [
    'sliding windows of no difference',
    () => sliding(0),
    new RangeError(`difference of sliding(...) is 0; pass a duration above zero`),
  ],
  [
    'sessions of a negative gap',
    () => session(-1),
    new RangeError(
      `gap of session(...) is -1; write whole milliseconds as a number, or '500ms', '10s', '5m', '2h', '7d'`,
    ),
  ],
  [
    'an unlimited window that starts before the epoch',
    () => unlimited({ start: -1 }),
    new RangeError(
      `option start of unlimited(...) is -1; pass milliseconds since the epoch, a whole number from 0`,
    ),
  ],
  [
    'custom windows without a size',
    () => customWindows(() => [], undefined as never),
    new TypeError(
      `customWindows(...) needs option size; pass the longest that a window gets: { size: '25h' }`,
    ),
  ],
  [
    'custom windows without a function',
    () => customWindows('days' as never, { size: '25h' }),
    new TypeError(
      `windowsFor of customWindows(...) is 'days'; pass a function such as (timestamp) => [{ start, end }]`,
    ),
  ],
  [
    'a session aggregate without a merger',
    () =>
      lines()
        .groupByKey()
        .windowedBy(session(5))
        .aggregate(() => '', String, {} as never),
    new TypeError(
      `aggregate(...) on 'lines' needs option merge, for sessions that meet; pass { merge: (key, one, other) => one + other }`,
    ),
  ],
  [
    'an unlimited window to wait for the end of',
    () => lines().groupByKey().windowedBy(unlimited()).count({ emit: 'close' }),
    new TypeError(
      `option emit of count(...) on 'lines' is 'close', but an unlimited window never closes; pass 'updates' or 'commit'`,
    ),
  ],
  [
    'a retention below what sliding windows need',
    () =>
      lines()
        .groupByKey()
        .windowedBy(sliding(10, { grace: 5 }))
        .count({ store: { retention: 20 } }),
    new RangeError(
      `store retention of count(...) on 'lines' is 20 ms; windows are needed for 25 ms (twice the difference + grace), so keep them at least that long`,
    ),
  ],
  [
    'an aggregator that is no function',
    () => grouped().aggregate(() => 0, { value: text }),
    new TypeError(
      `aggregator of aggregate(...) on 'lines' is an object; pass a function such as (key, value, aggregate) => aggregate + value`,
    ),
  ],
  [
    'an emission that does not exist',
    () => grouped().count({ emit: 'never' }),
    new TypeError(
      `option emit of count(...) on 'lines' is 'never'; pass 'updates' or 'commit', or 'close' for windows`,
    ),
  ],
  [
    'emission on close without windows',
    () => grouped().count({ emit: 'close' }),
    new TypeError(
      `option emit of count(...) on 'lines' is 'close', but there are no windows to close; add windowedBy(...), or pass 'updates' or 'commit'`,
    ),
  ],
  [
    'a suppression until nobody knows when',
    () => grouped().count().suppress({}),
    new TypeError(
      `argument of suppress(...) on 'lines-count' is an object; pass untilWindowCloses() or untilTimeLimit('10s')`,
    ),
  ],
  [
    'a suppression until windows close that are not there',
    () => grouped().count().suppress(untilWindowCloses()),
    new TypeError(
      `suppress(...) on 'lines-count' is to wait until windows close, but the rows of this table have no windows; add windowedBy(...) above, or use untilTimeLimit`,
    ),
  ],
  [
    'a suppression of a table whose rows change in the past',
    () =>
      builder()
        .table('rows', { key: text, value: text, store: { name: 'rows', history: '1h' } })
        .filter(() => true)
        .suppress(untilTimeLimit('1s')),
    new TypeError(
      `suppress(...) on 'rows-filter' is of a versioned table, whose changes may be older than its rows; leave out option history of the store above, or suppress an aggregation or a join of it`,
    ),
  ],
  [
    'final results that leave early',
    () => untilWindowCloses({ whenFull: 'emit' }),
    new TypeError(
      `option whenFull of untilWindowCloses(...) is 'emit', which would send results that are not final; pass 'stop', or use untilTimeLimit`,
    ),
  ],
  [
    'a bound that is no number',
    () => untilTimeLimit('1s', { maxRecords: -1 }),
    new RangeError(`option maxRecords of untilTimeLimit(...) is -1; pass a whole number from 0`),
  ],
  [
    'a storage that does not exist',
    () => grouped().count({ store: { storage: 'disk' } }),
    new TypeError(`store storage of count(...) on 'lines' is 'disk'; pass 'rocksdb' or 'memory'`),
  ],
  [
    'a retention without windows',
    () => grouped().count({ store: { retention: '1d' } }),
    new TypeError(
      `option store of count(...) on 'lines' has no 'retention'; it has name, storage, changelog`,
    ),
  ],
  [
    'a serde for a count',
    () => grouped().count({ value: text }),
    new TypeError(`count(...) on 'lines' has no option 'value'; its options are name, store, emit`),
  ],
  [
    'windows kept for less than they take records',
    () =>
      grouped()
        .windowedBy(tumbling('1m', { grace: '1m' }))
        .count({ store: { retention: '1m' } }),
    new RangeError(
      `store retention of count(...) on 'lines' is 60000 ms; windows are needed for 120000 ms (size + grace), so keep them at least that long`,
    ),
  ],
  [
    'a join of streams without a window',
    () => {
      const stream = lines()
      stream.join(stream, () => 0)
    },
    new TypeError(
      `join(...) on 'lines' of two streams needs a window; pass { within: '10s' }, or before and after`,
    ),
  ],
  [
    'a join window that ends before it starts',
    () => {
      const stream = lines()
      stream.join(stream, () => 0, { before: -2000, after: '1s' })
    },
    new RangeError(
      `join(...) on 'lines' has before -2000 ms and after 1000 ms: the window would end before it starts; their sum must not be negative`,
    ),
  ],
  [
    'a join with nothing',
    () => lines().join(undefined, () => 0),
    new TypeError(`other of join(...) on 'lines' is undefined; pass a stream or a table`),
  ],
  [
    'a foreign key that is no function',
    () => {
      const program = builder()
      const users = program.table('users', { key: text, value: text })
      program.table('orders', { key: text, value: text }).join(users, () => 0, {
        foreignKey: 'user',
      })
    },
    new TypeError(
      `option foreignKey of join(...) on 'orders-table' is 'user'; pass a function such as (row, key) => row.customer`,
    ),
  ],
  [
    'a foreign key of an outer join',
    () => {
      const program = builder()
      const users = program.table('users', { key: text, value: text })
      program.table('orders', { key: text, value: text }).outerJoin(users, () => 0, {
        foreignKey: () => 'a',
      })
    },
    new TypeError(
      `outerJoin(...) on 'orders-table' has no option 'foreignKey'; its options are name, store, value`,
    ),
  ],
  [
    'a join of two programs',
    () => lines().join(lines(), () => 0, { within: 1 }),
    new TypeError(
      `other of join(...) on 'lines' is of another StreamsBuilder; build both sides with one`,
    ),
  ],
  [
    'a join of keys that are written in two ways',
    () => {
      const program = builder()
      const rows = program.table('rows', { key: int64, value: text })
      program.stream('ints', { key: int32, value: text }).join(rows, () => 0)
    },
    new TypeError(
      `join(...) on 'ints' has keys written as int32 on the left and as int64 on the right, so equal keys never meet; write one side with the other's serde, by repartition({ key: int64 })`,
    ),
  ],
  [
    'a merge with a table',
    () => {
      const program = builder()
      program.stream('a').merge(program.table('b'))
    },
    new TypeError(`other of merge(...) on 'a' is a KTable; pass a stream`),
  ],
  [
    'a join with a table of windows',
    () => {
      const stream = lines()
      stream.join(stream.groupByKey().windowedBy(tumbling(1)).count({ store: 'w' }), () => 0)
    },
    new TypeError(
      `join(...) on 'lines' looks rows up in a table of windows ('w'); join with toStream().toTable() of it`,
    ),
  ],
  [
    'a table of several topics',
    () => builder().table(['a', 'b']),
    new TypeError(`topic of table(an array of 2) is an array of 2; a table reads one topic`),
  ],
  [
    'a window of no size',
    () => tumbling(0),
    new RangeError(`size of tumbling(...) is 0; pass a duration above zero`),
  ],
  [
    'a duration that is none',
    () => tumbling('1 minute' as never),
    new RangeError(
      `size of tumbling(...) is "1 minute"; write whole milliseconds as a number, or '500ms', '10s', '5m', '2h', '7d'`,
    ),
  ],
  [
    'a window without its advance',
    () => hopping('1m', undefined as never),
    new TypeError(`hopping(...) needs option advance; pass { advance: '1m' }, or use tumbling`),
  ],
  [
    'an advance beyond the size',
    () => hopping('1m', { advance: '2m' }),
    new RangeError(
      `option advance of hopping(...) is 120000 ms and the size 60000 ms; with a larger advance records between windows would be lost`,
    ),
  ],
  [
    'a program without a source',
    () => builder().build(),
    new TypeError('the topology reads no topic; begin with stream(...) or table(...)'),
  ],
]

describe('an error at the call', () => {
  test.each(cases)('names the argument, the value and the fix: %s', (_what, call, error) => {
    expect(call).toThrow(error)
  })

  test('leaves nothing of the call behind in what was said before', () => {
    const program = new StreamsBuilder()
    const stream = program.stream('lines', { key: text, value: text })
    expect(() => stream.groupByKey().count({ store: 'bad name' })).toThrow(RangeError)
    stream.groupByKey().count({ store: 'good-name' })
    expect(program.build().stores.map(({ name }) => name)).toEqual(['good-name'])
  })
})
