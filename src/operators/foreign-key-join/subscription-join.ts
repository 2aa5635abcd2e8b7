/**
 * Subscription join: keeps who asked for a right row, and answers with the row as it is.
 *
 * Journey: subscription topic -> [subscription join] -> response topic, to the partition of the left
 * row. The subscriptions are those that the foreign table visits when the right row changes.
 *
 * Invariants:
 * - A response has the larger of the two times, and the headers of the left record.
 * - A subscription without a foreign key is answered and not kept.
 * - What is kept and what is sent are bytes of the subscription, and the right row's as its store has
 *   them: nothing is decoded here but the foreign key.
 *
 * Follows SubscriptionReceiveProcessorSupplier and SubscriptionJoinProcessorSupplier.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue, StreamRecord } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import type { RowBytes, SubscriptionStore } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { OpenRows } from '../table-rows.ts'
import { type EncodedRows, encodedRows } from './encoded-rows.ts'
import {
  DELETE_AND_RESPOND,
  DELETE_SILENTLY,
  type Response,
  SUBSCRIBE,
  type Subscription,
} from './messages.ts'

export interface SubscriptionJoinOptions<F, O> {
  /** Name of the store of subscriptions. */
  readonly store: string
  readonly others: OpenRows<F, O>
  readonly otherKey: Serde<F>
  readonly otherValue: Serde<O>
}

const NOTHING: ByteRange = { bytes: Buffer.alloc(0), start: 0, end: 0 }

/** A new subscription join processor for each task. */
export function subscriptionJoin<F, O>(
  options: SubscriptionJoinOptions<F, O>,
): () => Processor<F | null, Subscription, ByteRange, Response> {
  return () => {
    let context: ProcessorContext<ByteRange, Response>
    let subscriptions: SubscriptionStore<F>
    let others: EncodedRows<F, O>
    const missing = new ByteWriter()

    function keep(record: StreamRecord<F | null, Subscription>): PromiseOrValue<void> {
      const { key, value, timestamp } = record
      if (key === null) return
      const { instruction } = value
      return instruction === DELETE_SILENTLY || instruction === DELETE_AND_RESPOND
        ? subscriptions.delete(key, primaryKey(value), timestamp)
        : subscriptions.put(key, primaryKey(value), payload(value), timestamp)
    }

    function lookUp(record: StreamRecord<F | null, Subscription>): PromiseOrValue<void> {
      if (record.value.instruction === DELETE_SILENTLY) return
      if (record.key === null) return respond(record, null)
      const row = others.get(record.key)
      return row instanceof Promise
        ? row.then((found) => respond(record, found))
        : respond(record, row)
    }

    function respond(
      record: StreamRecord<F | null, Subscription>,
      found: RowBytes | null,
    ): PromiseOrValue<void> {
      const { headers, value: subscription } = record
      const { instruction, bytes, start, hashAt } = subscription
      if (found === null && instruction === SUBSCRIBE) return
      const timestamp =
        found !== null && found.timestamp > record.timestamp ? found.timestamp : record.timestamp
      const ends = instruction === DELETE_AND_RESPOND
      const hasRow = found !== null && !ends
      const rest = hasRow ? found : keyBytes(record.key)
      const partition = bytes.readInt32BE(start)
      const value = { bytes, hashAt, ends, hasRow, rest, partition }
      return context.forward({ key: primaryKey(subscription), value, timestamp, headers })
    }

    function keyBytes(key: F | null): ByteRange {
      if (key === null) return NOTHING
      options.otherKey.write(key, missing.reset())
      return missing
    }

    return {
      init(processorContext) {
        context = processorContext
        subscriptions = context.store<SubscriptionStore<F>>(options.store)
        others = encodedRows(options.others(processorContext), options.otherValue)
      },

      process(record) {
        const kept = keep(record)
        return kept instanceof Promise ? kept.then(() => lookUp(record)) : lookUp(record)
      },

      prefetch(records) {
        const keys: F[] = []
        const primaryKeys: ByteRange[] = []
        for (const { key, value } of records) {
          if (key === null) continue
          keys.push(key)
          primaryKeys.push(primaryKey(value))
        }
        const ways = subscriptions.prefetch(keys, primaryKeys)
        const rows = others.prefetch(keys)
        if (ways instanceof Promise || rows instanceof Promise) {
          return Promise.all([ways, rows]).then(() => undefined)
        }
      },
    }
  }
}

function primaryKey({ bytes, keyStart, end }: Subscription): ByteRange {
  return { bytes, start: keyStart, end }
}

/** What a subscription is kept with: partition and hash of the left row. */
function payload({ bytes, start, keyStart }: Subscription): ByteRange {
  return { bytes, start, end: keyStart }
}
