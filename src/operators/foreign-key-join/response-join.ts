/**
 * Response join: joins a left row with the right row that came back for it.
 *
 * Journey: response topic -> [response join] -> result of the join, a table by primary key.
 *
 * Invariant: a response to a left row that has changed meanwhile is stale: it is dropped, and the
 * response to the present row is on its way, or has come.
 *
 * Follows ResponseJoinProcessorSupplier.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { PromiseOrValue, StreamRecord } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import type { Row } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { OpenRows, TableRows } from '../table-rows.ts'
import type { Response } from './messages.ts'
import { valueHash } from './value-hash.ts'

export interface ResponseJoinOptions<K, V, O, R> {
  readonly rows: OpenRows<K, V>
  readonly joiner: (value: V, other: O | null, key: K) => R
  readonly left: boolean
  readonly value: Serde<V>
}

/** A new response join processor for each task. */
export function responseJoin<K, V, O, R>(
  options: ResponseJoinOptions<K, V, O, R>,
): () => Processor<K, Response<O>, K, R | null> {
  const { joiner, left } = options
  return () => {
    let context: ProcessorContext<K, R | null>
    let rows: TableRows<K, V>
    const values = new ByteWriter()

    function isPresent(value: V | null, hash: string | null): boolean {
      if (value === null || hash === null) return value === null && hash === null
      options.value.write(value, values.reset())
      return valueHash(values.bytes, 0, values.end) === hash
    }

    function join(record: StreamRecord<K, Response<O>>, row: Row<V> | null): PromiseOrValue<void> {
      const { key, timestamp, headers } = record
      const { hash, row: other } = record.value
      const own = row === null ? null : row.value
      if (!isPresent(own, hash)) return context.drop('stale', record)
      const isJoined = own !== null && (other !== null || left)
      const value = isJoined ? joiner(own, other, key) : null
      return context.forward({ key, value, timestamp, headers })
    }

    return {
      init(processorContext) {
        context = processorContext
        rows = options.rows(processorContext)
      },

      process(record) {
        const row = rows.get(record.key)
        return row instanceof Promise ? row.then((found) => join(record, found)) : join(record, row)
      },

      prefetch(records) {
        return rows.prefetch(records.map(({ key }) => key))
      },
    }
  }
}
