/**
 * Record list: the records that a join store keeps of one key in one time bucket.
 *
 * Journey: join store -> [list] -> columns of its bucket. The list is a chain of records in the order
 * of their arrival, which is how they are written; visits go by time.
 *
 * Invariant: `order` is null exactly while arrival is the order of time.
 */
import type { PromiseOrValue } from '../record/record.ts'
import { END, type RecordColumns } from './record-columns.ts'
import type { TableKey } from './table-keys.ts'

/** The records of one key in one bucket: a chain in the order of their arrival. */
export interface RecordList<K, V> {
  readonly key: K
  readonly bucket: Bucket<K, V>
  first: number
  last: number
  count: number
  /** The records by timestamp, then arrival; null while arrival is that order. */
  order: number[] | null
  /** The first record of each chunk; null while there is one chunk. */
  chunks: number[] | null
  /** How many records were drained, and how many saved. */
  drained: number
  saved: number
  isDirty: boolean
  isUnsaved: boolean
  isExpired: boolean
  size: number
}

export interface Bucket<K, V> {
  readonly start: number
  readonly lists: Map<TableKey, RecordList<K, V>>
  readonly records: RecordColumns<V>
  isComplete: boolean
  round: number
}

export type Visit<V> = (value: V, timestamp: number) => PromiseOrValue<void>

/** The records of a list in the order of their arrival. */
export function chainOf<K, V>({ first, bucket }: RecordList<K, V>): number[] {
  const chain: number[] = []
  const { nexts } = bucket.records
  for (let record = first; record !== END; record = nexts[record] as number) chain.push(record)
  return chain
}

/** Adds a record behind all of its time or earlier. */
export function insertInOrder(order: number[], times: Float64Array, record: number): void {
  const timestamp = times[record] as number
  let at = order.length
  while (at > 0 && (times[order[at - 1] as number] as number) > timestamp) at--
  order.splice(at, 0, record)
}

interface ListVisit<V> {
  readonly from: number
  readonly to: number
  readonly visit: Visit<V>
}

/** Records that arrive while a visit waits are not visited by it. */
export function visitList<K, V>(list: RecordList<K, V>, how: ListVisit<V>): PromiseOrValue<void> {
  if (list.order !== null) return visitInOrder(list, list.order.slice(), 0, how)
  return visitChain(list, list.first, list.count, how)
}

function visitChain<K, V>(
  list: RecordList<K, V>,
  first: number,
  count: number,
  how: ListVisit<V>,
): PromiseOrValue<void> {
  const { records } = list.bucket
  let record = first
  for (let left = count; left > 0; left--) {
    const timestamp = records.times[record] as number
    if (timestamp > how.to) return
    const pending =
      timestamp < how.from ? undefined : how.visit(records.values[record] as V, timestamp)
    if (pending instanceof Promise) {
      return pending.then(() => visitChain(list, records.nexts[record] as number, left - 1, how))
    }
    record = records.nexts[record] as number
  }
}

function visitInOrder<K, V>(
  list: RecordList<K, V>,
  order: readonly number[],
  first: number,
  how: ListVisit<V>,
): PromiseOrValue<void> {
  const { times, values } = list.bucket.records
  for (let index = first; index < order.length; index++) {
    const record = order[index] as number
    const timestamp = times[record] as number
    if (timestamp > how.to) return
    const pending = timestamp < how.from ? undefined : how.visit(values[record] as V, timestamp)
    if (pending instanceof Promise) {
      return pending.then(() => visitInOrder(list, order, index + 1, how))
    }
  }
}
