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
import type { ByteRange } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import type { SubscriptionStore } from '../../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../../topology/processor.ts'
import { PARTITION_BYTES, type Response } from './messages.ts'

export interface ForeignTableOptions<F, O> {
  /** Name of the store of subscriptions. */
  readonly store: string
  readonly otherKey: Serde<F>
  readonly otherValue: Serde<O>
}

/** A new foreign table processor for each task. */
export function foreignTable<F, O>(
  options: ForeignTableOptions<F, O>,
): () => Processor<F, Change<O>, ByteRange, Response> {
  return () => {
    let context: ProcessorContext<ByteRange, Response>
    let subscriptions: SubscriptionStore<F>
    const rest = new ByteWriter()

    return {
      init(processorContext) {
        context = processorContext
        subscriptions = context.store<SubscriptionStore<F>>(options.store)
      },

      process(record) {
        const { key, value, timestamp, headers } = record
        // KIP-914: what changed in the past only does not change what is joined.
        if (value.outOfOrder === true) return context.drop('late', record)
        const { after } = value
        const hasRow = after !== null
        // The row, or the key of what is gone, is written once, for all who are told.
        if (hasRow) options.otherValue.write(after, rest.reset())
        else options.otherKey.write(key, rest.reset())
        return subscriptions.visit(key, (primaryKey, { bytes, start }) => {
          const partition = bytes.readInt32BE(start)
          const hashAt = start + PARTITION_BYTES
          const response = { bytes, hashAt, ends: false, hasRow, rest, partition }
          return context.forward({ key: primaryKey, value: response, timestamp, headers })
        })
      },

      prefetch(records) {
        const keys: F[] = []
        for (const { key } of records) if (key !== null) keys.push(key)
        return subscriptions.prefetchRoots(keys)
      },
    }
  }
}
