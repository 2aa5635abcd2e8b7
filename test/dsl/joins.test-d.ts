/** Types of left and outer joins, versioned tables and global tables. */
import {
  type GlobalKTable,
  json,
  type KStream,
  StreamsBuilder,
  text,
  versionedStore,
} from 'millrace'
import { expectTypeOf, test } from 'vitest'

interface Order {
  readonly amount: number
}

function parts() {
  const builder = new StreamsBuilder()
  const orders = builder.stream('orders', { key: text, value: json<Order>() })
  const notes = builder.stream('notes', { key: text, value: text })
  return { builder, orders, notes }
}

test('sides that may be missing are null in the joiner', () => {
  const { orders, notes } = parts()
  orders.leftJoin(
    notes,
    (order, note) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(note).toEqualTypeOf<string | null>()
      return 1
    },
    { within: 5 },
  )
  const both = orders.outerJoin(
    notes,
    (order, note, key) => {
      expectTypeOf(order).toEqualTypeOf<Order | null>()
      expectTypeOf(note).toEqualTypeOf<string | null>()
      expectTypeOf(key).toEqualTypeOf<string>()
      return 1
    },
    { within: 5, emitInterval: '1s' },
  )
  expectTypeOf(both).toEqualTypeOf<KStream<string, number, 'key' | 'partitioned'>>()
  // @ts-expect-error a table has no outer join with a stream
  orders.outerJoin(notes.toTable(), () => 1, { within: 5 })
})

test('a global table is joined by a key made of each record', () => {
  const { builder, orders } = parts()
  const rates = builder.globalTable('rates', { key: text, value: json<{ rate: number }>() })
  expectTypeOf(rates).toEqualTypeOf<GlobalKTable<string, { rate: number }>>()
  const joined = orders.join(rates, (order, row) => order.amount * row.rate, {
    key: (id, order) => {
      expectTypeOf(id).toEqualTypeOf<string>()
      expectTypeOf(order).toEqualTypeOf<Order>()
      return id
    },
  })
  expectTypeOf(joined).toEqualTypeOf<KStream<string, number, 'key' | 'partitioned'>>()
  orders.leftJoin(rates, (_order, row) => row?.rate ?? 1, { key: () => null })
  // @ts-expect-error the row may be missing
  orders.leftJoin(rates, (_order, row) => row.rate, { key: () => null })
  // @ts-expect-error the table has another key
  orders.join(rates, () => 1, { key: () => 5 })
})

test('a versioned store knows its types', () => {
  const prices = versionedStore({ name: 'prices', key: text, value: json<Order>(), history: '1h' })
  type Store = Parameters<NonNullable<typeof prices.opens>>[0]
  expectTypeOf<Parameters<Store['put']>>().toEqualTypeOf<[string, Order | null, number]>()
})
