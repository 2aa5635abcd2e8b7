/**
 * Log read: every record of what log-append wrote, from files through fetch to record views, the
 * CRC of each batch checked. The process is fresh, so nothing is in the broker's memory.
 */
import { join } from 'node:path'
import type { Figures } from '../figures.ts'
import { withLog } from './log.ts'
import { LOG_TOPIC, LOG_VALUE_BYTES, type LogInput } from './log-append.ts'
import { Stopwatch } from './stopwatch.ts'
import { TopicReader } from './topic-reader.ts'

export function logRead({ directory, records }: LogInput): Promise<Figures> {
  const began = performance.now()
  return withLog(join(directory, 'log'), async (client) => {
    const startSeconds = (performance.now() - began) / 1000
    const reader = new TopicReader(client, LOG_TOPIC)
    let sum = 0
    let bytes = 0
    const stopwatch = new Stopwatch()
    stopwatch.start()
    await reader.toEnd((record) => {
      sum += record.bytes.readUInt32BE(record.valueStart)
      bytes += record.valueEnd - record.valueStart
    })
    stopwatch.stop()
    await reader.close()
    const right = sum === (records * (records - 1)) / 2 && bytes === records * LOG_VALUE_BYTES
    if (!right)
      throw new Error(`log-read: read ${reader.recordCount} records that add up to ${sum}`)
    return stopwatch.figures({ workload: 'log-read', guarantee: null, records, startSeconds })
  })
}
