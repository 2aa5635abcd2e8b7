/**
 * What Kafka Streams' sliding windows do wrong, done on purpose: part of kafka-defects.ts.
 *
 * - A record that comes exactly difference + 1 after the one before it is in a window that is written
 *   once as the right one of that record and once as its own left one, and is sent twice. Where it is
 *   closed already, the record is counted as dropped twice.
 * - With the first row of a window goes, as the row before, what the window was made of: the initial
 *   value or the row of an earlier window.
 *
 * Follows KStreamSlidingWindowAggregate.processReverse, on the rows that it finds in the store.
 */
import type { Key, Value } from './case.ts'

interface Row {
  readonly value: Value
  readonly timestamp: number
}

/** What a record does that is wrong. */
interface Wrong {
  /** The start of the window that is sent twice; -1: none. */
  twice: number
  /** The row before of its left window, when it is new. */
  readonly leftSeed: Value
  readonly left: number
}

export interface SlidingOptions {
  readonly differenceMs: number
  readonly initial: Value
  /** True for a window that the store does not show any more. */
  isExpired(start: number): boolean
}

export class SlidingDefects {
  readonly #options: SlidingOptions
  /** The rows of each key, by start of their windows. */
  readonly #rows = new Map<Key, Map<number, Row>>()
  #wrong: Wrong = { twice: -1, leftSeed: null, left: -1 }
  #time = -1

  constructor(options: SlidingOptions) {
    this.#options = options
  }

  /** Called before a record is folded into its windows. */
  observe(key: Key, time: number): void {
    const { differenceMs, initial } = this.#options
    this.#time = time
    const left = time - differenceMs
    const starts: number[] = []
    let previous = -1
    let hasLeft = false
    let leftSeed = initial
    for (const [start, row] of this.#found(key, time)) {
      starts.push(start)
      const end = start + differenceMs
      if (end > time) continue
      if (end < time) {
        previous = row.timestamp
        if (previous >= left) leftSeed = row.value
        break
      }
      hasLeft = true
      if (row.timestamp < time) previous = row.timestamp
    }
    const isTwice =
      left >= 0 && previous >= 0 && !hasLeft && previous + 1 === left && !starts.includes(left)
    this.#wrong = { twice: isTwice ? left : -1, leftSeed, left }
  }

  /** Windows of the key that begin up to two differences before, the latest first. */
  #found(key: Key, time: number): [number, Row][] {
    const { differenceMs, isExpired } = this.#options
    const from = Math.max(0, time - 2 * differenceMs)
    return [...(this.#rows.get(key) ?? [])]
      .filter(([start, { value }]) => value !== null && start >= from && start <= time + 1)
      .filter(([start]) => !isExpired(start))
      .sort(([a], [b]) => b - a)
  }

  /** Called when a row is written. */
  wrote(key: Key, start: number, row: Row): void {
    const rows = this.#rows.get(key) ?? new Map<number, Row>()
    this.#rows.set(key, rows)
    rows.set(start, row)
  }

  /** The row before a change, as Kafka Streams has it. */
  before(start: number, before: Value): Value {
    if (before !== null || start === this.#time + 1) return before
    return start === this.#wrong.left ? this.#wrong.leftSeed : this.#options.initial
  }

  /** True once, for the window that is sent twice. */
  isTwice(start: number): boolean {
    if (this.#wrong.twice < 0 || start !== this.#wrong.twice) return false
    this.#wrong.twice = -1
    return true
  }
}
