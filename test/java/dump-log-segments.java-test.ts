import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig, PartitionLog } from '../../src/log/partition-log.ts'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import { COMPRESSIONS } from '../../src/record/compression.ts'
import { batchOf } from '../log/batches.ts'
import { type DumpReport, dumpLogSegments, whyNoJava } from './dump-log-segments.ts'

const noJava = whyNoJava()

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-dump-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function open(config: Partial<LogConfig> = {}, cleanShutdown = true): PartitionLog {
  return PartitionLog.open({
    fileSystem: new NodeFileSystem(),
    clock: systemClock,
    directory: join(directory, 'orders-0'),
    topic: 'orders',
    partition: 0,
    config: { ...DEFAULT_LOG_CONFIG, segmentBytes: 40_000, ...config },
    cleanShutdown,
  })
}

/** Plain, compressed, idempotent and transactional batches, times out of order, some aborted. */
function fill(log: PartitionLog, count: number): void {
  const start = log.logEndOffset
  for (let index = 0; index < count; index++) {
    const values = Array.from({ length: 1 + (index % 7) }, (_, at) => `${index} ${at} `.repeat(20))
    const timestamp = 1_700_000_000_000 + start * 10 + ((index * 7919) % 1000)
    const compression = COMPRESSIONS[index % COMPRESSIONS.length] ?? 'none'
    log.append(batchOf(values, { timestamp, compression }))
    const producer = { producerId: 5 + (index % 3), producerEpoch: start === 0 ? 0 : 1 }
    const baseSequence = Math.floor(index / 3)
    log.append(batchOf(['t'], { timestamp, ...producer, baseSequence, isTransactional: true }))
    if (index % 10 === 9) {
      const type = index % 20 === 9 ? 'abort' : 'commit'
      log.appendControl({ type, ...producer, coordinatorEpoch: 0, timestamp })
    }
  }
}

function expectGood(report: DumpReport): void {
  expect(report.problems).toEqual([])
  expect(report.batches).toBeGreaterThan(500)
  expect(report.abortedTransactions).toBeGreaterThan(20)
  expect(report.producers).toBeGreaterThan(5)
  expect(report.files).toBeGreaterThan(15)
}

const describeWithJava = noJava === null ? describe : describe.skip
describeWithJava(`Kafka's DumpLogSegments${noJava === null ? '' : ` (skipped: ${noJava})`}`, () => {
  it('reads every file of a log that was closed, opened and written again', () => {
    for (let round = 0; round < 2; round++) {
      const log = open()
      fill(log, 500)
      log.close()
    }
    expectGood(dumpLogSegments(directory))
  })

  it("reads a log of the log's own time", () => {
    const log = open({ timestampType: 'append' })
    fill(log, 500)
    log.close()
    expectGood(dumpLogSegments(directory))
  })

  it('reads a log that was recovered after a crash', () => {
    fill(open(), 500)
    const folder = join(directory, 'orders-0')
    for (const name of readdirSync(folder)) {
      if (/index$/.test(name)) rmSync(join(folder, name))
    }
    const newest = readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .at(-1) as string
    const bytes = readFileSync(join(folder, newest))
    writeFileSync(join(folder, newest), bytes.subarray(0, bytes.length - 5))
    const log = open({}, false)
    log.truncateTo(log.logEndOffset - 1)
    log.deleteRecordsBefore(100)
    log.append(batchOf(['x'], { timestamp: 1_800_000_000_000 }))
    log.close()
    expectGood(dumpLogSegments(directory))
  })

  it('sees the damage that we made, so that a good report means something', () => {
    const log = open()
    fill(log, 50)
    log.close()
    const path = join(directory, 'orders-0', `${'0'.repeat(20)}.log`)
    const bytes = readFileSync(path)
    bytes[100] = (bytes[100] as number) ^ 1
    writeFileSync(path, bytes)
    expect(dumpLogSegments(directory).problems.join('\n')).toContain('isvalid: false')
  })
})
