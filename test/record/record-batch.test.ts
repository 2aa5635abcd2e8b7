/** Batches against Kafka's own: what it wrote we read, and what we write is what it wrote. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMPRESSIONS } from '../../src/record/compression.ts'
import type { RecordHeader } from '../../src/record/record.ts'
import {
  BATCH_HEADER_BYTES,
  BatchReader,
  BatchWriter,
  encodeControlBatch,
  setAppendTime,
  setBaseOffset,
} from '../../src/record/record-batch.ts'
import { type ExpectedBatch, fixture, fixtureJson, headerOf, range, recordsOf } from './fixtures.ts'
import { SEED } from './random.ts'

const kafka = fixtureJson<Record<string, ExpectedBatch[]>>('batches')
const VERIFY = { verifyCrc: true }

function readAll(buffer: Buffer): object[] {
  const reader = new BatchReader()
  const batches: object[] = []
  for (let position = 0; reader.open(buffer, position, VERIFY); position = reader.nextPosition) {
    batches.push({ ...headerOf(reader), records: recordsOf(reader) })
  }
  return batches
}

/** Reads every record of one batch and writes it again. */
function rewrite(buffer: Buffer): Buffer {
  const reader = new BatchReader()
  const writer = new BatchWriter({ bytes: 100 })
  reader.open(buffer, 0)
  while (reader.next()) {
    writer.append(reader.timestamp, reader.keyRange, reader.valueRange, reader.headers())
  }
  const { producerId, producerEpoch, baseSequence, isTransactional } = reader
  const batch = writer.seal({ producerId, producerEpoch, baseSequence, isTransactional })
  setBaseOffset(batch, reader.baseOffset, reader.partitionLeaderEpoch)
  return batch
}

describe('a batch that Kafka wrote', () => {
  const listed = Object.keys(kafka).filter((name) => !name.startsWith('long-'))
  test.each(listed)('%s is read as Kafka reads it', (name) => {
    expect(readAll(fixture(name))).toEqual(kafka[name])
  })

  test.each(COMPRESSIONS)(
    'long-%s, of several compressed blocks, holds its 900 records',
    (codec) => {
      const { records: _, ...header } = kafka[`long-${codec}`]![0]!
      const reader = new BatchReader()
      expect(reader.open(fixture(`long-${codec}`), 0, VERIFY)).toBe(true)
      expect(headerOf(reader)).toEqual(header)
      const records = recordsOf(reader)
      expect(records.length).toBe(900)
      records.forEach(({ value, timestamp }, index) => {
        const hash = (Math.imul(index, 0x9e3779b1) >>> 0).toString(16)
        const text = `record ${index} ${'abcdefghij'.repeat(index % 13)}${hash}`
        expect(Buffer.from(value!, 'hex').toString()).toBe(text)
        expect(timestamp).toBe(1767225600000 + index * 7)
      })
    },
  )

  const plain = ['mixed-none', 'long-none', 'idempotent', 'transactional', 'time-deltas', 'lengths']
  test.each(plain)('%s is written again byte for byte', (name) => {
    const original = fixture(name)
    expect(rewrite(original).equals(original)).toBe(true)
  })

  test('a commit and an abort marker are written byte for byte', () => {
    const shared = { producerId: 4711, timestamp: 1767225600000 }
    const commit = encodeControlBatch({
      ...shared,
      type: 'commit',
      producerEpoch: 3,
      coordinatorEpoch: 11,
    })
    expect(commit).toEqual(fixture('commit'))
    const abort = encodeControlBatch({
      ...shared,
      type: 'abort',
      producerEpoch: 4,
      coordinatorEpoch: 0,
    })
    setBaseOffset(abort, 77, 5)
    expect(abort).toEqual(fixture('abort'))
  })

  test('its control type is read with or without a call of next', () => {
    const reader = new BatchReader()
    reader.open(fixture('commit'), 0)
    expect([reader.controlType(), reader.coordinatorEpoch()]).toEqual(['commit', 11])
    reader.open(fixture('abort'), 0)
    expect(reader.next()).toBe(true)
    expect([reader.controlType(), reader.coordinatorEpoch()]).toEqual(['abort', 0])
    expect(reader.next()).toBe(false)
  })
})

describe('a batch of ours', () => {
  test('is gone through a second time after rewind, decompressed once', () => {
    const reader = new BatchReader()
    for (const name of ['mixed-none', 'mixed-zstd']) {
      reader.open(fixture(name), 0)
      const first = recordsOf(reader)
      const bytes = reader.bytes
      reader.rewind()
      expect(recordsOf(reader)).toEqual(first)
      expect(reader.bytes).toBe(bytes)
    }
  })

  test('keeps its CRC when the log sets base offset and leader epoch, wherever it lies', () => {
    const batch = fixture('mixed-none')
    const buffer = Buffer.concat([Buffer.alloc(5), batch])
    setBaseOffset(buffer, 2 ** 52, 9, 5)
    const reader = new BatchReader()
    expect(reader.open(buffer, 5, VERIFY)).toBe(true)
    expect([reader.baseOffset, reader.partitionLeaderEpoch]).toEqual([2 ** 52, 9])
  })

  test('carries the time of the log in every record after setAppendTime', () => {
    const batch = fixture('mixed-none')
    setAppendTime(batch, 42)
    const reader = new BatchReader()
    reader.open(batch, 0, VERIFY)
    expect(reader.timestampType).toBe('append')
    expect(new Set(recordsOf(reader).map((record) => record.timestamp))).toEqual(new Set([42]))
  })

  test('that is sealed is not touched by the records that come after it', () => {
    const writer = new BatchWriter({ bytes: 128 })
    for (const length of [10, 60, 100, 1000]) {
      writer.append(1, null, range('a'.repeat(length)), [])
      const sealed = writer.seal()
      const before = Buffer.from(sealed)
      writer.append(2, null, range('b'.repeat(2000)), [])
      expect(sealed.equals(before)).toBe(true)
      writer.reset()
    }
    expect([writer.recordCount, writer.size]).toEqual([0, BATCH_HEADER_BYTES])
  })

  test('says its size and count while it grows', () => {
    const writer = new BatchWriter()
    writer.append(1, range('k'), range('v'), [])
    expect([writer.recordCount, writer.size]).toEqual([1, BATCH_HEADER_BYTES + 9])
    expect(writer.seal().length).toBe(BATCH_HEADER_BYTES + 9)
  })

  test('without a record is refused, as are times that are no time', () => {
    const writer = new BatchWriter()
    expect(() => writer.seal()).toThrow(RangeError)
    for (const timestamp of [-2, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => writer.append(timestamp, null, null, [])).toThrow(
        expect.objectContaining({ code: 'timestamp-invalid' }),
      )
    }
    writer.append(-1, null, null, [])
    expect(readAll(writer.seal())).toMatchObject([{ maxTimestamp: -1 }])
  })

  test(`is read as it was written, whatever is in it (SEED=${SEED})`, () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 300 }))
    const header = fc.record<RecordHeader>({ key: fc.string({ unit: 'grapheme' }), value: bytes })
    const record = fc.record({
      timestamp: fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constant(-1)),
      key: bytes,
      value: bytes,
      headers: fc.oneof(
        { weight: 3, arbitrary: fc.constant<RecordHeader[]>([]) },
        fc.array(header),
      ),
    })
    const records = fc.array(record, { minLength: 1, maxLength: 200 })
    const compressions = fc.constantFrom(...COMPRESSIONS)
    fc.assert(
      fc.property(records, compressions, fc.boolean(), (written, compression, isTransactional) => {
        const writer = new BatchWriter({ bytes: 64 })
        for (const { timestamp, key, value, headers } of written) {
          writer.append(timestamp, range(key), range(value), headers)
        }
        const reader = new BatchReader()
        reader.open(writer.seal({ compression, isTransactional, producerId: 1 }), 0, VERIFY)
        expect(reader.maxTimestamp).toBe(Math.max(...written.map((one) => one.timestamp)))
        expect(reader.isTransactional).toBe(isTransactional)
        const hex = (value: Uint8Array | null): string | null =>
          value && Buffer.from(value).toString('hex')
        expect(recordsOf(reader)).toEqual(
          written.map(({ timestamp, key, value, headers }, offset) => ({
            offset,
            timestamp,
            key: hex(key),
            value: hex(value),
            ...(headers.length > 0 && {
              headers: headers.map((one: RecordHeader) => [one.key, hex(one.value) ?? 'null']),
            }),
          })),
        )
      }),
      { seed: SEED, numRuns: 150 },
    )
  })
})
