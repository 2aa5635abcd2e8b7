/** The examples of sessions, sliding windows and calendar windows give what a plain program gives. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BY_DAY, BY_MONTH, sumsOf } from '../../examples/calendar-windows/main.ts'
import { daysIn, monthsIn } from '../../examples/calendar-windows/windows.ts'
import { visitsOf } from '../../examples/sessions/main.ts'
import { alarmsOf, someLogins, type TimedLogin } from '../../examples/sliding-alarm/main.ts'
import { FAILURES_MAX } from '../../examples/sliding-alarm/topology.ts'
import { parseTime } from '../../examples/web-log/parse.ts'

const SAMPLE = new URL('../../examples/web-log/sample.log', import.meta.url)
const HALF_HOUR_MS = 30 * 60_000

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-examples-test-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Visits as `client start end pages`, found by sorting. */
function plainVisits(lines: readonly string[]): string[] {
  const times = new Map<string, number[]>()
  for (const line of lines) {
    const match = /^(\S+) \S+ \S+ \[([^\]]+)\] "\S+ \S+ [^"]*" \d{3} (?:\d+|-)/.exec(line)
    const time = match === null ? null : parseTime(match[2]!)
    if (match === null || time === null) continue
    times.set(match[1]!, [...(times.get(match[1]!) ?? []), time])
  }
  const visits: string[] = []
  for (const client of [...times.keys()].sort()) {
    const sorted = times.get(client)!.sort((a, b) => a - b)
    let first = 0
    for (let index = 1; index <= sorted.length; index++) {
      if (index < sorted.length && sorted[index]! - sorted[index - 1]! <= HALF_HOUR_MS) continue
      visits.push(`${client} ${sorted[first]} ${sorted[index - 1]} ${index - first}`)
      first = index
    }
  }
  return visits
}

describe('sessions', () => {
  it('finds the visits of every client in the sample log', async () => {
    const lines = readFileSync(SAMPLE, 'utf8').split('\n')
    const expected = plainVisits(lines)
    const visits = await visitsOf(
      lines.filter((line) => line !== ''),
      directory,
    )
    const shown = visits.map(({ key, start, end, pages }) => `${key} ${start} ${end} ${pages}`)
    expect(expected.length).toBeGreaterThan(100)
    expect(shown).toEqual(expected)
  })
})

describe('sliding-alarm', () => {
  it('raises an alarm when five failures are within a minute, across full minutes too', async () => {
    const logins = someLogins(Date.UTC(2024, 2, 11, 8))
    const alarms = await alarmsOf(logins, directory)
    expect(alarms.length).toBeGreaterThan(0)
    expect(new Set(alarms.map(({ user }) => user))).toEqual(new Set(['user-3']))
    for (const { user, from, to, failures } of alarms) {
      const within = (login: TimedLogin): boolean =>
        login.user === user && !login.succeeded && login.at >= from && login.at <= to
      expect(failures).toBe(FAILURES_MAX)
      expect(logins.filter(within).length).toBeGreaterThanOrEqual(FAILURES_MAX)
    }
  })
})

describe('calendar-windows', () => {
  it('sums up by day and month where summer time begins', async () => {
    // In Zurich the night to 31 March 2024 is an hour short, and April begins at 22:00 UTC.
    const at = (day: number, hour: number): number => Date.UTC(2024, 2, day, hour)
    const sale = (time: number, amount: number) => ({ shop: 'zurich', at: time, amount })
    const sales = [
      sale(at(30, 22), 1),
      sale(at(30, 23), 2),
      sale(at(31, 21), 4),
      sale(at(31, 22), 8),
      sale(at(31, 23), 16),
    ]
    const sums = await sumsOf(sales, directory)
    expect(Object.fromEntries(sums[BY_DAY])).toEqual({
      'zurich 2024-03-30': 1,
      'zurich 2024-03-31': 6,
      'zurich 2024-04-01': 24,
    })
    expect(Object.fromEntries(sums[BY_MONTH])).toEqual({
      'zurich 2024-03-01': 7,
      'zurich 2024-04-01': 24,
    })
  })

  it('has days of 23, 24 and 25 hours that follow each other', () => {
    const { windowsFor } = daysIn('Europe/Zurich')
    const hours = new Set<number>()
    let start = Date.UTC(2023, 11, 31, 23)
    for (let day = 0; day < 366; day++) {
      const [window] = [...windowsFor(start + 1)]
      expect(window!.start).toBe(start)
      hours.add((window!.end - window!.start) / 3_600_000)
      start = window!.end
    }
    expect(hours).toEqual(new Set([23, 24, 25]))
    expect(start).toBe(Date.UTC(2024, 11, 31, 23))
  })

  it('has the months of a zone that is ahead and of one that is behind', () => {
    const month = (zone: string, time: number): number[] => {
      const [window] = [...monthsIn(zone).windowsFor(time)]
      return [window!.start, window!.end]
    }
    const hours = 3_600_000
    const [february, march] = [Date.UTC(2024, 1, 1), Date.UTC(2024, 2, 1)]
    expect(month('Asia/Kolkata', february)).toEqual([february - 5.5 * hours, march - 5.5 * hours])
    expect(month('America/New_York', february + 5 * hours)).toEqual([
      february + 5 * hours,
      march + 5 * hours,
    ])
  })
})
