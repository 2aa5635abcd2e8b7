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
const TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/
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
  const match = TIME.exec(text)
  if (match === null) return null
  const [day, year, hour, minute, second] = [1, 3, 4, 5, 6].map((group) => Number(match[group]))
  const month = MONTHS.indexOf(match[2]!)
  const zoneMinutes = Number(match[8]) * 60 + Number(match[9])
  const midnight = Date.UTC(year!, month, day)
  const exists =
    year! >= 1970 &&
    month >= 0 &&
    new Date(midnight).getUTCDate() === day &&
    hour! < 24 &&
    minute! < 60 &&
    second! < 60 &&
    Number(match[9]) < 60
  if (!exists) return null
  const local = midnight + hour! * 3_600_000 + minute! * 60_000 + second! * 1000
  const timestamp = local - (match[7] === '-' ? -1 : 1) * zoneMinutes * 60_000
  return timestamp < 0 ? null : timestamp
}

/** Reads the bytes of a line straight into what it means, so that each line is parsed once. */
export const accessLine: Serde<Line> = {
  name: 'access-line',
  read: (bytes, start, end) => parseLine(bytes.toString('utf8', start, end)),
  write() {
    throw new TypeError('a parsed line is never written back; ingest writes the bytes of the file')
  },
}
