/** Reads files of cases: `.jsonl`, or `.jsonl.gz`, a pair of case and answer on each line. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Pair } from './case.ts'

export function readPairs(file: string | URL): Pair[] {
  const bytes = readFileSync(file)
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  const lines = (isGzip ? gunzipSync(bytes) : bytes).toString('utf8').split('\n')
  return lines.flatMap((line, index) => (line.trim() === '' ? [] : [parse(line, index, file)]))
}

function parse(line: string, index: number, file: string | URL): Pair {
  const pair = JSON.parse(line) as Partial<Pair>
  if (pair.case === undefined || pair.answer === undefined) {
    throw new TypeError(`${file}:${index + 1} is not {"case": ..., "answer": ...}`)
  }
  return { case: pair.case, answer: pair.answer }
}
