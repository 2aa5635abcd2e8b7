/**
 * Windows of time as a user writes them: tumbling and hopping.
 *
 * Both are aligned to the epoch: a window of five minutes starts at every multiple of five
 * minutes. The start is inside, the end is not.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { TimeWindows } from '../operators/window-aggregate.ts'
import { checkOptions, positiveMs } from './arguments.ts'

export type { TimeWindows }

/** Options of windows that do not overlap. */
export interface TumblingOptions {
  /**
   * How long after its end a window still takes records that arrive late, in stream time.
   * Default 0: a record whose window has ended is dropped, and counted as late.
   */
  readonly grace?: Duration | undefined
}

/** Options of windows that overlap. */
export interface HoppingOptions extends TumblingOptions {
  /** From the start of one window to the start of the next; at most the size. */
  readonly advance: Duration
}

/**
 * Windows of one size, each beginning where the last one ended: every record is in exactly one.
 *
 * @param size length of a window, above zero
 * @throws RangeError when the size is not above zero, or the grace is negative
 * @see org.apache.kafka.streams.kstream.TimeWindows
 * @example
 * ```ts
 * hits.groupByKey().windowedBy(tumbling('1m', { grace: '10s' })).count()
 * ```
 */
export function tumbling(size: Duration, options: TumblingOptions = {}): TimeWindows {
  checkOptions(options, 'tumbling(...)', ['grace'])
  const sizeMs = positiveMs(size, 'size of tumbling(...)')
  return Object.freeze({ sizeMs, advanceMs: sizeMs, graceMs: graceOf(options, 'tumbling(...)') })
}

/**
 * Windows of one size that overlap, one starting every `advance`: a record is in `size / advance`
 * of them.
 *
 * @param size length of a window, above zero
 * @throws RangeError when the size is not above zero, the advance is not above zero or beyond the
 * size, or the grace is negative
 * @see org.apache.kafka.streams.kstream.TimeWindows
 * @example
 * ```ts
 * hits.groupByKey().windowedBy(hopping('5m', { advance: '1m' })).count()
 * ```
 */
export function hopping(size: Duration, options: HoppingOptions): TimeWindows {
  checkOptions(options, 'hopping(...)', ['advance', 'grace'])
  if (options?.advance === undefined) {
    throw new TypeError(
      `hopping(...) needs option advance; pass { advance: '1m' }, or use tumbling`,
    )
  }
  const sizeMs = positiveMs(size, 'size of hopping(...)')
  const advanceMs = positiveMs(options.advance, 'option advance of hopping(...)')
  if (advanceMs > sizeMs) {
    throw new RangeError(
      `option advance of hopping(...) is ${advanceMs} ms and the size ${sizeMs} ms; with a larger advance records between windows would be lost`,
    )
  }
  return Object.freeze({ sizeMs, advanceMs, graceMs: graceOf(options, 'hopping(...)') })
}

function graceOf({ grace = 0 }: TumblingOptions, call: string): number {
  return milliseconds(grace, `option grace of ${call}`)
}
