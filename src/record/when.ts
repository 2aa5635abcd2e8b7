/**
 * Chains on a value that is there, or comes later, without a promise when it is there.
 *
 * Journey: every seam where a store may have to read. A synchronous step stays synchronous, and one
 * that waits returns a promise the task awaits before the next record.
 */
import type { PromiseOrValue } from './record.ts'

/** Calls `next` with the value: at once when it is there, otherwise when its promise resolves. */
export function when<T, R>(
  value: PromiseOrValue<T>,
  next: (value: T) => PromiseOrValue<R>,
): PromiseOrValue<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}
