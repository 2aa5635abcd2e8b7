/**
 * The kill campaign of the included log: a process writes transactions and plain records, is killed
 * (-9) at random moments, also while it recovers, and started again on the same folder. Then the
 * folder is read, with every CRC checked:
 *
 * - no transaction that was told to be committed is missing, none is there in part or twice;
 * - no record of an aborted or unfinished transaction is visible, and no offset of one;
 * - each plain record that was acknowledged is there, once;
 * - after the ids are taken over nothing is held open: the last stable offset is the end.
 *
 *   npm run campaign:log-kill -- [--kills 200] [--seed N] [--keep]
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Isolation } from '../../src/client/client.ts'
import { CommittedBatches } from '../../src/client/committed-batches.ts'
import { type EmbeddedLog, embedded } from '../../src/client/embedded.ts'
import { randomOf } from '../record/random.ts'

export interface LogKillOptions {
  readonly kills: number
  readonly seed: number
  readonly keep?: boolean
  readonly say?: (text: string) => void
}

export interface LogKillOutcome {
  /** Kills after the process had opened the log; the others hit it while it recovered. */
  readonly killsAtWork: number
  readonly transactions: number
  readonly plainRecords: number
  readonly batches: number
}

const CHILD = resolve(import.meta.dirname, 'log-kill-child.ts')
const WRITERS = 2
const PARTITIONS = 3
const AT_WORK_MS_MAX = 150
/** Node and the modules take about this long to start; a kill within hits the recovery, or nothing. */
const STARTING_MS_MAX = 400
/** The folder is checked in between too, so that a failure is found near its cause. */
const CHECK_EVERY = 25

export async function runLogKills(options: LogKillOptions): Promise<LogKillOutcome> {
  const { kills, seed, say = () => {} } = options
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-kill-'))
  const random = randomOf(seed)
  const told = new Set<string>()
  let killsAtWork = 0
  let checked = { transactions: 0, plainRecords: 0, batches: 0 }
  try {
    for (let kill = 1; kill <= kills; kill++) {
      const atWork = random() < 0.85
      const delayMs = random() * (atWork ? AT_WORK_MS_MAX : STARTING_MS_MAX)
      const wasAtWork = await runAndKill(directory, { run: kill, seed, atWork, delayMs, told })
      if (wasAtWork) killsAtWork++
      if (kill % CHECK_EVERY === 0 || kill === kills) {
        checked = await check(directory, told)
        say(
          `${kill} kills, ${checked.transactions} transactions, ${checked.plainRecords} records: sound`,
        )
      }
    }
  } finally {
    if (options.keep !== true) rmSync(directory, { recursive: true, force: true })
    else say(`the folder is kept: ${directory}`)
  }
  return { killsAtWork, ...checked }
}

interface Run {
  readonly run: number
  readonly seed: number
  /** Count the delay from when the log is open, else from the start of the process. */
  readonly atWork: boolean
  readonly delayMs: number
  readonly told: Set<string>
}

/** Starts the writer and kills it; true when it had begun to write. */
function runAndKill(
  directory: string,
  { run, seed, atWork, delayMs, told }: Run,
): Promise<boolean> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [CHILD, directory, `${run}`, `${seed + run}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    let killed = false
    const killLater = (): void => {
      setTimeout(() => {
        killed = true
        child.kill('SIGKILL')
      }, delayMs)
    }
    if (!atWork) killLater()
    child.stdout.on('data', (chunk: Buffer) => {
      if (output === '' && atWork) killLater()
      output += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.on('close', () => {
      if (!killed) {
        fail(new Error(`the writer ended by itself in run ${run}:\n${errors}`))
        return
      }
      // The last line may be cut off: then it was not told.
      const lines = output.split('\n').slice(0, -1)
      for (const line of lines) if (line !== 'ready') told.add(line)
      done(lines.length > 0)
    })
  })
}

async function check(
  directory: string,
  told: ReadonlySet<string>,
): Promise<{ transactions: number; plainRecords: number; batches: number }> {
  const log = embedded({ directory })
  try {
    for (let writer = 0; writer < WRITERS; writer++) {
      await log.transactions.init(`writer-${writer}`, 60_000)
    }
    const batches = (await readAll(log, 'read-uncommitted')).batches
    const { values } = await readAll(log, 'read-committed')
    const transactions = await checkTransactions(log, values, told)
    const plainRecords = checkPlain(values, told)
    return { transactions, plainRecords, batches }
  } finally {
    await log.shutdown()
  }
}

async function readAll(
  log: EmbeddedLog,
  isolation: Isolation,
): Promise<{ values: string[]; batches: number }> {
  const fetcher = log.fetcher('check')
  const cursor = new CommittedBatches(isolation)
  const values: string[] = []
  let batches = 0
  for (let partition = 0; partition < PARTITIONS; partition++) {
    let offset = 0
    for (;;) {
      const items = [{ topic: 'data', partition, offset, maxBytes: 1 << 20 }]
      const options = { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, isolation }
      const [fetched] = await fetcher.poll(items, options)
      if (fetched === undefined || fetched.error !== null) throw new Error(fetched?.error?.message)
      if (fetched.lastStableOffset !== fetched.highWatermark) {
        throw new Error(`partition ${partition} is held at ${fetched.lastStableOffset}`)
      }
      if (fetched.records.length === 0) break
      cursor.start(offset, { ...fetched, isCrcChecked: false })
      while (cursor.next()) {
        batches++
        while (cursor.reader.next()) {
          const { bytes, valueStart, valueEnd } = cursor.reader
          values.push(bytes.toString('utf8', valueStart, valueEnd))
        }
      }
      offset = cursor.position
    }
  }
  return { values, batches }
}

async function checkTransactions(
  log: EmbeddedLog,
  values: readonly string[],
  told: ReadonlySet<string>,
): Promise<number> {
  const seen = new Map<string, { readonly records: Set<string>; readonly count: number }>()
  for (const value of values) {
    const [kind, writer, number, record, count] = value.split(' ')
    if (kind === 'aborted') throw new Error(`an aborted record is visible: ${value}`)
    if (kind !== 'committed') continue
    const id = `committed ${writer} ${number}`
    const transaction = seen.get(id) ?? { records: new Set<string>(), count: Number(count) }
    seen.set(id, transaction)
    if (transaction.records.has(record as string))
      throw new Error(`a record is there twice: ${value}`)
    transaction.records.add(record as string)
  }
  for (const [id, { records, count }] of seen) {
    if (records.size !== count)
      throw new Error(`${id} is there in part: ${records.size} of ${count}`)
  }
  for (const line of told) {
    if (line.startsWith('committed') && !seen.has(line)) throw new Error(`${line} is lost`)
  }
  for (let writer = 0; writer < WRITERS; writer++) {
    const count = [...seen.keys()].filter((id) => id.startsWith(`committed ${writer} `)).length
    const place = [{ topic: 'data', partition: 0 }]
    const [offset] = await log.fetchOffsets(`group-${writer}`, place, { requireStable: true })
    if (Math.max(0, offset?.offset ?? -1) !== count) {
      throw new Error(`writer ${writer} has ${count} transactions and the offset ${offset?.offset}`)
    }
  }
  return seen.size
}

function checkPlain(values: readonly string[], told: ReadonlySet<string>): number {
  const plain = values.filter((value) => value.startsWith('plain'))
  const distinct = new Set(plain)
  if (distinct.size !== plain.length) throw new Error('a plain record is there twice')
  for (const line of told) {
    if (line.startsWith('plain') && !distinct.has(line)) throw new Error(`${line} is lost`)
  }
  return plain.length
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '200' },
      seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
      keep: { type: 'boolean', default: false },
    },
  })
  const options = { kills: Number(values.kills), seed: Number(values.seed), keep: values.keep }
  console.log(`log-kill: ${options.kills} kills, --seed ${options.seed}`)
  const outcome = await runLogKills({ ...options, say: (text) => console.log(text) })
  console.log(JSON.stringify(outcome))
}
