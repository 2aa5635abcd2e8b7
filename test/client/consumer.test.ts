/** The user's consumer: order, places, groups, back pressure. */
import { describe, expect, it } from 'vitest'
import type { Consumer } from '../../src/client/consumer.ts'
import { type EmbeddedLog, embedded } from '../../src/client/embedded.ts'
import { text } from '../../src/record/serdes.ts'

async function openLog(partitions = 1, records = 0): Promise<EmbeddedLog> {
  const log = embedded()
  await log.admin.createTopics([{ topic: 'a', partitions }])
  if (records > 0) await write(log, records, partitions)
  return log
}

async function write(log: EmbeddedLog, count: number, partitions = 1, first = 0): Promise<void> {
  await using producer = log.producer()
  await producer.sendMany(
    Array.from({ length: count }, (_, n) => ({
      topic: 'a',
      value: `${first + n}`,
      partition: n % partitions,
      timestamp: 1000 + first + n,
    })),
  )
}

async function take(consumer: Consumer<string, string>, count: number): Promise<string[]> {
  const values: string[] = []
  while (values.length < count) {
    const batch = await consumer.next()
    if (batch === null) break
    for (const { value } of batch) values.push(value ?? 'null')
  }
  return values
}

const TEXT = { key: text, value: text } as const
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `${from + n}`)

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('a consumer', () => {
  it('reads all partitions of its topics, each in order, and waits for more', async () => {
    await using log = await openLog(2, 10)
    await using consumer = log.consumer({ topics: ['a'], ...TEXT })
    expect((await take(consumer, 10)).sort()).toEqual(numbers(0, 10))
    const more = take(consumer, 1)
    await sleep(20)
    await write(log, 1, 1, 10)
    expect(await more).toEqual(['10'])
  })

  it('is iterated batch by batch and record by record, until it is closed', async () => {
    await using log = await openLog(1, 3)
    const consumer = log.consumer({ topics: ['a'], ...TEXT })
    const seen: string[] = []
    for await (const { value, offset } of consumer.records()) {
      seen.push(`${offset}:${value}`)
      if (seen.length === 3) void consumer.close()
    }
    expect(seen).toEqual(['0:0', '1:1', '2:2'])
  })

  it('reads exactly the partitions it is told to', async () => {
    await using log = await openLog(3, 9)
    await using consumer = log.consumer({ assignments: [{ topic: 'a', partition: 1 }], ...TEXT })
    expect(await take(consumer, 3)).toEqual(['1', '4', '7'])
  })

  it('seeks to an offset, to the ends and to a time', async () => {
    await using log = await openLog(1, 10)
    await using consumer = log.consumer({ topics: ['a'], ...TEXT })
    await consumer.seek('a', 0, 7)
    expect(await take(consumer, 3)).toEqual(['7', '8', '9'])
    await consumer.seek('a', 0, 'earliest')
    expect(await take(consumer, 10)).toEqual(numbers(0, 10))
    await consumer.seek('a', 0, { timestamp: 1005 })
    expect((await take(consumer, 5))[0]).toBe('5')
    await consumer.seek('a', 0, 'latest')
    const next = take(consumer, 1)
    await write(log, 1, 1, 10)
    expect(await next).toEqual(['10'])
  })

  it('begins at the end with offset reset latest', async () => {
    await using log = await openLog(1, 5)
    await using consumer = log.consumer({ topics: ['a'], offsetReset: 'latest', ...TEXT })
    const next = take(consumer, 1)
    await sleep(20)
    await write(log, 1, 1, 5)
    expect(await next).toEqual(['5'])
  })

  it('goes to the start of what is left when its place was deleted', async () => {
    await using log = await openLog(1, 10)
    await using consumer = log.consumer({ topics: ['a'], ...TEXT })
    await log.admin.deleteRecords([{ topic: 'a', partition: 0, beforeOffset: 4 }])
    await consumer.seek('a', 0, 1)
    expect(await take(consumer, 6)).toEqual(numbers(4, 10))
  })

  it('hands out nothing of a paused partition, and all of it after resume', async () => {
    await using log = await openLog(2, 20)
    await using consumer = log.consumer({
      topics: ['a'],
      partitionMaxBytes: 1,
      maxWait: 20,
      ...TEXT,
    })
    await consumer.next()
    consumer.pause([{ topic: 'a', partition: 0 }])
    await write(log, 4, 2, 20)
    const partitions = new Set<number>()
    for (let batches = 0; batches < 2; batches++)
      partitions.add((await consumer.next())?.partition ?? -1)
    expect([...partitions]).toEqual([1])
    consumer.resume([{ topic: 'a', partition: 0 }])
    expect((await consumer.next())?.partition).toBe(0)
  })

  it('sees open and aborted transactions only with read-uncommitted', async () => {
    await using log = await openLog()
    await using producer = log.producer({ transactionalId: 't' })
    await producer.begin()
    await producer.send({ topic: 'a', value: 'aborted' })
    await producer.abort()
    await write(log, 1)
    await using committed = log.consumer({ topics: ['a'], ...TEXT })
    await using uncommitted = log.consumer({
      topics: ['a'],
      isolation: 'read-uncommitted',
      ...TEXT,
    })
    expect(await take(committed, 1)).toEqual(['0'])
    expect(await take(uncommitted, 2)).toEqual(['aborted', '0'])
  })

  it('says that a topic is missing', async () => {
    await using log = await openLog()
    await using consumer = log.consumer({ topics: ['b'] })
    await expect(consumer.next()).rejects.toMatchObject({ code: 'topic-not-found' })
  })

  it('that is slow slows neither a writer nor another reader', async () => {
    await using log = await openLog()
    await using slow = log.consumer({ topics: ['a'], ...TEXT })
    await using fast = log.consumer({ topics: ['a'], ...TEXT })
    await write(log, 1)
    await slow.next()
    const started = performance.now()
    await write(log, 20_000, 1, 1)
    expect((await take(fast, 20_001)).length).toBe(20_001)
    expect(performance.now() - started).toBeLessThan(5000)
    expect((await take(slow, 20_000)).length).toBe(20_000)
  })
})

describe('a consumer in a group', () => {
  it('goes on where the group committed', async () => {
    await using log = await openLog(1, 5)
    const one = log.consumer({ group: 'g', topics: ['a'], autoCommit: false, ...TEXT })
    expect(await take(one, 5)).toEqual(numbers(0, 5))
    await one.commit()
    await write(log, 3, 1, 5)
    expect(await take(one, 3)).toEqual(['5', '6', '7'])
    await one.close()
    await using two = log.consumer({ group: 'g', topics: ['a'], autoCommit: false, ...TEXT })
    expect(await take(two, 3)).toEqual(['5', '6', '7'])
  })

  it('commits at close what its loop finished, and not the batch it was in', async () => {
    await using log = await openLog(1, 2)
    const one = log.consumer({ group: 'g', topics: ['a'], ...TEXT })
    await one.next()
    await write(log, 2, 1, 2)
    await one.next()
    await one.close()
    await using two = log.consumer({ group: 'g', topics: ['a'], ...TEXT })
    expect(await take(two, 2)).toEqual(['2', '3'])
  })

  it('shares partitions with a second, loses no record and repeats none that was finished', async () => {
    await using log = await openLog(4)
    const seen: string[] = []
    const read = async (consumer: Consumer<string, string>): Promise<void> => {
      for await (const batch of consumer) {
        for (const { value } of batch) seen.push(value ?? 'null')
        await sleep(1)
      }
    }
    const one = log.consumer({ group: 'g', topics: ['a'], partitionMaxBytes: 2000, ...TEXT })
    const reading = [read(one)]
    await write(log, 400, 4)
    await sleep(20)
    const two = log.consumer({ group: 'g', topics: ['a'], partitionMaxBytes: 2000, ...TEXT })
    reading.push(read(two))
    await write(log, 400, 4, 400)
    for (let waited = 0; seen.length < 800 && waited < 5000; waited += 10) await sleep(10)
    expect([one.assignment.length, two.assignment.length]).toEqual([2, 2])
    // A batch whose loop body has not ended at close would come again, as it must.
    await sleep(50)
    await one.close()
    await write(log, 400, 4, 800)
    for (let waited = 0; seen.length < 1200 && waited < 5000; waited += 10) await sleep(10)
    expect(two.assignment.length).toBe(4)
    await two.close()
    await Promise.all(reading)
    expect(seen.map(Number).sort((a, b) => a - b)).toEqual(numbers(0, 1200).map(Number))
  })

  it('copies a topic exactly once with a transactional producer', async () => {
    await using log = await openLog(1, 100)
    await log.admin.createTopics([{ topic: 'b', partitions: 1 }])
    for (let round = 0; round < 3; round++) {
      await using consumer = log.consumer({
        group: 'g',
        topics: ['a'],
        autoCommit: false,
        partitionMaxBytes: 1,
        ...TEXT,
      })
      await using producer = log.producer({ transactionalId: 'copy' })
      let copied = 0
      const copy = producer.transaction(async (transaction) => {
        const batch = await consumer.next()
        if (batch === null) return
        for (const { value } of batch) {
          copied++
          transaction.send({ topic: 'b', value }).catch(() => {})
        }
        const { topic, partition, nextOffset: offset } = batch
        await transaction.sendOffsets(consumer.groupIdentity, [{ topic, partition, offset }])
        if (round === 0) throw new Error('crash')
      })
      await (round === 0 ? expect(copy).rejects.toThrow('crash') : copy)
      expect(copied).toBeGreaterThan(0)
      if (round === 1) await write(log, 10, 1, 100)
    }
    await using reader = log.consumer({ topics: ['b'], ...TEXT })
    expect(await take(reader, 110)).toEqual(numbers(0, 110))
  })
})
