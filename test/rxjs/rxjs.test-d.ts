/** Types of the edges to RxJS. */
import {
  type ConsumerRecord,
  type EmbeddedLog,
  int64,
  json,
  type Streams,
  type StreamsState,
  text,
} from 'millrace'
import {
  changelogTopic,
  fromTable,
  fromTopic,
  stateOf,
  type TableChange,
  toTopic,
} from 'millrace/rxjs'
import { type Observable, of } from 'rxjs'
import { expectTypeOf, test } from 'vitest'

interface Order {
  readonly amount: number
}

declare const log: EmbeddedLog
declare const app: Streams

test('a topic is an Observable of its records', () => {
  expectTypeOf(fromTopic(log, 'orders')).toEqualTypeOf<Observable<ConsumerRecord<Buffer, Buffer>>>()
  expectTypeOf(fromTopic(log, 'orders', { key: text, value: json<Order>() })).toEqualTypeOf<
    Observable<ConsumerRecord<string, Order>>
  >()
  // @ts-expect-error no such place to begin
  fromTopic(log, 'orders', { from: 'middle' })
})

test('a table is an Observable of its changes', () => {
  const topic = changelogTopic('app', 'counts')
  expectTypeOf(topic).toEqualTypeOf<string>()
  expectTypeOf(fromTable(log, topic, { key: text, value: int64 })).toEqualTypeOf<
    Observable<TableChange<string, number>>
  >()
})

test('an application is an Observable of its states', () => {
  expectTypeOf(stateOf(app)).toEqualTypeOf<Observable<StreamsState>>()
})

test('an Observable of records is written by a producer of their types', () => {
  const producer = log.producer({ key: text, value: int64 })
  const counts = of({ key: 'a', value: 1 })
  expectTypeOf(toTopic(counts, producer, 'counts')).toEqualTypeOf<Promise<number>>()
  // @ts-expect-error values of another type
  toTopic(of({ key: 'a', value: 'x' }), producer, 'counts')
})
