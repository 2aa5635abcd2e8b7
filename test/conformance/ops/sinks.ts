/** Ends of streams: `to`, `toTable`. */
import { int64, KStream, text } from 'millrace'
import { keyFunction } from '../functions.ts'
import { keySerde, valueSerde } from '../serdes.ts'
import {
  type Context,
  type Options,
  on,
  type Result,
  SERDES,
  type SinkSerde,
  type Stream,
  type Translation,
} from './translation.ts'

export const sinks: readonly Translation[] = [
  ...on(KStream, 'to', to),
  ...on(KStream, 'toTable', (stream: Stream, step, context) => {
    const store = context.store(step, 'key-value')
    return stream.toTable(step.done({ ...SERDES, ...step.named(), store }))
  }),
]

function to(stream: Stream, step: Options, context: Context): Result {
  const topicFrom = step.optional<string>('topicFrom')
  const kind = step.optional<SinkSerde>('valueSerde') ?? 'case'
  const value = { case: valueSerde, string: text, long: int64 }[kind] as typeof valueSerde
  const serdes = { key: keySerde, value, ...step.named() }
  if (topicFrom === undefined) {
    const topic = step.take('topic') as string
    context.sink(topic, kind)
    stream.to(topic, step.done(serdes))
  } else {
    const choose = keyFunction(topicFrom)
    stream.to((record) => choose(record.key, record.value) as string, step.done(serdes))
  }
  return null
}
