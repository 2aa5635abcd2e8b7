/**
 * Dead letters: records that failed or were left out, written to a topic with what is known of it.
 *
 * Journey: task -> handler chooses a topic -> [dead letter] -> output, in the same transaction.
 *
 * Invariants:
 * - Key and value are the bytes the record was read as; null where there was none (a punctuation).
 * - Headers of the record come first, then ours under `__streams.errors.`, as Kafka names them
 *   (KIP-1034), with values as text.
 */
import { keyPartition } from '../record/murmur2.ts'
import type { ByteRange, RecordHeader } from '../record/record.ts'
import type { FailurePlace } from './handlers.ts'
import type { Output } from './output.ts'
import type { QueuedRecord } from './record-queue.ts'

const HEADER_PREFIX = '__streams.errors.'
/** Messages of errors are cut here, so that headers stay small beside the record. */
const MESSAGE_LENGTH_MAX = 1000

export interface DeadLetterRecord {
  /** The source record being processed; null outside of processing. */
  readonly source: QueuedRecord | null
  readonly timestamp: number
  readonly place: FailurePlace
  /** null for a record that was left out. */
  readonly error: unknown
}

/** Appends a dead letter; what is full is sent with the task's other output. */
export function writeDeadLetter(
  output: Output,
  target: { readonly topic: string; readonly partitions: number },
  { source, timestamp, place, error }: DeadLetterRecord,
): void {
  const key = source === null ? null : rangeOf(source.bytes, source.keyStart, source.keyEnd)
  const value = source === null ? null : rangeOf(source.bytes, source.valueStart, source.valueEnd)
  const partition =
    key === null
      ? (place.partition ?? 0) % target.partitions
      : keyPartition(key.bytes, key.start, key.end, target.partitions)
  const headers = [...(source?.headers ?? []), ...headersOf(place, timestamp, error)]
  output.append(output.partition(target.topic, partition), key, value, timestamp, headers)
}

function rangeOf(bytes: Buffer, start: number, end: number): ByteRange | null {
  return start < 0 ? null : { bytes, start, end }
}

function headersOf(place: FailurePlace, timestamp: number, error: unknown): RecordHeader[] {
  const said: [name: string, value: string | number | null][] = [
    ['reason', place.reason],
    ['operator', place.node],
    ['task', place.task],
  ]
  if (error !== null) {
    const isError = error instanceof Error
    said.push(['exception', isError ? error.name : typeof error])
    said.push(['message', (isError ? error.message : String(error)).slice(0, MESSAGE_LENGTH_MAX)])
  }
  said.push(['topic', place.topic], ['partition', place.partition], ['offset', place.offset])
  said.push(['timestamp', timestamp])
  said.push(['window.start', place.windowStart], ['window.end', place.windowEnd])
  return said
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ({
      key: `${HEADER_PREFIX}${name}`,
      value: Buffer.from(String(value)),
    }))
}
