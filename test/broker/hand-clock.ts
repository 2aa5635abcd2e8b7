/** A clock that a test moves. */
import type { Clock } from '../../src/clock.ts'

/** Time stands still; timers run when told to. */
export class HandClock implements Clock {
  time = 1_000_000
  readonly #timers = new Set<{ readonly due: number; readonly run: () => void }>()
  now = (): number => this.time
  monotonic = (): number => this.time
  random = (): number => 0.5
  yield = (): Promise<void> => Promise.resolve()

  after(delayMs: number, run: () => void): () => void {
    const timer = { due: this.time + delayMs, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  async advance(ms: number): Promise<void> {
    this.time += ms
    for (const timer of [...this.#timers]) {
      if (timer.due > this.time || !this.#timers.delete(timer)) continue
      timer.run()
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}
