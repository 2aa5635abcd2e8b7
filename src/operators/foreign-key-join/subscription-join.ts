/**
 * Subscription join: keeps who asked for a right row, and answers with the row as it is.
 *
 * Journey: subscription topic -> [subscription join] -> response topic, to the partition of the left
 * row. The subscriptions are those that the foreign table visits when the right row changes.
 *
 * Invariant: a response has the larger of the two times, and the headers of the left record. A
 * subscription without a foreign key is answered and not kept.
 *
 * Follows SubscriptionReceiveProcessorSupplier and SubscriptionJoinProcessorSupplier.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { PromiseOrValue, StreamRecord } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import type { KeyValueStore, Row } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { OpenRows, TableRows } from '../table-rows.ts'
import {
  bytesOf,
  DELETE_AND_RESPOND,
  DELETE_SILENTLY,
  type OutgoingResponse,
  SUBSCRIBE,
  type Subscription,
} from './messages.ts'
import { foreignKeyText, type Subscriber, Subscriptions } from './subscriptions.ts'

export interface SubscriptionJoinOptions<F, O> {
  /** Name of the store of subscriptions. */
  readonly store: string
  readonly others: OpenRows<F, O>
  readonly otherKey: Serde<F>
  readonly otherValue: Serde<O>
}

/** A new subscription join processor for each task. */
export function subscriptionJoin<F, O>(
  options: SubscriptionJoinOptions<F, O>,
): () => Processor<F | null, Subscription, Buffer, OutgoingResponse> {
  return () => {
    let context: ProcessorContext<Buffer, OutgoingResponse>
    let subscriptions: Subscriptions
    let others: TableRows<F, O>
    const textOf = foreignKeyText(options.otherKey)
    const values = new ByteWriter()

    function keep(record: StreamRecord<F | null, Subscription>): PromiseOrValue<void> {
      const { key, value, timestamp } = record
      const { instruction, primaryKey } = value
      if (key === null) return
      return instruction === DELETE_SILENTLY || instruction === DELETE_AND_RESPOND
        ? subscriptions.delete(textOf(key), primaryKey, timestamp)
        : subscriptions.put(textOf(key), value as Subscriber, timestamp)
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
      found: Row<O> | null,
    ): PromiseOrValue<void> {
      const { headers } = record
      const { instruction, primaryKey, hash, partition } = record.value
      if (found === null && instruction === SUBSCRIBE) return
      const timestamp =
        found !== null && found.timestamp > record.timestamp ? found.timestamp : record.timestamp
      const ends = instruction === DELETE_AND_RESPOND
      const row = found === null || ends ? null : bytesOf(options.otherValue, found.value, values)
      const missing =
        row === null && record.key !== null ? bytesOf(options.otherKey, record.key, values) : null
      const value = { hash, row, missing, ends, partition }
      return context.forward({ key: primaryKey, value, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        subscriptions = new Subscriptions(
          context.store<KeyValueStore<string, Buffer>>(options.store),
        )
        others = options.others(processorContext)
      },

      process(record) {
        const kept = keep(record)
        return kept instanceof Promise ? kept.then(() => lookUp(record)) : lookUp(record)
      },

      prefetch(records) {
        const keys: F[] = []
        const wanted: { foreignKey: string; primaryKey: Buffer }[] = []
        for (const { key, value } of records) {
          if (key === null) continue
          keys.push(key)
          wanted.push({ foreignKey: textOf(key), primaryKey: value.primaryKey })
        }
        const ways = subscriptions.prefetchWays(wanted)
        const rows = others.prefetch(keys)
        if (ways instanceof Promise || rows instanceof Promise) {
          return Promise.all([ways, rows]).then(() => undefined)
        }
      },
    }
  }
}
