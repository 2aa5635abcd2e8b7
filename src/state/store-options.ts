/**
 * What a task gives each of its stores: its definition, its place in the database, its memory.
 */

import type { ByteStore } from './byte-store.ts'
import { prefixEnd } from './byte-store.ts'
import type { StoreDefinition } from './store.ts'
import type { StoreMemory } from './store-memory.ts'

export interface StoreOptions<D extends StoreDefinition> {
  readonly definition: D
  /** The store's number, 1 to 32767: the first two bytes of its keys. */
  readonly number: number
  readonly bytes: ByteStore
  /** Bounds the buffered rows; those that are not saved yet may exceed it. */
  readonly memory: Pick<StoreMemory, 'limitOf'>
  /** How far the store's time may move by what is put. Default: as far as that goes. */
  readonly timeLimit?: TimeLimit | null
}

/** A time that rows put may be ahead of without moving the store's own. */
export interface TimeLimit {
  readonly max: number
}

/** A time that was seen, but not beyond the limit. */
export function within(limit: TimeLimit | null | undefined, time: number): number {
  return limit == null || time <= limit.max ? time : limit.max
}

/** Eviction goes down to this share of the budget, so that it does not run at every commit. */
export const EVICT_TO_SHARE = 0.75

/** Rows of a store lie under its number; the times it has rows for under its number with this bit. */
export const TIMES_BIT = 0x8000

export function storePrefix(number: number): Buffer {
  const prefix = Buffer.allocUnsafe(2)
  prefix.writeUInt16BE(number)
  return prefix
}

/** Where the keys of a store end. */
export function storeEnd(number: number): Buffer {
  return prefixEnd(storePrefix(number)) as Buffer
}

/** Prefix and eight bytes of time: where the rows of a window or bucket start. */
export function timeKey(number: number, time: number): Buffer {
  const key = Buffer.allocUnsafe(10)
  key.writeUInt16BE(number)
  key.writeInt32BE(Math.floor(time / 0x1_0000_0000), 2)
  key.writeUInt32BE(time % 0x1_0000_0000, 6)
  return key
}
