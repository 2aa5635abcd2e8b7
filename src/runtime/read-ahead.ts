/**
 * Read-ahead: decodes the next records of a queue and has the stores load the rows they will touch.
 *
 * Journey: task -> [read-ahead] -> record queue: decode -> prefetch of the stores.
 *
 * Few records at a time, as long as all rows they touch are in memory: a record is then still in the
 * processor's nearest cache when its turn comes, which made stateless jobs a sixth faster (measured).
 * Many, while rows have to be read: one batched read serves them, and 256 keys are read fastest.
 */
import type { PromiseOrValue } from '../record/record.ts'
import type { RecordQueue } from './record-queue.ts'
import type { SourceEntry } from './task-graph.ts'

/** Records decoded ahead where nothing has to be read for them. */
const FEW_RECORDS = 8
/** One batched read of the stores; and so few of them survive a collection of the young generation. */
const MANY_RECORDS = 256
/** So many times in a row nothing had to be read: then nothing will. */
const NEEDLESS_MAX = 4

export class ReadAhead {
  readonly #queue: RecordQueue
  readonly #prefetchers: SourceEntry['prefetchers']
  #records = FEW_RECORDS
  #needless = 0

  constructor(queue: RecordQueue, { prefetchers }: SourceEntry) {
    this.#queue = queue
    this.#prefetchers = prefetchers
  }

  /** Decodes more when none is left; a promise when rows must be read first. */
  decode(): PromiseOrValue<void> {
    const queue = this.#queue
    if (!queue.hasUndecoded()) return
    const records = queue.decode(this.#records)
    if (records.length === 0) return
    let waits: Promise<void>[] | null = null
    for (const { processor } of this.#prefetchers) {
      const pending = processor.prefetch?.(records)
      if (pending instanceof Promise) {
        waits ??= []
        waits.push(pending)
      }
    }
    this.#learn(waits !== null)
    if (waits !== null) return Promise.all(waits).then(() => undefined)
  }

  #learn(hadToRead: boolean): void {
    if (hadToRead) {
      this.#records = MANY_RECORDS
      this.#needless = 0
    } else if (this.#records === MANY_RECORDS && ++this.#needless >= NEEDLESS_MAX) {
      this.#records = FEW_RECORDS
    }
  }
}
