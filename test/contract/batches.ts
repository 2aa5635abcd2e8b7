/** Record batches for tests, written and read as text. */
import type { FetchedPartition, Isolation, ProducerIdentity } from '../../src/client/client.ts'
import { CommittedBatches } from '../../src/client/committed-batches.ts'
import { type ByteRange, NO_HEADERS } from '../../src/record/record.ts'
import { BatchWriter } from '../../src/record/record-batch.ts'

export interface BatchOptions {
  readonly producer?: ProducerIdentity
  readonly sequence?: number
  readonly transactional?: boolean
  readonly timestamp?: number
}

const rangeOf = (text: string): ByteRange => {
  const bytes = Buffer.from(text)
  return { bytes, start: 0, end: bytes.length }
}

/** A batch of these values, without keys. */
export function batchOf(values: readonly string[], options: BatchOptions = {}): Buffer {
  const writer = new BatchWriter()
  for (const value of values) {
    writer.append(options.timestamp ?? 1000, null, rangeOf(value), NO_HEADERS)
  }
  const { producer, sequence = 0, transactional = false } = options
  return writer.seal({
    producerId: producer?.producerId ?? -1,
    producerEpoch: producer?.epoch ?? -1,
    baseSequence: producer === undefined ? -1 : sequence,
    isTransactional: transactional,
  })
}

/** Offsets and values that a reader sees, as `0:a 1:b`. */
export function textOf(
  fetched: FetchedPartition | undefined,
  offset: number,
  isolation: Isolation = 'read-committed',
): string {
  if (fetched === undefined) return 'no answer'
  if (fetched.error !== null) return fetched.error.code
  const cursor = new CommittedBatches(isolation)
  const seen: string[] = []
  cursor.start(offset, fetched)
  while (cursor.next()) {
    const { reader } = cursor
    while (reader.next()) {
      if (reader.offset < offset) continue
      const value = reader.bytes.toString('utf8', reader.valueStart, reader.valueEnd)
      seen.push(`${reader.offset}:${value}`)
    }
  }
  return seen.join(' ')
}
