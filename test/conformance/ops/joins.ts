/** Joins of a stream with a stream or a table. */
import { GlobalKTable, KStream, KTable } from 'millrace'
import type { Key, Value } from '../case.ts'
import { keyFunction, pairFunction } from '../functions.ts'
import { valueSerde } from '../serdes.ts'
import {
  type Context,
  type Options,
  on,
  type Result,
  SERDES,
  type Stream,
  type Table,
  type Translation,
} from './translation.ts'

export const joins: readonly Translation[] = [
  ...on(
    KStream,
    ['join', 'leftJoin'],
    (stream: Stream, step, _context, other) => withTable(stream, step, other as Table),
    (other) => other instanceof KTable,
  ),
  ...on(
    KStream,
    ['join', 'leftJoin'],
    (stream: Stream, step, _context, other) =>
      withGlobalTable(stream, step, other as GlobalKTable<Key, Value>),
    (other) => other instanceof GlobalKTable,
  ),
  ...on(
    KStream,
    ['join', 'leftJoin', 'outerJoin'],
    (stream: Stream, step, context, other) => withStream(stream, step, context, other as Stream),
    (other) => other instanceof KStream,
  ),
]

function joinerOf(step: Options): (left: Value, right: Value, key: Key) => Value {
  const fn = step.function(pairFunction, 'joiner')
  return (left, right, key) => fn(left, right, key)
}

function withTable(stream: Stream, step: Options, table: Table): Result {
  const joiner = joinerOf(step)
  const grace = step.optional<number>('graceMs')
  const options = { ...SERDES, ...step.named(), ...(grace === undefined ? {} : { grace }) }
  step.done()
  return step.op === 'leftJoin'
    ? stream.leftJoin(table, joiner, options)
    : stream.join(table, joiner, options)
}

function withGlobalTable(stream: Stream, step: Options, table: GlobalKTable<Key, Value>): Result {
  const joiner = joinerOf(step)
  const key = step.function(keyFunction, 'key')
  const options = { key, ...step.named() }
  step.done()
  return step.op === 'leftJoin'
    ? stream.leftJoin(table, joiner, options)
    : stream.join(table, joiner, options)
}

function withStream(stream: Stream, step: Options, context: Context, other: Stream): Result {
  const joiner = joinerOf(step)
  const window = {
    before: step.optional<number>('beforeMs') ?? 0,
    after: step.optional<number>('afterMs') ?? 0,
    grace: step.optional<number>('graceMs') ?? 0,
    emitInterval: Number(context.config.emitIntervalMs ?? 0),
    store: step.optional<string>('store'),
  }
  const options = { ...SERDES, otherValue: valueSerde, ...window, ...step.named() }
  step.done()
  if (step.op === 'join') return stream.join(other, joiner, options)
  if (step.op === 'leftJoin') return stream.leftJoin(other, joiner, options)
  return stream.outerJoin(other, joiner, options)
}
