/** Hopping windows: count per key in ten-second windows that advance by one second. */
import { hopping as hoppingWindows, int64, StreamsBuilder, text } from 'millrace'
import { readInt64 } from '../../src/record/byte-writer.ts'
import type { Workload } from './workload.ts'

export const hopping: Workload = {
  inputs: ['hopping-in'],
  upserts: true,

  topology(output) {
    const builder = new StreamsBuilder()

    builder
      .stream('hopping-in', { key: text, value: text })
      .groupByKey()
      .windowedBy(hoppingWindows('10s', { advance: '1s', grace: '5s' }))
      .count()
      .toStream()
      .map(({ key, start }, count) => [`${key}@${start}`, count])
      .to(output, { value: int64 })

    return builder.build()
  },

  numbers: (value) => [readInt64(value, 0)],
}
