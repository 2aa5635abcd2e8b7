/**
 * The numbered cases of src/log/recovery.ts, one by one, and storage that fails while it is used.
 */
import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { StreamsError } from '../../src/errors.ts'
import { TailBudget } from '../../src/log/memory-tail.ts'
import {
  DEFAULT_LOG_CONFIG,
  type LogConfig,
  PartitionLog,
  type RecoveryEvent,
} from '../../src/log/partition-log.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { batchOf, recordsOf } from './batches.ts'

const DIRECTORY = '/data/orders-0'
const BATCH_BYTES = batchOf(['a']).length
/** A byte of the record in the batch number `index` of a segment. */
const bodyOf = (index: number) => index * BATCH_BYTES + BATCH_BYTES - 2

let fileSystem: MemoryFileSystem
let events: RecoveryEvent[]

beforeEach(() => {
  fileSystem = new MemoryFileSystem()
  events = []
})

/** Segments of three batches of one record. */
function open(cleanShutdown: boolean, config: Partial<LogConfig> = {}): PartitionLog {
  events = []
  return PartitionLog.open({
    fileSystem,
    clock: systemClock,
    directory: DIRECTORY,
    topic: 'orders',
    partition: 0,
    config: {
      ...DEFAULT_LOG_CONFIG,
      segmentBytes: BATCH_BYTES * 3,
      indexIntervalBytes: 0,
      flush: 'never',
      ...config,
    },
    cleanShutdown,
    tailBudget: new TailBudget(0),
    onRecovery: (event) => events.push(event),
  })
}

function fill(log: PartitionLog, values: string): PartitionLog {
  for (const value of values) log.append(batchOf([value]))
  return log
}

/** The log's values, `!` for an offset whose read fails as corrupt. */
function contentOf(log: PartitionLog): string {
  let content = ''
  for (let offset = log.logStartOffset; offset < log.logEndOffset; offset++) {
    try {
      content += recordsOf(log.read(offset, 1, log.highWatermark))[0]?.value
    } catch (error) {
      if (!(error instanceof StreamsError) || error.code !== 'log-corrupt-batch') throw error
      content += '!'
    }
  }
  return content
}

const pathOf = (base: number, suffix = '.log') =>
  `${DIRECTORY}/${String(base).padStart(20, '0')}${suffix}`

const cases = () => [...new Set(events.map((event) => event.case))]

function cut(path: string, bytes: number): void {
  const handle = fileSystem.open(path)
  handle.truncate(handle.size() - bytes)
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

describe('recovery', () => {
  it('case 1: after a clean close nothing is repaired', () => {
    fill(open(true), 'abcde').close()
    expect(contentOf(open(true))).toBe('abcde')
    expect(events).toEqual([])
  })

  it('case 1: a log that was in use when it was said to be closed is checked all the same', () => {
    fill(open(true), 'ab').close()
    fill(open(true), 'cdefg')
    expect(contentOf(open(true))).toBe('abcdefg')
  })

  it('case 1: a log that was not used is closed without a write', () => {
    for (const values of ['', 'abcd']) {
      fileSystem = new MemoryFileSystem()
      fill(open(true), values).close()
      const log = open(true)
      fileSystem.failNextWrite()
      fileSystem.failNextSync()
      log.close()
      expect(contentOf(open(true))).toBe(values)
      expect(events).toEqual([])
    }
  })

  it('case 2: a torn tail is cut off', () => {
    fill(open(true), 'abcde')
    cut(pathOf(3), 5)
    const log = open(false)
    expect(cases()).toEqual([2])
    expect(events[0]).toMatchObject({ file: pathOf(3), position: BATCH_BYTES })
    expect(contentOf(log)).toBe('abcd')
    expect(contentOf(fill(log, 'x'))).toBe('abcdx')
  })

  it('case 2: so is a tail of zeros, or less than a header', () => {
    for (const tail of [Buffer.alloc(500), Buffer.alloc(7, 1)]) {
      fileSystem = new MemoryFileSystem()
      fill(open(true), 'ab')
      const handle = fileSystem.open(pathOf(0))
      handle.write(tail, handle.size())
      expect(contentOf(open(false))).toBe('ab')
      expect(cases()).toEqual([2])
    }
  })

  it('cases 3 and 4: the log ends before a bad batch that was not flushed', () => {
    fill(open(true), 'abcdefghi')
    fileSystem.flipBit(pathOf(3), bodyOf(1), 0)
    const log = open(false)
    expect(cases()).toEqual([3, 4])
    expect(contentOf(log)).toBe('abcd')
    expect(fileSystem.exists(pathOf(6))).toBe(false)
    expect(contentOf(fill(log, 'xyz'))).toBe('abcdxyz')
  })

  it('case 3: a base offset that does not follow on is a bad batch, though its CRC holds', () => {
    fill(open(true), 'abc')
    fileSystem.flipBit(pathOf(0), BATCH_BYTES + 7, 4)
    expect(contentOf(open(false))).toBe('a')
    expect(cases()).toEqual([3])
  })

  it('case 4: segments after a gap are dropped', () => {
    fill(open(true), 'abcdefghi')
    cut(pathOf(3), BATCH_BYTES)
    expect(contentOf(open(false))).toBe('abcde')
    expect(cases()).toEqual([4])
  })

  it.each(['.index', '.timeindex'])('case 5: a missing %s is rebuilt', (suffix) => {
    fill(open(true), 'abcdefgh').close()
    const before = [0, 3, 6].map((base) => fileSystem.readFile(pathOf(base, suffix)))
    for (const base of [0, 3, 6]) fileSystem.removeFile(pathOf(base, suffix))
    const log = open(true)
    expect(cases()).toEqual([5])
    expect([0, 3, 6].map((base) => fileSystem.readFile(pathOf(base, suffix)))).toEqual(before)
    expect(contentOf(log)).toBe('abcdefgh')
  })

  it('case 5: an index that does not fit the log is rebuilt when it is read', () => {
    fill(open(true), 'abcdefgh').close()
    fileSystem.flipBit(pathOf(3, '.index'), 7, 0)
    const log = open(true)
    expect(events).toEqual([])
    expect(recordsOf(log.read(4, 1, 8))[0]?.value).toBe('e')
    expect(cases()).toEqual([5])
    expect(contentOf(log)).toBe('abcdefgh')
  })

  it('case 6: a missing transaction index is rebuilt, also when it begins in a segment before', () => {
    const first = open(true)
    const producer = { producerId: 7, producerEpoch: 0 }
    for (let sequence = 0; sequence < 5; sequence++) {
      first.append(batchOf(['t'], { ...producer, baseSequence: sequence, isTransactional: true }))
    }
    first.appendControl({ type: 'abort', ...producer, coordinatorEpoch: 0 })
    fill(first, 'abcdef').close()
    fileSystem.removeFile(pathOf(3, '.txnindex'))
    const log = open(true)
    expect(cases()).toEqual([6])
    expect(log.abortedTransactions(0, 12)).toEqual([{ producerId: 7, firstOffset: 0 }])
  })

  it.each(['missing', 'corrupt'])('case 7: producer state with a %s snapshot is rebuilt', (how) => {
    const first = open(true)
    for (let sequence = 0; sequence < 8; sequence++) {
      first.append(batchOf(['p'], { producerId: 7, producerEpoch: 0, baseSequence: sequence }))
    }
    first.close()
    if (how === 'missing') fileSystem.removeFile(pathOf(8, '.snapshot'))
    else fileSystem.flipBit(pathOf(8, '.snapshot'), 20, 0)
    const log = open(true)
    expect(cases()).toEqual(how === 'missing' ? [] : [7])
    const repeated = batchOf(['p'], { producerId: 7, producerEpoch: 0, baseSequence: 7 })
    expect(log.append(repeated)).toMatchObject({ duplicate: true, baseOffset: 7 })
  })

  it('case 8: damage in the flushed part is kept, named and not served', () => {
    fill(open(true), 'abcdefgh').close()
    fileSystem.flipBit(pathOf(3), bodyOf(1), 0)
    for (const cleanShutdown of [true, false]) {
      const log = open(cleanShutdown)
      expect(contentOf(log)).toBe('abcd!fgh')
      expect(() => log.read(4, 1, 8)).toThrow(
        new RegExp(`file ${pathOf(3)}, position ${BATCH_BYTES}`),
      )
    }
  })

  it('case 8: a batch whose length is damaged is stepped over too', () => {
    fill(open(true), 'abcdefghi').close()
    fileSystem.flipBit(pathOf(3), BATCH_BYTES + 11, 0)
    fileSystem.removeFile(pathOf(3, '.index'))
    const log = open(true)
    expect(contentOf(log)).toBe('abcd!fghi')
    expect(contentOf(fill(log, 'x'))).toBe('abcd!fghix')
  })

  it('case 8: a flushed tail that is damaged or gone keeps its offsets', () => {
    for (const damage of [
      () => cut(pathOf(3), 5),
      () => cut(pathOf(3), BATCH_BYTES),
      () => fileSystem.flipBit(pathOf(3), bodyOf(1), 0),
    ]) {
      fileSystem = new MemoryFileSystem()
      fill(open(true), 'abcde').close()
      damage()
      const log = open(true)
      expect(cases()).toContain(8)
      expect(contentOf(log)).toBe('abcd!')
      expect(contentOf(fill(log, 'x'))).toBe('abcd!x')
      log.close()
      expect(contentOf(open(true))).toBe('abcd!x')
      expect(contentOf(open(false))).toBe('abcd!x')
    }
  })

  it('case 9: temporary files and indexes without a log are removed', () => {
    fill(open(true), 'ab').close()
    for (const name of ['partition.checkpoint.tmp', '00000000000000000077.index']) {
      fileSystem.open(`${DIRECTORY}/${name}`).close()
    }
    expect(contentOf(open(true))).toBe('ab')
    expect(cases()).toEqual([9])
    expect(fileSystem.list(DIRECTORY).some((name) => /tmp|77/.test(name))).toBe(false)
  })

  it('case 10: without its checkpoint all of the log is checked', () => {
    fill(open(true), 'abcdefgh').close()
    fileSystem.flipBit(`${DIRECTORY}/partition.checkpoint`, 25, 0)
    expect(contentOf(open(true))).toBe('abcdefgh')
    expect(cases()).toContain(10)
  })

  it('is the same when it is done twice', () => {
    fill(open(true), 'abcdefghi')
    fileSystem.flipBit(pathOf(3), bodyOf(1), 0)
    open(false)
    expect(contentOf(open(false))).toBe('abcd')
    expect(events).toEqual([])
  })
})

describe('storage that fails', () => {
  it('after a short write refuses appends until opened again, and loses nothing acknowledged', () => {
    const log = fill(open(true), 'ab')
    fileSystem.failNextWrite('.log', 30)
    expect(codeOf(() => fill(log, 'x'))).toBe('log-storage-failed')
    expect(codeOf(() => fill(log, 'y'))).toBe('log-storage-failed')
    expect(contentOf(log)).toBe('ab')
    log.close()
    expect(contentOf(fill(open(false), 'c'))).toBe('abc')
  })

  it('on a full disk does the same', () => {
    const log = fill(open(true), 'ab')
    fileSystem.capacityBytes = BATCH_BYTES * 2 + 40
    expect(codeOf(() => fill(log, 'x'))).toBe('log-storage-failed')
    fileSystem.capacityBytes = Number.POSITIVE_INFINITY
    log.close()
    expect(contentOf(fill(open(false), 'c'))).toBe('abc')
  })

  it('refuses appends after a sync that failed', async () => {
    const log = fill(open(true), 'ab')
    fileSystem.failNextSync('.log')
    await expect(log.flush()).rejects.toMatchObject({ code: 'log-storage-failed' })
    expect(codeOf(() => fill(log, 'x'))).toBe('log-storage-failed')
    await expect(log.flush()).rejects.toMatchObject({ code: 'log-storage-failed' })
  })

  it('fails to close when what is left cannot be written, and opens as after a crash', () => {
    const log = fill(open(true), 'ab')
    fileSystem.failNextSync('.log')
    expect(codeOf(() => log.close())).toBe('log-storage-failed')
    expect(contentOf(open(false))).toBe('ab')
  })

  it('loses at a loss of power only what was not flushed', async () => {
    const log = fill(open(true), 'abcde')
    await log.flush()
    expect(log.flushedOffset).toBe(5)
    fill(log, 'fghij')
    fileSystem.crash()
    expect(contentOf(open(false))).toBe('abcde')
  })

  it('keeps any prefix of what was not flushed', async () => {
    for (let share = 0; share < 1; share += 0.09) {
      fileSystem = new MemoryFileSystem()
      const log = fill(open(true), 'abcd')
      await log.flush()
      fill(log, 'efghijkl')
      fileSystem.crash({ random: () => share })
      const content = contentOf(open(false))
      expect('abcdefghijkl'.startsWith(content)).toBe(true)
      expect(content.length).toBeGreaterThanOrEqual(4)
    }
  })

  it('needs no recovery for full segments that reached the device', async () => {
    const log = fill(open(true, { flush: 'every-second' }), 'abcdefgh')
    await log.flush()
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    fileSystem.crash()
    fileSystem.flipBit(pathOf(0), bodyOf(1), 0)
    expect(contentOf(open(false))).toBe('a!cdefgh')
  })
})

describe('a flush', () => {
  it('ends when the log is truncated while it runs', async () => {
    const log = fill(open(true), 'abcde')
    const flushed = log.flush()
    log.truncateTo(2)
    await flushed
    expect(log.flushedOffset).toBe(2)
  })

  it('covers what was appended before it, also when another one is under way', async () => {
    const log = fill(open(true), 'ab')
    const first = log.flush()
    fill(log, 'cd')
    await log.flush()
    await first
    expect(log.flushedOffset).toBe(4)
  })

  it('under way when the log is closed does no harm', async () => {
    const log = fill(open(true, { flush: 'every-second' }), 'abcdef')
    const flushed = log.flush().catch((error: StreamsError) => error.code)
    log.close()
    expect(['log-closed', undefined]).toContain(await flushed)
    expect(contentOf(open(true))).toBe('abcdef')
  })
})
