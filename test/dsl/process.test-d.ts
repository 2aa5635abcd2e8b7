/** Types of processors, of what they forward and of their stores. */
import {
  int64,
  json,
  type KeyValueStore,
  type KStream,
  keyValueStore,
  type Processor,
  type ProcessorContext,
  type SessionStore,
  StreamsBuilder,
  sessionStore,
  type Topology,
  type TypedStore,
  text,
  type VersionedStore,
  versionedStore,
  type WindowStore,
  windowStore,
} from 'millrace'
import { expectTypeOf, test } from 'vitest'

interface Order {
  readonly amount: number
}

const orders = new StreamsBuilder().stream('orders', { key: text, value: json<Order>() })
declare const context: ProcessorContext<string, number>

test('process takes its types from the processor and knows no serdes below', () => {
  const create = (): Processor<string, Order, number, string> => ({ process() {} })
  expectTypeOf(orders.process(create)).toEqualTypeOf<KStream<number, string>>()
  expectTypeOf(orders.process({ create })).toEqualTypeOf<KStream<number, string>>()
})

test('processValues keeps the key and its serde', () => {
  const create = (): Processor<string, Order, string, number> => ({ process() {} })
  const amounts = orders.processValues(create)
  expectTypeOf(amounts).toEqualTypeOf<KStream<string, number, 'key' | 'partitioned'>>()
  const other = (): Processor<string, Order, number, number> => ({
    init(_context: ProcessorContext<number, number>) {},
    process() {},
  })
  // @ts-expect-error a processor of other keys
  orders.processValues(other).to('out', { value: json<string>() })
})

test('a processor is given the records of its stream', () => {
  orders.process(() => ({
    process(record) {
      expectTypeOf(record.value).toEqualTypeOf<Order>()
      expectTypeOf(record.key).toEqualTypeOf<string>()
    },
  }))
})

test('a context gives the store of a definition, with its types', () => {
  const totals = keyValueStore({ name: 'totals', key: text, value: json<Order>() })
  expectTypeOf(context.store(totals)).toEqualTypeOf<KeyValueStore<string, Order>>()
  const seen = windowStore({ name: 'seen', key: text, value: text, size: 1, retention: 2 })
  expectTypeOf(context.store(seen)).toEqualTypeOf<WindowStore<string, string>>()
})

test('a context forwards only records of its types', () => {
  const record = { key: 'k', value: 1, timestamp: 0, headers: [] }
  context.forward(record)
  // @ts-expect-error a value of another type
  context.forward({ ...record, value: 'x' })
  // @ts-expect-error no time
  context.forward({ key: 'k', value: 1, headers: [] })
  // @ts-expect-error no such time
  context.schedule('1s', 'event-time', () => {})
})

test('definitions of stores say which store they open', () => {
  const visits = sessionStore({ name: 'visits', key: text, value: json<Order>(), retention: '1d' })
  expectTypeOf(visits).toEqualTypeOf<TypedStore<SessionStore<string, Order>>>()
  const prices = versionedStore({ name: 'prices', key: text, value: int64, history: '1h' })
  expectTypeOf(prices).toEqualTypeOf<TypedStore<VersionedStore<string, number>>>()
  expectTypeOf(context.store(prices)).toEqualTypeOf<VersionedStore<string, number>>()
  // @ts-expect-error how long sessions are kept has to be said
  sessionStore({ name: 'visits', key: text, value: text })
  // @ts-expect-error how many rows is a number
  keyValueStore({ name: 'recent', key: text, value: text, maxEntries: 'ten' })
})

test('a builder takes stores by their definitions, and gives a topology', () => {
  const builder = new StreamsBuilder()
  const totals = keyValueStore({ name: 'totals', key: text, value: int64 })
  expectTypeOf(builder.addStateStore(totals)).toEqualTypeOf<void>()
  builder.addGlobalStore(totals, 'rates', () => ({
    process(record) {
      expectTypeOf(record.value).toEqualTypeOf<number>()
    },
  }))
  const seen = windowStore({ name: 'seen', key: text, value: text, size: 1, retention: 2 })
  const create = () => ({ process() {} })
  expectTypeOf(builder.addReadOnlyStore(totals, 'totals')).toEqualTypeOf<void>()
  // @ts-expect-error a store of a topic's rows is one row a key
  builder.addReadOnlyStore(seen, 'seen')
  // @ts-expect-error a global store is one row a key
  builder.addGlobalStore(seen, 'seen', create)
  expectTypeOf(builder.build()).toEqualTypeOf<Topology>()
})
