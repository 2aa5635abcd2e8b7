/** Word count: split lines into words, count every word. */
import { int64, StreamsBuilder, text } from 'millrace'
import { readInt64 } from '../../src/record/byte-writer.ts'
import type { Workload } from './workload.ts'

export const wordcount: Workload = {
  inputs: ['wordcount-in'],
  upserts: true,

  topology(output) {
    const builder = new StreamsBuilder()

    builder
      .stream('wordcount-in', { key: text, value: text })
      .flatMapValues((line) => line.split(' '))
      .groupBy((_key, word) => word, { key: text, value: text })
      .count()
      .toStream()
      .to(output, { key: text, value: int64 })

    return builder.build()
  },

  numbers: (value) => [readInt64(value, 0)],
}
