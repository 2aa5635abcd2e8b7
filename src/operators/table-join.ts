/**
 * Table-table join: one side. Each change of this side is joined with the present row of the other,
 * before and after, and gives a change of the result.
 *
 * Journey: two tables -> [table join, left | right] -> table result -> store, if named -> downstream.
 *
 * Invariants:
 * - Whichever side changes, the result is re-evaluated once, against the other side's present row.
 * - A result has the larger of the two timestamps, and the headers of the change that caused it.
 *
 * Follows KTableKTableInnerJoin, -LeftJoin, -RightJoin and -OuterJoin, which differ only in which side
 * may be missing.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { KeyValueStore, Row } from '../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../topology/processor.ts'
import type { OpenRows, TableRows } from './table-rows.ts'

export interface TableJoinOptions<K, V, O, R> {
  readonly other: OpenRows<K, O>
  readonly joiner: (own: V | null, other: O | null, key: K) => R
  /** True when the other side's row alone gives a result, and this side's alone. */
  readonly ownMayMiss: boolean
  readonly otherMayMiss: boolean
}

/** A new processor of one side of the join for each task. */
export function tableJoin<K, V, O, R>(
  options: TableJoinOptions<K, V, O, R>,
): () => Processor<K, Change<V>, K, Change<R>> {
  const { joiner, ownMayMiss, otherMayMiss } = options
  return () => {
    let context: ProcessorContext<K, Change<R>>
    let others: TableRows<K, O>

    function resultOf(own: V | null, other: O | null, key: K): R | null {
      if (own === null && (other === null || !ownMayMiss)) return null
      return joiner(own, other, key)
    }

    function join(record: StreamRecord<K, Change<V>>, row: Row<O> | null): PromiseOrValue<void> {
      const { key, headers } = record
      const { before, after } = record.value
      let { timestamp } = record
      let other: O | null = null
      if (row !== null) {
        other = row.value
        if (row.timestamp > timestamp) timestamp = row.timestamp
      } else if (!otherMayMiss || (before === null && after === null)) {
        return
      }
      const value = {
        before: resultOf(before, other, key),
        after: resultOf(after, other, key),
      }
      return context.forward({ key, value, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        others = options.other(processorContext)
      },

      process(record) {
        if (record.value.outOfOrder === true) return context.drop('late', record)
        const row = others.get(record.key)
        return row instanceof Promise ? row.then((found) => join(record, found)) : join(record, row)
      },

      prefetch(records) {
        return others.prefetch(records.map((record) => record.key).filter((key) => key !== null))
      },
    }
  }
}

export interface TableResultOptions {
  readonly store: string | null
}

/** Where the two sides of a join meet: keeps the result, where it is to be kept. */
export function tableResult<K, V>(
  options: TableResultOptions,
): () => Processor<K, Change<V>, K, Change<V>> {
  return () => {
    let context: ProcessorContext<K, Change<V>>
    let store: KeyValueStore<K, V> | null = null
    let copies = false
    return {
      passesOn: options.store === null,

      init(processorContext) {
        context = processorContext
        copies = context.valuesEscape
        if (options.store !== null) store = context.store(options.store)
      },

      process(record) {
        if (store === null) return context.forward(record)
        const { key, timestamp, headers } = record
        const { before, after } = record.value
        store.put(key, after, timestamp)
        if (!copies || after === null) return context.forward(record)
        const value = { before, after: store.copyValue(after) }
        return context.forward({ key, value, timestamp, headers })
      },
    }
  }
}
