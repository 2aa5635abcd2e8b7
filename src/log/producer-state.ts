/**
 * The producers of a partition: the epoch and last batches of each, for idempotence, and the
 * transactions that are open, for the last stable offset.
 *
 * Rules (KIP-98, KIP-360):
 * - A producer that is not known may start at any sequence: its state expired or was deleted.
 * - A lower epoch is fenced. A higher one starts at sequence 0.
 * - Within an epoch sequences follow on without a gap, wrapping after 2^31 - 1.
 * - A batch equal in epoch and sequences to one of the last five is a duplicate.
 *
 * Invariant: the open transactions are ordered by first offset, as they were begun.
 *
 * @see org.apache.kafka.storage.internals.log.ProducerStateManager, ProducerAppendInfo
 */
import { StreamsError } from '../errors.ts'
import type { BatchReader } from '../record/record-batch.ts'

/** Kafka's number: a producer has at most five requests in flight. */
export const RETAINED_BATCHES = 5

const SEQUENCE_MAX = 0x7fff_ffff

export interface BatchMetadata {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly timestamp: number
}

export interface ProducerEntry {
  readonly producerId: number
  epoch: number
  coordinatorEpoch: number
  lastTimestamp: number
  /** -1: no transaction is open. */
  transactionFirstOffset: number
  /** Oldest first, at most `RETAINED_BATCHES`. */
  batches: BatchMetadata[]
}

export interface TransactionMarker {
  readonly type: 'commit' | 'abort'
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
}

export interface EndedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export class ProducerStates {
  readonly entries: Map<number, ProducerEntry> = new Map()
  /** First offset of each open transaction to its producer, in ascending order. */
  readonly #open = new Map<number, number>()

  constructor(entries: readonly ProducerEntry[] = []) {
    for (const entry of entries) this.entries.set(entry.producerId, entry)
    const open = entries.filter((entry) => entry.transactionFirstOffset >= 0)
    open.sort((a, b) => a.transactionFirstOffset - b.transactionFirstOffset)
    for (const entry of open) this.#open.set(entry.transactionFirstOffset, entry.producerId)
  }

  /** The first offset of the oldest open transaction, or null. */
  firstOpenOffset(): number | null {
    return this.#open.size === 0 ? null : (this.#open.keys().next().value as number)
  }

  /**
   * Judges a batch that a producer hands over.
   *
   * @returns the batch it repeats, or null when it is new
   * @throws StreamsError `producer-fenced`, `producer-sequence-invalid`, `transaction-state-invalid`
   */
  check(batch: BatchReader): BatchMetadata | null {
    const entry = this.entries.get(batch.producerId)
    if (entry === undefined) return null
    const { producerEpoch, baseSequence } = batch
    if (producerEpoch < entry.epoch) throw fenced(batch.producerId, producerEpoch, entry.epoch)
    if (producerEpoch === entry.epoch) {
      const duplicate = findDuplicate(entry, batch)
      if (duplicate !== null) return duplicate
      const last = entry.batches.at(-1)?.lastSequence ?? -1
      const expected = last === SEQUENCE_MAX ? 0 : last + 1
      if (baseSequence !== expected) throw outOfOrder(batch, expected)
    } else if (baseSequence !== 0) {
      throw outOfOrder(batch, 0)
    }
    if (entry.transactionFirstOffset >= 0 && !batch.isTransactional) {
      throw new StreamsError(
        'transaction-state-invalid',
        `producer ${batch.producerId} has a transaction open and sent a batch outside of it`,
      )
    }
    return null
  }

  /** Takes note of a data batch that is in the log, checked or read back. */
  update(batch: BatchReader, firstOffset: number, lastOffset: number): void {
    const entry = this.#entryAt(batch.producerId, batch.producerEpoch)
    entry.lastTimestamp = batch.maxTimestamp
    const count = lastOffset - firstOffset
    if (entry.batches.length === RETAINED_BATCHES) entry.batches.shift()
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: advance(batch.baseSequence, count),
      firstOffset,
      lastOffset,
      timestamp: batch.maxTimestamp,
    })
    if (!batch.isTransactional || entry.transactionFirstOffset >= 0) return
    entry.transactionFirstOffset = firstOffset
    this.#open.set(firstOffset, batch.producerId)
  }

  /** @throws StreamsError `producer-fenced`, `transaction-state-invalid` (an old coordinator) */
  checkMarker(marker: TransactionMarker): void {
    const entry = this.entries.get(marker.producerId)
    if (entry === undefined) return
    if (marker.producerEpoch < entry.epoch) {
      throw fenced(marker.producerId, marker.producerEpoch, entry.epoch)
    }
    if (marker.coordinatorEpoch < entry.coordinatorEpoch) {
      throw new StreamsError(
        'transaction-state-invalid',
        `a marker of coordinator epoch ${marker.coordinatorEpoch} came after ${entry.coordinatorEpoch}`,
      )
    }
  }

  /**
   * Takes note of a marker that is in the log at `offset`.
   *
   * @returns what it ended, or null when no transaction was open
   */
  end(marker: TransactionMarker, offset: number, timestamp: number): EndedTransaction | null {
    const entry = this.#entryAt(marker.producerId, marker.producerEpoch)
    const firstOffset = entry.transactionFirstOffset
    entry.coordinatorEpoch = marker.coordinatorEpoch
    entry.lastTimestamp = timestamp
    entry.transactionFirstOffset = -1
    if (firstOffset < 0) return null
    this.#open.delete(firstOffset)
    const lastStableOffset = this.firstOpenOffset() ?? offset + 1
    return { producerId: marker.producerId, firstOffset, lastOffset: offset, lastStableOffset }
  }

  /** Forgets producers that were idle for long and have no transaction open. */
  expire(before: number): void {
    for (const [producerId, entry] of this.entries) {
      if (entry.transactionFirstOffset < 0 && entry.lastTimestamp <= before) {
        this.entries.delete(producerId)
      }
    }
  }

  #entryAt(producerId: number, epoch: number): ProducerEntry {
    let entry = this.entries.get(producerId)
    if (entry === undefined) {
      entry = {
        producerId,
        epoch,
        coordinatorEpoch: -1,
        lastTimestamp: -1,
        transactionFirstOffset: -1,
        batches: [],
      }
      this.entries.set(producerId, entry)
    } else if (entry.epoch !== epoch) {
      entry.epoch = epoch
      entry.batches = []
    }
    return entry
  }
}

/** The sequence `count` after `sequence`. */
export function advance(sequence: number, count: number): number {
  const sum = sequence + count
  return sum > SEQUENCE_MAX ? sum - SEQUENCE_MAX - 1 : sum
}

function findDuplicate(entry: ProducerEntry, batch: BatchReader): BatchMetadata | null {
  const lastSequence = advance(batch.baseSequence, batch.recordCount - 1)
  for (const known of entry.batches) {
    if (known.firstSequence === batch.baseSequence && known.lastSequence === lastSequence) {
      return known
    }
  }
  return null
}

function fenced(producerId: number, epoch: number, current: number): StreamsError {
  return new StreamsError(
    'producer-fenced',
    `epoch ${epoch} of producer ${producerId} was replaced by epoch ${current}`,
  )
}

function outOfOrder(batch: BatchReader, expected: number): StreamsError {
  return new StreamsError(
    'producer-sequence-invalid',
    `producer ${batch.producerId} (epoch ${batch.producerEpoch}) sent sequence ` +
      `${batch.baseSequence} where ${expected} follows`,
  )
}
