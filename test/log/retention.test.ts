import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { TailBudget } from '../../src/log/memory-tail.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig, PartitionLog } from '../../src/log/partition-log.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { batchOf, recordsOf } from './batches.ts'

const DIRECTORY = '/data/orders-0'
const textOf = (timestamp: number) => `v${timestamp}`.padEnd(16)
const BATCH_BYTES = batchOf([textOf(1)]).length
const DAY_MS = 86_400_000

let fileSystem: MemoryFileSystem

beforeEach(() => {
  fileSystem = new MemoryFileSystem()
})

/** Two batches of one record per segment. */
function open(config: Partial<LogConfig> = {}): PartitionLog {
  return PartitionLog.open({
    fileSystem,
    clock: { ...systemClock, now: () => 5000 },
    directory: DIRECTORY,
    topic: 'orders',
    partition: 0,
    config: {
      ...DEFAULT_LOG_CONFIG,
      segmentBytes: BATCH_BYTES * 2,
      indexIntervalBytes: 0,
      ...config,
    },
    cleanShutdown: true,
    tailBudget: new TailBudget(0),
  })
}

/** Appends a record per timestamp, its value the timestamp. */
function fill(log: PartitionLog, timestamps: readonly number[]): PartitionLog {
  for (const timestamp of timestamps) log.append(batchOf([textOf(timestamp)], { timestamp }))
  return log
}

const names = (suffix: string) =>
  fileSystem
    .list(DIRECTORY)
    .filter((name) => name.endsWith(suffix))
    .map((name) => Number(name.slice(0, 20)))

describe('retention', () => {
  it('deletes segments whose newest record is older than two weeks, as a whole', () => {
    const log = fill(open({ segmentMs: 100 * DAY_MS }), [1, DAY_MS, 2, 3 * DAY_MS, 4 * DAY_MS])
    expect(log.applyRetention(15 * DAY_MS)).toBe(0)
    expect(log.applyRetention(15 * DAY_MS + 1)).toBe(1)
    expect(log.logStartOffset).toBe(2)
    for (const suffix of ['.log', '.index', '.timeindex', '.txnindex']) {
      expect(names(suffix)).toEqual([2, 4])
    }
    expect(log.applyRetention(1000 * DAY_MS)).toBe(2)
    expect(log.logStartOffset).toBe(5)
    expect(log.append(batchOf(['x'])).baseOffset).toBe(5)
  })

  it('keeps what is not expired in the newest segment, and all of a compacted topic', () => {
    const log = fill(open({ cleanupPolicy: 'compact' }), [1, 2, 3, 4])
    expect(log.applyRetention(1000 * DAY_MS)).toBe(0)
    const plain = fill(open({ segmentMs: 100 * DAY_MS }), [100 * DAY_MS])
    expect(plain.applyRetention(101 * DAY_MS)).toBe(2)
    expect(plain.logStartOffset).toBe(4)
    expect(plain.read(4, 1, 5)).toHaveLength(1)
  })

  it('deletes the oldest segments that are more than the size kept', () => {
    const log = fill(open({ retentionMs: -1, retentionBytes: BATCH_BYTES * 3 }), [1, 2, 3, 4, 5, 6])
    expect(log.applyRetention(0)).toBe(1)
    expect(names('.log')).toEqual([2, 4])
  })
})

describe('deleting records', () => {
  it('moves the start within a segment, and removes segments before it', () => {
    const log = fill(open(), [1, 2, 3, 4, 5])
    log.deleteRecordsBefore(3)
    expect(log.logStartOffset).toBe(3)
    expect(names('.log')).toEqual([2, 4])
    expect(() => log.read(2, 1, 5)).toThrow(/not within 3 to 5/)
    log.deleteRecordsBefore(1)
    expect(log.logStartOffset).toBe(3)
    expect(() => log.deleteRecordsBefore(6)).toThrow(/not within/)
    log.close()
    expect(open().logStartOffset).toBe(3)
  })

  it('up to the end leaves a log that is empty and goes on', () => {
    const log = fill(open(), [1, 2, 3])
    log.deleteRecordsBefore(3)
    expect(log.read(3, 1, 3)).toEqual([])
    expect(log.offsetForTimestamp(0)).toBeNull()
    expect(fill(log, [4]).logEndOffset).toBe(4)
  })
})

describe('truncation', () => {
  it('removes batches from an offset on, and the log goes on there', () => {
    const log = fill(open(), [1, 2, 3, 4, 5])
    log.truncateTo(9)
    expect(log.logEndOffset).toBe(5)
    log.truncateTo(1)
    expect(log.logEndOffset).toBe(1)
    expect(fill(log, [6, 7]).logEndOffset).toBe(3)
    const values = [0, 1, 2].flatMap((offset) => recordsOf(log.read(offset, 1, 3)))
    expect(values.map(({ value }) => value.trim())).toEqual(['v1', 'v6', 'v7'])
    log.close()
    expect(open().logEndOffset).toBe(3)
  })

  it('within a batch removes the batch', () => {
    const log = open()
    log.append(batchOf(['a', 'b', 'c']))
    log.truncateTo(1)
    expect(log.logEndOffset).toBe(0)
  })

  it('forgets producers that came later', () => {
    const log = fill(open(), [1])
    const identity = { producerId: 7, producerEpoch: 3 }
    log.append(batchOf(['x'], { ...identity, baseSequence: 0, isTransactional: true }))
    expect(log.lastStableOffset).toBe(1)
    log.truncateTo(1)
    expect(log.lastStableOffset).toBe(1)
    expect(log.append(batchOf(['y'], { ...identity, baseSequence: 5 })).baseOffset).toBe(1)
  })

  it('of everything starts where it is told', () => {
    const log = fill(open(), [1, 2, 3])
    log.truncateFullyAndStartAt(100)
    expect([log.logStartOffset, log.logEndOffset]).toEqual([100, 100])
    expect(fill(log, [4]).logEndOffset).toBe(101)
    log.close()
    const again = open()
    expect([again.logStartOffset, again.logEndOffset]).toEqual([100, 101])
  })
})

describe('looking up a timestamp', () => {
  it('finds the first record in the log with that timestamp or a later one', () => {
    const log = open()
    log.append(batchOf(['a', 'b', 'c'], { timestamp: 10 }))
    fill(log, [30, 20, 40, 35])
    const find = (timestamp: number) => log.offsetForTimestamp(timestamp)
    expect(find(0)).toEqual({ offset: 0, timestamp: 10 })
    expect(find(11)).toEqual({ offset: 1, timestamp: 11 })
    expect(find(13)).toEqual({ offset: 3, timestamp: 30 })
    expect(find(31)).toEqual({ offset: 5, timestamp: 40 })
    expect(find(41)).toBeNull()
    expect(log.maxTimestamp()).toEqual({ offset: 5, timestamp: 40 })
    log.deleteRecordsBefore(4)
    expect(find(0)).toEqual({ offset: 4, timestamp: 20 })
  })

  it('is not answered by the marker of a transaction, whose time is the wall clock', () => {
    const log = open()
    const producer = { producerId: 7, producerEpoch: 0 }
    const transactional = { ...producer, isTransactional: true }
    log.append(batchOf(['a'], { timestamp: 10, ...transactional, baseSequence: 0 }))
    log.appendControl({ type: 'commit', ...producer, coordinatorEpoch: 0, timestamp: 5000 })
    log.append(batchOf(['b'], { timestamp: 20, ...transactional, baseSequence: 1 }))
    log.appendControl({ type: 'commit', ...producer, coordinatorEpoch: 0, timestamp: 5001 })
    expect(log.offsetForTimestamp(11)).toEqual({ offset: 2, timestamp: 20 })
    expect(log.offsetForTimestamp(21)).toBeNull()
  })

  it('gives the same answers when the log was opened again', () => {
    const timestamps = Array.from({ length: 60 }, (_, index) => ((index * 37) % 60) * 10)
    const log = fill(open({ segmentBytes: BATCH_BYTES * 7, indexIntervalBytes: 100 }), timestamps)
    const expected = (timestamp: number) => {
      const offset = timestamps.findIndex((candidate) => candidate >= timestamp)
      return offset < 0 ? null : { offset, timestamp: timestamps[offset] }
    }
    const check = (log: PartitionLog) => {
      for (let timestamp = -5; timestamp < 620; timestamp += 5) {
        expect(log.offsetForTimestamp(timestamp)).toEqual(expected(timestamp))
      }
    }
    check(log)
    log.close()
    check(open())
  })
})
