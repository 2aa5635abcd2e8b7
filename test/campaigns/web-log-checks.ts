/**
 * What must hold of the log folder after any run of the main job, however often it was killed.
 * Each check throws an error that names topic, partition, offset or line.
 */
import { readFileSync } from 'node:fs'
import { bytes, type EmbeddedLog, embedded, int64, json, text, windowed } from 'millrace'
import { readTopic } from '../../examples/read-topic.ts'
import {
  ACCESS_LOG,
  PAGE_STATS,
  REJECTED,
  type RejectedLine,
  type Sums,
} from '../../examples/web-log/topology.ts'
import { webLogTable } from '../independent/web-log-table.mjs'

export interface RunToCheck {
  /** Folder of the log. */
  readonly log: string
  /** The file that was ingested, of lines that end in a line feed. */
  readonly input: string
  readonly partitions: number
  readonly windowMs: number
}

/** @returns the number of committed updates of `page-stats` */
export async function checkRun(run: RunToCheck): Promise<number> {
  await using log = embedded({ directory: run.log })
  await log.open()
  const input = readFileSync(run.input)
  await checkIngested(log, input, run.partitions)
  await checkRejected(log, webLogTable(input, run.windowMs).rejected)
  return await checkUpdates(log, input, run.windowMs)
}

/** `access-log` has every line of the file, once, in order, in its partition, byte for byte. */
async function checkIngested(log: EmbeddedLog, input: Buffer, partitions: number): Promise<void> {
  const lines = linesOf(input)
  const next = Array.from({ length: partitions }, (_, partition) => partition + 1)
  await readTopic(log, ACCESS_LOG, { key: int64, value: bytes }, (record) => {
    const { partition, offset, key, value } = record
    const place = `${ACCESS_LOG} partition ${partition} offset ${offset}`
    if (key !== next[partition]) throw new Error(`${place} is line ${key}, not ${next[partition]}`)
    if (!lines[key - 1]?.equals(value)) throw new Error(`${place} is not line ${key} of the file`)
    next[partition] = key + partitions
  })
  for (const line of next) {
    if (line <= lines.length)
      throw new Error(`line ${line} of the file is missing in ${ACCESS_LOG}`)
  }
}

function linesOf(input: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let start = 0; start < input.length; ) {
    const end = input.indexOf('\n', start)
    lines.push(input.subarray(start, end))
    start = end + 1
  }
  return lines
}

/** Every line that is no hit was rejected once. */
async function checkRejected(log: EmbeddedLog, expected: number): Promise<void> {
  const seen = new Set<number>()
  await readTopic(log, REJECTED, { key: int64, value: json<RejectedLine>() }, ({ key }) => {
    if (seen.has(key)) throw new Error(`line ${key} was rejected twice`)
    seen.add(key)
  })
  if (seen.size !== expected) throw new Error(`${seen.size} lines rejected, not ${expected}`)
}

/**
 * A read-committed reader of `page-stats` sees each update once: the hits of a page in a window
 * only ever go up, and end at what the file says.
 */
async function checkUpdates(log: EmbeddedLog, input: Buffer, windowMs: number): Promise<number> {
  const last = new Map<string, Sums>()
  let updates = 0
  const serdes = { key: windowed(text, windowMs), value: json<Sums>() }
  await readTopic(log, PAGE_STATS, serdes, ({ key, value, partition, offset }) => {
    const name = `${key.start} ${key.key}`
    const before = last.get(name)
    if (before !== undefined && value.hits <= before.hits) {
      throw new Error(
        `${PAGE_STATS} partition ${partition} offset ${offset}: ${name} went from ${before.hits} to ${value.hits} hits`,
      )
    }
    last.set(name, value)
    updates++
  })
  const { rows } = webLogTable(input, windowMs)
  for (const { target, windowStart, hits, bytes: sum } of rows) {
    const found = last.get(`${windowStart} ${target}`)
    if (found?.hits === hits && found.bytes === sum) continue
    const shown = JSON.stringify(found)
    throw new Error(`${windowStart} ${target} ends at ${shown}, not ${hits} hits, ${sum} bytes`)
  }
  if (last.size !== rows.length) throw new Error(`${last.size} rows committed, not ${rows.length}`)
  return updates
}
