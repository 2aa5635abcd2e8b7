/**
 * Stream-table join: looks up the row of each record's key and hands on what the joiner makes of
 * the two.
 *
 * Journey: source -> [stream-table join] -> sink; the table's store is kept by its own source. A
 * table without one is seen through to the stores above (table-rows.ts).
 *
 * Invariants:
 * - The result has the record's key, timestamp and headers, whatever the row's time.
 * - An update of the table alone causes no output.
 *
 * Follows KStreamKTableJoin: a null value is dropped, and so is a null key but for a left join.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { Row } from '../state/store.ts'
import type { Processor, ProcessorContext } from '../topology/processor.ts'
import type { OpenRows, TableRows } from './table-rows.ts'

export interface StreamTableJoinOptions<K, V, T, R> {
  readonly rows: OpenRows<K, T>
  readonly joiner: (value: V, row: T | null, key: K) => R
  /** True for a left join: a record without a row is joined with null. */
  readonly left: boolean
}

/** A new stream-table join processor for each task. */
export function streamTableJoin<K, V, T, R>(
  options: StreamTableJoinOptions<K, V, T, R>,
): () => Processor<K, V, K, R> {
  const { joiner, left } = options
  return () => {
    let context: ProcessorContext<K, R>
    let table: TableRows<K, T>

    function join(record: StreamRecord<K, V>, row: Row<T> | null): PromiseOrValue<void> {
      if (row === null && !left) return
      const { key, timestamp, headers } = record
      const value = joiner(record.value, row === null ? null : row.value, key)
      return context.forward({ key, value, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        table = options.rows(processorContext)
      },

      process(record) {
        if (record.value === null) return context.drop('null-value', record)
        if (record.key === null) {
          return left ? join(record, null) : context.drop('null-key', record)
        }
        const row = table.get(record.key)
        return row instanceof Promise ? row.then((found) => join(record, found)) : join(record, row)
      },

      prefetch(records) {
        return table.prefetch(records.map((record) => record.key))
      },
    }
  }
}
