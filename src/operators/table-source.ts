/**
 * Table source: reads a stream as the changelog of a table, the last value of a key being its row.
 *
 * Journey: source -> [table source] -> store -> changelog; downstream it is a table's change.
 *
 * Invariants:
 * - A null value deletes the row; the deletion is handed on as a change.
 * - Offset order wins: a record with an older timestamp still replaces the row (KTableSource).
 * - A store that keeps rows as bytes takes those that came in.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { EncodedStore, KeyValueStore } from '../state/store.ts'
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
    let encoded: EncodedStore<K, V> | null = null
    let copies = false

    function put({ key, value, timestamp }: StreamRecord<K, V | null>): void {
      const bytes = encoded === null ? null : context.valueBytes(encoded.valueSerde)
      if (bytes === null || value === null) store?.put(key, value, timestamp)
      else encoded?.putBytes(key, bytes, timestamp)
    }

    function replace(record: StreamRecord<K, V | null>, before: V | null): PromiseOrValue<void> {
      const { key, value, timestamp, headers } = record
      put(record)
      const after = copies && store !== null && value !== null ? store.copyValue(value) : value
      return context.forward({ key, value: { before, after }, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        if (options.store === null) return
        store = context.store<KeyValueStore<K, V>>(options.store)
        encoded = 'putBytes' in store ? (store as EncodedStore<K, V>) : null
        copies = encoded === null && context.valuesEscape
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
