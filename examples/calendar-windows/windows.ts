/**
 * Windows that follow a calendar: the days and months of a time zone, with their real lengths. A day
 * has 23 or 25 hours where summer time begins or ends, and a month 28 to 31 days.
 */
import { type CustomWindows, customWindows, type Duration, type Window } from 'millrace'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** No zone is further from UTC than this. */
const OFFSET_MS_MAX = 15 * HOUR_MS

/** A date of the calendar; `day` may be outside of its month, as in `Date.UTC`. */
interface CalendarDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** The days of a time zone, from midnight to midnight by the clocks there. */
export function daysIn(
  timeZone: string,
  { grace = 0 }: { readonly grace?: Duration } = {},
): CustomWindows {
  const calendar = new Calendar(timeZone)
  const day = (timestamp: number): Window[] => {
    const date = calendar.dateOf(timestamp)
    return [
      { start: calendar.startOf(date), end: calendar.startOf({ ...date, day: date.day + 1 }) },
    ]
  }
  return customWindows(day, { size: '25h', grace })
}

/** The months of a time zone. */
export function monthsIn(
  timeZone: string,
  { grace = 0 }: { readonly grace?: Duration } = {},
): CustomWindows {
  const calendar = new Calendar(timeZone)
  const month = (timestamp: number): Window[] => {
    const first = { ...calendar.dateOf(timestamp), day: 1 }
    const next = { ...first, month: first.month + 1 }
    return [{ start: calendar.startOf(first), end: calendar.startOf(next) }]
  }
  return customWindows(month, { size: 31 * DAY_MS + HOUR_MS, grace })
}

class Calendar {
  readonly #format: Intl.DateTimeFormat

  constructor(timeZone: string) {
    const number = 'numeric'
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      hourCycle: 'h23',
      year: number,
      month: number,
      day: number,
      hour: number,
      minute: number,
      second: number,
    })
  }

  dateOf(timestamp: number): CalendarDate {
    const date = new Date(this.#wallClock(timestamp))
    return { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate() }
  }

  /** The first moment of a date: the earliest whose wall clock shows it. */
  startOf({ year, month, day }: CalendarDate): number {
    const midnight = Date.UTC(year, month, day)
    // What the clocks show only ever jumps forward at midnight or goes on: halve until it is found.
    let before = midnight - OFFSET_MS_MAX
    let after = midnight + OFFSET_MS_MAX
    while (after - before > 1) {
      const between = Math.floor((before + after) / 2)
      if (this.#wallClock(between) >= midnight) after = between
      else before = between
    }
    return Math.max(0, after)
  }

  /** What the clocks show at a moment, as if it were UTC. */
  #wallClock(timestamp: number): number {
    const parts = new Map<string, number>()
    for (const { type, value } of this.#format.formatToParts(timestamp)) {
      parts.set(type, Number(value))
    }
    const of = (type: string): number => parts.get(type) as number
    const date = Date.UTC(of('year'), of('month') - 1, of('day'))
    const milliseconds = ((timestamp % 1000) + 1000) % 1000
    return date + of('hour') * HOUR_MS + of('minute') * 60_000 + of('second') * 1000 + milliseconds
  }
}
