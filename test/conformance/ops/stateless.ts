/** Steps of a stream that remember nothing, and the change of partition. */
import { KStream } from 'millrace'
import { type Key, Unsupported, type Value } from '../case.ts'
import {
  keyFunction,
  listFunction,
  type Predicate,
  predicate,
  valueFunction,
} from '../functions.ts'
import {
  type Options,
  on,
  type Result,
  SERDES,
  type Stream,
  type Translation,
} from './translation.ts'

export const stateless: readonly Translation[] = [
  ...on(KStream, ['filter', 'filterNot'], (stream: Stream, step, context) => {
    const named = step.named()
    const holds = step.function(predicate, 'predicate')
    const options = step.done(named)
    const kept =
      step.op === 'filter' ? stream.filter(holds, options) : stream.filterNot(holds, options)
    // Kafka's filter hands on a copy, whose headers those above do not share.
    return context.hasDefects ? kept.mapValues((value) => value) : kept
  }),
  ...on(KStream, 'map', map),
  ...on(KStream, 'mapValues', (stream: Stream, step) => {
    const fn = step.function(valueFunction, 'fn')
    return stream.mapValues((value, key) => fn(key, value), step.done(step.named()))
  }),
  ...on(KStream, 'flatMap', (stream: Stream, step) => {
    const fn = step.function(listFunction, 'fn')
    const key = step.function(keyFunction, 'key', 'key')
    return stream.flatMap(
      (k, v) => fn(v).map((element) => [key(k, element), element] as const),
      step.done(step.named()),
    )
  }),
  ...on(KStream, 'flatMapValues', (stream: Stream, step) => {
    const named = step.named()
    return stream.flatMapValues(step.function(listFunction, 'fn'), step.done(named))
  }),
  ...on(KStream, 'selectKey', (stream: Stream, step) => {
    const named = step.named()
    return stream.selectKey(step.function(keyFunction, 'key'), step.done(named))
  }),
  ...on(KStream, 'merge', (stream: Stream, step, _context, other) => {
    if (!(other instanceof KStream)) throw new Unsupported('merge with what is no stream')
    return stream.merge(other as Stream, step.done(step.named()))
  }),
  ...on(KStream, 'split', split),
  ...on(KStream, 'repartition', (stream: Stream, step) => {
    const partitions = step.optional<number>('partitions')
    return stream.repartition(step.done({ ...SERDES, ...step.named(), partitions }))
  }),
]

function map(stream: Stream, step: Options): Result {
  const key = step.function(keyFunction, 'key', 'key')
  const value = step.function(valueFunction, 'value', 'identity')
  const nullPairIf = step.optional<string>('nullPairIf')
  const isNullPair = nullPairIf === undefined ? () => false : predicate(`valueIs:${nullPairIf}`)
  const mapper = (k: Key, v: Value): readonly [Key, Value] =>
    isNullPair(k, v) ? (null as never) : [key(k, v), value(k, v)]
  return stream.map(mapper, step.done(step.named()))
}

function split(stream: Stream, step: Options): Result {
  const branches: Record<string, Predicate> = {}
  for (const branch of step.take('branches') as { name: string; predicate: string }[]) {
    branches[branch.name] = predicate(branch.predicate)
  }
  const rest = step.optional<string>('default')
  const streams = stream.split(branches, step.done({ ...step.named(), default: rest }))
  return new Map(Object.entries(streams as Record<string, Stream>))
}
