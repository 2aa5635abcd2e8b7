/** Cogroups: several grouped streams, in windows or not, folded into one result. */
import {
  CogroupedKStream,
  KGroupedStream,
  SessionWindowedCogroupedKStream,
  TimeWindowedCogroupedKStream,
} from 'millrace'
import type { Key, Value } from '../case.ts'
import { pairFunction } from '../functions.ts'
import { valueSerde } from '../serdes.ts'
import { sessionWindows, timeWindows } from './grouping.ts'
import {
  type CaseEmission,
  type Context,
  type Grouped,
  type Options,
  on,
  type StoreKind,
  type Translation,
} from './translation.ts'

type Cogrouped = CogroupedKStream<Key, Value>

export const cogroup: readonly Translation[] = [
  ...on(KGroupedStream, 'cogroup', (grouped: Grouped, step) => {
    const add = aggregatorOf(step)
    step.done(step.named())
    return grouped.cogroup<Value>(add)
  }),
  ...on(CogroupedKStream, 'cogroup', (cogrouped: Cogrouped, step, _context, other) => {
    const add = aggregatorOf(step)
    step.done(step.named())
    return cogrouped.cogroup(other as Grouped, add)
  }),
  ...on(CogroupedKStream, 'windowedBy', (cogrouped: Cogrouped, step) =>
    step.take('type') === 'session'
      ? cogrouped.windowedBy(sessionWindows(step))
      : cogrouped.windowedBy(timeWindows(step)),
  ),
  ...on(CogroupedKStream, 'aggregate', (cogrouped: Cogrouped, step, context) => {
    const init = step.take('init') as Value
    return cogrouped.aggregate(() => init, step.done(options(step, context, 'key-value')))
  }),
  ...on(
    TimeWindowedCogroupedKStream,
    'aggregate',
    (windowed: TimeWindowedCogroupedKStream<Key, Value>, step, context) => {
      const init = step.take('init') as Value
      return windowed.aggregate(() => init, step.done(options(step, context, 'window')))
    },
  ),
  ...on(
    SessionWindowedCogroupedKStream,
    'aggregate',
    (sessions: SessionWindowedCogroupedKStream<Key, Value>, step, context) => {
      const init = step.take('init') as Value
      const merger = step.function(pairFunction, 'merger')
      const merge = (key: Key, one: Value, other: Value): Value => merger(one, other, key)
      return sessions.aggregate(
        () => init,
        step.done({ ...options(step, context, 'session'), merge }),
      )
    },
  ),
]

function aggregatorOf(step: Options): (key: Key, value: Value, aggregate: Value) => Value {
  const fn = step.function(pairFunction, 'aggregator')
  return (key, value, aggregate) => fn(aggregate, value, key)
}

function options(step: Options, context: Context, kind: StoreKind) {
  const emit = context.emission(step) as CaseEmission
  return { ...step.named(), store: context.store(step, kind), emit, value: valueSerde }
}
