/**
 * Encoded rows: the rows of a table as bytes, for hashes and for the other side of the join: those
 * that its store keeps, or, where it keeps none, those that the serde makes of its values.
 *
 * Journey: the nodes of a foreign-key join open the rows of a table with this.
 */
import { ByteWriter } from '../../record/byte-writer.ts'
import type { PromiseOrValue } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import type { EncodedStore, Row, RowBytes } from '../../state/store.ts'
import type { TableRows } from '../table-rows.ts'

export interface EncodedRows<K, V> {
  /** The bytes of a row, valid until the next call. */
  get(key: K): PromiseOrValue<RowBytes | null>
  /** The value of the row that `get` answered last. */
  valueOf(row: RowBytes): V
  prefetch(keys: readonly K[]): PromiseOrValue<void>
}

/** The rows of a table, as `serde` writes them. */
export function encodedRows<K, V>(rows: TableRows<K, V>, serde: Serde<V>): EncodedRows<K, V> {
  if (keepsBytes(rows, serde)) {
    return {
      get: (key) => rows.getBytes(key),
      valueOf: ({ bytes, start, end }) => serde.read(bytes, start, end),
      prefetch: (keys) => rows.prefetch(keys),
    }
  }
  const output = new ByteWriter()
  const view = { bytes: output.bytes, start: 0, end: 0, timestamp: 0 }
  let value: V

  function encoded(row: Row<V> | null): RowBytes | null {
    if (row === null) return null
    value = row.value
    serde.write(value, output.reset())
    view.bytes = output.bytes
    view.end = output.end
    view.timestamp = row.timestamp
    return view
  }

  return {
    get(key) {
      const row = rows.get(key)
      return row instanceof Promise ? row.then(encoded) : encoded(row)
    },
    valueOf: () => value,
    prefetch: (keys) => rows.prefetch(keys),
  }
}

function keepsBytes<K, V>(rows: TableRows<K, V>, serde: Serde<V>): rows is EncodedStore<K, V> {
  return 'getBytes' in rows && (rows as EncodedStore<K, V>).valueSerde === serde
}
