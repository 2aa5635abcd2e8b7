/**
 * Stream-table join: looks up the row of each record's key and hands on what the joiner makes of
 * the two.
 *
 * Journey: source -> [stream-table join] -> sink; the table's store is kept by its own source. A
 * table without one is seen through to the stores above (table-rows.ts).
 *
 * Invariants:
 * - The result has the record's key, timestamp and headers, whatever the row's time.
 * - An update of the table alone causes no output.
 *
 * A versioned table answers with the row of the record's own time. With a grace, records wait in a
 * store until stream time has passed them by it, and leave by time, key bytes, arrival; one that is
 * that late itself is joined at once (KIP-923). With `idleMs` they also leave in a silence.
 *
 * Follows KStreamKTableJoin: a null value is dropped, and so is a null key but for a left join.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import { inOrder, when } from '../record/when.ts'
import type { Row, TimeOrderedStore } from '../state/store.ts'
import type { ObservedTime, Processor, ProcessorContext } from '../topology/processor.ts'
import { IdleTime } from './idle-time.ts'
import type { OpenRows, TableRows } from './table-rows.ts'

export interface StreamTableJoinOptions<K, V, T, R> {
  readonly rows: OpenRows<K, T>
  readonly joiner: (value: V, row: T | null, key: K) => R
  /** True for a left join: a record without a row is joined with null. */
  readonly left: boolean
  /** Where, and how long, records wait for the table. */
  readonly grace?: {
    readonly store: string
    readonly graceMs: number
    /** After so long without a record time goes on with the clock; null: never. */
    readonly idleMs: number | null
  } | null
}

/** A new stream-table join processor for each task. */
export function streamTableJoin<K, V, T, R>(
  options: StreamTableJoinOptions<K, V, T, R>,
): () => Processor<K, V, K, R> {
  const { joiner, left, grace = null } = options
  return () => {
    let context: ProcessorContext<K, R>
    let table: TableRows<K, T>
    let buffer: TimeOrderedStore<K, V> | null = null
    let time: ObservedTime
    let idle: IdleTime | null = null

    function join(record: StreamRecord<K, V>, row: Row<T> | null): PromiseOrValue<void> {
      if (row === null && !left) return
      const { key, timestamp, headers } = record
      const value = joiner(record.value, row === null ? null : row.value, key)
      return context.forward({ key, value, timestamp, headers })
    }

    function lookUp(record: StreamRecord<K, V>): PromiseOrValue<void> {
      const { key, timestamp } = record
      const row = table.asOf === undefined ? table.get(key) : table.asOf(key, timestamp)
      return row instanceof Promise ? row.then((found) => join(record, found)) : join(record, row)
    }

    /** Parks a record, and joins those that have waited long enough. */
    function hold(
      record: StreamRecord<K, V>,
      parked: TimeOrderedStore<K, V>,
    ): PromiseOrValue<void> {
      const { key, value, timestamp, headers } = record
      if (timestamp > time.max) time.max = timestamp
      const due = time.max - (grace?.graceMs ?? 0)
      const taken =
        timestamp <= due
          ? lookUp(record)
          : parked.add({ time: timestamp, side: 'left', key }, value, headers)
      return when(taken, () => release(due, parked))
    }

    /** Joins the records that have waited long enough. */
    function release(due: number, parked: TimeOrderedStore<K, V>): PromiseOrValue<void> {
      return parked.visit(due, (place, read) =>
        when(
          inOrder(read(), (one) => lookUp({ key: place.key, timestamp: place.time, ...one })),
          () => 'remove' as const,
        ),
      )
    }

    return {
      init(processorContext) {
        context = processorContext
        table = options.rows(processorContext)
        if (grace === null) return
        const parked = context.store<TimeOrderedStore<K, V>>(grace.store)
        buffer = parked
        time = context.observedTime()
        const { idleMs, graceMs } = grace
        const advance = () => release(time.max - graceMs, parked)
        if (idleMs !== null) idle = new IdleTime(context, { time, idleMs, advance })
      },

      process(record) {
        idle?.touch()
        if (record.value === null) return context.drop('null-value', record)
        if (record.key === null) {
          return left ? join(record, null) : context.drop('null-key', record)
        }
        return buffer === null ? lookUp(record) : hold(record, buffer)
      },

      prefetch(records) {
        return table.prefetch(records.map((record) => record.key))
      },
    }
  }
}
