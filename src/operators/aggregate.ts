/**
 * Aggregate: folds each record into the value stored under its key.
 *
 * Journey: source -> [aggregate] -> store -> changelog; downstream it is a table's change.
 * `count` and `reduce` are this processor with particular folds.
 *
 * Invariants:
 * - A record with a key and a value causes exactly one store write.
 * - The stored timestamp of a key never goes backward, even when records arrive out of order.
 * - With `emit: 'updates'` each write is forwarded; with `'commit'` each changed row once a commit.
 */
import { NO_HEADERS, type PromiseOrValue, type StreamRecord } from '../record/record.ts'
import type { KeyValueStore, Row } from '../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../topology/processor.ts'
import { beforeFirst, type Emission, type Fold } from './emission.ts'

export interface AggregateOptions<K, V, A> {
  readonly store: string
  readonly fold: Fold<K, V, A>
  readonly emit: Emission
  /** True when whoever takes the changes needs the row before the change. */
  readonly keepsBefore: boolean
}

/** A new aggregate processor for each task. */
export function aggregate<K, V, A>(
  options: AggregateOptions<K, V, A>,
): () => Processor<K, V, K, Change<A>> {
  const { fold, emit, keepsBefore } = options
  return () => {
    let context: ProcessorContext<K, Change<A>>
    let store: KeyValueStore<K, A>
    let copies = false

    /** A row as it is handed on: the fold may change the one that is kept. */
    function handedOn(row: A | null): A | null {
      return copies && row !== null ? store.copyValue(row) : row
    }

    function update(record: StreamRecord<K, V>, row: Row<A> | null): PromiseOrValue<void> {
      const stored = row === null ? null : row.value
      const timestamp = row === null ? record.timestamp : Math.max(record.timestamp, row.timestamp)
      let before: A | null = null
      if (keepsBefore && emit === 'updates') {
        before = stored === null ? beforeFirst(fold) : store.copyValue(stored)
      }
      const folded = fold(record.key, record.value, stored)
      store.put(record.key, folded, timestamp)
      if (emit === 'commit') return
      const { key, headers } = record
      const after = handedOn(folded)
      return context.forward({ key, value: { before, after }, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        copies = context.valuesEscape
        store = context.store(options.store)
      },

      process(record) {
        if (record.key === null) return context.drop('null-key', record)
        if (record.value === null) return context.drop('null-value', record)
        const row = store.get(record.key)
        return row instanceof Promise
          ? row.then((found) => update(record, found))
          : update(record, row)
      },

      prefetch(records) {
        if (!store.isComplete) return store.prefetch(records.map((record) => record.key))
      },

      flush() {
        if (emit !== 'commit') return
        return store.forEachChanged(
          (key, { before, after, timestamp }) =>
            context.forward({ key, value: { before, after }, timestamp, headers: NO_HEADERS }),
          copies,
        )
      },
    }
  }
}
