/** Word count: split lines into words, count every word. */
import { StreamsBuilder, text } from 'millrace'
import { readInt64 } from '../../src/record/byte-writer.ts'
import type { Workload } from './workload.ts'

export const wordcount: Workload = {
  inputs: ['wordcount-in'],
  upserts: true,

  topology(output) {
    const builder = new StreamsBuilder()

    builder
      .stream('wordcount-in', { value: text })
      .flatMapValues((line) => line.split(' '))
      .groupBy((_key, word) => word)
      .count()
      .toStream()
      .to(output)

    return builder.build()
  },

  numbers: (value) => [readInt64(value, 0)],
}
