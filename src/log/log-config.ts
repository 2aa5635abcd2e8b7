/**
 * How a partition log behaves: Kafka's topic configuration, as far as the log acts on it.
 */
import type { TimestampType } from '../record/record-batch.ts'

/**
 * When bytes are forced to the device. `every-second`: by the owner's timer, so that a loss of
 * power costs at most the last second. `each-commit`: before an append is acknowledged.
 * `never`: when the operating system likes, and at a clean close. A crash of the process alone
 * loses nothing under any of them: what was appended is with the operating system.
 */
export type FlushPolicy = 'every-second' | 'each-commit' | 'never'

export type CleanupPolicy = 'delete' | 'compact' | 'compact,delete'

export interface LogConfig {
  /** Roll when the next batch would make the segment larger. 14 bytes to 2^31 - 1. */
  readonly segmentBytes: number
  /** Roll when the segment's first record is older than this, measured in record time. */
  readonly segmentMs: number
  /** One index entry per this many bytes of log. */
  readonly indexIntervalBytes: number
  /** Segments whose newest record is older are deleted; -1: none. */
  readonly retentionMs: number
  /** Oldest segments are deleted while the rest is at least this large; -1: none. */
  readonly retentionBytes: number
  /** Largest batch that is accepted. */
  readonly maxMessageBytes: number
  readonly timestampType: TimestampType
  readonly cleanupPolicy: CleanupPolicy
  readonly flush: FlushPolicy
  /** An idle producer is forgotten after this time. */
  readonly producerExpirationMs: number
}

const DAY_MS = 86_400_000

export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * DAY_MS,
  indexIntervalBytes: 4096,
  retentionMs: 14 * DAY_MS,
  retentionBytes: -1,
  // Kafka's: 1 MiB and the header of one old-format record.
  maxMessageBytes: 1024 * 1024 + 12,
  timestampType: 'create',
  cleanupPolicy: 'delete',
  flush: 'every-second',
  producerExpirationMs: DAY_MS,
}

/** True when offsets may have gaps because a compactor removes records. */
export function isCompacted(config: LogConfig): boolean {
  return config.cleanupPolicy !== 'delete'
}
