/**
 * Subscription send: tells the right side which foreign key each left row names, and no longer names.
 *
 * Journey: left table -> [subscription send] -> subscription topic, by foreign key -> subscription
 * join.
 *
 * Invariants:
 * - A foreign key that changes leaves the old right row before it comes to the new one, and one
 *   response comes back, from the new one (KAFKA-18713).
 * - A response carries the hash of the row that asked for it: of its bytes, which the left table has
 *   kept already when its changes are the rows just put.
 * - In a left join every change is answered: one that names no right row goes to the right side
 *   without a key, and comes back without a row, so that results keep the order of what asked.
 *
 * Follows SubscriptionSendProcessorSupplier of 4.1.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { ByteRange, PromiseOrValue, StreamRecord } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import { when } from '../../record/when.ts'
import type { KeyValueStore } from '../../state/store.ts'
import type { Change, Processor, ProcessorContext } from '../../topology/processor.ts'
import type { OpenRows } from '../table-rows.ts'
import { type EncodedRows, encodedRows } from './encoded-rows.ts'
import {
  DELETE_AND_RESPOND,
  DELETE_SILENTLY,
  NO_HASH,
  PARTITION_BYTES,
  SUBSCRIBE,
  SUBSCRIBE_AND_RESPOND,
  type Subscription,
} from './messages.ts'
import { valueHash } from './value-hash.ts'

export interface SubscriptionSendOptions<K, V, F> {
  readonly foreignKey: (value: V, key: K) => F | null
  readonly left: boolean
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly otherKey: Serde<F>
  /** The left table's rows, where a change is the row just put; null: they may be ahead of it. */
  readonly put: OpenRows<K, V> | null
  /** Of an inner join, the store of left rows whose end is not yet answered. */
  readonly ending: string | null
}

/** A new subscription send processor for each task. */
export function subscriptionSend<K, V, F>(
  options: SubscriptionSendOptions<K, V, F>,
): () => Processor<K, Change<V>, F | null, Subscription> {
  const { foreignKey, left } = options
  return () => {
    let context: ProcessorContext<F | null, Subscription>
    let rows: EncodedRows<K, V> | null = null
    let ending: KeyValueStore<K, number> | null = null
    const message = new ByteWriter()
    const values = new ByteWriter()
    const others = new ByteWriter()

    function keyOf(value: V | null, key: K): F | null {
      return value === null ? null : (foreignKey(value, key) ?? null)
    }

    function isSame(one: F, other: F): boolean {
      if (options.otherKey.primitive === true) return one === other
      options.otherKey.write(one, others.reset())
      const start = others.end
      options.otherKey.write(other, others)
      return others.bytes.compare(others.bytes, 0, start, start, others.end) === 0
    }

    /** The bytes of the present row, from the store that has just taken it. */
    function rowBytes(key: K, value: V): ByteRange {
      const row = rows === null ? null : rows.get(key)
      if (row !== null && !(row instanceof Promise)) return row
      options.value.write(value, values.reset())
      return values
    }

    function send(
      record: StreamRecord<K, Change<V>>,
      other: F | null,
      instruction: number,
    ): PromiseOrValue<void> {
      const { key, value, timestamp, headers } = record
      message.reset().writeInt32(context.partition)
      let hashAt = NO_HASH
      // A silent deletion is answered by nobody, so nobody asks which row it was.
      if (value.after !== null && instruction !== DELETE_SILENTLY) {
        hashAt = PARTITION_BYTES
        message.writeBytes(valueHash(rowBytes(key, value.after)))
      }
      const keyStart = message.end
      options.key.write(key, message)
      const { bytes, end } = message
      const subscription = { instruction, bytes, start: 0, hashAt, keyStart, end }
      return context.forward({ key: other, value: subscription, timestamp, headers })
    }

    /**
     * Asks the right row, if there is one. When the result of an earlier row is still to be taken
     * back, its response will be stale by now, so this one has to come in any case.
     */
    function ask(record: StreamRecord<K, Change<V>>, after: F | null): PromiseOrValue<void> {
      if (ending === null) return send(record, after, SUBSCRIBE_AND_RESPOND)
      const mark = ending.get(record.key)
      if (mark === null) return send(record, after, SUBSCRIBE)
      return when(mark, (found) =>
        send(record, after, found === null ? SUBSCRIBE : SUBSCRIBE_AND_RESPOND),
      )
    }

    /** Leaves the old right row and asks the new one, or none. */
    function move(
      record: StreamRecord<K, Change<V>>,
      before: F,
      after: F | null,
    ): PromiseOrValue<void> {
      const left = send(record, before, DELETE_SILENTLY)
      return left instanceof Promise
        ? left.then(() => send(record, after, SUBSCRIBE_AND_RESPOND))
        : send(record, after, SUBSCRIBE_AND_RESPOND)
    }

    function end(record: StreamRecord<K, Change<V>>, before: F): PromiseOrValue<void> {
      ending?.put(record.key, 1, record.timestamp)
      return send(record, before, DELETE_AND_RESPOND)
    }

    return {
      init(processorContext) {
        context = processorContext
        if (options.put !== null) rows = encodedRows(options.put(processorContext), options.value)
        if (options.ending !== null) ending = context.store(options.ending)
      },

      process(record) {
        const { key, value } = record
        // KIP-914: what changed in the past only does not change what is joined.
        if (value.outOfOrder === true) return context.drop('late', record)
        const before = keyOf(value.before, key)
        const after = keyOf(value.after, key)
        if (value.before === null && value.after === null) return
        if (before !== null && after !== null && isSame(before, after)) return ask(record, after)
        if (left || after !== null) {
          return before === null ? ask(record, after) : move(record, before, after)
        }
        if (value.after !== null) context.drop('null-key', record)
        if (before !== null) return end(record, before)
      },

      prefetch(records) {
        return ending?.prefetch(records.map(({ key }) => key))
      },
    }
  }
}
