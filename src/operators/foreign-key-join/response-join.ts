/**
 * Response join: joins a left row with the right row that came back for it.
 *
 * Journey: response topic -> [response join] -> result of the join, a table by primary key.
 *
 * Invariants:
 * - A response to a left row that has changed meanwhile is stale, and is dropped: told by the bytes of
 *   the row, before anything is decoded.
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
import type { KeyValueStore, RowBytes } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { OpenRows } from '../table-rows.ts'
import { type EncodedRows, encodedRows } from './encoded-rows.ts'
import { NO_HASH, type Response } from './messages.ts'
import { hasHash } from './value-hash.ts'

export interface ResponseJoinOptions<K, V, F, O, R> {
  readonly rows: OpenRows<K, V>
  readonly joiner: (value: V, other: O | null, key: K) => R
  readonly left: boolean
  readonly foreignKey: (value: V, key: K) => F | null
  readonly value: Serde<V>
  readonly otherKey: Serde<F>
  readonly otherValue: Serde<O>
  /** Of an inner join, the store of left rows whose end is not yet answered. */
  readonly ending: string | null
}

/** A new response join processor for each task. */
export function responseJoin<K, V, F, O, R>(
  options: ResponseJoinOptions<K, V, F, O, R>,
): () => Processor<K, Response, K, R | null> {
  const { joiner, left, otherValue } = options
  return () => {
    let context: ProcessorContext<K, R | null>
    let rows: EncodedRows<K, V>
    let ending: KeyValueStore<K, number> | null = null
    const named = new ByteWriter()

    function isPresent(row: RowBytes | null, { bytes, hashAt }: Response): boolean {
      if (row === null || hashAt === NO_HASH) return row === null && hashAt === NO_HASH
      return hasHash(row, bytes, hashAt)
    }

    /** True when nothing newer can have come before this response, stale as it is. */
    function stillDeletes(row: RowBytes | null, response: Response, key: K): boolean {
      if (left || response.hasRow) return false
      const foreignKey = row === null ? null : options.foreignKey(rows.valueOf(row), key)
      if (foreignKey === null || foreignKey === undefined) return response.ends
      options.otherKey.write(foreignKey, named.reset())
      const { bytes, start, end } = response.rest
      return named.bytes.compare(bytes, start, end, 0, named.end) === 0
    }

    function otherOf({ hasRow, rest }: Response): O | null {
      return hasRow ? otherValue.read(rest.bytes, rest.start, rest.end) : null
    }

    function join(record: StreamRecord<K, Response>, row: RowBytes | null): PromiseOrValue<void> {
      const { key, timestamp, headers, value: response } = record
      const answers = isPresent(row, response)
      if (!answers && !stillDeletes(row, response, key)) return context.drop('stale', record)
      const isJoined = answers && row !== null && (response.hasRow || left)
      const value = isJoined ? joiner(rows.valueOf(row), otherOf(response), key) : null
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
        rows = encodedRows(options.rows(processorContext), options.value)
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
