import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { StreamsError } from '../../src/errors.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig, PartitionLog } from '../../src/log/partition-log.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import type { SealOptions } from '../../src/record/record-batch.ts'
import { batchOf } from './batches.ts'

const DIRECTORY = '/data/orders-0'
const SEQUENCE_MAX = 0x7fff_ffff

let fileSystem: MemoryFileSystem
let log: PartitionLog
let now: number

beforeEach(() => {
  fileSystem = new MemoryFileSystem()
  now = 5000
  log = open()
})

function open(cleanShutdown = true, config: Partial<LogConfig> = {}): PartitionLog {
  return PartitionLog.open({
    fileSystem,
    clock: { ...systemClock, now: () => now },
    directory: DIRECTORY,
    topic: 'orders',
    partition: 0,
    config: { ...DEFAULT_LOG_CONFIG, ...config },
    cleanShutdown,
  })
}

/** Closes and opens the log, or opens it as a crash left it. */
const reopen = {
  'after a clean close': () => {
    log.close()
    log = open()
  },
  'after a crash': () => {
    log = open(false)
  },
} as const

/** Appends records of producer 7; answers the base offset, `duplicate of N`, or the error's code. */
function send(sequence: number, options: SealOptions & { count?: number } = {}): number | string {
  const values = Array.from({ length: options.count ?? 1 }, (_, index) => `v${sequence + index}`)
  const identity = { producerId: 7, producerEpoch: 0, baseSequence: sequence }
  try {
    const { baseOffset, duplicate } = log.append(batchOf(values, { ...identity, ...options }))
    return duplicate ? `duplicate of ${baseOffset}` : baseOffset
  } catch (error) {
    if (error instanceof StreamsError) return error.code
    throw error
  }
}

const sendInTransaction = (sequence: number, options: SealOptions = {}) =>
  send(sequence, { isTransactional: true, ...options })

function end(type: 'commit' | 'abort', options: { epoch?: number; producerId?: number } = {}) {
  const { epoch = 0, producerId = 7 } = options
  return log.appendControl({ type, producerId, producerEpoch: epoch, coordinatorEpoch: 1 })
}

describe('an idempotent producer', () => {
  it('has its batches taken in sequence', () => {
    expect(send(0, { count: 3 })).toBe(0)
    expect(send(3)).toBe(3)
    expect(send(5)).toBe('producer-sequence-invalid')
    expect(send(4)).toBe(4)
  })

  it('is told the offsets of a batch it repeats, for its last five batches', () => {
    for (let sequence = 0; sequence < 7; sequence++) send(sequence)
    expect([2, 3, 4, 5, 6].map((sequence) => send(sequence))).toEqual(
      [2, 3, 4, 5, 6].map((offset) => `duplicate of ${offset}`),
    )
    expect(send(1)).toBe('producer-sequence-invalid')
    expect(log.logEndOffset).toBe(7)
  })

  it('starts at 0 again with a new epoch, and the old epoch is fenced', () => {
    send(0)
    expect(send(1, { producerEpoch: 1 })).toBe('producer-sequence-invalid')
    expect(send(0, { producerEpoch: 1 })).toBe(1)
    expect(send(1)).toBe('producer-fenced')
  })

  it('may start at any sequence when the log does not know it (KIP-360)', () => {
    expect(send(40)).toBe(0)
    expect(send(41)).toBe(1)
  })

  it('wraps its sequence after 2^31 - 1', () => {
    send(SEQUENCE_MAX - 1)
    expect(send(SEQUENCE_MAX, { count: 2 })).toBe(1)
    expect(send(1)).toBe(3)
    expect(send(SEQUENCE_MAX, { count: 2 })).toBe('duplicate of 1')
  })

  it.each(Object.keys(reopen) as (keyof typeof reopen)[])('is known %s', (how) => {
    for (let sequence = 0; sequence < 7; sequence++) send(sequence)
    reopen[how]()
    expect(send(6)).toBe('duplicate of 6')
    expect(send(8)).toBe('producer-sequence-invalid')
    expect(send(7)).toBe(7)
  })

  it('is forgotten after it was idle for a day', () => {
    send(0)
    now = DEFAULT_LOG_CONFIG.producerExpirationMs + 2000
    log.applyRetention(now)
    expect(send(9)).toBe(1)
  })
})

describe('a transaction', () => {
  it('holds the last stable offset back until it ends', () => {
    send(0, { producerId: 1 })
    expect(log.lastStableOffset).toBe(1)
    sendInTransaction(0)
    send(1, { producerId: 1 })
    sendInTransaction(1)
    expect(log.lastStableOffset).toBe(1)
    expect(end('commit')).toMatchObject({ baseOffset: 4, lastOffset: 4 })
    expect(log.lastStableOffset).toBe(5)
    expect(log.abortedTransactions(0, 5)).toEqual([])
  })

  it('that was aborted is told to readers of its range', () => {
    sendInTransaction(0)
    sendInTransaction(0, { producerId: 8 })
    end('abort')
    expect(log.lastStableOffset).toBe(1)
    end('abort', { producerId: 8 })
    sendInTransaction(1)
    end('commit')
    const [first, second] = [0, 1].map((index) => ({ producerId: 7 + index, firstOffset: index }))
    expect(log.abortedTransactions(0, 6)).toEqual([first, second])
    expect(log.abortedTransactions(0, 1)).toEqual([first])
    expect(log.abortedTransactions(3, 6)).toEqual([second])
    expect(log.abortedTransactions(4, 6)).toEqual([])
  })

  it.each(Object.keys(reopen) as (keyof typeof reopen)[])(
    'open or aborted is the same %s, across segments',
    (how) => {
      log.config = { ...log.config, segmentBytes: 200 }
      for (let sequence = 0; sequence < 9; sequence++) {
        sendInTransaction(sequence)
        if (sequence % 3 === 1) end('abort')
      }
      const lastStableOffset = log.lastStableOffset
      const aborted = log.abortedTransactions(0, log.logEndOffset)
      expect(aborted).toHaveLength(3)
      expect(log.segmentCount).toBeGreaterThan(3)
      reopen[how]()
      expect(log.lastStableOffset).toBe(lastStableOffset)
      expect(log.abortedTransactions(0, log.logEndOffset)).toEqual(aborted)
      end('commit')
      expect(log.lastStableOffset).toBe(log.logEndOffset)
    },
  )

  it('takes no batch outside of it, nor a marker of an older epoch or coordinator', () => {
    sendInTransaction(0, { producerEpoch: 1 })
    expect(send(1, { producerEpoch: 1 })).toBe('transaction-state-invalid')
    expect(() => end('abort')).toThrow(/replaced by epoch 1/)
    end('abort', { epoch: 2 })
    const marker = { type: 'abort', producerId: 7, producerEpoch: 2, coordinatorEpoch: 0 } as const
    expect(() => log.appendControl(marker)).toThrow(/coordinator epoch 0 came after 1/)
    expect(sendInTransaction(1, { producerEpoch: 1 })).toBe('producer-fenced')
    expect(sendInTransaction(0, { producerEpoch: 2 })).toBe(2)
  })

  it('that had no batch here leaves nothing but its marker', () => {
    end('abort')
    expect(log.logEndOffset).toBe(1)
    expect(log.lastStableOffset).toBe(1)
    expect(log.abortedTransactions(0, 1)).toEqual([])
  })
})
