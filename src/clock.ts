/**
 * The clock door: now, timers and random enter the system here and nowhere else, so that a test
 * can replace all three.
 *
 * Invariant: no other file of `src/` calls `Date.now`, `setTimeout` or `Math.random`.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the epoch. */
  now(): number
  /** Monotonic time in milliseconds, for durations. */
  monotonic(): number
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void
  /** Resolves on a later turn of the event loop, after input and output had their chance. */
  yield(): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
}

/** The machine's own clock. Its timers never keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
  yield: () => new Promise((resolve) => setImmediate(resolve)),
  random: () => Math.random(),
}

/** Resolves after `delayMs` on that clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}

/** A timer that never matters within the life of a process (the longest there is). */
const LONGEST_TIMER_MS = 0x7fff_ffff

/**
 * Keeps the process alive while a user waits for something that only timers or other parts of the
 * process can bring; the returned function lets go.
 */
export function holdProcess(): () => void {
  const timer = setInterval(() => {}, LONGEST_TIMER_MS)
  return () => clearInterval(timer)
}
