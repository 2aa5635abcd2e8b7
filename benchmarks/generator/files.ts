/**
 * Writes a workload's records to a file and its answers beside it, and reads them back.
 *
 * A line of `NAME.tsv` is `topic TAB key TAB timestamp TAB value LF`; `NAME.json` holds the answers,
 * the number of records, the size and the SHA-256 of the file. The peer's `load` reads the same files.
 *
 * Invariant: a file has its name only once it is whole, and `NAME.json` is written last: a folder that
 * has it has the data too, also while two programs make the same data at once.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Answer, GENERATORS } from './records.ts'

/** Text is collected up to this length before it is hashed and written. */
const CHUNK_LENGTH = 1 << 20

/** The answers and what is known of the data file. */
export interface Expected extends Answer {
  readonly records: number
  readonly bytes: number
  readonly sha256: string
}

/** Writes `directory/name.tsv` and `directory/name.json`; returns what the latter holds. */
export function writeWorkload(directory: string, name: string, scale: number): Expected {
  const generate = GENERATORS[name]
  if (generate === undefined) throw new RangeError(`no generated workload is named ${name}`)
  mkdirSync(directory, { recursive: true })
  const partial = `${dataFile(directory, name)}.${process.pid}`
  const file = openSync(partial, 'w')
  const hash = createHash('sha256')
  let lines: string[] = []
  let length = 0
  let bytes = 0
  let records = 0
  const flush = (): void => {
    const chunk = Buffer.from(lines.join(''), 'latin1')
    hash.update(chunk)
    writeSync(file, chunk)
    bytes += chunk.length
    lines = []
    length = 0
  }
  const answer = generate(
    (topic, key, timestamp, value) => {
      const line = `${topic}\t${key}\t${timestamp}\t${value}\n`
      lines.push(line)
      length += line.length
      records++
      if (length > CHUNK_LENGTH) flush()
    },
    (full) => Math.round(full * scale),
  )
  flush()
  closeSync(file)
  renameSync(partial, dataFile(directory, name))
  const expected: Expected = { ...answer, records, bytes, sha256: hash.digest('hex') }
  writeFileSync(answersFile(directory, name), `${JSON.stringify(expected, null, 1)}\n`)
  return expected
}

/** The answers of data that is there already; else the data is made first. */
export function ensureWorkload(directory: string, name: string, scale: number): Expected {
  const answers = answersFile(directory, name)
  if (!existsSync(answers)) return writeWorkload(directory, name, scale)
  return JSON.parse(readFileSync(answers, 'utf8')) as Expected
}

export function dataFile(directory: string, name: string): string {
  return join(directory, `${name}.tsv`)
}

function answersFile(directory: string, name: string): string {
  return join(directory, `${name}.json`)
}
