/**
 * Table step: filter and mapValues of a table: what becomes of each row, before and after.
 *
 * Journey: a table's change -> [table step] -> store, if named -> downstream it is a change of the
 * resulting table.
 *
 * Invariants:
 * - A deletion stays a deletion: the step is not asked about null.
 * - The row before is that of the store, where there is one; else the step's answer to the row
 *   before above.
 *
 * Follows KTableFilter and KTableMapValues. A row that a filter leaves out is handed on as a deletion
 * even when there was none before, unless the row before is known to be absent as well.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { KeyValueStore } from '../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../topology/processor.ts'
import type { RowStep } from './table-rows.ts'

export interface TableStepOptions<K, V, R> {
  readonly step: RowStep<K, V, R>
  /** null: the rows are not kept; a look-up goes through to the table above. */
  readonly store: string | null
  readonly keepsBefore: boolean
  /** True for a filter: no row before and none after is no change. */
  readonly filters: boolean
}

/** A new table step processor for each task. */
export function tableStep<K, V, R>(
  options: TableStepOptions<K, V, R>,
): () => Processor<K, Change<V>, K, Change<R>> {
  const { step, keepsBefore, filters } = options
  return () => {
    let context: ProcessorContext<K, Change<R>>
    let store: KeyValueStore<K, R> | null = null
    let copies = false

    function handOn(
      record: StreamRecord<K, Change<V>>,
      after: R | null,
      before: R | null,
    ): PromiseOrValue<void> {
      if (filters && keepsBefore && before === null && after === null) return
      const { key, timestamp, headers } = record
      if (store === null) {
        const { outOfOrder } = record.value
        const change = outOfOrder === true ? { before, after, outOfOrder } : { before, after }
        return context.forward({ key, value: change, timestamp, headers })
      }
      store.put(key, after, timestamp)
      const handed = copies && after !== null ? store.copyValue(after) : after
      return context.forward({ key, value: { before, after: handed }, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        copies = context.valuesEscape
        if (options.store !== null) store = context.store(options.store)
      },

      process(record) {
        const { key, value } = record
        const after = value.after === null ? null : step(value.after, key)
        if (!keepsBefore) return handOn(record, after, null)
        if (store === null) {
          return handOn(record, after, value.before === null ? null : step(value.before, key))
        }
        const row = store.get(key)
        return row instanceof Promise
          ? row.then((found) => handOn(record, after, found === null ? null : found.value))
          : handOn(record, after, row === null ? null : row.value)
      },

      prefetch(records) {
        if (store === null || !keepsBefore) return
        return store.prefetch(records.map((record) => record.key))
      },
    }
  }
}
