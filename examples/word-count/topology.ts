/**
 * Counts words: sentences in, each word with its count so far out.
 */
import { int64, StreamsBuilder, type Topology, text } from 'millrace'

export const SENTENCES = 'sentences'
export const WORD_COUNTS = 'word-counts'

export function wordCountTopology(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(SENTENCES, { key: text, value: text })
    .flatMapValues((sentence) => sentence.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [])
    .groupBy((_key, word) => word)
    .count({ store: 'counts' })
    .toStream()
    .to(WORD_COUNTS, { value: int64 })
  return builder.build()
}
