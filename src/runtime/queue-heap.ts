/**
 * Queue heap: which of several queues with equal head timestamps is next, as Kafka Streams has it.
 *
 * Journey: a task that runs a whole topology asks here instead of choosing itself, so that a test sees
 * records of one time in the order in which Kafka's TopologyTestDriver processes them.
 *
 * It is the binary heap of java.util.PriorityQueue in PartitionGroup, step by step: a queue is offered
 * when it gets its first record and again after each record taken while it has more; among equals the
 * order is what sifting up and down makes of it.
 *
 * Invariant: the heap is empty whenever all queues are, so that a restart then changes no order.
 */
import type { RecordQueue } from './record-queue.ts'

type Queue = Pick<RecordQueue, 'peek' | 'hasUndecoded' | 'caughtUp'>

export class QueueHeap {
  readonly #heap: number[] = []
  #queues: readonly Queue[] = []

  /**
   * The index of the queue to take from, -1 when there is none, or when it waits for one that may still
   * get an earlier record.
   */
  choose(queues: readonly Queue[], waits = true): number {
    this.#queues = queues
    for (const [index, queue] of queues.entries()) {
      if (queue.peek() === null) {
        if (queue.hasUndecoded() || (waits && !queue.caughtUp)) return -1
      } else if (!this.#heap.includes(index)) {
        this.#offer(index)
      }
    }
    return this.#heap[0] ?? -1
  }

  /** Called before the record of the chosen queue is taken out of it. */
  take(): void {
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) this.#siftDown(last)
  }

  /** Called after; the queue is offered again when it has more. */
  taken(index: number): void {
    if (this.#queues[index]?.peek() != null) this.#offer(index)
  }

  #offer(index: number): void {
    const heap = this.#heap
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (this.#timeOf(index) >= this.#timeOf(heap[parent])) break
      heap[at] = heap[parent] as number
      at = parent
    }
    heap[at] = index
  }

  #siftDown(index: number): void {
    const heap = this.#heap
    let at = 0
    while (at < heap.length >>> 1) {
      let child = 2 * at + 1
      if (child + 1 < heap.length && this.#timeOf(heap[child]) > this.#timeOf(heap[child + 1])) {
        child++
      }
      if (this.#timeOf(index) <= this.#timeOf(heap[child])) break
      heap[at] = heap[child] as number
      at = child
    }
    heap[at] = index
  }

  #timeOf(index: number | undefined): number {
    return this.#queues[index as number]?.peek()?.timestamp ?? Number.POSITIVE_INFINITY
  }
}
