/** Types flow through the verbs of tables. */
import { describe, expectTypeOf, test } from 'vitest'
import {
  int64,
  json,
  type KGroupedTable,
  type KTable,
  type RowTransformer,
  StreamsBuilder,
  session,
  text,
  tumbling,
  type Windowed,
} from '../../src/index.ts'

interface User {
  city: string
  age: number
}

interface Order {
  items: number
}

type Known = 'key' | 'value'

function users() {
  return new StreamsBuilder().table('users', { key: text, value: json<User>() })
}

function orders() {
  return new StreamsBuilder().table('orders', { key: text, value: json<Order>() })
}

function clicks() {
  return new StreamsBuilder().stream('clicks', { key: text, value: text })
}

describe('filter and mapValues of a table', () => {
  test('hand present rows to their functions, and deletions on as null', () => {
    const filtered = users().filter((key, user) => key !== '' && user.age > 17, { store: 'adults' })
    expectTypeOf(filtered).toEqualTypeOf<KTable<string, User | null, Known>>()
    const narrowed = users().filter((_key, user): user is User & { city: 'Rome' } => user.age > 0)
    expectTypeOf(narrowed).toEqualTypeOf<KTable<string, (User & { city: 'Rome' }) | null, Known>>()
  })

  test('know a serde of mapped rows only when it is given', () => {
    expectTypeOf(users().mapValues((user) => user.age)).toEqualTypeOf<
      KTable<string, number | null, 'key'>
    >()
    expectTypeOf(users().mapValues((user) => user.age, { value: int64 })).toEqualTypeOf<
      KTable<string, number | null, Known>
    >()
    // @ts-expect-error a store needs the serde of the rows
    users().mapValues((user) => user.age, { store: 'ages' })
    // @ts-expect-error the mapped rows are numbers
    users().mapValues((user) => user.age, { value: text })
  })
})

describe('grouping of a table', () => {
  test('takes key and value from the selector; text needs no serdes', () => {
    const byCity = users().groupBy((id, user) => [user.city, id])
    expectTypeOf(byCity).toEqualTypeOf<KGroupedTable<string, string>>()
    expectTypeOf(byCity.count()).toEqualTypeOf<KTable<string, number, Known>>()
    const ages = users().groupBy((_id, user) => [user.city, user.age], { value: int64 })
    expectTypeOf(ages).toEqualTypeOf<KGroupedTable<string, number>>()
    expectTypeOf(
      ages.reduce(
        (sum, age) => sum + age,
        (sum, age) => sum - age,
      ),
    ).toEqualTypeOf<KTable<string, number, Known>>()
    // @ts-expect-error numbers need a serde
    users().groupBy((_id, user) => [user.city, user.age])
  })

  test('aggregates to what the initializer makes', () => {
    const sums = users()
      .groupBy((_id, user) => [user.city, user], { value: json<User>() })
      .aggregate(
        () => ({ age: 0 }),
        (_city, user, sum) => ({ age: sum.age + user.age }),
        (_city, user, sum) => ({ age: sum.age - user.age }),
        { value: json() },
      )
    expectTypeOf(sums).toEqualTypeOf<KTable<string, { age: number }, Known>>()
  })
})

describe('joins of tables', () => {
  test('say which side may be missing', () => {
    users().join(orders(), (user, order) => {
      expectTypeOf(user).toEqualTypeOf<User>()
      expectTypeOf(order).toEqualTypeOf<Order>()
      return 0
    })
    users().leftJoin(orders(), (user, order, key) => {
      expectTypeOf(user).toEqualTypeOf<User>()
      expectTypeOf(order).toEqualTypeOf<Order | null>()
      expectTypeOf(key).toEqualTypeOf<string>()
      return 0
    })
    users().outerJoin(orders(), (user, order) => {
      expectTypeOf(user).toEqualTypeOf<User | null>()
      expectTypeOf(order).toEqualTypeOf<Order | null>()
      return 0
    })
  })

  test('give a table of what the joiner makes', () => {
    const joined = users().join(orders(), (user, order) => user.age + order.items)
    expectTypeOf(joined).toEqualTypeOf<KTable<string, number | null, 'key'>>()
    const stored = users().outerJoin(orders(), (user, order) => `${user}${order}`, {
      value: text,
      store: 'joined',
    })
    expectTypeOf(stored).toEqualTypeOf<KTable<string, string | null, Known>>()
  })
})

describe('cogroup', () => {
  test('hands each input its own values, and all the one result', () => {
    const counts = new StreamsBuilder()
      .stream('orders', { key: text, value: json<Order>() })
      .groupByKey()
    const cogrouped = clicks()
      .groupByKey()
      .cogroup((_key, click, sum: number) => sum + click.length)
      .cogroup(counts, (_key, order, sum) => sum + order.items)
    expectTypeOf(cogrouped.aggregate(() => 0, { value: int64 })).toEqualTypeOf<
      KTable<string, number, Known>
    >()
    expectTypeOf(
      cogrouped.windowedBy(tumbling('1m')).aggregate(() => 0, { value: int64 }),
    ).toEqualTypeOf<KTable<Windowed<string>, number, Known>>()
    expectTypeOf(
      cogrouped
        .windowedBy(session('1m'))
        .aggregate(() => 0, { value: int64, merge: (_key, one, other) => one + other }),
    ).toEqualTypeOf<KTable<Windowed<string>, number, Known>>()
    // @ts-expect-error sessions that meet need a merger
    cogrouped.windowedBy(session('1m')).aggregate(() => 0, { value: int64 })
    // @ts-expect-error the initializer makes what the aggregators take
    cogrouped.aggregate(() => 'zero', { value: int64 })
  })
})

describe('a time to live', () => {
  test('is a duration', () => {
    new StreamsBuilder().table('users', { key: text, value: text, ttl: '7d' })
    clicks().toTable({ ttl: 1000 })
    // @ts-expect-error not a duration
    clicks().toTable({ ttl: true })
  })
})

describe('a transformer of rows', () => {
  const ages = (): RowTransformer<string, User, number> => ({
    transform: (user) => user?.age ?? null,
  })

  test('takes present rows or null, and gives the rows of the result', () => {
    expectTypeOf(users().transformValues(ages, { value: int64 })).toEqualTypeOf<
      KTable<string, number | null, Known>
    >()
    users().transformValues<string>(() => ({
      transform(user, id, { timestamp }) {
        expectTypeOf(user).toEqualTypeOf<User | null>()
        expectTypeOf(id).toEqualTypeOf<string>()
        expectTypeOf(timestamp).toEqualTypeOf<number>()
        return null
      },
    }))
  })

  test('has a serde for what it gives', () => {
    // @ts-expect-error numbers are no text
    users().transformValues(ages)
    // @ts-expect-error it takes other rows
    orders().transformValues(ages, { value: int64 })
  })
})
