/**
 * Reads the committed results back from the topics: the whole table, whatever runs it took to
 * compute it, and what was rejected.
 *
 * Journey: `page-stats`, `access-log.rejected` -> [results] -> report.
 */
import { int64, json, type Log, text, windowed } from 'millrace'
import { readTopic } from '../read-topic.ts'
import type { PageStats } from './report.ts'
import { PAGE_STATS, REJECTED, type RejectedLine, type Sums } from './topology.ts'

/** Every page in every window with its final value, the last one written; in no order. */
export async function readPageStats(log: Log, windowMs: number): Promise<PageStats[]> {
  const rows = new Map<string, PageStats>()
  const serdes = { key: windowed(text, windowMs), value: json<Sums>() }
  await readTopic(log, PAGE_STATS, serdes, ({ key, value }) => {
    const { key: target, start, end } = key
    const { hits, bytes } = value
    rows.set(`${start} ${target}`, { target, windowStart: start, windowEnd: end, hits, bytes })
  })
  return [...rows.values()]
}

/**
 * Rejected lines by reason, each line once.
 *
 * At least once may write a line again, after a crash, and does so in its order: a line repeats
 * when its number does not go up among the lines of the same partitions, of `access-log` and here.
 */
export async function countRejected(log: Log, partitions: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const highest = new Map<number, number>()
  const serdes = { key: int64, value: json<RejectedLine>() }
  await readTopic(log, REJECTED, serdes, ({ key: line, value: { reason }, partition }) => {
    const lane = partition * partitions + (line % partitions)
    if (line <= (highest.get(lane) ?? 0)) return
    highest.set(lane, line)
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  })
  return counts
}
