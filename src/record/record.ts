/**
 * What flows: a record of key, value, time and headers.
 *
 * Journey: every stage hands records of this shape on. A record is never changed in place; a stage
 * that alters one makes a new object.
 */

/** A header of a record: a name, not necessarily unique, and bytes or null. */
export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** Headers in the order they were written; a name may come more than once. */
export type RecordHeaders = readonly RecordHeader[]

/** The one empty list, so that a record without headers allocates none. */
export const NO_HEADERS: RecordHeaders = Object.freeze([])

/** A record inside a topology. `timestamp` is milliseconds since the epoch. */
export interface StreamRecord<K, V> {
  readonly key: K
  readonly value: V
  readonly timestamp: number
  readonly headers: RecordHeaders
}

/** A range of bytes inside a larger buffer; reused by cursors and writers, so never kept. */
export interface ByteRange {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** A value that is there, or comes later: `when` and inline checks wait only for real promises. */
export type PromiseOrValue<T> = T | Promise<T>
