/** The user's producer: batches, order, bounds, retries, transactions. */
import { describe, expect, it } from 'vitest'
import type { LogClient, ProduceItem, ProduceResult } from '../../src/client/client.ts'
import { type EmbeddedLog, embedded } from '../../src/client/embedded.ts'
import { Producer } from '../../src/client/producer.ts'
import { systemClock } from '../../src/clock.ts'
import { BatchReader } from '../../src/record/record-batch.ts'
import { json } from '../../src/record/serdes.ts'

async function openLog(partitions = 1): Promise<EmbeddedLog> {
  const log = embedded()
  await log.admin.createTopics([{ topic: 'a', partitions }])
  return log
}

async function valuesOf(log: EmbeddedLog, count: number): Promise<string[]> {
  const values: string[] = []
  await using consumer = log.consumer({ topics: ['a'] })
  while (values.length < count) {
    const batch = await consumer.next()
    if (batch === null) break
    for (const { value } of batch) values.push(value?.toString() ?? 'null')
  }
  return values
}

async function sizeOf(log: EmbeddedLog): Promise<number> {
  const [listed] = await log.listOffsets(
    [{ topic: 'a', partition: 0, at: 'latest' }],
    'read-uncommitted',
  )
  return listed?.offset ?? -1
}

/** The log, but what its produce answers is up to `answer`; all else passes through. */
function withProduce(
  log: EmbeddedLog,
  answer: (items: readonly ProduceItem[]) => Promise<readonly ProduceResult[]>,
): LogClient {
  return new Proxy<LogClient>(log, {
    get: (target, name) => {
      if (name === 'produce') return answer
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('a producer', () => {
  it('answers the offset of each record, and keeps their order', async () => {
    await using log = await openLog()
    await using producer = log.producer()
    const sends = ['a', 'b', 'c'].map((value) => producer.send({ topic: 'a', value }))
    expect(await Promise.all(sends)).toEqual([0, 1, 2])
    expect(await valuesOf(log, 3)).toEqual(['a', 'b', 'c'])
  })

  it('puts what one turn sends into one batch', async () => {
    await using log = await openLog()
    let calls = 0
    const client = withProduce(log, (items) => {
      calls++
      return log.produce(items, { acks: 'all' })
    })
    await using producer = new Producer(client, {}, systemClock)
    await producer.send({ topic: 'a', value: 'first' })
    await Promise.all(Array.from({ length: 100 }, () => producer.send({ topic: 'a', value: 'x' })))
    expect(calls).toBe(2)
  })

  it('waits for more records with linger', async () => {
    await using log = await openLog()
    await using producer = log.producer({ linger: 30 })
    const started = performance.now()
    await producer.send({ topic: 'a', value: 'x' })
    expect(performance.now() - started).toBeGreaterThan(25)
    const sent = producer.send({ topic: 'a', value: 'y' })
    await producer.flush()
    expect(await sent).toBe(1)
  })

  it('sends keys, values, headers, timestamps and nulls as they are', async () => {
    await using log = await openLog()
    await using producer = log.producer({ value: json<{ n: number }>() })
    const headers = [{ key: 'h', value: Buffer.from('v') }]
    await producer.send({ topic: 'a', key: 'k', value: { n: 1 }, headers, timestamp: 77 })
    await producer.send({ topic: 'a', key: null, value: null })
    await using consumer = log.consumer({ topics: ['a'], value: json<{ n: number }>() })
    const batch = await consumer.next()
    const [one, two] = batch?.records ?? []
    expect([one?.key?.toString(), one?.value, one?.timestamp]).toEqual(['k', { n: 1 }, 77])
    expect(one?.headers.map(({ key, value }) => `${key}=${value}`)).toEqual(['h=v'])
    expect([two?.key, two?.value]).toEqual([null, null])
  })

  it('sends equal keys to one partition, the one that Kafka chooses', async () => {
    await using log = await openLog(6)
    await using producer = log.producer()
    // murmur2('21') = -973932308: a test vector of Kafka's Utils.
    await producer.send({ topic: 'a', key: '21', value: 'x' })
    await using consumer = log.consumer({ topics: ['a'] })
    expect((await consumer.next())?.partition).toBe((-973932308 & 0x7fffffff) % 6)
  })

  it('reads with every compression what it wrote', async () => {
    for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
      await using log = await openLog()
      await using producer = log.producer({ compression })
      await producer.sendMany(
        Array.from({ length: 50 }, (_, n) => ({ topic: 'a', value: `v${n}` })),
      )
      expect((await valuesOf(log, 50)).at(-1)).toBe('v49')
    }
  })

  it('says that a topic is missing, and finds it once it is there', async () => {
    await using log = await openLog()
    await using producer = log.producer()
    await expect(producer.send({ topic: 'b', value: 'x' })).rejects.toMatchObject({
      code: 'topic-not-found',
    })
    await log.admin.createTopics([{ topic: 'b', partitions: 1 }])
    expect(await producer.send({ topic: 'b', value: 'x' })).toBe(0)
    await log.admin.deleteTopics(['b'])
    await expect(producer.send({ topic: 'b', value: 'y' })).rejects.toMatchObject({
      code: 'topic-not-found',
    })
  })

  it('asks for a serde when it cannot know one', async () => {
    await using log = await openLog()
    await using producer = log.producer<unknown, unknown>()
    await expect(producer.send({ topic: 'a', value: { n: 1 } })).rejects.toThrow(/serde/)
  })

  it('goes on with a new producer id after a record that the log refuses', async () => {
    await using log = await openLog()
    await log.admin.alterConfig('a', { 'max.message.bytes': '500' })
    await using producer = log.producer()
    await producer.send({ topic: 'a', value: 'a' })
    const large = producer.send({ topic: 'a', value: 'x'.repeat(1000) })
    await expect(large).rejects.toMatchObject({ code: 'record-too-large' })
    await producer.send({ topic: 'a', value: 'b' })
    await producer.send({ topic: 'a', value: 'c' })
    expect(await valuesOf(log, 3)).toEqual(['a', 'b', 'c'])
  })

  it('sends the same bytes again when an answer was lost, and the record is there once', async () => {
    await using log = await openLog()
    const sent: string[] = []
    let calls = 0
    const client = withProduce(log, async (items) => {
      const reader = new BatchReader()
      reader.open(items[0]?.batch as Buffer, 0)
      sent.push(`${reader.producerId}/${reader.baseSequence}/${reader.recordCount}`)
      const results = await log.produce(items, { acks: 'all' })
      const error = { code: 'request-timed-out', kind: 'retry', message: 'lost' } as const
      return calls++ % 2 === 0 ? results.map((result) => ({ ...result, error })) : results
    })
    await using producer = new Producer(client, {}, systemClock)
    expect(await producer.send({ topic: 'a', value: '0' })).toBe(0)
    const sends = [1, 2, 3].map((n) => producer.send({ topic: 'a', value: `${n}` }))
    expect(await Promise.all(sends)).toEqual([1, 2, 3])
    expect(sent).toEqual(['0/0/1', '0/0/1', '0/1/3', '0/1/3'])
    expect(await sizeOf(log)).toBe(4)
  })

  it('gives a record up after the delivery timeout', async () => {
    await using log = await openLog()
    const error = { code: 'request-timed-out', kind: 'retry', message: 'nobody there' } as const
    const client = withProduce(log, async (items) =>
      items.map(({ topic, partition }) => ({
        topic,
        partition,
        error,
        baseOffset: -1,
        logAppendTime: -1,
      })),
    )
    const producer = new Producer(client, { deliveryTimeout: 80 }, systemClock)
    await expect(producer.send({ topic: 'a', value: 'x' })).rejects.toMatchObject({
      code: 'request-timed-out',
      retriable: true,
    })
  })

  it('keeps its buffer within its bound while the log is slow', async () => {
    await using log = await openLog()
    let waiting = 0
    const client = withProduce(log, async (items) => {
      for (const { batch } of items) waiting = Math.max(waiting, batch.length)
      await new Promise((resolve) => setTimeout(resolve, 1))
      return log.produce(items, { acks: 'all' })
    })
    const producer = new Producer(client, { bufferBytes: 20_000, batchBytes: 8_000 }, systemClock)
    let made = 0
    let ahead = 0
    function* records(): Generator<{ topic: string; value: string }> {
      for (; made < 1000; made++) yield { topic: 'a', value: 'x'.repeat(200) }
    }
    const watch = setInterval(() => {
      void sizeOf(log).then((size) => {
        ahead = Math.max(ahead, made - size)
      })
    }, 1)
    expect(await producer.sendMany(records())).toBe(1000)
    clearInterval(watch)
    expect(ahead).toBeLessThan(250)
    expect(await sizeOf(log)).toBe(1000)
    await producer.close()
  })

  it('keeps the order of sends that had to wait', async () => {
    await using log = await openLog()
    await using producer = log.producer({ bufferBytes: 500 })
    const sends = Array.from({ length: 200 }, (_, n) =>
      producer.send({ topic: 'a', value: `${n}` }),
    )
    expect(await Promise.all(sends)).toEqual(Array.from({ length: 200 }, (_, n) => n))
    expect(await valuesOf(log, 200)).toEqual(Array.from({ length: 200 }, (_, n) => `${n}`))
  })
})

describe('a transactional producer', () => {
  it('shows all or nothing, and goes on after an abort', async () => {
    await using log = await openLog()
    await using producer = log.producer({ transactionalId: 't' })
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'one' })
      await transaction.sendMany([{ topic: 'a', value: 'two' }])
    })
    const failed = producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'never' })
      throw new Error('changed my mind')
    })
    await expect(failed).rejects.toThrow('changed my mind')
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'three' })
    })
    expect(await valuesOf(log, 3)).toEqual(['one', 'two', 'three'])
  })

  it('commits offsets with its records', async () => {
    await using log = await openLog()
    await using producer = log.producer({ transactionalId: 't' })
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'one' })
      await transaction.sendOffsets('g', [{ topic: 'a', partition: 0, offset: 9 }])
    })
    const place = [{ topic: 'a', partition: 0 }]
    const [committed] = await log.fetchOffsets('g', place, { requireStable: true })
    expect(committed?.offset).toBe(9)
  })

  it('commits nothing when one of its records failed', async () => {
    await using log = await openLog()
    await log.admin.alterConfig('a', { 'max.message.bytes': '500' })
    await using producer = log.producer({ transactionalId: 't' })
    const failed = producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'never' })
      transaction.send({ topic: 'a', value: 'x'.repeat(1000) }).catch(() => {})
    })
    await expect(failed).rejects.toMatchObject({ code: 'record-too-large' })
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'one' })
    })
    expect(await valuesOf(log, 1)).toEqual(['one'])
  })

  it('is stopped by a newer one with its id', async () => {
    await using log = await openLog()
    await using zombie = log.producer({ transactionalId: 't' })
    await zombie.begin()
    await zombie.send({ topic: 'a', value: 'zombie' })
    await using producer = log.producer({ transactionalId: 't' })
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'new' })
    })
    await expect(zombie.send({ topic: 'a', value: 'z' })).rejects.toMatchObject({
      code: 'producer-fenced',
    })
    await expect(zombie.commit()).rejects.toMatchObject({ code: 'producer-fenced' })
    expect(await valuesOf(log, 1)).toEqual(['new'])
  })

  it('refuses records outside of a transaction', async () => {
    await using log = await openLog()
    await using producer = log.producer({ transactionalId: 't' })
    await expect(producer.send({ topic: 'a', value: 'x' })).rejects.toMatchObject({
      code: 'transaction-state-invalid',
    })
  })

  it('goes on after its transaction took too long', async () => {
    await using log = await openLog()
    await using producer = log.producer({ transactionalId: 't', transactionTimeout: 30 })
    await producer.begin()
    await producer.send({ topic: 'a', value: 'late' })
    await new Promise((resolve) => setTimeout(resolve, 60))
    await expect(producer.commit()).rejects.toMatchObject({ code: 'transaction-aborted' })
    await producer.abort()
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic: 'a', value: 'one' })
    })
    expect(await valuesOf(log, 1)).toEqual(['one'])
  })
})
