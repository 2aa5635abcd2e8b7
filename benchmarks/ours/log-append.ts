/**
 * Log append: 100-byte records without a key, in full 64 KiB batches, through the embedded broker
 * into files.
 */
import { join } from 'node:path'
import type { Figures } from '../figures.ts'
import { withLog } from './log.ts'
import { Stopwatch } from './stopwatch.ts'
import { createTopic, TopicWriter } from './topic-writer.ts'

export const LOG_TOPIC = 'log'
export const LOG_VALUE_BYTES = 100

export interface LogInput {
  readonly directory: string
  readonly records: number
}

export function logAppend({ directory, records }: LogInput): Promise<Figures> {
  const began = performance.now()
  return withLog(join(directory, 'log'), async (client) => {
    await createTopic(client, LOG_TOPIC)
    const startSeconds = (performance.now() - began) / 1000
    const value = Buffer.alloc(LOG_VALUE_BYTES, 'millrace ')
    const range = { bytes: value, start: 0, end: value.length }
    const writer = new TopicWriter(client, LOG_TOPIC)
    const timestamp = Date.now()
    const stopwatch = new Stopwatch()
    stopwatch.start()
    for (let index = 0; index < records; index++) {
      value.writeUInt32BE(index, 0)
      const sent = writer.write(null, range, timestamp)
      if (sent !== undefined) await sent
    }
    await writer.flush()
    stopwatch.stop()
    return stopwatch.figures({ workload: 'log-append', guarantee: null, records, startSeconds })
  })
}
