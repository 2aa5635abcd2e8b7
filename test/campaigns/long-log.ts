/**
 * A long access log made of a short one: its lines again and again, each round later than the one
 * before, so that no window is shared by two rounds and no two lines are the same.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { parseTime } from '../../examples/web-log/parse.ts'

const TIME = /\[([^\]]+)\]/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const HOUR_MS = 3_600_000

/** Writes at least `lines` lines, whole rounds of the input; returns how many. */
export function writeLongLog(input: string, output: string, lines: number): number {
  const text = readFileSync(input, 'latin1')
  const short = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n')
  const times = short.map((line) => parseTime(TIME.exec(line)?.[1] ?? ''))
  const known = times.filter((time) => time !== null)
  const span = known.reduce((a, b) => Math.max(a, b)) - known.reduce((a, b) => Math.min(a, b))
  const roundMs = (Math.floor(span / HOUR_MS) + 2) * HOUR_MS
  const file = openSync(output, 'w')
  let written = 0
  for (let round = 0; written < lines; round++) {
    const shifted = short.map((line, index) =>
      times[index] === null
        ? line
        : line.replace(TIME, `[${logTime(times[index]! + round * roundMs)}]`),
    )
    writeSync(file, Buffer.from(`${shifted.join('\n')}\n`, 'latin1'))
    written += short.length
  }
  closeSync(file)
  return written
}

function logTime(timestamp: number): string {
  const time = new Date(timestamp)
  const iso = time.toISOString()
  const month = MONTHS[time.getUTCMonth()]
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
}
