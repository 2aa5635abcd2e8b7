/**
 * What the parts of one partition log share: where it lives, how it is configured, and whom to tell
 * of what had to be repaired.
 */
import type { Clock } from '../clock.ts'
import type { FileSystem } from '../file-system.ts'
import type { LogConfig } from './log-config.ts'
import type { Segment } from './segment.ts'

/** Something recovery found and did; `case` is its number in docs/log-format.md. */
export interface RecoveryEvent {
  readonly case: number
  readonly what:
    | 'leftover-removed'
    | 'torn-tail-truncated'
    | 'bad-batch-truncated'
    | 'segments-dropped'
    | 'index-rebuilt'
    | 'transaction-index-rebuilt'
    | 'producer-state-rebuilt'
    | 'flushed-part-damaged'
    | 'checkpoint-missing'
  readonly file: string
  readonly position?: number
  readonly detail: string
}

export interface LogHome {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly directory: string
  readonly topic: string
  readonly partition: number
  config: LogConfig
  /** Oldest first; the last one is appended to. */
  segments: Segment[]
  report(event: RecoveryEvent): void
  pathOf(name: string): string
  /** Needs the open transactions at the segment's start, hence the log before it. */
  rebuildTransactionIndex(segment: Segment): void
}
