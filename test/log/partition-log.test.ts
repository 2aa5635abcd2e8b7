import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { StreamsError } from '../../src/errors.ts'
import { TailBudget } from '../../src/log/memory-tail.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig, PartitionLog } from '../../src/log/partition-log.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { batchOf, recordsOf } from './batches.ts'

const DIRECTORY = '/data/orders-0'
/** Nothing is kept in memory: every read comes from the files. */
const NO_TAIL = new TailBudget(0)

let fileSystem: MemoryFileSystem
let now = 0

function open(config: Partial<LogConfig> = {}, options: { tail?: boolean; clean?: boolean } = {}) {
  return PartitionLog.open({
    fileSystem,
    clock: { ...systemClock, now: () => now },
    directory: DIRECTORY,
    topic: 'orders',
    partition: 0,
    config: { ...DEFAULT_LOG_CONFIG, ...config },
    cleanShutdown: options.clean ?? true,
    ...(options.tail === true ? {} : { tailBudget: NO_TAIL }),
  })
}

function valuesFrom(log: PartitionLog, offset: number, maxBytes = 1_000_000): string[] {
  const values: string[] = []
  let next = offset
  for (;;) {
    const records = recordsOf(log.read(next, maxBytes, log.highWatermark))
    const last = records.at(-1)
    if (last === undefined) return values
    values.push(...records.filter((record) => record.offset >= offset).map(({ value }) => value))
    next = last.offset + 1
  }
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof StreamsError) return error.code
    throw error
  }
  return 'nothing thrown'
}

const logFiles = () => fileSystem.list(DIRECTORY).filter((name) => name.endsWith('.log'))

beforeEach(() => {
  fileSystem = new MemoryFileSystem()
  now = 5000
})

describe('a partition log', () => {
  it.each([{ tail: true }, { tail: false }])('reads what was appended ($tail)', ({ tail }) => {
    const log = open({}, { tail })
    expect(log.append(batchOf(['a', 'b']))).toEqual({
      baseOffset: 0,
      lastOffset: 1,
      duplicate: false,
      logAppendTime: -1,
    })
    expect(log.append(batchOf(['c']))).toMatchObject({ baseOffset: 2, lastOffset: 2 })
    expect(log.logEndOffset).toBe(3)
    expect(valuesFrom(log, 0)).toEqual(['a', 'b', 'c'])
    expect(valuesFrom(log, 2)).toEqual(['c'])
    expect(log.read(3, 100, 3)).toEqual([])
  })

  it('serves the batch that contains an offset whole', () => {
    const log = open()
    log.append(batchOf(['a', 'b', 'c']))
    expect(recordsOf(log.read(1, 1, 3)).map(({ offset }) => offset)).toEqual([0, 1, 2])
  })

  it.each([{ tail: true }, { tail: false }])('keeps to the bytes asked for ($tail)', ({ tail }) => {
    const log = open({}, { tail })
    const size = batchOf(['a']).length
    for (const value of 'abcdef') log.append(batchOf([value]))
    expect(log.read(0, 1, 6)).toHaveLength(1)
    expect(log.read(0, size * 3, 6)).toHaveLength(3)
    expect(log.read(0, size * 3 + 1, 6)).toHaveLength(3)
    expect(log.read(2, 1_000_000, 4)).toHaveLength(2)
  })

  it('refuses offsets outside of it', () => {
    const log = open()
    log.append(batchOf(['a']))
    expect(codeOf(() => log.read(-1, 1, 1))).toBe('log-offset-out-of-range')
    expect(codeOf(() => log.read(2, 1, 1))).toBe('log-offset-out-of-range')
  })

  it('is the same after it was closed and opened', () => {
    const first = open()
    for (const value of 'abc') first.append(batchOf([value]))
    first.close()
    expect(codeOf(() => first.append(batchOf(['x'])))).toBe('log-closed')
    const second = open()
    expect(second.logEndOffset).toBe(3)
    expect(valuesFrom(second, 0)).toEqual(['a', 'b', 'c'])
    expect(second.append(batchOf(['d'])).baseOffset).toBe(3)
  })

  it('rolls by size and by record time, and reads across segments', () => {
    const size = batchOf(['a']).length
    const log = open({ segmentBytes: size * 2 })
    for (const value of 'abcde') log.append(batchOf([value]))
    expect(logFiles()).toEqual([0, 2, 4].map((base) => `${String(base).padStart(20, '0')}.log`))
    expect(valuesFrom(log, 0)).toEqual([...'abcde'])
    log.close()
    const byTime = open({ segmentMs: 100 })
    byTime.append(batchOf(['f'], { timestamp: 1101 }))
    expect(logFiles()).toHaveLength(4)
    expect(valuesFrom(byTime, 0)).toEqual([...'abcdef'])
  })

  it('gives the log time when the topic asks for it', () => {
    const log = open({ timestampType: 'append' })
    expect(log.append(batchOf(['a'])).logAppendTime).toBe(5000)
    expect(recordsOf(log.read(0, 1, 1))[0]?.timestamp).toBe(5000)
  })

  it('refuses what is not one whole good batch, and stays usable', () => {
    const log = open({ maxMessageBytes: 200 })
    const bad = batchOf(['abc'])
    bad[bad.length - 1] = 0xff
    expect(codeOf(() => log.append(bad))).toBe('log-corrupt-batch')
    expect(codeOf(() => log.append(batchOf(['abc']).subarray(0, 65)))).toBe('record-batch-invalid')
    expect(codeOf(() => log.append(Buffer.concat([batchOf(['a']), batchOf(['b'])])))).toBe(
      'record-batch-invalid',
    )
    expect(codeOf(() => log.append(batchOf(['x'.repeat(200)])))).toBe('record-too-large')
    expect(log.append(batchOf(['a'])).baseOffset).toBe(0)
  })
})
