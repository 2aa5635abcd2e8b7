/**
 * Sessions: count per user and session; a session ends after five quiet seconds. A session that grew
 * or merged leaves a tombstone under its old name.
 */
import { int64, StreamsBuilder, session, text } from 'millrace'
import { readInt64 } from '../../src/record/byte-writer.ts'
import type { Workload } from './workload.ts'

export const sessions: Workload = {
  inputs: ['sessions-in'],
  upserts: true,

  topology(output) {
    const builder = new StreamsBuilder()

    builder
      .stream('sessions-in', { key: text, value: text })
      .groupByKey()
      .windowedBy(session('5s', { grace: '5s' }))
      .count()
      .toStream()
      .map(({ key, start, end }, count) => [`${key}@${start}-${end}`, count])
      .to(output, { value: int64 })

    return builder.build()
  },

  numbers: (value) => [readInt64(value, 0)],
}
