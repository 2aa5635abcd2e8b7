/**
 * Timestamp functions to choose from: what a source takes as the event time of a record.
 *
 * Journey: option `timestamp` of a source -> record queue, for each record as it is decoded.
 */
import type { ConsumedRecord } from './topology.ts'

/**
 * The time the log keeps; a record without one ends the application. So it is without the option.
 *
 * @throws RangeError when the record has no time
 * @see org.apache.kafka.streams.processor.FailOnInvalidTimestamp
 * @example
 * ```ts
 * builder.stream('orders', { key: text, value: text, timestamp: recordTime })
 * ```
 */
export function recordTime({ timestamp }: ConsumedRecord<unknown, unknown>): number {
  if (timestamp >= 0) return timestamp
  throw new RangeError(`the record was written with time ${timestamp}, which is none`)
}

/**
 * The time the log keeps; a record without one is left out, and counted.
 *
 * @see org.apache.kafka.streams.processor.LogAndSkipOnInvalidTimestamp
 * @example
 * ```ts
 * builder.stream('orders', { key: text, value: text, timestamp: recordTimeOrSkip })
 * ```
 */
export function recordTimeOrSkip({ timestamp }: ConsumedRecord<unknown, unknown>): number {
  return timestamp
}

/**
 * The time the log keeps; a record without one gets the largest time before it in its partition,
 * and is left out, and counted, when there is none.
 *
 * @see org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp
 * @example
 * ```ts
 * builder.stream('orders', { key: text, value: text, timestamp: recordTimeOrPartitionTime })
 * ```
 */
export function recordTimeOrPartitionTime(
  { timestamp }: ConsumedRecord<unknown, unknown>,
  partitionTime: number,
): number {
  return timestamp < 0 ? partitionTime : timestamp
}

/**
 * The time at which the record is read, by the application's clock. Results then depend on when it
 * runs: a record read again gets another time.
 *
 * @see org.apache.kafka.streams.processor.WallclockTimestampExtractor
 * @example
 * ```ts
 * builder.stream('orders', { key: text, value: text, timestamp: wallClockTime })
 * ```
 */
export function wallClockTime(
  _record: ConsumedRecord<unknown, unknown>,
  _partitionTime: number,
  clock: { now(): number },
): number {
  return clock.now()
}
