/**
 * Windows of time as a user writes them.
 *
 * Tumbling and hopping windows are aligned to the epoch: one of five minutes starts at every
 * multiple of five minutes; the start is inside, the end is not. Sliding and session windows begin
 * and end with records, both inside. Unlimited windows never end, and custom ones are the user's.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { SessionWindows } from '../operators/session-aggregate.ts'
import type { SlidingWindows } from '../operators/sliding-aggregate.ts'
import type { CustomWindows, TimeWindows, Window } from '../operators/window-aggregate.ts'
import { show } from '../topology/names.ts'
import { checkFunction, checkOptions, positiveMs } from './arguments.ts'

export type { CustomWindows, SessionWindows, SlidingWindows, TimeWindows, Window }

/** All windows but sessions, whose results also need to be merged. */
export type AlignedWindows = TimeWindows | SlidingWindows | CustomWindows

/** Where an unlimited window ends: Kafka's largest long, as nearly as a number can say it. */
export const UNLIMITED_END: number = 2 ** 63

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

/**
 * Windows around the records: for each record one that ends with it and one that begins right after
 * it, of those the ones that have records. Two records are in a common window when they are at most
 * `difference` apart.
 *
 * Records without a value are dropped. A burst of n records of one key within a difference has about
 * 2n windows, and each further record updates half of them.
 *
 * @param difference from the first to the last record of a window at most, above zero
 * @throws RangeError when the difference is not above zero, or the grace is negative
 * @see org.apache.kafka.streams.kstream.SlidingWindows
 * @example
 * ```ts
 * hits.groupByKey().windowedBy(sliding('30s', { grace: '5s' })).count()
 * ```
 */
export function sliding(difference: Duration, options: TumblingOptions = {}): SlidingWindows {
  const call = 'sliding(...)'
  checkOptions(options, call, ['grace'])
  const differenceMs = positiveMs(difference, `difference of ${call}`)
  return Object.freeze({ differenceMs, graceMs: graceOf(options, call) })
}

/**
 * Sessions: a key's records with no more than `gap` between one and the next, each session from its
 * first record to its last. A record between two sessions makes one of them.
 *
 * @param gap how long a key is quiet at most within a session
 * @throws RangeError when the gap or the grace is negative
 * @see org.apache.kafka.streams.kstream.SessionWindows
 * @example
 * ```ts
 * clicks.groupByKey().windowedBy(session('30m', { grace: '1m' })).count()
 * ```
 */
export function session(gap: Duration, options: TumblingOptions = {}): SessionWindows {
  const call = 'session(...)'
  checkOptions(options, call, ['grace'])
  const gapMs = milliseconds(gap, `gap of ${call}`)
  return Object.freeze({ gapMs, graceMs: graceOf(options, call) })
}

/** Options of the window that never ends. */
export interface UnlimitedOptions {
  /** Records before this time, in milliseconds since the epoch, are in no window. Default 0. */
  readonly start?: number | undefined
}

/**
 * One window for each key, from `start` on without end: it never closes and its rows are never
 * expired.
 *
 * @throws RangeError when the start is not a whole number of milliseconds from 0
 * @see org.apache.kafka.streams.kstream.UnlimitedWindows
 * @example
 * ```ts
 * orders.groupByKey().windowedBy(unlimited({ start: Date.UTC(2026, 0, 1) })).count()
 * ```
 */
export function unlimited(options: UnlimitedOptions = {}): CustomWindows {
  checkOptions(options, 'unlimited(...)', ['start'])
  const { start = 0 } = options
  if (!Number.isSafeInteger(start) || start < 0) {
    throw new RangeError(
      `option start of unlimited(...) is ${show(start)}; pass milliseconds since the epoch, a whole number from 0`,
    )
  }
  const window = [Object.freeze({ start, end: UNLIMITED_END })]
  const windowsFor = (timestamp: number): Window[] => (timestamp < start ? [] : window)
  return Object.freeze({ windowsFor, sizeMs: UNLIMITED_END, graceMs: 0 })
}

/** Options of windows that a function chooses. */
export interface CustomWindowsOptions extends TumblingOptions {
  /** The longest that a window gets: `25h` for days of a time zone with summer time. */
  readonly size: Duration
}

/**
 * Windows that a function chooses, such as the days and months of a time zone.
 *
 * @param windowsFor - gives the windows that a time is in, `start` inclusive, `end` exclusive, in
 * milliseconds since the epoch. The same windows for every time in them, and no two with one start.
 * @param options - `size`, the longest that a window gets, and `grace`
 * @throws TypeError or RangeError naming what is wrong
 * @see org.apache.kafka.streams.kstream.Windows
 * @example
 * ```ts
 * const year = (n: number) => Date.UTC(n, 0, 1)
 * const years = customWindows(
 *   (timestamp) => {
 *     const n = new Date(timestamp).getUTCFullYear()
 *     return [{ start: year(n), end: year(n + 1) }]
 *   },
 *   { size: '366d', grace: '1d' },
 * )
 * orders.groupByKey().windowedBy(years).count()
 * ```
 */
export function customWindows(
  windowsFor: (timestamp: number) => Iterable<Window>,
  options: CustomWindowsOptions,
): CustomWindows {
  const call = 'customWindows(...)'
  checkFunction(windowsFor, call, 'windowsFor', '(timestamp) => [{ start, end }]')
  checkOptions(options, call, ['size', 'grace'])
  if (options?.size === undefined) {
    throw new TypeError(
      `${call} needs option size; pass the longest that a window gets: { size: '25h' }`,
    )
  }
  const sizeMs = positiveMs(options.size, `option size of ${call}`)
  return Object.freeze({ windowsFor, sizeMs, graceMs: graceOf(options, call) })
}

/** Checks what `windowedBy` is given: windows of a factory, or an object of their shape. */
export function checkWindows(windows: unknown, call: string): void {
  const given = windows as Partial<TimeWindows & SlidingWindows & SessionWindows & CustomWindows>
  const isObject = typeof windows === 'object' && windows !== null
  const has = (value: unknown): boolean => typeof value === 'number' && value >= 0
  if (isObject && has(given.graceMs)) {
    if (typeof given.windowsFor === 'function' && has(given.sizeMs)) return
    if (has(given.gapMs) || has(given.differenceMs)) return
    if (has(given.sizeMs) && has(given.advanceMs)) return
  }
  throw new TypeError(
    `windows of ${call} is ${show(windows)}; pass tumbling('1m'), hopping('5m', { advance: '1m' }), sliding('30s'), session('30m'), unlimited() or customWindows(...)`,
  )
}

function graceOf({ grace = 0 }: TumblingOptions, call: string): number {
  return milliseconds(grace, `option grace of ${call}`)
}
