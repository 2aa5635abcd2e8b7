/**
 * One line of an access log in combined (or common) log format becomes a hit, or is rejected with
 * its reason.
 *
 * Journey: file -> ingest -> `access-log` -> [parse] -> topology. Ingest keeps the line's bytes as
 * they are; here they are read as UTF-8, bytes that are none show as U+FFFD.
 *
 * Invariants:
 * - Every text gives exactly one of the two answers; nothing throws.
 * - A text that ends in a line feed is a line that ingest cut (see `LineSplitter`): never a hit.
 */
import type { Serde } from 'millrace'

/** A request the server answered: what it asked for, when, and how many bytes went back. */
export interface Hit {
  readonly kind: 'hit'
  readonly target: string
  /** Milliseconds since the epoch, from the line itself. */
  readonly timestamp: number
  readonly bytes: number
}

/** A line that is no hit. */
export interface Rejected {
  readonly kind: 'rejected'
  readonly reason: RejectReason
  readonly text: string
}

export type Line = Hit | Rejected

export type RejectReason =
  | 'line too long'
  | 'not a log line'
  | 'request is not METHOD target PROTOCOL'
  | 'time is not valid'
  | 'byte count is too large'

//            host    ident   user    time          request                 status  bytes    the rest
const LINE = /^(\S+) (\S+) (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)( .*)?$/
const REQUEST = /^\S+ (\S+) \S+$/
const TIME = /^\d\d\/[A-Z][a-z]{2}\/\d{4}:[0-2]\d:[0-5]\d:[0-5]\d [+-]\d\d[0-5]\d$/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function parseLine(text: string): Line {
  if (text.endsWith('\n')) return reject('line too long', text)
  const line = LINE.exec(text)
  if (line === null) return reject('not a log line', text)
  const request = REQUEST.exec(line[5]!)
  if (request === null) return reject('request is not METHOD target PROTOCOL', text)
  const timestamp = parseTime(line[4]!)
  if (timestamp === null) return reject('time is not valid', text)
  const bytes = line[7] === '-' ? 0 : Number(line[7])
  if (!Number.isSafeInteger(bytes)) return reject('byte count is too large', text)
  return { kind: 'hit', target: request[1]!, timestamp, bytes }
}

function reject(reason: RejectReason, text: string): Rejected {
  return { kind: 'rejected', reason, text }
}

/** `17/May/2015:10:05:03 +0000` in milliseconds since the epoch; null when there is no such time. */
export function parseTime(text: string): number | null {
  if (!TIME.test(text)) return null
  const hour = twoDigits(text, 12)
  const midnight = midnightOf(text.slice(0, 11))
  if (hour > 23 || midnight === null) return null
  const minutes = hour * 60 + twoDigits(text, 15)
  const zoneMinutes = twoDigits(text, 22) * 60 + twoDigits(text, 24)
  const utcMinutes = text[21] === '-' ? minutes + zoneMinutes : minutes - zoneMinutes
  const timestamp = midnight + utcMinutes * 60_000 + twoDigits(text, 18) * 1000
  return timestamp < 0 ? null : timestamp
}

/** The day asked for last: lines that follow each other nearly always share it. */
let knownDay = ''
let knownMidnight: number | null = null

/** Start of a day such as `17/May/2015`, in milliseconds; null when the calendar does not have it. */
function midnightOf(day: string): number | null {
  if (day === knownDay) return knownMidnight
  const [date, month, year] = [
    Number(day.slice(0, 2)),
    MONTHS.indexOf(day.slice(3, 6)),
    Number(day.slice(7)),
  ]
  const midnight = Date.UTC(year, month, date)
  const exists = year >= 1970 && month >= 0 && new Date(midnight).getUTCDate() === date
  knownDay = day
  knownMidnight = exists ? midnight : null
  return knownMidnight
}

const ZERO = 48

function twoDigits(text: string, at: number): number {
  return (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO
}

/** Reads the bytes of a line straight into what it means, so that each line is parsed once. */
export const accessLine: Serde<Line> = {
  name: 'access-line',
  read: (bytes, start, end) => parseLine(bytes.toString('utf8', start, end)),
  write() {
    throw new TypeError('a parsed line is never written back; ingest writes the bytes of the file')
  },
}
