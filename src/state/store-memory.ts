/**
 * Store memory: what the buffered rows of all stores of an application may take, shared among them.
 *
 * Journey: each store asks at its eviction how much it may keep.
 *
 * As long as all rows fit, every store keeps all of its own: a join whose one table is large and whose
 * others are small reads nothing. When they do not, the stores that have less than their share keep
 * what they have, and the others divide what is left.
 */
import type { StateStore } from './store.ts'

export class StoreMemory {
  readonly #bytesMax: number
  readonly #stores = new Set<Pick<StateStore, 'bufferedBytes'>>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  add(store: Pick<StateStore, 'bufferedBytes'>): void {
    this.#stores.add(store)
  }

  remove(store: Pick<StateStore, 'bufferedBytes'>): void {
    this.#stores.delete(store)
  }

  /** How many bytes a store may have that has so many now. */
  limitOf(bytes: number): number {
    let used = 0
    for (const store of this.#stores) used += store.bufferedBytes()
    return used <= this.#bytesMax ? bytes + this.#bytesMax - used : this.#share()
  }

  #share(): number {
    const ascending = [...this.#stores].map((store) => store.bufferedBytes()).sort((a, b) => a - b)
    let left = this.#bytesMax
    for (const [index, bytes] of ascending.entries()) {
      const share = left / (ascending.length - index)
      if (bytes > share) return share
      left -= bytes
    }
    return left
  }
}
