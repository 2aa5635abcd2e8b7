/**
 * Walks what a fetch returned and stops at each batch whose records may be seen: control batches
 * and, for read-committed, batches of aborted transactions are passed over.
 *
 * Journey: fetch -> [visible batches] -> records -> task or consumer.
 *
 * One cursor is used again for any number of fetches of a partition, and allocates nothing per
 * batch. After `next` returned true, `reader` stands before the first record of a visible batch;
 * its first records may lie before the offset asked for: skip those below `position` at `start`.
 *
 * Invariants:
 * - `position` is the offset to fetch next: one past the last whole batch walked over, visible or
 *   not, so that a partition of nothing but aborted data still moves on.
 * - An aborted transaction hides its batches from its first offset to its abort marker, no more:
 *   the same producer's next transaction is judged anew.
 */
import { BatchReader, type OpenOptions } from '../record/record-batch.ts'
import type { AbortedTransaction, FetchedPartition, Isolation } from './client.ts'

/** What a walk needs of a fetched partition. */
export type FetchedBatches = Pick<FetchedPartition, 'records' | 'aborted' | 'isCrcChecked'>

const NO_BUFFERS: readonly Buffer[] = Object.freeze([])

export class CommittedBatches {
  /** Stands on the visible batch after `next` returned true. */
  readonly reader: BatchReader = new BatchReader()
  /** The offset to fetch next. */
  position = 0
  /** Records below this offset were not asked for. */
  startOffset = 0
  readonly #committedOnly: boolean
  #openOptions: OpenOptions = VERIFY_CRC
  #buffers: readonly Buffer[] = NO_BUFFERS
  #bufferIndex = 0
  #bytePosition = 0
  #aborted: readonly AbortedTransaction[] = []
  #abortedIndex = 0
  /** Producers whose transaction at this place of the walk is an aborted one. */
  readonly #hidden = new Set<number>()

  constructor(isolation: Isolation) {
    this.#committedOnly = isolation === 'read-committed'
  }

  /**
   * Begins with what a fetch at `offset` returned. The CRC of its batches is checked as they are
   * walked, unless that was done.
   */
  start(offset: number, fetched: FetchedBatches): void {
    const { records: buffers, aborted } = fetched
    this.position = offset
    this.startOffset = offset
    this.#buffers = buffers
    this.#bufferIndex = 0
    this.#bytePosition = 0
    this.#aborted = aborted.length > 1 ? [...aborted].sort(byFirstOffset) : aborted
    this.#abortedIndex = 0
    this.#hidden.clear()
    this.#openOptions = fetched.isCrcChecked ? CHECKED : VERIFY_CRC
  }

  /**
   * Moves to the next visible batch.
   *
   * @returns false at the end; a batch that is cut off ends the walk too
   * @throws StreamsError 'log-corrupt-batch' when the CRC is wrong, 'record-batch-invalid'
   */
  next(): boolean {
    while (this.#bufferIndex < this.#buffers.length) {
      const buffer = this.#buffers[this.#bufferIndex] as Buffer
      if (!this.reader.open(buffer, this.#bytePosition, this.#openOptions)) {
        this.#bufferIndex++
        this.#bytePosition = 0
        continue
      }
      this.#bytePosition = this.reader.nextPosition
      const { lastOffset } = this.reader
      if (lastOffset < this.position) {
        this.#note(lastOffset)
        continue
      }
      this.position = lastOffset + 1
      if (this.#visible(lastOffset)) return true
    }
    this.#buffers = NO_BUFFERS
    return false
  }

  #visible(lastOffset: number): boolean {
    const { reader } = this
    if (!this.#committedOnly || reader.producerId < 0) return !reader.isControl
    this.#note(lastOffset)
    if (reader.isControl) return false
    return !(reader.isTransactional && this.#hidden.has(reader.producerId))
  }

  /** Takes in aborted transactions that begin up to here, and markers that end one. */
  #note(lastOffset: number): void {
    if (!this.#committedOnly) return
    for (; this.#abortedIndex < this.#aborted.length; this.#abortedIndex++) {
      const aborted = this.#aborted[this.#abortedIndex] as AbortedTransaction
      if (aborted.firstOffset > lastOffset) break
      this.#hidden.add(aborted.producerId)
    }
    const { reader } = this
    if (reader.isControl && this.#hidden.size > 0 && reader.controlType() === 'abort') {
      this.#hidden.delete(reader.producerId)
    }
  }
}

const VERIFY_CRC: OpenOptions = { verifyCrc: true }
const CHECKED: OpenOptions = { verifyCrc: false }

function byFirstOffset(one: AbortedTransaction, other: AbortedTransaction): number {
  return one.firstOffset - other.firstOffset
}
