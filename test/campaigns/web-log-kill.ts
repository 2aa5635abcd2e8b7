/**
 * The kill campaign of the main job: a long log, the job in a process of its own, kill -9 at random
 * moments, started again until it is done, and then every promise checked against an undisturbed
 * run, an independent computation, and the file itself.
 *
 *   npm run campaign:web-log-kill -- [--kills 200] [--lines 300000] [--input FILE] [--seed N]
 *                                    [--partitions 4] [--window-ms 3600000] [--keep]
 *
 * When the job comes to its end before all kills are used, that run is checked and another one
 * begun on a new folder, until they are. A failure prints the seed; `--keep` leaves the folders.
 */
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SAMPLE } from '../../examples/web-log/args.ts'
import { webLogTable } from '../independent/web-log-table.mjs'
import { writeLongLog } from './long-log.ts'
import { checkRun } from './web-log-checks.ts'

export interface CampaignOptions {
  readonly kills: number
  readonly lines: number
  readonly input: string
  readonly seed: number
  readonly partitions: number
  /** Of the tumbling windows. */
  readonly windowMs: number
  readonly keep: boolean
  readonly say: (text: string) => void
}

export interface CampaignOutcome {
  readonly kills: number
  /** Of them, those before which the process had written to the log. */
  readonly killsAtWork: number
  /** Runs that came to their end and were checked, the undisturbed one aside. */
  readonly runs: number
  readonly lines: number
  readonly rows: number
  /** Updates of `page-stats` that a read-committed reader saw, all runs together. */
  readonly updates: number
}

const MAIN = resolve(import.meta.dirname, '../../examples/web-log/main.ts')
/** Long enough that no line is late, however uneven a restart makes the partitions' progress. */
const GRACE = '36500d'
/** A start writes no more than markers that end what was open: some 80 bytes for each partition. */
const MARKERS_BYTES = 4096
/** Of the time an empty start takes: how much longer a start is waited for at most. */
const PATIENCE_MAX = 10

/** @throws Error naming what differs, after the last kill or earlier */
export async function webLogKillCampaign(options: CampaignOptions): Promise<CampaignOutcome> {
  const { say } = options
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kill-'))
  try {
    const input = join(folder, 'access.log')
    const lines = writeLongLog(options.input, input, options.lines)
    const expected = join(folder, 'expected.ndjson')
    const startMs = await timed(() => emptyRun(folder, options))
    const wholeMs = await timed(() => undisturbedRun(folder, input, expected, options))
    const rows = checkTable(expected, input, options.windowMs)
    say(`${lines} lines, ${rows} rows; start ${startMs} ms, undisturbed run ${wholeMs} ms`)

    const random = randomOf(options.seed)
    const workMs = Math.max(wholeMs - startMs, 100)
    let [kills, killsAtWork, runs, updates] = [0, 0, 0, 0]
    let patience = 1
    while (kills < options.kills) {
      runs++
      const data = join(folder, `run-${runs}`)
      const output = join(folder, `run-${runs}.ndjson`)
      for (;;) {
        // From while it starts to well into its share of the work that is left.
        const share = (2.5 * workMs) / (options.kills + 1)
        const delayMs = patience * startMs * (0.3 + 0.8 * random()) + share * random()
        const limitMs = kills < options.kills ? delayMs : null
        const before = logBytes(data)
        const killed = await runJob({ input, data, output }, options, limitMs)
        if (!killed) break
        kills++
        const written = logBytes(data)
        const wasAtWork = written > before + MARKERS_BYTES
        if (wasAtWork) killsAtWork++
        // A start takes longer the more there is: half of the kills are to come after it.
        patience = Math.min(Math.max(patience * (wasAtWork ? 0.8 : 1.3), 1), PATIENCE_MAX)
        say(`kill ${kills} after ${Math.round(delayMs)} ms (run ${runs}), log of ${written} bytes`)
      }
      if (!readFileSync(output).equals(readFileSync(expected))) {
        throw new Error(`run ${runs}: the table differs from the undisturbed run's: ${output}`)
      }
      updates += await checkRun({ ...options, input, log: join(data, 'log') })
      say(`run ${runs} is right: table, ingested lines, rejected lines, committed updates`)
      if (!options.keep) rmSync(data, { recursive: true })
    }
    return { kills, killsAtWork, runs, lines, rows, updates }
  } finally {
    if (!options.keep) rmSync(folder, { recursive: true, force: true })
    else say(`kept: ${folder}`)
  }
}

/** Bytes of the job's own topics: more when the process got to work. */
function logBytes(data: string): number {
  const folder = join(data, 'log')
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^(access-log|page-stats)-\d+.*\.log$/.test(name))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** The undisturbed table against the independent computation; the number of its rows. */
function checkTable(output: string, input: string, windowMs: number): number {
  const { rows } = webLogTable(readFileSync(input), windowMs)
  const wanted = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  if (readFileSync(output, 'utf8') === wanted) return rows.length
  throw new Error(`the undisturbed table differs from the independent one: ${output}`)
}

/** How long it takes to do nothing. */
async function emptyRun(folder: string, options: CampaignOptions): Promise<void> {
  const input = join(folder, 'empty.log')
  writeFileSync(input, '')
  const place = { input, data: join(folder, 'empty'), output: join(folder, 'empty.ndjson') }
  await runJob(place, options, null)
}

async function undisturbedRun(
  folder: string,
  input: string,
  output: string,
  options: CampaignOptions,
): Promise<void> {
  const data = join(folder, 'undisturbed')
  await runJob({ input, data, output }, options, null)
  await checkRun({ ...options, input, log: join(data, 'log') })
  rmSync(data, { recursive: true })
}

interface Place {
  readonly input: string
  readonly data: string
  readonly output: string
}

/**
 * The job in its own process, killed after `limitMs` unless it is done by then.
 *
 * @returns true when it was killed
 * @throws Error when it failed by itself
 */
function runJob(
  place: Place,
  { partitions, windowMs }: CampaignOptions,
  limitMs: number | null,
): Promise<boolean> {
  mkdirSync(place.data, { recursive: true })
  const { input, data, output } = place
  const settings = { input, data, output, partitions, window: `${windowMs}ms`, grace: GRACE }
  const argv = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['--conditions=millrace-source', MAIN, ...argv], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (bytes) => {
      said += bytes
    })
    const timer = limitMs === null ? undefined : setTimeout(() => child.kill('SIGKILL'), limitMs)
    child.on('error', fail)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (signal === 'SIGKILL') done(true)
      else if (code === 0) done(false)
      else fail(new Error(`the job failed by itself, exit code ${code ?? signal}: ${said}`))
    })
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return Math.round(performance.now() - started)
}

/** The same numbers in [0, 1) for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '200' },
      lines: { type: 'string', default: '300000' },
      input: { type: 'string', default: SAMPLE },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      partitions: { type: 'string', default: '4' },
      'window-ms': { type: 'string', default: '3600000' },
      keep: { type: 'boolean', default: false },
    },
  })
  const say = (text: string): void => console.log(text)
  const seed = Number(values.seed)
  say(`seed ${seed}; the same moments again with --seed ${seed}`)
  const outcome = await webLogKillCampaign({
    kills: Number(values.kills),
    lines: Number(values.lines),
    input: resolve(values.input),
    seed,
    partitions: Number(values.partitions),
    windowMs: Number(values['window-ms']),
    keep: values.keep,
    say,
  })
  say(
    `passed: ${outcome.kills} kills (${outcome.killsAtWork} at work) in ${outcome.runs} runs over ${outcome.lines} lines; ` +
      `${outcome.rows} rows; ${outcome.updates} committed updates, none twice`,
  )
}

if (import.meta.main) await main()
