/**
 * Response join: joins a left row with the right row that came back for it.
 *
 * Journey: response topic -> [response join] -> result of the join, a table by primary key.
 *
 * Invariants:
 * - A response to a left row that has changed meanwhile is stale, and is dropped.
 * - When all responses have come, the result is that of the present rows.
 *
 * Follows ResponseJoinProcessorSupplier. An inner join is not answered when the right row is not
 * there, so the stale response that says so may be the last to come; Kafka Streams then keeps the
 * result of the row before. Here such a response still deletes it, in the two cases where no newer
 * result can have come before: the present row names the same right row, whose responses come in
 * order, or names none. A row that ended and came again meanwhile asks for an answer in any case:
 * `ending` has the keys of which the end is not yet answered.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { PromiseOrValue, StreamRecord } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import { when } from '../../record/when.ts'
import type { KeyValueStore, Row } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { OpenRows, TableRows } from '../table-rows.ts'
import type { Response } from './messages.ts'
import { valueHash } from './value-hash.ts'

export interface ResponseJoinOptions<K, V, F, O, R> {
  readonly rows: OpenRows<K, V>
  readonly joiner: (value: V, other: O | null, key: K) => R
  readonly left: boolean
  readonly foreignKey: (value: V, key: K) => F | null
  readonly value: Serde<V>
  readonly otherKey: Serde<F>
  /** Of an inner join, the store of left rows whose end is not yet answered. */
  readonly ending: string | null
}

/** A new response join processor for each task. */
export function responseJoin<K, V, F, O, R>(
  options: ResponseJoinOptions<K, V, F, O, R>,
): () => Processor<K, Response<O>, K, R | null> {
  const { joiner, left } = options
  return () => {
    let context: ProcessorContext<K, R | null>
    let rows: TableRows<K, V>
    let ending: KeyValueStore<K, number> | null = null
    const values = new ByteWriter()

    function isPresent(value: V | null, hash: string | null): boolean {
      if (value === null || hash === null) return value === null && hash === null
      options.value.write(value, values.reset())
      return valueHash(values.bytes, 0, values.end) === hash
    }

    /** True when nothing newer can have come before this response, stale as it is. */
    function stillDeletes(value: V | null, { row, missing, ends }: Response<O>, key: K): boolean {
      if (left || row !== null) return false
      const named = value === null ? null : options.foreignKey(value, key)
      if (named === null || named === undefined) return ends
      options.otherKey.write(named, values.reset())
      return missing?.equals(values.bytes.subarray(0, values.end)) === true
    }

    function join(record: StreamRecord<K, Response<O>>, row: Row<V> | null): PromiseOrValue<void> {
      const { key, timestamp, headers } = record
      const { hash, row: other } = record.value
      const own = row === null ? null : row.value
      const answers = isPresent(own, hash)
      if (!answers && !stillDeletes(own, record.value, key)) return context.drop('stale', record)
      const isJoined = answers && own !== null && (other !== null || left)
      const value = isJoined ? joiner(own, other, key) : null
      const answered = settle(key, timestamp)
      return answered instanceof Promise
        ? answered.then(() => context.forward({ key, value, timestamp, headers }))
        : context.forward({ key, value, timestamp, headers })
    }

    /** No result of an earlier row stands any more. */
    function settle(key: K, timestamp: number): PromiseOrValue<void> {
      if (ending === null) return
      const mark = ending.get(key)
      if (mark === null) return
      return when(mark, (found) => {
        if (found !== null) ending?.put(key, null, timestamp)
      })
    }

    return {
      init(processorContext) {
        context = processorContext
        rows = options.rows(processorContext)
        if (options.ending !== null) ending = context.store(options.ending)
      },

      process(record) {
        const row = rows.get(record.key)
        return row instanceof Promise ? row.then((found) => join(record, found)) : join(record, row)
      },

      prefetch(records) {
        const keys = records.map(({ key }) => key)
        const own = rows.prefetch(keys)
        const marks = ending?.prefetch(keys)
        if (own instanceof Promise || marks instanceof Promise) {
          return Promise.all([own, marks]).then(() => undefined)
        }
      },
    }
  }
}
