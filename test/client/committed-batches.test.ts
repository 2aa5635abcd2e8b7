/**
 * The read-committed walk against a model: random interleaved transactions of many producers, read
 * back from random offsets with random bounds.
 */
import { describe, expect, it } from 'vitest'
import type { ProducerIdentity } from '../../src/client/client.ts'
import { CommittedBatches } from '../../src/client/committed-batches.ts'
import { type EmbeddedLog, embedded } from '../../src/client/embedded.ts'
import { batchOf } from '../contract/batches.ts'
import { randomOf, SEED } from '../record/random.ts'

const PLACE = { topic: 'a', partition: 0 }
const PRODUCERS = 6
const STEPS = 400

interface Writer {
  readonly id: string
  identity: ProducerIdentity
  sequence: number
  open: string[]
}

/** Writes at random; returns what a read-committed reader has to see, in the order of the log. */
async function writeAtRandom(log: EmbeddedLog, random: () => number): Promise<string[]> {
  const written: { readonly value: string; readonly writer: Writer | null; committed: boolean }[] =
    []
  const writers: Writer[] = []
  for (let index = 0; index < PRODUCERS; index++) {
    const id = `t${index}`
    writers.push({ id, identity: await log.transactions.init(id, 60_000), sequence: 0, open: [] })
  }
  const end = async (writer: Writer, outcome: 'commit' | 'abort'): Promise<void> => {
    writer.identity = await log.transactions.end(writer.id, writer.identity, outcome)
    for (const entry of written) {
      if (entry.writer === writer && writer.open.includes(entry.value)) {
        entry.committed = outcome === 'commit'
      }
    }
    writer.open = []
  }
  for (let step = 0; step < STEPS; step++) {
    const values = Array.from(
      { length: 1 + Math.floor(random() * 4) },
      (_, each) => `${step}.${each}`,
    )
    if (random() < 0.2) {
      await log.produce([{ ...PLACE, batch: batchOf(values) }], { acks: 'all' })
      written.push(...values.map((value) => ({ value, writer: null, committed: true })))
      continue
    }
    const writer = writers[Math.floor(random() * PRODUCERS)] as Writer
    if (writer.open.length === 0) {
      await log.transactions.addPartitions(writer.id, writer.identity, [PLACE])
    }
    const batch = batchOf(values, {
      producer: writer.identity,
      sequence: writer.sequence,
      transactional: true,
    })
    const [result] = await log.produce([{ ...PLACE, batch }], { acks: 'all' })
    expect(result?.error).toBe(null)
    writer.sequence += values.length
    writer.open.push(...values)
    written.push(...values.map((value) => ({ value, writer, committed: false })))
    if (random() < 0.4) await end(writer, random() < 0.5 ? 'commit' : 'abort')
  }
  for (const writer of writers) {
    if (writer.open.length > 0) await end(writer, random() < 0.5 ? 'commit' : 'abort')
  }
  return written.filter(({ committed }) => committed).map(({ value }) => value)
}

async function readAll(log: EmbeddedLog, from: number, maxBytes: number): Promise<string[]> {
  const fetcher = log.fetcher('test')
  const cursor = new CommittedBatches('read-committed')
  const values: string[] = []
  let offset = from
  for (;;) {
    const [fetched] = await fetcher.poll([{ ...PLACE, offset, maxBytes }], {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes,
      isolation: 'read-committed',
    })
    if (fetched === undefined || fetched.records.length === 0) return values
    cursor.start(offset, fetched)
    while (cursor.next()) {
      const { reader } = cursor
      while (reader.next()) {
        if (reader.offset < cursor.startOffset) continue
        values.push(reader.bytes.toString('utf8', reader.valueStart, reader.valueEnd))
      }
    }
    expect(cursor.position).toBeGreaterThan(offset)
    offset = cursor.position
  }
}

describe(`the read-committed walk (SEED=${SEED} vitest run test/client/committed-batches)`, () => {
  it('shows exactly the committed records, wherever it starts and however much it fetches', async () => {
    const random = randomOf(SEED)
    for (let round = 0; round < 3; round++) {
      await using log = embedded({ segmentBytes: 4000 })
      await log.admin.createTopics([{ topic: 'a', partitions: 1 }])
      const expected = await writeAtRandom(log, random)
      for (const maxBytes of [1, 300, 2000, 1 << 20]) {
        expect(await readAll(log, 0, maxBytes)).toEqual(expected)
      }
      const [end] = await log.listOffsets([{ ...PLACE, at: 'latest' }], 'read-committed')
      for (let start = 0; start < 20; start++) {
        const from = Math.floor(random() * (end?.offset ?? 0))
        const seen = await readAll(log, from, 1 + Math.floor(random() * 5000))
        expect(seen).toEqual(expected.slice(expected.length - seen.length))
      }
    }
  })

  it('begins anew after an abort: the next transaction of the same producer is judged by itself', async () => {
    await using log = embedded()
    await log.admin.createTopics([{ topic: 'a', partitions: 1 }])
    let identity = await log.transactions.init('t', 60_000)
    for (const [sequence, outcome] of (['abort', 'commit', 'abort', 'commit'] as const).entries()) {
      await log.transactions.addPartitions('t', identity, [PLACE])
      const batch = batchOf([outcome], { producer: identity, sequence, transactional: true })
      await log.produce([{ ...PLACE, batch }], { acks: 'all' })
      identity = await log.transactions.end('t', identity, outcome)
    }
    expect(await readAll(log, 0, 1 << 20)).toEqual(['commit', 'commit'])
  })
})
