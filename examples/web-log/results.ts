/**
 * Reads the committed results back from the topics: the whole table, whatever runs it took to
 * compute it, with the last value of each page and window.
 *
 * Journey: `page-stats`, `access-log.rejected` -> [results] -> report.
 */
import type { EmbeddedLog } from 'millrace'
import type { PageStats } from './report.ts'
import { PAGE_STATS, REJECTED } from './topology.ts'

/** Every page in every window with its final value, in no order. */
export async function readPageStats(log: EmbeddedLog, windowMs: number): Promise<PageStats[]> {
  throw new Error('soon')
}
