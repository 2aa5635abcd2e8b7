/**
 * The clock of tests: stands still until it is told to go on. Timers fire, in order of their time, while
 * it advances.
 */
import type { Clock } from '../clock.ts'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * A clock for tests: it stands still until `advance` moves it on, and fires on the way what became due.
 *
 * @example
 * ```ts
 * const clock = new TestClock(Date.UTC(2026, 0, 1))
 * const log = embedded({ clock })
 * const app = new Streams(topology, { applicationId: 'web-stats', log, clock })
 * clock.advance(60_000)
 * ```
 */
export class TestClock implements Clock {
  #now: number
  #seed: number
  readonly #timers = new Set<Timer>()

  /** @param now milliseconds since the epoch to start at. Default 0 */
  constructor(now = 0, seed = 1) {
    this.#now = now
    this.#seed = seed
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets input and output happen; time stands still meanwhile. */
  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0
    return this.#seed / 0x1_0000_0000
  }

  /** Moves time on by `ms`, firing every timer that becomes due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end)
      if (due.length === 0) break
      const next = due.reduce((first, timer) => (timer.at < first.at ? timer : first))
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
    this.#now = end
  }
}
