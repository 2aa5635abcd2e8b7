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
 * Invariant: primary keys pass the right side as bytes; only the left side knows what they mean.
 *
 * Follows SubscriptionWrapper and SubscriptionResponseWrapper.
 */
import { StreamsError } from '../../errors.ts'
import type { ByteWriter } from '../../record/byte-writer.ts'
import type { Serde } from '../../record/serde.ts'
import { HASH_BYTES, writeHash } from './value-hash.ts'

/** Unsubscribes; no response. */
export const DELETE_SILENTLY = 0
/** Unsubscribes, and responds that there is no row. */
export const DELETE_AND_RESPOND = 1
/** Subscribes, and responds whether or not there is a right row. */
export const SUBSCRIBE_AND_RESPOND = 2
/** Subscribes, and responds when there is a right row. */
export const SUBSCRIBE = 3

/** What a left row asks of the right side. The record's key is the foreign key. */
export interface Subscription {
  readonly instruction: number
  /** Partition of the left row, to which responses go. */
  readonly partition: number
  /** Hash of the left row; null when it was deleted. */
  readonly hash: string | null
  readonly primaryKey: Buffer
}

/** An answer as the right side sends it; the right row is bytes already. */
export interface OutgoingResponse {
  readonly hash: string | null
  readonly row: Buffer | null
  /** The right row that is not there, by the bytes of its key. */
  readonly missing: Buffer | null
  /** True when the left row no longer names a right row. */
  readonly ends: boolean
  /** Where it goes; not among its bytes. */
  readonly partition: number
}

/** An answer as the left side reads it. The record's key is the primary key. */
export interface Response<R> {
  readonly hash: string | null
  readonly row: R | null
  /** The right row that is not there, by the bytes of its key. */
  readonly missing: Buffer | null
  /** True when the left row no longer names a right row. */
  readonly ends: boolean
}

const HAS_HASH = 1
const HAS_ROW = 2
const ENDS = 4
const SUBSCRIPTION_HEAD_BYTES = 6

/** How subscriptions lie in their topic. */
export const subscriptionSerde: Serde<Subscription> = {
  name: 'subscription',

  write({ instruction, partition, hash, primaryKey }, output) {
    output.writeUint8(instruction)
    output.writeUint8(hash === null ? 0 : HAS_HASH)
    output.writeInt32(partition)
    if (hash !== null) writeHash(hash, output)
    output.writeBytes(primaryKey)
  },

  read(bytes, start, end) {
    const hashAt = start + SUBSCRIPTION_HEAD_BYTES
    const flags = hashAt <= end ? (bytes[start + 1] as number) : -1
    const keyAt = flags === HAS_HASH ? hashAt + HASH_BYTES : hashAt
    const instruction = bytes[start] as number
    if (flags < 0 || flags > HAS_HASH || keyAt > end || instruction > SUBSCRIBE) {
      throw unreadable('a subscription')
    }
    return {
      instruction,
      partition: bytes.readInt32BE(start + 2),
      hash: flags === HAS_HASH ? bytes.latin1Slice(hashAt, keyAt) : null,
      primaryKey: Buffer.from(bytes.subarray(keyAt, end)),
    }
  },
}

/** How responses are written; they are read by `responseSerde` of the same right rows. */
export const outgoingResponseSerde: Serde<OutgoingResponse> = {
  name: 'response',

  write(response, output) {
    writeResponseHead(response, output)
    const rest = response.row ?? response.missing
    if (rest !== null) output.writeBytes(rest)
  },

  read(bytes, start, end) {
    const { hash, ends, hasRow, restAt } = readResponseHead(bytes, start, end)
    const rest = Buffer.from(bytes.subarray(restAt, end))
    const [row, missing] = hasRow ? [rest, null] : [null, rest]
    return { hash, row, missing, ends, partition: -1 }
  },
}

/** How responses are read, their rows by `rows`. */
export function responseSerde<R>(rows: Serde<R>): Serde<Response<R>> {
  return {
    name: `response(${rows.name})`,

    write(response, output) {
      writeResponseHead(response, output)
      if (response.row !== null) rows.write(response.row, output)
      else if (response.missing !== null) output.writeBytes(response.missing)
    },

    read(bytes, start, end) {
      const { hash, ends, hasRow, restAt } = readResponseHead(bytes, start, end)
      return hasRow
        ? { hash, row: rows.read(bytes, restAt, end), missing: null, ends }
        : { hash, row: null, missing: Buffer.from(bytes.subarray(restAt, end)), ends }
    },
  }
}

interface ResponseHead {
  readonly hash: string | null
  readonly ends: boolean
  readonly hasRow: boolean
  /** Where the row, or the foreign key, begins. */
  readonly restAt: number
}

function writeResponseHead(
  { hash, row, ends }: Pick<Response<unknown>, 'hash' | 'row' | 'ends'>,
  output: ByteWriter,
): void {
  const flags = (hash === null ? 0 : HAS_HASH) | (row === null ? 0 : HAS_ROW) | (ends ? ENDS : 0)
  output.writeUint8(flags)
  if (hash !== null) writeHash(hash, output)
}

function readResponseHead(bytes: Buffer, start: number, end: number): ResponseHead {
  const flags = start < end ? (bytes[start] as number) : -1
  const hashEnd = (flags & HAS_HASH) === 0 ? start + 1 : start + 1 + HASH_BYTES
  if (flags < 0 || flags > (HAS_HASH | HAS_ROW | ENDS) || hashEnd > end) {
    throw unreadable('a response')
  }
  return {
    hash: hashEnd === start + 1 ? null : bytes.latin1Slice(start + 1, hashEnd),
    ends: (flags & ENDS) !== 0,
    hasRow: (flags & HAS_ROW) !== 0,
    restAt: hashEnd,
  }
}

function unreadable(what: string): StreamsError {
  return new StreamsError('deserialization-failed', `these bytes are not ${what} of a join`)
}

/** Bytes of a value, for a key that passes as bytes; `scratch` is written anew. */
export function bytesOf<T>(serde: Serde<T>, value: T, scratch: ByteWriter): Buffer {
  serde.write(value, scratch.reset())
  return scratch.copy()
}
