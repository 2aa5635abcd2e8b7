/**
 * What the two sides of a foreign-key join tell each other: a subscription goes out by foreign key
 * to the right side, a response comes back by primary key to the left.
 *
 *   subscription   instruction (1), flags (1), left partition (4), [hash (16)], primary key
 *   response       flags (1), [hash (16)], right row or foreign key
 *
 *   flags          1: a hash follows; it does not when the left row was deleted
 *                  2: a right row follows; else the foreign key that has none
 *                  4: it answers a left row that went
 *
 * A message is the bytes it was read from, and where in them its parts lie: hashes, keys and rows are
 * written on from there. They are valid while the record is processed, which holds those bytes.
 *
 * Invariant: primary keys pass the right side as bytes; only the left side knows what they mean.
 *
 * Follows SubscriptionWrapper and SubscriptionResponseWrapper.
 */
import { StreamsError } from '../../errors.ts'
import type { ByteRange } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import { HASH_BYTES } from './value-hash.ts'

/** Unsubscribes; no response. */
export const DELETE_SILENTLY = 0
/** Unsubscribes, and responds that there is no row. */
export const DELETE_AND_RESPOND = 1
/** Subscribes, and responds whether or not there is a right row. */
export const SUBSCRIBE_AND_RESPOND = 2
/** Subscribes, and responds when there is a right row. */
export const SUBSCRIBE = 3

/** Where a message has no hash. */
export const NO_HASH = -1
/** Partition and hash of the left row, which a subscription is kept with. */
export const PARTITION_BYTES = 4

/** What a left row asks of the right side. The record's key is the foreign key. */
export interface Subscription {
  readonly instruction: number
  readonly bytes: Buffer
  /** Where the partition of the left row begins, to which responses go. */
  readonly start: number
  /** Where its hash begins; `NO_HASH` when the row was deleted. */
  readonly hashAt: number
  /** Where its primary key begins, and ends. */
  readonly keyStart: number
  readonly end: number
}

/** An answer. The record's key is the primary key. */
export interface Response {
  /** Where the hash lies of the left row that asked. */
  readonly bytes: Buffer
  readonly hashAt: number
  /** True when the left row no longer names a right row. */
  readonly ends: boolean
  /** True when there is a right row: `rest` then is its bytes, else those of its key. */
  readonly hasRow: boolean
  readonly rest: ByteRange
  /** Where it goes; not among its bytes. */
  readonly partition: number
}

const HAS_HASH = 1
const HAS_ROW = 2
const ENDS = 4
/** Instruction and flags. */
const SUBSCRIPTION_HEAD_BYTES = 2
const UNKNOWN_PARTITION = -1

/** How subscriptions lie in their topic. */
export const subscriptionSerde: Serde<Subscription> = {
  name: 'subscription',

  write({ instruction, bytes, start, hashAt, end }, output) {
    output.writeUint8(instruction)
    output.writeUint8(hashAt === NO_HASH ? 0 : HAS_HASH)
    output.writeBytes(bytes, start, end)
  },

  read(bytes, from, end) {
    const start = from + SUBSCRIPTION_HEAD_BYTES
    const hashAt = start + PARTITION_BYTES
    const flags = hashAt <= end ? (bytes[from + 1] as number) : -1
    const keyStart = flags === HAS_HASH ? hashAt + HASH_BYTES : hashAt
    const instruction = bytes[from] as number
    if (flags < 0 || flags > HAS_HASH || keyStart > end || instruction > SUBSCRIBE) {
      throw unreadable('a subscription')
    }
    const found = flags === HAS_HASH ? hashAt : NO_HASH
    return { instruction, bytes, start, hashAt: found, keyStart, end }
  },
}

/** How responses lie in their topic; `rows` is the serde of the rows in them. */
export function responseSerde(rows: Serde<unknown>): Serde<Response> {
  return {
    name: `response(${rows.name})`,

    write({ bytes, hashAt, ends, hasRow, rest }, output) {
      const hasHash = hashAt !== NO_HASH
      output.writeUint8((hasHash ? HAS_HASH : 0) | (hasRow ? HAS_ROW : 0) | (ends ? ENDS : 0))
      if (hasHash) output.writeBytes(bytes, hashAt, hashAt + HASH_BYTES)
      output.writeBytes(rest.bytes, rest.start, rest.end)
    },

    read(bytes, from, end) {
      const flags = from < end ? (bytes[from] as number) : -1
      const hasHash = (flags & HAS_HASH) !== 0
      const start = from + 1 + (hasHash ? HASH_BYTES : 0)
      if (flags < 0 || flags > (HAS_HASH | HAS_ROW | ENDS) || start > end) {
        throw unreadable('a response')
      }
      return {
        bytes,
        hashAt: hasHash ? from + 1 : NO_HASH,
        ends: (flags & ENDS) !== 0,
        hasRow: (flags & HAS_ROW) !== 0,
        rest: { bytes, start, end },
        partition: UNKNOWN_PARTITION,
      }
    },
  }
}

/** Keys that pass as bytes. */
export const rangeSerde: Serde<ByteRange> = {
  name: 'bytes',
  write: ({ bytes, start, end }, output) => output.writeBytes(bytes, start, end),
  read: (bytes, start, end) => ({ bytes, start, end }),
}

function unreadable(what: string): StreamsError {
  return new StreamsError('deserialization-failed', `these bytes are not ${what} of a join`)
}
