/** Types of processors, of what they forward and of their stores. */
import {
  json,
  type KeyValueStore,
  type KStream,
  keyValueStore,
  type Processor,
  type ProcessorContext,
  StreamsBuilder,
  text,
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
