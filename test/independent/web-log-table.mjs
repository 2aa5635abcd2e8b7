/**
 * The table of the main job, computed another way: no regular expression over the line, no log, no
 * topology, nothing of millrace. The whole file in memory, one pass, one Map.
 *
 * node test/independent/web-log-table.mjs FILE WINDOW_MS > table.ndjson
 *
 * What it shares with the job is only what its documentation says: what a hit is, and the output.
 */
import { readFileSync } from 'node:fs'

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'

/** A blank as the job's pattern understands it. */
const isBlank = (text) => text.trim() !== text || text.split(/\s/u).length > 1

/** The next field up to a space; null when it is empty or has another kind of blank in it. */
function field(line, from) {
  const space = line.indexOf(' ', from)
  const text = space === -1 ? line.slice(from) : line.slice(from, space)
  return text === '' || isBlank(text) ? null : { text, next: space === -1 ? -1 : space + 1 }
}

function hitOf(line) {
  let at = 0
  for (let count = 0; count < 3; count++) {
    const token = field(line, at)
    if (token === null || token.next === -1) return null
    at = token.next
  }
  if (line[at] !== '[') return null
  const bracket = line.indexOf(']', at)
  if (bracket <= at + 1 || line.slice(bracket, bracket + 3) !== '] "') return null
  const quote = endOfQuoted(line, bracket + 3)
  if (quote === -1) return null
  const request = line.slice(bracket + 3, quote).split(' ')
  if (request.length !== 3 || request.some((part) => part === '' || isBlank(part))) return null
  const rest = line.slice(quote + 1)
  const status = rest.slice(1, 4)
  if (rest[0] !== ' ' || !isDigits(status) || status.length !== 3 || rest[4] !== ' ') return null
  const space = rest.indexOf(' ', 5)
  const size = space === -1 ? rest.slice(5) : rest.slice(5, space)
  if (size !== '-' && !isDigits(size)) return null
  if (space !== -1 && ['\r', '\u2028', '\u2029'].some((end) => rest.includes(end, space)))
    return null
  const time = timeOf(line.slice(at + 1, bracket))
  if (Number.isNaN(time)) return null
  const bytes = size === '-' ? 0 : Number(size)
  return bytes > Number.MAX_SAFE_INTEGER ? null : { target: request[1], time, bytes }
}

function isDigits(text) {
  return text !== '' && [...text].every((letter) => letter >= '0' && letter <= '9')
}

/** Where the quotation that began before `from` ends; a backslash makes the next letter plain. */
function endOfQuoted(line, from) {
  for (let at = from; at < line.length; at++) {
    if (line[at] === '"') return at
    if (line[at] === '\\') {
      at++
      if (['\r', '\u2028', '\u2029'].includes(line[at])) return -1
    }
  }
  return -1
}

/** 17/May/2015:10:05:03 +0000, by way of an ISO date. */
function timeOf(text) {
  if (text.length !== 26) return Number.NaN
  const month = MONTHS.indexOf(text.slice(3, 6)) / 3 + 1
  const iso = `${text.slice(7, 11)}-${String(month).padStart(2, '0')}-${text.slice(0, 2)}T${text.slice(12, 20)}`
  const zone = `${text.slice(21, 24)}:${text.slice(24)}`
  const there = Date.parse(`${iso}Z`)
  // A day that the month does not have would come back as another one.
  const known = !Number.isNaN(there) && new Date(there).toISOString() === `${iso}.000Z`
  const layout = text[2] + text[6] + text[11] + text[20] === '//: '
  const time = known && layout ? Date.parse(`${iso}${zone}`) : Number.NaN
  return time < 0 ? Number.NaN : time
}

/** Rows of the table, sorted, and what was left out. */
export function webLogTable(bytes, windowMs) {
  const lines = bytes.toString('utf8').split('\n')
  if (lines.at(-1) === '') lines.pop()
  const table = new Map()
  let rejected = 0
  for (const line of lines) {
    const hit = hitOf(line.endsWith('\r') ? line.slice(0, -1) : line)
    if (hit === null) {
      rejected++
      continue
    }
    const windowStart = hit.time - (hit.time % windowMs)
    const name = `${windowStart} ${hit.target}`
    const row = table.get(name)
    if (row === undefined) {
      const { target, bytes } = hit
      table.set(name, { target, windowStart, windowEnd: windowStart + windowMs, hits: 1, bytes })
    } else {
      row.hits += 1
      row.bytes += hit.bytes
    }
  }
  const byTarget = (a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0)
  const rows = [...table.values()].sort((a, b) => a.windowStart - b.windowStart || byTarget(a, b))
  return { rows, lines: lines.length, rejected }
}

if (import.meta.filename === process.argv[1]) {
  const { rows } = webLogTable(readFileSync(process.argv[2]), Number(process.argv[3]))
  process.stdout.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}
