/**
 * The memory tail of a partition: the newest batches by reference, so that a reader that keeps up
 * never touches a file and nothing is copied.
 *
 * Invariants:
 * - A batch is never written to after it was appended; readers share it.
 * - The batches are consecutive and end at the log end offset.
 * - One tail holds at most `TAIL_BYTES_MAX`, all tails of a budget together at most its bound; the
 *   oldest batches go first, in turn over the partitions. What counts is the memory that a batch
 *   keeps, not its length: a partition of small batches and markers would hold many times its bound.
 */

/** Per partition: some 60 full batches, far more than a reader that keeps up is behind. */
export const TAIL_BYTES_MAX: number = 4 * 1024 * 1024
/** Per process: 32 partitions' worth. */
const BUDGET_BYTES_MAX: number = 128 * 1024 * 1024
/** What a batch keeps beyond its bytes: Buffer, ArrayBuffer, backing store and slot (measured). */
const BATCH_OVERHEAD_BYTES = 512
/** Slots of evicted batches are reclaimed when this many, and more than half, are empty. */
const EMPTY_SLOTS_MAX = 1024

interface RecentBatch {
  readonly bytes: Buffer
  readonly lastOffset: number
  readonly heldBytes: number
}

/** What all tails of a process may hold together. */
export class TailBudget {
  readonly bytesMax: number
  usedBytes = 0
  readonly #tails: MemoryTail[] = []
  #turn = 0

  constructor(bytesMax: number = BUDGET_BYTES_MAX) {
    this.bytesMax = bytesMax
  }

  join(tail: MemoryTail): void {
    this.#tails.push(tail)
  }

  leave(tail: MemoryTail): void {
    const index = this.#tails.indexOf(tail)
    if (index >= 0) this.#tails.splice(index, 1)
  }

  makeRoom(): void {
    while (this.usedBytes > this.bytesMax) {
      this.#turn = (this.#turn + 1) % this.#tails.length
      this.#tails[this.#turn]?.evictOldest()
    }
  }
}

/** The budget of logs that are opened without another. */
export const processTailBudget: TailBudget = new TailBudget()

export class MemoryTail {
  /** Offset of the first batch held; the log end offset when empty. */
  startOffset: number
  #bytes = 0
  #batches: (RecentBatch | undefined)[] = []
  #first = 0
  readonly #budget: TailBudget

  constructor(budget: TailBudget, logEndOffset: number) {
    this.#budget = budget
    this.startOffset = logEndOffset
    budget.join(this)
  }

  append(bytes: Buffer, lastOffset: number): void {
    const heldBytes = heldBytesOf(bytes)
    this.#batches.push({ bytes, lastOffset, heldBytes })
    this.#bytes += heldBytes
    this.#budget.usedBytes += heldBytes
    while (this.#bytes > TAIL_BYTES_MAX) this.evictOldest()
    this.#budget.makeRoom()
  }

  /** Batches from the one with `offset` (at least `startOffset`), ending below `upTo`. */
  read(offset: number, maxBytes: number, upTo: number): Buffer[] {
    const batches = this.#batches
    const found: Buffer[] = []
    let room = maxBytes
    for (let index = this.#find(offset); index < batches.length; index++) {
      const { bytes, lastOffset } = batches[index] as RecentBatch
      if (lastOffset >= upTo || (found.length > 0 && bytes.length > room)) break
      found.push(bytes)
      room -= bytes.length
    }
    return found
  }

  evictOldest(): void {
    const batch = this.#batches[this.#first]
    if (batch === undefined) return
    this.#batches[this.#first++] = undefined
    this.startOffset = batch.lastOffset + 1
    this.#bytes -= batch.heldBytes
    this.#budget.usedBytes -= batch.heldBytes
    if (this.#first > EMPTY_SLOTS_MAX && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first)
      this.#first = 0
    }
  }

  /** Forgets all batches; the next one will start at `logEndOffset`. */
  reset(logEndOffset: number): void {
    this.#budget.usedBytes -= this.#bytes
    this.#bytes = 0
    this.#batches = []
    this.#first = 0
    this.startOffset = logEndOffset
  }

  /** Gives its memory back for good. */
  close(): void {
    this.reset(this.startOffset)
    this.#budget.leave(this)
  }

  #find(offset: number): number {
    let low = this.#first
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#batches[middle] as RecentBatch).lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A writer hands out its own buffer when it is at least half full, so its rest is kept too. */
function heldBytesOf(bytes: Buffer): number {
  return Math.min(bytes.buffer.byteLength, bytes.length * 2) + BATCH_OVERHEAD_BYTES
}
