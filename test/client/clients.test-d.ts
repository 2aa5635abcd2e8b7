/** Types of the included log and of a cluster, of their producers and their consumers. */
import {
  type Consumer,
  type ConsumerBatch,
  type ConsumerRecord,
  type EmbeddedLog,
  embedded,
  type GroupIdentity,
  json,
  type KafkaCounts,
  type KafkaLog,
  kafka,
  type Log,
  type Producer,
  type ProducerIdentity,
  type ProducerTransaction,
  type TopicPartition,
  text,
} from 'millrace'
import { expectTypeOf, test } from 'vitest'

interface Order {
  readonly amount: number
}

declare const log: EmbeddedLog
declare const producer: Producer<string, Order>
declare const consumer: Consumer<string, Order>

test('a log is what an application runs on', () => {
  expectTypeOf(embedded()).toEqualTypeOf<EmbeddedLog>()
  expectTypeOf(embedded({ directory: './data', retention: '1d' })).toExtend<Log>()
  expectTypeOf(log.open()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(log.flush()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(log.close()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(log.shutdown()).toEqualTypeOf<Promise<void>>()
  // @ts-expect-error a duration is milliseconds or text with a unit
  embedded({ retention: 'a day' })
})

test('a cluster is a log too', () => {
  const cluster = kafka({
    brokers: ['broker-1:9092'],
    ssl: { ca: 'pem' },
    sasl: { mechanism: 'oauthbearer', token: async () => 'token' },
  })
  expectTypeOf(cluster).toEqualTypeOf<KafkaLog>()
  expectTypeOf(cluster).toExtend<Log>()
  expectTypeOf(cluster.counts).toEqualTypeOf<KafkaCounts>()
  // @ts-expect-error a mechanism without its secret
  kafka({ brokers: ['broker-1'], sasl: { mechanism: 'plain', username: 'alice' } })
})

test('producers and consumers have the types of their serdes', () => {
  const serdes = { key: text, value: json<Order>() }
  expectTypeOf(log.producer(serdes)).toEqualTypeOf<Producer<string, Order>>()
  expectTypeOf(log.consumer({ topics: ['orders'], ...serdes })).toEqualTypeOf<
    Consumer<string, Order>
  >()
  expectTypeOf(log.consumer({ topics: ['orders'] })).toEqualTypeOf<Consumer<Buffer, Buffer>>()
})

test('a producer takes records of its types', () => {
  const record = { topic: 'orders', key: 'o', value: { amount: 1 } }
  expectTypeOf(producer.send(record)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(producer.sendMany([record, { topic: 'orders', value: null }])).toEqualTypeOf<
    Promise<number>
  >()
  expectTypeOf(producer.flush()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(producer.close()).toEqualTypeOf<Promise<void>>()
  // @ts-expect-error a value of another type
  producer.send({ topic: 'orders', value: 1 })
  // @ts-expect-error no topic
  producer.send({ value: { amount: 1 } })
})

test('a transaction gives what its work does', () => {
  expectTypeOf(producer.init()).toEqualTypeOf<Promise<ProducerIdentity>>()
  expectTypeOf(producer.begin()).toEqualTypeOf<Promise<void>>()
  const offsets = [{ topic: 'orders', partition: 0, offset: 1 }]
  expectTypeOf(producer.sendOffsets('group', offsets)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(producer.sendOffsets(consumer.groupIdentity, offsets)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(producer.commit()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(producer.abort()).toEqualTypeOf<Promise<void>>()
  const work = async (transaction: ProducerTransaction<string, Order>) => {
    await transaction.send({ topic: 'orders', value: { amount: 1 } })
    return 'done'
  }
  expectTypeOf(producer.transaction(work)).toEqualTypeOf<Promise<string>>()
})

test('a consumer gives records of its types', () => {
  expectTypeOf(consumer.next()).toEqualTypeOf<Promise<ConsumerBatch<string, Order> | null>>()
  expectTypeOf(consumer.records()).toExtend<AsyncIterable<ConsumerRecord<string, Order>>>()
  expectTypeOf<ConsumerRecord<string, Order>['value']>().toEqualTypeOf<Order | null>()
  expectTypeOf(consumer.assignment).toEqualTypeOf<readonly TopicPartition[]>()
  expectTypeOf(consumer.groupIdentity).toEqualTypeOf<GroupIdentity>()
  expectTypeOf(consumer.position('orders', 0)).toEqualTypeOf<number>()
  expectTypeOf(consumer.commit()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(consumer.close()).toEqualTypeOf<Promise<void>>()
})

test('a consumer is told where to go on', () => {
  expectTypeOf(consumer.seek('orders', 0, 5)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(consumer.seek('orders', 0, { timestamp: 0 })).toEqualTypeOf<Promise<void>>()
  // @ts-expect-error no such place
  consumer.seek('orders', 0, 'middle')
  // @ts-expect-error partitions, not topics
  consumer.pause(['orders'])
  // @ts-expect-error partitions, not topics
  consumer.resume('orders')
})
