/**
 * Transactions over crashes and time. A crash drops the broker without close; `crash()` of the file
 * system then decides what survives: everything (kill -9) or what was synced (loss of power).
 */
import { describe, expect, it } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import type { Refusal } from '../../src/broker/refusal.ts'
import type { Outcome, ProducerIdentity } from '../../src/broker/transactions.ts'
import type { FlushPolicy } from '../../src/log/log-config.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { batchOf, textOf } from '../contract/batches.ts'
import { HandClock } from './hand-clock.ts'

const ID = 't'
const GROUP = { groupId: 'g', generation: -1, memberId: '' }
const A = { topic: 'a', partition: 0 }
const B = { topic: 'a', partition: 1 }

class World {
  readonly files = new MemoryFileSystem()
  readonly clock = new HandClock()
  readonly flush: FlushPolicy
  broker!: Broker

  constructor(flush: FlushPolicy = 'every-second') {
    this.flush = flush
  }

  async open(): Promise<this> {
    const { files: fileSystem, clock, flush } = this
    this.broker = await Broker.open({ fileSystem, clock, flush, directory: '/log' })
    if (this.broker.topics.find('a') === null) {
      this.broker.createTopics([{ topic: 'a', partitions: 2 }])
    }
    return this
  }

  /** The process is gone; all it wrote is there (kill -9), or what it synced (loss of power). */
  async crash(what: 'kill' | 'power' = 'kill'): Promise<this> {
    this.broker.closed = true
    this.files.crash(what === 'kill' ? { random: () => 1 - 2 ** -40 } : {})
    return this.open()
  }

  async begin(): Promise<ProducerIdentity> {
    const producer = await this.broker.transactions.init(ID, 60_000)
    this.broker.transactions.addPartitions(ID, producer, [A, B])
    return producer
  }

  async write(
    value: string,
    producer: ProducerIdentity,
    { place = A, sequence = 0 } = {},
  ): Promise<string> {
    const batch = batchOf([value], { producer, sequence, transactional: true })
    const [answer] = await this.broker.produce([{ ...place, batch }], 'all')
    return answer?.error?.reason ?? 'written'
  }

  async end(producer: ProducerIdentity, outcome: Outcome): Promise<string> {
    const error = await this.broker.transactions.end(ID, producer, outcome).then(
      () => null,
      (thrown: Refusal) => thrown,
    )
    return error?.reason ?? 'ended'
  }

  async read(place = A): Promise<string> {
    const [fetched] = await this.broker
      .fetcher()
      .poll([{ ...place, offset: 0, maxBytes: 1 << 20 }], {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1 << 20,
        isolation: 'read-committed',
      })
    return textOf(fetched, 0).replaceAll(/\d+:/g, '')
  }

  commitOffset(producer: ProducerIdentity, offset: number): void {
    const offsets = [{ ...A, offset, metadata: '' }]
    this.broker.commitOffsetsInTransaction(ID, producer, GROUP, offsets)
  }

  offset(): string {
    const [answer] = this.broker.fetchOffsets('g', [A], true)
    return answer?.error?.reason ?? String(answer?.offset)
  }
}

describe('a transaction whose process was killed', () => {
  it('before its end was asked for stays open, and is aborted by the next init of its id', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('a', producer)
    world.commitOffset(producer, 5)
    await world.crash()
    expect([await world.read(), world.offset()]).toEqual(['', 'unstable-offset'])
    const next = await world.begin()
    expect(await world.write('late', producer, { sequence: 1 })).toBe('producer-fenced')
    await world.write('b', next)
    await world.end(next, 'commit')
    expect([await world.read(), world.offset()]).toEqual(['b', '-1'])
  })

  it('before its end was asked for is aborted by its timeout, counted from its begin', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('a', producer)
    await world.clock.advance(50_000)
    await world.crash()
    await world.clock.advance(9_000)
    expect(world.broker.topics.partition(A)?.log.lastStableOffset).toBe(0)
    await world.clock.advance(2_000)
    expect(world.broker.topics.partition(A)?.log.lastStableOffset).toBe(2)
    expect(await world.read()).toBe('')
  })

  for (const outcome of ['commit', 'abort'] as const) {
    const shown = outcome === 'commit' ? 'a' : ''
    // Files in the order they are written to at an end: prepare, two markers, offsets, complete.
    const steps = [
      ['prepare was written', 'a-0/00000000000000000000.log'],
      ['the first marker was written', 'a-1/00000000000000000000.log'],
      ['all data markers were written', '__consumer_offsets-0/00000000000000000000.log'],
    ] as const
    for (const [when, failing] of steps) {
      it(`after ${when} is completed (${outcome}) at the next open`, async () => {
        const world = await new World().open()
        const producer = await world.begin()
        await world.write('a', producer)
        await world.write('a', producer, { place: B })
        world.commitOffset(producer, 5)
        world.files.failNextWrite(failing)
        expect(await world.end(producer, outcome)).toBe('concurrent-transactions')
        await world.crash()
        expect([await world.read(), await world.read(B)]).toEqual([shown, shown])
        expect(world.offset()).toBe(outcome === 'commit' ? '5' : '-1')
        expect(await world.end(producer, outcome)).toBe('ended')
        const next = await world.begin()
        expect(next.epoch).toBe(producer.epoch + 1)
        await world.write('b', next)
        expect(await world.end(next, 'commit')).toBe('ended')
        expect(await world.read()).toBe(`${shown} b`.trim())
      })
    }
  }

  it('between prepare and complete is completed again, which changes nothing', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('a', producer)
    world.broker.transactions.state.partition.log.append = failOnce(
      world.broker.transactions.state.partition.log,
      2,
    )
    expect(await world.end(producer, 'commit')).toBe('concurrent-transactions')
    await world.crash()
    expect(await world.read()).toBe('a')
    const next = await world.begin()
    await world.write('b', next)
    await world.end(next, 'commit')
    await world.crash()
    expect(await world.read()).toBe('a b')
  })

  it('that could not write prepare is still open and can be ended', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('a', producer)
    const { log } = world.broker.transactions.state.partition
    log.append = failOnce(log, 1)
    expect(await world.end(producer, 'commit')).not.toBe('ended')
    expect(await world.read()).toBe('')
    expect(await world.end(producer, 'commit')).toBe('ended')
    expect(await world.read()).toBe('a')
  })
})

/** The `nth` append from now on fails, as with a full disk; those around it do not. */
function failOnce(
  log: Broker['offsets']['state']['partition']['log'],
  nth: number,
): typeof log.append {
  const append = log.append.bind(log)
  let left = nth
  return (batch) => {
    if (--left === 0) throw Object.assign(new Error('no space left'), { syscall: 'write' })
    return append(batch)
  }
}

describe('a loss of power, flushed at each commit', () => {
  it('keeps what was committed, and of the rest nothing', async () => {
    const world = await new World('each-commit').open()
    const producer = await world.begin()
    await world.write('a', producer)
    await world.write('a', producer, { place: B })
    world.commitOffset(producer, 5)
    expect(await world.end(producer, 'commit')).toBe('ended')
    await world.broker.transactions.addPartitions(ID, producer, [A])
    await world.write('lost', producer, { sequence: 1 })
    await world.crash('power')
    expect([await world.read(), await world.read(B), world.offset()]).toEqual(['a', 'a', '5'])
    const next = await world.begin()
    expect(next.epoch).toBeGreaterThan(producer.epoch)
    await world.write('b', next)
    await world.end(next, 'commit')
    expect(await world.read()).toBe('a b')
  })

  it('keeps a record that was acknowledged to acks all', async () => {
    const world = await new World('each-commit').open()
    await world.broker.produce([{ ...A, batch: batchOf(['kept']) }], 'all')
    await world.broker.produce([{ ...A, batch: batchOf(['lost']) }], 'leader')
    await world.crash('power')
    expect(await world.read()).toBe('kept')
  })

  it('aborts a transaction whose data survived and whose state did not', async () => {
    const world = await new World('never').open()
    const producer = await world.begin()
    await world.write('a', producer)
    await world.broker.topics.partition(A)?.flush()
    await world.crash('power')
    expect(world.broker.topics.partition(A)?.log.lastStableOffset).toBe(2)
    expect(await world.read()).toBe('')
  })
})

describe('a transaction that is open for too long', () => {
  it('is aborted; its producer is told to abort, and goes on with the epoch it then gets', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('late', producer)
    await world.clock.advance(61_000)
    expect(await world.write('late', producer, { sequence: 1 })).toBe('transaction-timed-out')
    expect(await world.end(producer, 'commit')).toBe('transaction-timed-out')
    const next = await world.broker.transactions.end(ID, producer, 'abort')
    expect(next.epoch).toBe(producer.epoch + 1)
    world.broker.transactions.addPartitions(ID, next, [A])
    expect(await world.write('b', next)).toBe('written')
    expect(await world.end(next, 'commit')).toBe('ended')
    expect(await world.read()).toBe('b')
  })

  it('is not touched when it ended in time', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('a', producer)
    await world.end(producer, 'commit')
    await world.clock.advance(3_600_000)
    world.broker.transactions.addPartitions(ID, producer, [A])
    expect(await world.write('b', producer, { sequence: 1 })).toBe('written')
  })
})

describe('a transactional id', () => {
  it('gets a new producer id when its epochs are used up', async () => {
    const world = await new World().open()
    const first = await world.begin()
    let last = first
    while (last.epoch < 32_766) last = await world.broker.transactions.init(ID, 60_000)
    expect(last).toEqual({ producerId: first.producerId, epoch: 32_766 })
    world.broker.transactions.addPartitions(ID, last, [A])
    await world.write('zombie', last)
    const renewed = await world.begin()
    expect(renewed.epoch).toBe(0)
    expect(renewed.producerId).not.toBe(first.producerId)
    expect(await world.write('zombie', last, { sequence: 1 })).toBe('invalid-producer-id-mapping')
    await world.write('b', renewed)
    await world.end(renewed, 'commit')
    expect(await world.read()).toBe('b')
  })

  it('survives a rewrite of its topic, and the topic stays short', async () => {
    const world = await new World().open()
    let producer = await world.begin()
    const { log } = world.broker.transactions.state.partition
    for (let round = 0; round < 10_000; round++) {
      world.broker.transactions.addPartitions(ID, producer, [A])
      if (round % 100 === 0) await world.write(`${round}`, producer, { sequence: round / 100 })
      producer = await world.broker.transactions.end(ID, producer, 'commit')
    }
    expect(log.sizeInBytes).toBeGreaterThan(1_000_000)
    await world.broker.transactions.sweep()
    expect(log.sizeInBytes).toBeLessThan(100_000)
    await world.crash()
    expect(await world.end(producer, 'commit')).toBe('ended')
    expect((await world.begin()).producerId).toBe(producer.producerId)
  })

  it('is forgotten when it was not used for a week', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.end(producer, 'commit')
    await world.clock.advance(8 * 24 * 3_600_000)
    await world.broker.transactions.sweep()
    expect(await world.end(producer, 'commit')).toBe('invalid-producer-id-mapping')
    await world.crash()
    expect((await world.begin()).producerId).not.toBe(producer.producerId)
  })
})

describe('a folder', () => {
  it('gives producer ids that were never given before, also after a crash', async () => {
    const world = await new World().open()
    const one = await world.broker.transactions.init(null, 0)
    await world.crash('power')
    const two = await world.broker.transactions.init(null, 0)
    expect(two.producerId).toBeGreaterThan(one.producerId)
  })

  it('keeps committed offsets over a crash and over a rewrite', async () => {
    const world = await new World().open()
    for (let offset = 0; offset < 15_000; offset++) {
      await world.broker.commitOffsets(GROUP, [{ ...A, offset, metadata: '' }])
    }
    const { log } = world.broker.offsets.state.partition
    const before = log.sizeInBytes
    await world.broker.offsets.rewriteIfDue()
    expect([before > 1_000_000, log.sizeInBytes < 100_000]).toEqual([true, true])
    await world.crash()
    expect(world.offset()).toBe('14999')
  })

  it('forgets offsets of a deleted topic', async () => {
    const world = await new World().open()
    await world.broker.commitOffsets(GROUP, [{ ...A, offset: 7, metadata: '' }])
    world.broker.deleteTopic('a')
    world.broker.createTopics([{ topic: 'a', partitions: 2 }])
    expect(world.offset()).toBe('-1')
  })

  it('is removed from a transaction when its topic is deleted', async () => {
    const world = await new World().open()
    const producer = await world.begin()
    await world.write('a', producer)
    world.broker.deleteTopic('a')
    expect(await world.end(producer, 'commit')).toBe('ended')
  })

  it('is not opened as an empty one when its metadata is gone', async () => {
    const world = await new World().open()
    await world.broker.close()
    world.files.removeFile('/log/metadata.json')
    await expect(world.open()).rejects.toMatchObject({ code: 'log-storage-failed' })
  })

  it('goes on with its other partitions when one cannot be written', async () => {
    const world = await new World().open()
    world.files.failNextWrite('a-0/00000000000000000000.log')
    const write = async (place: typeof A): Promise<string> => {
      const [answer] = await world.broker.produce([{ ...place, batch: batchOf(['x']) }], 'all')
      return answer?.error?.reason ?? 'written'
    }
    expect([await write(A), await write(A), await write(B)]).toEqual([
      'storage-failed',
      'storage-failed',
      'written',
    ])
    await world.clock.advance(1100)
    expect(world.broker.topics.partition(B)?.log.flushedOffset).toBe(1)
    await world.broker.close()
    await world.open()
    expect([await write(A), await world.read(A), await world.read(B)]).toEqual([
      'written',
      'x',
      'x',
    ])
  })

  it('deletes what is older than its topic keeps it', async () => {
    const world = await new World().open()
    world.broker.topics.alterConfig('a', { 'retention.ms': '60000' })
    const timestamp = world.clock.now()
    await world.broker.produce([{ ...A, batch: batchOf(['old'], { timestamp }) }], 'all')
    await world.clock.advance(61_000)
    expect(world.broker.topics.partition(A)?.log.logStartOffset).toBe(1)
  })

  it('does not give out an epoch again that only a partition remembers', async () => {
    const world = await new World('never').open()
    const first = await world.begin()
    await world.broker.flush()
    const second = await world.begin()
    await world.write('a', second)
    await world.broker.topics.partition(A)?.flush()
    await world.crash('power')
    const third = await world.begin()
    expect(third.producerId).toBe(first.producerId)
    expect(third.epoch).toBeGreaterThan(second.epoch)
    expect(await world.write('b', third)).toBe('written')
    expect(await world.end(third, 'commit')).toBe('ended')
    expect(await world.read()).toBe('b')
  })

  it('finishes a deletion that a crash cut off', async () => {
    const world = await new World().open()
    await world.broker.produce([{ ...A, batch: batchOf(['old']) }], 'all')
    const remove = world.files.removeDirectory.bind(world.files)
    world.files.removeDirectory = () => {
      throw Object.assign(new Error('killed'), { syscall: 'unlink' })
    }
    expect(() => world.broker.deleteTopic('a')).toThrow('killed')
    world.files.removeDirectory = remove
    await world.crash()
    expect(await world.read()).toBe('')
  })
})
