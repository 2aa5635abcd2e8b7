/** Types flow through a topology without annotations, and what cannot be written does not compile. */
import { describe, expectTypeOf, test } from 'vitest'
import {
  float64,
  hopping,
  int32,
  json,
  type KStream,
  type KTable,
  nullable,
  type RecordContext,
  recordTime,
  recordTimeOrPartitionTime,
  recordTimeOrSkip,
  StreamsBuilder,
  text,
  tumbling,
  type Windowed,
  wallClockTime,
} from '../../src/index.ts'

interface Hit {
  path: string
  bytes: number
}

declare function parseTime(line: string): number
declare function parseCombined(line: string): Hit[]

type Known = 'key' | 'value' | 'partitioned'

describe('sources', () => {
  test('without a serde give bytes or null, with one its type', () => {
    const builder = new StreamsBuilder()
    expectTypeOf(builder.stream('a')).toEqualTypeOf<
      KStream<Uint8Array | null, Uint8Array | null, Known>
    >()
    expectTypeOf(builder.stream('a', { value: nullable(text) })).toEqualTypeOf<
      KStream<Uint8Array | null, string | null, Known>
    >()
    expectTypeOf(builder.table('a', { key: text, value: int32 })).toEqualTypeOf<
      KTable<string, number | null, 'key' | 'value'>
    >()
  })

  test('hand the extractor a record of the types of the serdes', () => {
    const builder = new StreamsBuilder()
    builder.stream('a', {
      key: int32,
      value: json<Hit>(),
      timestamp: ({ key, value }) => key + value.bytes,
    })
    // @ts-expect-error a timestamp is a number
    builder.stream('a', { value: text, timestamp: ({ value }) => value })
    // @ts-expect-error the option has another name
    builder.stream('a', { serde: text })
  })
})

describe('the program of the README', () => {
  test('compiles as it stands', () => {
    const builder = new StreamsBuilder()
    const table = builder
      .stream('access-log', { value: text, timestamp: ({ value }) => parseTime(value) })
      .flatMapValues(parseCombined)
      .groupBy((_key, hit) => hit.path, { value: json<Hit>() })
      .windowedBy(tumbling('1m', { grace: '10s' }))
      .aggregate(
        () => ({ hits: 0, bytes: 0 }),
        (_path, hit, sum) => ({ hits: sum.hits + 1, bytes: sum.bytes + hit.bytes }),
        { store: 'hits-per-page', value: json() },
      )
    expectTypeOf(table).toEqualTypeOf<
      KTable<Windowed<string>, { hits: number; bytes: number }, 'key' | 'value'>
    >()
    const stream = table.toStream()
    expectTypeOf(stream).toEqualTypeOf<
      KStream<Windowed<string>, { hits: number; bytes: number }, Known>
    >()
    stream.to('page-stats')
  })

  test('counts words without a serde but the source', () => {
    const builder = new StreamsBuilder()
    const counts = builder
      .stream('lines', { value: text })
      .flatMapValues((line) => line.split(' '))
      .groupBy((_key, word) => word)
      .count()
    expectTypeOf(counts).toEqualTypeOf<KTable<string, number, 'key' | 'value'>>()
    counts.toStream().to('counts')
  })
})

describe('a serde that is needed', () => {
  const hits = new StreamsBuilder()
    .stream('hits', { key: text, value: text })
    .mapValues((line) => ({ path: line, bytes: line.length }))

  test('is required at a sink', () => {
    // @ts-expect-error no serde is known for the value
    hits.to('out')
    hits.to('out', { value: json() })
    // @ts-expect-error the serde is of another type
    hits.to('out', { value: int32 })
    hits.mapValues((hit) => hit.path).to('out')
    // @ts-expect-error numbers have many forms
    hits.mapValues((hit) => hit.bytes).to('out')
  })

  test('is required where a stream is repartitioned', () => {
    // @ts-expect-error no serde is known for the value
    hits.groupBy((_key, hit) => hit.path)
    hits.groupBy((_key, hit) => hit.path, { value: json() })
    // @ts-expect-error no serde is known for the new key
    hits.groupBy((_key, hit) => hit.bytes, { value: json() })
    hits.groupBy((_key, hit) => hit.bytes, { key: int32, value: json() })
    // @ts-expect-error the new key is a number
    hits.groupBy((_key, hit) => hit.bytes, { key: text, value: json() })
    // @ts-expect-error both are unknown after map
    hits.map((key, hit) => [key.length, hit]).repartition()
  })

  test('is not required where no bytes are written', () => {
    expectTypeOf(hits.groupByKey().count()).toEqualTypeOf<KTable<string, number, 'key' | 'value'>>()
    // @ts-expect-error re-keyed, so the value goes through a topic
    hits.selectKey((_key, hit) => hit.path).groupByKey()
    // @ts-expect-error the result of a reduction is kept
    hits.groupByKey().reduce((sum) => sum)
    hits.groupByKey().reduce((sum) => sum, { value: json() })
  })

  test('is required for the result of an aggregation', () => {
    const grouped = hits.groupByKey()
    // @ts-expect-error numbers have many forms
    grouped.aggregate(
      () => 0,
      (_key, hit, sum) => sum + hit.bytes,
    )
    const sums = grouped.aggregate(
      () => 0,
      (_key, hit, sum) => sum + hit.bytes,
      { value: float64 },
    )
    expectTypeOf(sums).toEqualTypeOf<KTable<string, number, 'key' | 'value'>>()
    grouped.aggregate(
      () => '',
      (_key, hit, longest) => (hit.path > longest ? hit.path : longest),
    )
    grouped.aggregate(
      () => 0,
      // @ts-expect-error the aggregator gives another type
      (_key, hit) => hit.path,
      { value: float64 },
    )
    // @ts-expect-error count has its own serde
    grouped.count({ value: int32 })
  })
})

describe('joins', () => {
  const builder = new StreamsBuilder()
  const orders = builder.stream('orders', { key: text, value: json<{ amount: number }>() })
  const clicks = builder.stream('clicks', { key: text, value: json<{ at: number }>() })
  const users = builder.table('users', { key: text, value: json<{ name: string }>() })

  test('hand both values and the key to the joiner', () => {
    const joined = orders.join(clicks, (order, click, key) => `${key}${order.amount}${click.at}`, {
      within: '1m',
    })
    expectTypeOf(joined).toEqualTypeOf<KStream<string, string, 'key' | 'partitioned'>>()
    const named = orders.join(users, (order, user) => ({ ...order, ...user }))
    expectTypeOf(named).toEqualTypeOf<
      KStream<string, { name: string; amount: number }, 'key' | 'partitioned'>
    >()
    const maybe = orders.leftJoin(users, (order, user) => user?.name ?? order.amount)
    expectTypeOf(maybe).toEqualTypeOf<KStream<string, string | number, 'key' | 'partitioned'>>()
  })

  test('refuse a joiner of other values, and sides of other keys', () => {
    // @ts-expect-error a click has no name
    orders.join(clicks, (_order, click) => click.name, { within: '1m' })
    // @ts-expect-error the row may be absent
    orders.leftJoin(users, (_order, user) => user.name)
    const numbered = builder.table('numbered', { key: int32, value: text })
    // @ts-expect-error the table has another key
    orders.join(numbered, (_order, name) => name)
  })

  test('need a serde for what is kept', () => {
    const parsed = orders.mapValues((order) => ({ ...order, parsed: true }))
    // @ts-expect-error the value is kept in the window
    parsed.join(clicks, (order) => order.parsed, { within: '1m' })
    parsed.join(clicks, (order) => order.parsed, { within: '1m', value: json() })
    // @ts-expect-error the other value is kept in the window
    clicks.join(parsed, (click) => click.at, { within: '1m' })
    clicks.join(parsed, (click) => click.at, { within: '1m', otherValue: json() })
    parsed.join(users, (order, user) => order.parsed && user.name)
  })
})

describe('joins by foreign key', () => {
  const builder = new StreamsBuilder()
  interface Order {
    customer: number | null
    amount: number
  }
  const orders = builder.table('orders', { key: text, value: json<Order>() })
  const customers = builder.table('customers', { key: int32, value: json<{ rate: number }>() })
  const foreignKey = (order: Order): number | null => order.customer

  test('join tables of other keys, and keep the key', () => {
    const priced = orders.join(customers, (order, customer) => order.amount * customer.rate, {
      foreignKey: (order, key) => (key === '' ? null : order.customer),
    })
    expectTypeOf(priced).toEqualTypeOf<KTable<string, number | null, 'key'>>()
    const kept = orders.leftJoin(customers, (_order, customer, key) => key + customer?.rate, {
      foreignKey,
      value: text,
      store: 'kept',
    })
    expectTypeOf(kept).toEqualTypeOf<KTable<string, string | null, 'key' | 'value'>>()
  })

  test('refuse a foreign key of another type, and a row that may be absent', () => {
    // @ts-expect-error the other table has numbers for keys
    orders.join(customers, (order) => order.amount, { foreignKey: (_order, key) => key })
    // @ts-expect-error the row may be absent
    orders.leftJoin(customers, (_order, customer) => customer.rate, { foreignKey })
    // @ts-expect-error tables of unlike keys need a foreign key
    orders.join(customers, (order) => order.amount)
  })

  test('need the serdes of both rows', () => {
    const plain = orders.mapValues((order) => ({ ...order }))
    // @ts-expect-error the row is hashed by its bytes
    plain.join(customers, (order) => order.amount, { foreignKey })
    plain.join(customers, (order) => order.amount, { foreignKey, rowValue: json() })
    const rates = customers.mapValues(({ rate }) => rate)
    // @ts-expect-error the other row is sent
    orders.join(rates, (order, rate) => order.amount * rate, { foreignKey })
    orders.join(rates, (order, rate) => order.amount * rate, { foreignKey, otherValue: float64 })
  })
})

describe('branches', () => {
  interface Ok {
    kind: 'ok'
    value: number
  }
  interface Bad {
    kind: 'bad'
    reason: string
  }
  const isBad = (_key: unknown, value: Ok | Bad): value is Bad => value.kind === 'bad'
  const parsed = new StreamsBuilder().stream('parsed', { key: text, value: json<Ok | Bad>() })

  test('are narrowed by type guards, written or inferred', () => {
    const { ok, bad, large, rest } = parsed.split(
      {
        bad: isBad,
        ok: (_key, value) => value.kind === 'ok',
        large: (key, value) => key.length > 5 && value.kind.length > 2,
      },
      { default: 'rest' },
    )
    expectTypeOf(bad).toEqualTypeOf<KStream<string, Bad, Known>>()
    expectTypeOf(ok).toEqualTypeOf<KStream<string, Ok, Known>>()
    expectTypeOf(large).toEqualTypeOf<KStream<string, Ok | Bad, Known>>()
    expectTypeOf(rest).toEqualTypeOf<KStream<string, Ok | Bad, Known>>()
    expectTypeOf(parsed.filter(isBad)).toEqualTypeOf<KStream<string, Bad, Known>>()
  })

  test('have no default unless it is named', () => {
    const branches = parsed.split({ bad: isBad })
    expectTypeOf(branches).toExtend<{ readonly bad: KStream<string, Bad, Known> }>()
    // @ts-expect-error no such branch
    branches.rest
  })
})

describe('what is known of a stream', () => {
  const builder = new StreamsBuilder()
  const lines = builder.stream('lines', { key: text, value: text })

  test('is kept by what keeps the record, and lost with what changes it', () => {
    expectTypeOf(lines.filter((key) => key !== '').peek(() => {})).toEqualTypeOf<
      KStream<string, string, Known>
    >()
    expectTypeOf(lines.mapValues((line) => line.length)).toEqualTypeOf<
      KStream<string, number, 'key' | 'partitioned'>
    >()
    expectTypeOf(lines.selectKey((_key, line) => line.length)).toEqualTypeOf<
      KStream<number, string, 'value'>
    >()
    expectTypeOf(lines.map((key, line) => [line, key.length])).toEqualTypeOf<
      KStream<string, number>
    >()
    expectTypeOf(lines.flatMap((key, line) => [[line, key.length] as const])).toEqualTypeOf<
      KStream<string, number>
    >()
  })

  test('is what both have when merged', () => {
    expectTypeOf(lines.merge(builder.stream('more', { key: text, value: text }))).toEqualTypeOf<
      KStream<string, string, Known>
    >()
    const mixed = lines.merge(builder.stream('numbers', { key: text, value: int32 }))
    expectTypeOf(mixed).toEqualTypeOf<KStream<string, string | number, 'key' | 'partitioned'>>()
  })

  test('is not asked of a parameter that does not say so', () => {
    const count = (stream: KStream<string, string>): KTable<string, number> =>
      stream.groupByKey().count()
    count(lines)
    const write = (stream: KStream<string, Hit, 'key' | 'value'>): void => stream.to('out')
    write(builder.stream('hits', { key: text, value: json<Hit>() }))
    // @ts-expect-error the value's serde is not known any more
    write(lines.mapValues((line) => ({ path: line, bytes: 0 })))
    // @ts-expect-error another type of value
    count(lines.mapValues((line) => line.length))
  })
})

describe('deletion', () => {
  const builder = new StreamsBuilder()

  test('shows as null in the changes of a table that is read or made from nullable values', () => {
    const users = builder.table('users', { key: text, value: text })
    expectTypeOf(users.toStream()).toEqualTypeOf<KStream<string, string | null, Known>>()
    const rows = builder.stream('rows', { key: nullable(text), value: nullable(text) }).toTable()
    expectTypeOf(rows).toEqualTypeOf<KTable<string, string | null, 'key' | 'value'>>()
    expectTypeOf(rows.toStream()).toEqualTypeOf<KStream<string, string | null, Known>>()
  })

  test('does not keep a nullable serde from being passed on', () => {
    const any = builder
      .stream('any', { key: nullable(text), value: nullable(text) })
      .map((key, value) => [key, value])
    expectTypeOf(any.repartition({ key: nullable(text), value: nullable(text) })).toEqualTypeOf<
      KStream<string, string | null, Known>
    >()
    any.groupBy((_key, value) => value, { key: nullable(text) })
    const lengths = any.mapValues((value) => value?.length ?? null)
    lengths.groupByKey({ value: nullable(int32) }).reduce((sum, value) => sum + value)
    lengths.toTable({ value: nullable(int32) })
  })

  test('leaves no null to groups: keys are present, and values but in windows', () => {
    const grouped = builder.stream('n', { key: nullable(text), value: nullable(text) }).groupByKey()
    grouped.aggregate(
      () => '',
      (key, value, sum) => sum + key.length + value.length,
    )
    grouped.windowedBy(hopping('5m', { advance: '1m' })).aggregate(
      () => '',
      // @ts-expect-error a window sees null
      (key, value, sum) => sum + key.length + value.length,
    )
  })
})

describe('verbs that keep what a stream is', () => {
  const builder = new StreamsBuilder()
  const lines = builder.stream('kept', { key: text, value: text })

  test('filterNot gives the same stream', () => {
    expectTypeOf(lines.filterNot((_key, line) => line === '')).toEqualTypeOf(lines)
    // @ts-expect-error a predicate gives a boolean
    lines.filterNot((_key, line) => line.length)
  })

  test('functions are told of the record', () => {
    lines.mapValues((_line, _key, context) => {
      expectTypeOf(context).toEqualTypeOf<RecordContext>()
    })
    const narrowed = lines.filter((_key, line, { timestamp }): line is 'a' => timestamp > 0)
    expectTypeOf(narrowed).toEqualTypeOf<KStream<string, 'a', Known>>()
    // @ts-expect-error there is nothing to change in it
    lines.peek((_key, _line, context) => (context.timestamp = 1))
  })

  test('foreach ends it', () => {
    expectTypeOf(
      lines.foreach((key, line) => expectTypeOf([key, line]).toEqualTypeOf<string[]>()),
    ).toEqualTypeOf<void>()
  })

  test('a table says where its rows are', () => {
    const table = lines.toTable()
    expectTypeOf(table.storeName).toEqualTypeOf<string | null>()
    expectTypeOf(table.filterNot((_key, row) => row === '')).toEqualTypeOf<
      KTable<string, string | null, 'key' | 'value'>
    >()
  })

  test('a reduction in windows keeps the type of the values', () => {
    const longest = lines
      .groupByKey()
      .windowedBy(tumbling('1m'))
      .reduce((one, other) => (one.length < other.length ? other : one))
    expectTypeOf(longest).toEqualTypeOf<KTable<Windowed<string>, string, 'key' | 'value'>>()
  })

  test('the times to choose from fit any source', () => {
    const serdes = { key: text, value: json<Hit>() }
    for (const timestamp of [
      recordTime,
      recordTimeOrSkip,
      recordTimeOrPartitionTime,
      wallClockTime,
    ]) {
      expectTypeOf(builder.stream('timed', { ...serdes, timestamp })).toEqualTypeOf<
        KStream<string, Hit, Known>
      >()
    }
    expectTypeOf(recordTime).returns.toEqualTypeOf<number>()
    expectTypeOf(recordTimeOrSkip).returns.toEqualTypeOf<number>()
    expectTypeOf(recordTimeOrPartitionTime).returns.toEqualTypeOf<number>()
    expectTypeOf(wallClockTime).returns.toEqualTypeOf<number>()
  })
})
