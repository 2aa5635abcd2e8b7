/**
 * Foreign table: a change of a right row is told to every left row that names it.
 *
 * Journey: right table -> [foreign table] -> response topic, to the partition of each left row.
 *
 * Invariants:
 * - Left rows are told in the order of their key bytes.
 * - A response has the time and the headers of the change.
 *
 * Follows ForeignTableJoinProcessorSupplier.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { Serde } from '../../record/serde.ts'
import type { KeyValueStore } from '../../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../../topology/processor.ts'
import { bytesOf, type OutgoingResponse } from './messages.ts'
import { foreignKeyText, Subscriptions } from './subscriptions.ts'

export interface ForeignTableOptions<F, O> {
  /** Name of the store of subscriptions. */
  readonly store: string
  readonly otherKey: Serde<F>
  readonly otherValue: Serde<O>
}

/** A new foreign table processor for each task. */
export function foreignTable<F, O>(
  options: ForeignTableOptions<F, O>,
): () => Processor<F, Change<O>, Buffer, OutgoingResponse> {
  return () => {
    let context: ProcessorContext<Buffer, OutgoingResponse>
    let subscriptions: Subscriptions
    const textOf = foreignKeyText(options.otherKey)
    const values = new ByteWriter()

    return {
      init(processorContext) {
        context = processorContext
        subscriptions = new Subscriptions(
          context.store<KeyValueStore<string, Buffer>>(options.store),
        )
      },

      process(record) {
        const { key, value, timestamp, headers } = record
        // KIP-914: what changed in the past only does not change what is joined.
        if (value.outOfOrder === true) return context.drop('late', record)
        const { after } = value
        // The row, or the key of what is gone, is written once, for all who are told.
        let row: Buffer | null = null
        let missing: Buffer | null = null
        return subscriptions.visit(textOf(key), (primaryKey, partition, hash) => {
          if (after !== null) row ??= bytesOf(options.otherValue, after, values)
          else missing ??= bytesOf(options.otherKey, key, values)
          const response = { hash, row, missing, ends: false, partition }
          return context.forward({ key: primaryKey, value: response, timestamp, headers })
        })
      },

      prefetch(records) {
        const keys: F[] = []
        for (const { key } of records) if (key !== null) keys.push(key)
        return subscriptions.prefetch(keys.map(textOf))
      },
    }
  }
}
