/**
 * Stream-global-table join: looks up, for each record, the row of a key made from it, in a table of
 * which every process has all partitions.
 *
 * Journey: source -> [global join] -> sink; the global table's rows are kept by runtime/global-stores.
 *
 * Invariants:
 * - The result has the record's key, timestamp and headers, whatever the row's.
 * - An update of the table alone causes no output.
 *
 * Follows KStreamKTableJoinProcessor: a null value is dropped; where the selector gives null, a left
 * join goes on with null and an inner join drops. A null key of the record is no obstacle.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { ReadOnlyKeyValueStore, Row, StateStore } from '../state/store.ts'
import type { Processor, ProcessorContext } from '../topology/processor.ts'

export interface GlobalJoinOptions<K, V, TableKey, T, R> {
  readonly store: string
  readonly selector: (key: K, value: V) => TableKey | null
  readonly joiner: (value: V, row: T | null, key: K) => R
  /** True for a left join: a record without a row is joined with null. */
  readonly left: boolean
}

/** A new global join processor for each task. */
export function globalJoin<K, V, TableKey, T, R>(
  options: GlobalJoinOptions<K, V, TableKey, T, R>,
): () => Processor<K, V, K, R> {
  const { selector, joiner, left } = options
  return () => {
    let context: ProcessorContext<K, R>
    let table: ReadOnlyKeyValueStore<TableKey, T>

    function join(record: StreamRecord<K, V>, row: Row<T> | null): PromiseOrValue<void> {
      if (row === null && !left) return
      const { key, timestamp, headers } = record
      const value = joiner(record.value, row === null ? null : row.value, key)
      return context.forward({ key, value, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        table = context.store<StateStore & ReadOnlyKeyValueStore<TableKey, T>>(options.store)
      },

      process(record) {
        if (record.value === null) return context.drop('null-value', record)
        const tableKey = selector(record.key, record.value)
        if (tableKey === null) return left ? join(record, null) : context.drop('null-key', record)
        const row = table.get(tableKey)
        return row instanceof Promise ? row.then((found) => join(record, found)) : join(record, row)
      },
    }
  }
}
