/** Batches for tests of the log: records of text, one batch at a time. */

import { NO_HEADERS } from '../../src/record/record.ts'
import { BatchReader, BatchWriter, type SealOptions } from '../../src/record/record-batch.ts'

export interface TestRecord {
  readonly offset: number
  readonly timestamp: number
  readonly value: string
}

export interface TestBatch extends SealOptions {
  readonly timestamp?: number
}

/** A sealed batch of these values, timestamps one apart. */
export function batchOf(values: readonly string[], options: TestBatch = {}): Buffer {
  const writer = new BatchWriter({ bytes: 256 })
  values.forEach((value, index) => {
    const bytes = Buffer.from(value)
    const range = { bytes, start: 0, end: bytes.length }
    writer.append((options.timestamp ?? 1000) + index, null, range, NO_HEADERS)
  })
  return writer.seal(options)
}

/** The data records of batches, each checked. */
export function recordsOf(batches: readonly Buffer[]): TestRecord[] {
  const reader = new BatchReader()
  const records: TestRecord[] = []
  for (const batch of batches) {
    if (!reader.open(batch, 0, { verifyCrc: true })) throw new Error('a batch is cut off')
    if (reader.isControl) continue
    while (reader.next()) {
      const value = reader.bytes.toString('utf8', reader.valueStart, reader.valueEnd)
      records.push({ offset: reader.offset, timestamp: reader.timestamp, value })
    }
  }
  return records
}
