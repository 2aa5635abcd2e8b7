/** Steps of a table. */
import { KGroupedTable, KTable } from 'millrace'
import type { Key, Value } from '../case.ts'
import { keyFunction, pairFunction, predicate, valueFunction } from '../functions.ts'
import { keySerde, valueSerde } from '../serdes.ts'
import {
  type CaseEmission,
  type Context,
  type GroupedTable,
  type Options,
  on,
  type Result,
  SERDES,
  type Table,
  type Translation,
} from './translation.ts'

/** Serdes for tables that lost theirs on the way. */
const FOREIGN_SERDES = { rowValue: valueSerde, otherKey: keySerde, otherValue: valueSerde } as const

export const tables: readonly Translation[] = [
  ...on(KTable, 'toStream', (table: Table, step) => {
    const key = step.optional<string>('key')
    const stream = table.toStream(step.done(step.named()))
    return key === undefined ? stream : stream.selectKey(keyFunction(key))
  }),
  ...on(KTable, ['filter', 'filterNot'], (table: Table, step, context) => {
    const holds = step.function(predicate, 'predicate')
    const options = step.done(stored(step, context))
    return step.op === 'filter' ? table.filter(holds, options) : table.filterNot(holds, options)
  }),
  ...on(KTable, 'mapValues', (table: Table, step, context) => {
    const fn = step.function(valueFunction, 'fn')
    return table.mapValues((value: Value, key) => fn(key, value), step.done(stored(step, context)))
  }),
  ...on(KTable, 'groupBy', groupBy),
  ...on(
    KTable,
    ['join', 'leftJoin', 'outerJoin'],
    (table: Table, step, context, other) => joinTables(table, step, context, other as Table),
    (other) => other instanceof KTable,
  ),
  ...on(KGroupedTable, ['count', 'reduce', 'aggregate'], aggregateTable),
]

/** A table's options: a step that names no store keeps none. */
function stored(step: Options, context: Context) {
  step.take('caching')
  return { ...step.named(), store: context.store(step, 'key-value'), value: valueSerde }
}

function groupBy(table: Table, step: Options): Result {
  const key = step.function(keyFunction, 'key', 'key')
  const value = step.function(valueFunction, 'value', 'identity')
  const nullPairIf = step.optional<string>('nullPairIf')
  const isNullPair = nullPairIf === undefined ? () => false : predicate(`valueIs:${nullPairIf}`)
  const selector = (k: Key, v: Value): readonly [Key, Value] | null =>
    isNullPair(k, v) ? null : [key(k, v), value(k, v)]
  return table.groupBy(selector, step.done({ ...SERDES, ...step.named() }) as never)
}

function joinTables(table: Table, step: Options, context: Context, other: Table): Result {
  const fn = step.function(pairFunction, 'joiner')
  const joiner = (left: Value, right: Value): Value => fn(left, right, null)
  if (step.has('foreignKey')) {
    const foreignKeyOf = step.function(keyFunction, 'foreignKey')
    const foreignKey = (value: Value, key: Key): Key => foreignKeyOf(key, value)
    const options = step.done({
      ...stored(step, context),
      ...SERDES,
      ...FOREIGN_SERDES,
      foreignKey,
    })
    if (step.op === 'join') return table.join(other, joiner, options)
    if (step.op === 'leftJoin') return table.leftJoin(other, joiner, options)
  }
  const options = step.done(stored(step, context))
  if (step.op === 'join') return table.join(other, joiner, options)
  if (step.op === 'leftJoin') return table.leftJoin(other, joiner, options)
  return table.outerJoin(other, joiner, options)
}

function aggregateTable(grouped: GroupedTable, step: Options, context: Context): Result {
  const emit = context.emission(step) as CaseEmission
  const options = { ...step.named(), store: context.store(step, 'key-value'), emit }
  if (step.op === 'count') return grouped.count(step.done(options))
  const withValue = { ...options, value: valueSerde }
  const adder = step.function(pairFunction, 'adder')
  const subtractor = step.function(pairFunction, 'subtractor')
  if (step.op === 'reduce') {
    return grouped.reduce(
      (aggregate, value) => adder(aggregate, value, null),
      (aggregate, value) => subtractor(aggregate, value, null),
      step.done(withValue),
    )
  }
  const init = step.take('init') as Value
  return grouped.aggregate<Value>(
    () => init,
    (key, value, aggregate) => adder(aggregate, value, key),
    (key, value, aggregate) => subtractor(aggregate, value, key),
    step.done(withValue),
  )
}
