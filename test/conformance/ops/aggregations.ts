/** Aggregations of grouped streams, in windows or not. */
import { KGroupedStream, SessionWindowedKStream, TimeWindowedKStream } from 'millrace'
import type { Key, Value } from '../case.ts'
import { pairFunction } from '../functions.ts'
import { valueSerde } from '../serdes.ts'
import {
  type CaseEmission,
  type Context,
  type Grouped,
  type Options,
  on,
  type Result,
  type Sessions,
  type StoreKind,
  type Translation,
  type Windowed,
} from './translation.ts'

const OPS = ['count', 'reduce', 'aggregate']

export const aggregations: readonly Translation[] = [
  ...on(KGroupedStream, OPS, (grouped: Grouped, step, context) =>
    aggregation(grouped, step, context, 'key-value'),
  ),
  ...on(TimeWindowedKStream, OPS, (windowed: Windowed, step, context) =>
    aggregation(windowed, step, context, 'window'),
  ),
  ...on(SessionWindowedKStream, OPS, sessionAggregation),
]

/** As below, with a merger for sessions that meet. */
function sessionAggregation(sessions: Sessions, step: Options, context: Context): Result {
  const emit = context.emission(step)
  const options = { ...step.named(), store: context.store(step, 'session'), emit }
  if (step.op === 'count') return sessions.count(step.done(options))
  const withValue = { ...options, value: valueSerde }
  if (step.op === 'reduce') {
    const fn = step.function(pairFunction, 'reducer')
    const reducer = (aggregate: Value, value: Value): never => fn(aggregate, value, null) as never
    return sessions.reduce(reducer, step.done(withValue))
  }
  const fn = step.function(pairFunction, 'aggregator')
  const merger = step.function(pairFunction, 'merger')
  const init = step.take('init') as Value
  return sessions.aggregate<Value>(
    () => init,
    (key: Key, value: Value, aggregate: Value) => fn(aggregate, value, key),
    step.done({
      ...withValue,
      merge: (key: Key, one: Value, other: Value) => merger(one, other, key),
    }),
  )
}

function aggregation(
  input: Grouped | Windowed,
  step: Options,
  context: Context,
  kind: StoreKind,
): Result {
  // On close only below windows: the format puts emitStrategy nowhere else.
  const emit = context.emission(step) as CaseEmission
  const options = { ...step.named(), store: context.store(step, kind), emit }
  if (step.op === 'count') return input.count(step.done(options))
  const withValue = { ...options, value: valueSerde }
  if (step.op === 'reduce') {
    const fn = step.function(pairFunction, 'reducer')
    const reducer = (aggregate: Value, value: Value): never => fn(aggregate, value, null) as never
    return input.reduce(reducer, step.done(withValue))
  }
  const fn = step.function(pairFunction, 'aggregator')
  const init = step.take('init') as Value
  return input.aggregate<Value>(
    () => init,
    (key: Key, value: Value, aggregate: Value) => fn(aggregate, value, key),
    step.done(withValue),
  )
}
