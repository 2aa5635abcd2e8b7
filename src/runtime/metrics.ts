/**
 * What an application counts about itself: plain numbers, added to by the thread that owns them
 * and copied out by `Streams.metrics()`.
 */
import type { DropReason } from '../topology/processor.ts'

/** Records left out, of one reason at one node. */
export interface DroppedRecords {
  readonly reason: DropReason
  readonly node: string
  readonly count: number
}

/** A snapshot of an application's counters since it started. */
export interface StreamsMetrics {
  /** Records taken from source and repartition topics. */
  readonly recordsProcessed: number
  /** Records taken from topics that the application does not own. */
  readonly recordsConsumed: number
  /** Records written to sinks and repartition topics. */
  readonly recordsProduced: number
  /** Rows written to changelogs. */
  readonly changelogRecords: number
  readonly dropped: readonly DroppedRecords[]
  readonly commits: number
  /** Time spent in commits, milliseconds. */
  readonly commitMs: number
  /** Changelog records read back at start. */
  readonly recordsRestored: number
  readonly restoreMs: number
  /** Bytes held in store buffers now, estimated. */
  readonly storeBytes: number
  /** Bytes of fetched records waiting to be processed now. */
  readonly queuedBytes: number
  /** Largest event time processed, -1 before the first record. */
  readonly streamTime: number
}

/** Records left out, by node and reason. */
export type DroppedCounts = Map<string, Map<DropReason, number>>

export class Metrics {
  recordsProcessed = 0
  recordsConsumed = 0
  recordsProduced = 0
  changelogRecords = 0
  commits = 0
  commitMs = 0
  recordsRestored = 0
  restoreMs = 0
  dropped: DroppedCounts = new Map()

  drop(reason: DropReason, node: string): void {
    let reasons = this.dropped.get(node)
    if (reasons === undefined) {
      reasons = new Map()
      this.dropped.set(node, reasons)
    }
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }

  /** What was left out so far, to go back to when what counted more is undone. */
  copyDropped(): DroppedCounts {
    return new Map([...this.dropped].map(([node, reasons]) => [node, new Map(reasons)]))
  }

  snapshot(now: { storeBytes: number; queuedBytes: number; streamTime: number }): StreamsMetrics {
    const dropped = [...this.dropped].flatMap(([node, reasons]) =>
      [...reasons].map(([reason, count]) => ({ reason, node, count })),
    )
    return {
      recordsProcessed: this.recordsProcessed,
      recordsConsumed: this.recordsConsumed,
      recordsProduced: this.recordsProduced,
      changelogRecords: this.changelogRecords,
      dropped,
      commits: this.commits,
      commitMs: this.commitMs,
      recordsRestored: this.recordsRestored,
      restoreMs: this.restoreMs,
      ...now,
    }
  }
}
