/**
 * Versioned table source: reads a stream as a table of which every record is a version, valid from
 * its own time on.
 *
 * Journey: source -> [versioned table source] -> versioned store -> changelog; downstream it is a
 * table's change.
 *
 * Invariants:
 * - A record that is not the latest of its key changes the past only: it is handed on as
 *   `outOfOrder`, and joins and groupings of tables leave it out.
 * - A record older than the history is dropped, counted as `late`, and not handed on.
 *
 * Follows KTableSource over a versioned store (KIP-889, KIP-914).
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import { when } from '../record/when.ts'
import type { VersionedPut, VersionedStore } from '../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../topology/processor.ts'

/** A new versioned table source processor for each task. */
export function versionedTableSource<K, V>(
  storeName: string,
): () => Processor<K, V | null, K, Change<V>> {
  return () => {
    let context: ProcessorContext<K, Change<V>>
    let store: VersionedStore<K, V>
    let copies = false

    function handOn(
      record: StreamRecord<K, V | null>,
      before: V | null,
      put: VersionedPut,
    ): PromiseOrValue<void> {
      if (put === 'expired') return context.drop('late', record)
      const { key, value, timestamp, headers } = record
      const after = copies && value !== null ? store.copyValue(value) : value
      const change = put === 'latest' ? { before, after } : { before, after, outOfOrder: true }
      return context.forward({ key, value: change, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        copies = context.valuesEscape
        store = context.store(storeName)
      },

      process(record) {
        const { key, value, timestamp } = record
        if (key === null) return context.drop('null-key', record)
        return when(store.get(key), (row) => {
          const before = row === null ? null : row.value
          return when(store.put(key, value, timestamp), (put) => handOn(record, before, put))
        })
      },

      prefetch(records) {
        return store.prefetch(records.map((record) => record.key).filter((key) => key !== null))
      },
    }
  }
}
