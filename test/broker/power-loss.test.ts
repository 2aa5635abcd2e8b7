/**
 * The power goes at random moments, also in the middle of a commit, and each file keeps a random
 * part of what was not synced. Under `each-commit` a transaction that was told to be committed is
 * there as a whole, and every other is there as a whole or not at all.
 */
import { expect, it } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import type { ProducerIdentity } from '../../src/broker/transactions.ts'
import { CommittedBatches } from '../../src/client/committed-batches.ts'
import { systemClock } from '../../src/clock.ts'
import type { FileSystem } from '../../src/file-system.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { batchOf } from '../contract/batches.ts'
import { randomOf, SEED } from '../record/random.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 25)
const PARTITIONS = [0, 1, 2].map((partition) => ({ topic: 'a', partition }))
const WRITERS = ['t0', 't1']

const files = new MemoryFileSystem()
const random = randomOf(SEED)
const told = new Set<string>()

/** The files as one machine sees them: once its power is gone, it cannot open any. */
function machine(): { readonly fileSystem: FileSystem; powered: boolean } {
  const state = {
    powered: true,
    fileSystem: new Proxy<FileSystem>(files, {
      get: (target, name) => {
        if (!state.powered) throw Object.assign(new Error('no power'), { syscall: 'open' })
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  }
  return state
}

const open = async (fileSystem: FileSystem): Promise<Broker> => {
  const options = { fileSystem, clock: systemClock, directory: '/log' }
  const broker = await Broker.open({ ...options, flush: 'each-commit' })
  if (broker.topics.find('a') === null) broker.createTopics([{ topic: 'a', partitions: 3 }])
  return broker
}

/** Transactions one after another; each puts its name and number of records into 1 to 3 partitions. */
async function write(broker: Broker, id: string, round: number): Promise<void> {
  const { transactions } = broker
  let producer: ProducerIdentity = await transactions.init(id, 60_000)
  const sequences = new Map<number, number>()
  for (let number = 0; ; number++) {
    const chosen = PARTITIONS.filter(() => random() < 0.6)
    if (chosen.length === 0) continue
    const outcome = random() < 0.7 ? 'commit' : 'abort'
    await transactions.addPartitions(id, producer, chosen)
    const name = `${outcome}/${id}/${round}/${number}/${chosen.length}`
    for (const place of chosen) {
      const sequence = sequences.get(place.partition) ?? 0
      sequences.set(place.partition, sequence + 1)
      const options = { producer, sequence, transactional: true, timestamp: systemClock.now() }
      const batch = batchOf([name], options)
      const [answer] = await broker.produce([{ ...place, batch }], 'all')
      if (answer?.error) throw answer.error
      if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
    }
    if (random() < 0.3) {
      const offsets = [{ topic: 'a', partition: 0, offset: number, metadata: '' }]
      const group = { groupId: id, generation: -1, memberId: '' }
      await broker.commitOffsetsInTransaction(id, producer, group, offsets)
    }
    producer = await transactions.end(id, producer, outcome)
    // What is answered after the power went is told to nobody.
    if (broker.closed) return
    if (outcome === 'commit') told.add(name)
  }
}

async function visible(broker: Broker): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const cursor = new CommittedBatches('read-committed')
  const bounds = {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    isolation: 'read-committed',
  } as const
  for (const place of PARTITIONS) {
    for (let offset = 0; ; offset = cursor.position) {
      const item = { ...place, offset, maxBytes: 1 << 20 }
      const [fetched] = await broker.fetcher().poll([item], bounds)
      if (fetched === undefined || fetched.error !== null) throw fetched?.error
      expect(fetched.lastStableOffset).toBe(fetched.highWatermark)
      if (fetched.records.length === 0) break
      cursor.start(offset, fetched)
      while (cursor.next()) {
        const { reader } = cursor
        while (reader.next()) {
          const name = reader.bytes.toString('utf8', reader.valueStart, reader.valueEnd)
          counts.set(name, (counts.get(name) ?? 0) + 1)
        }
      }
    }
  }
  return counts
}

it(`a loss of power takes no committed transaction and leaves none in part (SEED=${SEED})`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const lost = machine()
    const broker = await open(lost.fileSystem)
    // The moment is in turns of the loop; an fsync in memory takes none, but promises do.
    const writing = WRITERS.map((id) => write(broker, id, round).catch(() => {}))
    const turns = Math.floor(random() * 12)
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    for (let tick = Math.floor(random() * 40); tick > 0; tick--) await null
    broker.closed = true
    lost.powered = false
    files.crash({ random })
    await Promise.all(writing)

    const recovered = await open(files)
    for (const id of WRITERS) await recovered.transactions.init(id, 60_000)
    const counts = await visible(recovered)
    expect([...told].filter((name) => !counts.has(name))).toEqual([])
    for (const [name, count] of counts) {
      const [outcome, , , , records] = name.split('/')
      expect(`${name}: ${outcome} ${count}`).toBe(`${name}: commit ${records}`)
    }
    await recovered.close()
  }
  expect(told.size).toBeGreaterThan(ROUNDS)
})
