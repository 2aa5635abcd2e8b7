/**
 * Table source: reads a stream as the changelog of a table, the last value of a key being its row.
 *
 * Journey: source -> [table source] -> store -> changelog; downstream it is a table's change.
 *
 * Invariants:
 * - A null value deletes the row; the deletion is handed on as a change.
 * - Offset order wins: a record with an older timestamp still replaces the row (KTableSource).
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { KeyValueStore } from '../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../topology/processor.ts'

export interface TableSourceOptions {
  /** null: nothing downstream looks rows up, so none are kept. */
  readonly store: string | null
  readonly keepsBefore: boolean
}

/** A new table source processor for each task. */
export function tableSource<K, V>(
  options: TableSourceOptions,
): () => Processor<K, V | null, K, Change<V>> {
  return () => {
    let context: ProcessorContext<K, Change<V>>
    let store: KeyValueStore<K, V> | null = null
    let copies = false

    function replace(record: StreamRecord<K, V | null>, before: V | null): PromiseOrValue<void> {
      const { key, value, timestamp, headers } = record
      store?.put(key, value, timestamp)
      const after = copies && store !== null && value !== null ? store.copyValue(value) : value
      return context.forward({ key, value: { before, after }, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        copies = context.valuesEscape
        if (options.store !== null) store = context.store(options.store)
      },

      process(record) {
        if (record.key === null) return context.drop('null-key', record)
        if (store === null || !options.keepsBefore) return replace(record, null)
        const row = store.get(record.key)
        return row instanceof Promise
          ? row.then((found) => replace(record, found === null ? null : found.value))
          : replace(record, row === null ? null : row.value)
      },

      prefetch(records) {
        if (store === null || !options.keepsBefore) return
        return store.prefetch(records.map((record) => record.key))
      },
    }
  }
}

/** A table's changes as a stream of its new values; null where a row was deleted. */
export function changesToStream<K, V>(): () => Processor<K, Change<V>, K, V | null> {
  return () => {
    let context: ProcessorContext<K, V | null>
    return {
      passesOn: true,
      init(processorContext) {
        context = processorContext
      },
      process({ key, value, timestamp, headers }) {
        return context.forward({ key, value: value.after, timestamp, headers })
      },
    }
  }
}
