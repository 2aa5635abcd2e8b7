/**
 * Random use of a log against a model that is a list: append, control markers, read, truncate,
 * delete records, roll, retention, and opening again after a close or a crash of the process.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { TailBudget } from '../../src/log/memory-tail.ts'
import { DEFAULT_LOG_CONFIG, PartitionLog } from '../../src/log/partition-log.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { batchOf, recordsOf } from './batches.ts'

const RUNS = 150
const PRODUCERS = 3

interface ModelBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly values: readonly string[]
  readonly timestamp: number
  /** -1: none. */
  readonly producer: number
  readonly marker: 'commit' | 'abort' | null
}

/** What the log should be: its batches, where it starts, and what follows from that. */
class Model {
  batches: ModelBatch[] = []
  start = 0
  end = 0

  openFirst(producer: number): number | null {
    let first: number | null = null
    for (const batch of this.batches) {
      if (batch.producer !== producer) continue
      first = batch.marker !== null ? null : (first ?? batch.baseOffset)
    }
    return first
  }

  get lastStableOffset(): number {
    const open = Array.from({ length: PRODUCERS }, (_, producer) => this.openFirst(producer))
    return Math.min(this.end, ...open.filter((offset) => offset !== null))
  }

  aborted(): { producerId: number; firstOffset: number }[] {
    const first: (number | null)[] = new Array(PRODUCERS).fill(null)
    const found: { producerId: number; firstOffset: number }[] = []
    for (const { producer, marker, baseOffset } of this.batches) {
      if (producer < 0) continue
      if (marker === null) {
        first[producer] ??= baseOffset
        continue
      }
      const firstOffset = first[producer] ?? null
      if (marker === 'abort' && firstOffset !== null)
        found.push({ producerId: producer, firstOffset })
      first[producer] = null
    }
    return found
  }

  sequence(producer: number): number {
    return this.batches
      .filter((batch) => batch.producer === producer && batch.marker === null)
      .reduce((sum, batch) => sum + batch.values.length, 0)
  }
}

type Step =
  | {
      readonly kind: 'append'
      readonly count: number
      readonly size: number
      readonly time: number
    }
  | { readonly kind: 'transactional'; readonly producer: number; readonly count: number }
  | { readonly kind: 'end'; readonly producer: number; readonly type: 'commit' | 'abort' }
  | { readonly kind: 'read' | 'truncate' | 'deleteRecords'; readonly share: number }
  | { readonly kind: 'roll' | 'close' | 'crash' | 'flush' }

const share = fc.double({ min: 0, max: 1, noNaN: true })
const producer = fc.nat(PRODUCERS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 5 }),
      size: fc.nat(120),
      time: fc.nat(1000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('transactional' as const),
      producer,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      producer,
      type: fc.constantFrom('commit' as const, 'abort' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), share }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('truncate', 'deleteRecords'), share }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('roll', 'close', 'crash', 'flush') }),
  },
)

class Subject {
  readonly fileSystem = new MemoryFileSystem()
  readonly tailBytes: number
  log: PartitionLog

  constructor(tailBytes: number) {
    this.tailBytes = tailBytes
    this.log = this.open(true)
  }

  open(cleanShutdown: boolean): PartitionLog {
    return PartitionLog.open({
      fileSystem: this.fileSystem,
      clock: systemClock,
      directory: '/data/orders-0',
      topic: 'orders',
      partition: 0,
      config: { ...DEFAULT_LOG_CONFIG, segmentBytes: 1200, indexIntervalBytes: 200 },
      cleanShutdown,
      tailBudget: new TailBudget(this.tailBytes),
    })
  }
}

async function run(step: Step, subject: Subject, model: Model): Promise<void> {
  const { log } = subject
  switch (step.kind) {
    case 'append': {
      const values = valuesOf(model, step.count, step.size)
      log.append(batchOf(values, { timestamp: step.time }))
      note(model, { values, timestamp: step.time, producer: -1, marker: null })
      return
    }
    case 'transactional': {
      const values = valuesOf(model, step.count, 5)
      const baseSequence = model.sequence(step.producer)
      const identity = { producerId: step.producer, producerEpoch: 0, baseSequence }
      log.append(batchOf(values, { timestamp: 500, isTransactional: true, ...identity }))
      note(model, { values, timestamp: 500, producer: step.producer, marker: null })
      return
    }
    case 'end': {
      const identity = { producerId: step.producer, producerEpoch: 0, coordinatorEpoch: 0 }
      log.appendControl({ type: step.type, timestamp: 500, ...identity })
      note(model, { values: [''], timestamp: 500, producer: step.producer, marker: step.type })
      return
    }
    case 'read': {
      const offset = model.start + Math.floor(step.share * (model.end - model.start))
      const batches = log.read(offset, Math.floor(step.share * 3000), model.end)
      checkRecords(model, batches, offset)
      return
    }
    case 'truncate': {
      // Only the newest part, so that what producers did before is still in the log.
      const offset = Math.max(model.start, Math.floor(model.end * (0.7 + step.share * 0.3)))
      log.truncateTo(offset)
      model.batches = model.batches.filter(({ lastOffset }) => lastOffset < offset)
      model.end = (model.batches.at(-1)?.lastOffset ?? -1) + 1
      model.start = Math.min(model.start, model.end)
      return
    }
    case 'deleteRecords': {
      // Never what an open transaction needs.
      const offset = Math.floor(step.share * 0.3 * model.lastStableOffset)
      log.deleteRecordsBefore(offset)
      model.start = Math.max(model.start, offset)
      return
    }
    case 'roll':
      log.roll()
      return
    case 'flush':
      await log.flush()
      return
    case 'close':
      log.close()
      subject.log = subject.open(true)
      return
    case 'crash':
      subject.log = subject.open(false)
      // The start may go back to what the last checkpoint tells.
      expect(subject.log.logStartOffset).toBeLessThanOrEqual(model.start)
      subject.log.deleteRecordsBefore(model.start)
  }
}

function valuesOf(model: Model, count: number, size: number): string[] {
  return Array.from({ length: count }, (_, index) => `${model.end + index}:`.padEnd(size, '.'))
}

function note(model: Model, batch: Omit<ModelBatch, 'baseOffset' | 'lastOffset'>): void {
  const baseOffset = model.end
  const lastOffset = baseOffset + batch.values.length - 1
  model.batches.push({ ...batch, baseOffset, lastOffset })
  model.end = lastOffset + 1
}

function checkRecords(model: Model, batches: readonly Buffer[], offset: number): void {
  if (offset === model.end) {
    expect(batches).toEqual([])
    return
  }
  const first = model.batches.findIndex(({ lastOffset }) => lastOffset >= offset)
  const expected = model.batches
    .slice(first, first + batches.length)
    .filter(({ marker }) => marker === null)
    .flatMap(({ baseOffset, values, timestamp }) =>
      values.map((value, index) => ({
        offset: baseOffset + index,
        timestamp: timestamp + index,
        value,
      })),
    )
  expect(batches.length).toBeGreaterThan(0)
  expect(recordsOf(batches)).toEqual(expected)
}

function checkAll(subject: Subject, model: Model): void {
  const { log } = subject
  expect([log.logStartOffset, log.logEndOffset]).toEqual([model.start, model.end])
  expect(log.lastStableOffset).toBe(model.lastStableOffset)
  const aborted = log.abortedTransactions(model.start, model.end)
  const known = model.aborted()
  expect(known).toEqual(expect.arrayContaining(aborted))
  expect(aborted).toEqual(
    expect.arrayContaining(known.filter(({ firstOffset }) => firstOffset >= model.start)),
  )
  for (let timestamp = 0; timestamp <= 1000; timestamp += 100) {
    expect(log.offsetForTimestamp(timestamp)?.offset ?? null).toBe(firstAt(model, timestamp))
  }
}

function firstAt(model: Model, timestamp: number): number | null {
  for (const { baseOffset, values, timestamp: first, marker } of model.batches) {
    if (marker !== null) continue
    for (let index = 0; index < values.length; index++) {
      const offset = baseOffset + index
      if (offset >= model.start && first + index >= timestamp) return offset
    }
  }
  return null
}

describe('a log used at random', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)

  it(`is what a list would be (seed ${seed}; SEED=${seed} replays)`, async () => {
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 80 }),
      fc.constantFrom(0, 2000, 10_000_000),
      async (steps, tailBytes) => {
        const subject = new Subject(tailBytes)
        const model = new Model()
        for (const one of steps) {
          await run(one, subject, model)
          expect(subject.log.logEndOffset).toBe(model.end)
        }
        checkAll(subject, model)
        subject.log.close()
        subject.log = subject.open(true)
        checkAll(subject, model)
      },
    )
    await fc.assert(property, { seed, numRuns: RUNS })
  })
})
