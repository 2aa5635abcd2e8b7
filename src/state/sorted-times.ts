/**
 * Sorted times: the windows a store has rows for, in order, so that those which close are found
 * without looking at the others.
 *
 * Windows mostly begin one after the other, so adding is nearly always an append.
 *
 * Invariants:
 * - Ascending, each time once; what is before `#first` is gone.
 * - A time that is listed may have no rows (any more); one with rows is listed.
 */

/** How many times that are gone may stay in front before they are cut off. */
const GONE_MAX = 1024

export class SortedTimes {
  #times: number[] = []
  #first = 0

  add(time: number): void {
    const times = this.#times
    const last = times.length === this.#first ? Number.NEGATIVE_INFINITY : times[times.length - 1]!
    if (time > last) {
      times.push(time)
      return
    }
    const at = this.#firstFrom(time)
    if (times[at] !== time) times.splice(at, 0, time)
  }

  /** Times with `from <= time <= to`, ascending. */
  between(from: number, to: number): number[] {
    const start = this.#firstFrom(from)
    let end = start
    while (end < this.#times.length && this.#times[end]! <= to) end++
    return this.#times.slice(start, end)
  }

  /** True when there is a time with `from <= time <= to`. */
  hasBetween(from: number, to: number): boolean {
    const at = this.#firstFrom(from)
    return at < this.#times.length && this.#times[at]! <= to
  }

  /** Lets go of all times up to this one. */
  deleteUpTo(time: number): void {
    this.#first = this.#firstFrom(time + 1)
    if (this.#first < GONE_MAX && this.#first < this.#times.length) return
    this.#times = this.#times.slice(this.#first)
    this.#first = 0
  }

  /** Position of the first time that is not below this one. */
  #firstFrom(time: number): number {
    let low = this.#first
    let high = this.#times.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#times[middle]! < time) low = middle + 1
      else high = middle
    }
    return low
  }
}
