/**
 * Batches that Kafka's own classes wrote, with what those classes read out of them.
 *
 * Made by test/fixtures/java/RecordFixtures.java.
 */
import { readFileSync } from 'node:fs'
import type { ByteRange } from '../../src/record/record.ts'
import type { BatchReader } from '../../src/record/record-batch.ts'

/** A record as Kafka shows it: bytes in hexadecimal. */
export interface ExpectedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  /** Key and value; a null value is the text "null". */
  readonly headers?: readonly (readonly [string, string])[]
}

export interface ExpectedBatch {
  readonly baseOffset: number
  readonly compression: string
  readonly partitionLeaderEpoch: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
  /** Absent, or the name of the fixture with the same records, where there are too many to list. */
  readonly records?: readonly ExpectedRecord[] | string
}

const FOLDER = new URL('../fixtures/record-batches/', import.meta.url)

export function fixture(name: string): Buffer {
  return readFileSync(new URL(`${name}.bin`, FOLDER))
}

export function fixtureJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as T
}

/** The header of the batch at which `reader` stands, in the words of the fixtures. */
export function headerOf(reader: BatchReader): object {
  return {
    baseOffset: reader.baseOffset,
    lastOffset: reader.lastOffset,
    partitionLeaderEpoch: reader.partitionLeaderEpoch,
    compression: reader.compression,
    timestampType: reader.timestampType,
    isTransactional: reader.isTransactional,
    isControl: reader.isControl,
    hasDeleteHorizon: reader.hasDeleteHorizon,
    producerId: reader.producerId,
    producerEpoch: reader.producerEpoch,
    baseSequence: reader.baseSequence,
    recordCount: reader.recordCount,
    maxTimestamp: reader.maxTimestamp,
    sizeInBytes: reader.sizeInBytes,
  }
}

/** The records left in the batch at which `reader` stands. */
export function recordsOf(reader: BatchReader): ExpectedRecord[] {
  const records: ExpectedRecord[] = []
  while (reader.next()) {
    const { offset, timestamp } = reader
    const record = { offset, timestamp, key: hex(reader.keyRange), value: hex(reader.valueRange) }
    const headers = reader
      .headers()
      .map(({ key, value }): [string, string] => [key, value === null ? 'null' : hexOf(value)])
    records.push(headers.length === 0 ? record : { ...record, headers })
  }
  return records
}

export function range(bytes: Uint8Array | string | null): ByteRange | null {
  if (bytes === null) return null
  const buffer = Buffer.from(bytes as string)
  return { bytes: buffer, start: 0, end: buffer.length }
}

function hex(part: ByteRange | null): string | null {
  return part === null ? null : part.bytes.toString('hex', part.start, part.end)
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
