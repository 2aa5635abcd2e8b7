/**
 * Open and close: an application is started and stopped on the same log again and again in one
 * process, and leaves nothing behind: no file descriptor, listener, timer or thread, and no memory.
 *
 *   node --expose-gc --conditions=millrace-source test/campaigns/open-close.ts
 *     [--rounds 200] [--guarantee exactly-once|at-least-once] [--slope-max-kb 50] [--rss-max-mb 512]
 *
 * A round writes some lines with a producer, runs the web-log application, ended in turn by
 * `until: 'end'` and by `close`, and reads results with a consumer in a group. In every second round
 * the log stays open between, else the folder is closed and opened again. It exits with 1 when a
 * count at the end differs from the one after the first rounds, or memory rises.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { queryObjects } from 'node:v8'
import {
  Consumer,
  type EmbeddedLog,
  embedded,
  type Guarantee,
  int64,
  Producer,
  Streams,
} from 'millrace'
import {
  ACCESS_LOG,
  createTopics,
  PAGE_STATS,
  webLogTopology,
} from '../../examples/web-log/topology.ts'
import { SoakLines } from './soak-lines.ts'
import { slopePerMinute, spreadOf } from './soak-verdict.ts'

export interface OpenCloseOptions {
  readonly rounds: number
  readonly guarantee: Guarantee
  readonly say: (text: string) => void
}

/** What a process holds between two rounds. */
export interface Holdings {
  readonly files: number
  readonly threads: number
  readonly listeners: number
  readonly resources: number
  /** Bytes of heap and outside of it, after a collection when the process may ask for one. */
  readonly alive: number
  readonly rss: number
}

export interface OpenCloseOutcome {
  readonly rounds: readonly Holdings[]
  /** Counts that are not what they were after the first rounds, and objects that are left. */
  readonly failures: readonly string[]
  /** Bytes a round, by the median of slopes over the second half. */
  readonly aliveSlope: number
  readonly rssSlope: number
  readonly rssMax: number
}

const GRACE_MS = 600_000
const PARTITIONS = 2
const LINES_PER_ROUND = 500
/** The first rounds load code and make pools. */
const WARM_ROUNDS = 5
const SAY_EVERY = 20
const COUNTS = ['files', 'threads', 'listeners', 'resources'] as const

export async function openCloseCampaign(options: OpenCloseOptions): Promise<OpenCloseOutcome> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-open-close-'))
  const log = embedded({ directory: join(directory, 'log') })
  const lines = new SoakLines(1, GRACE_MS)
  const rounds: Holdings[] = []
  try {
    await createTopics(log, PARTITIONS)
    await log.close()
    for (let round = 0; round < options.rounds; round++) {
      const staysOpen = round % 2 === 1
      if (staysOpen) await log.open()
      await runRound(log, lines, { ...options, round, directory })
      if (staysOpen) await log.close()
      rounds.push(holdings())
      if (round % SAY_EVERY === 0) options.say(`round ${round}: ${describe(rounds[round]!)}`)
    }
    return outcomeOf(rounds)
  } finally {
    await log.shutdown()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function runRound(
  log: EmbeddedLog,
  lines: SoakLines,
  options: {
    readonly round: number
    readonly directory: string
    readonly guarantee: Guarantee
  },
): Promise<void> {
  const { round, directory, guarantee } = options
  const key = { key: int64 }
  const producer = log.producer<number, string>(
    round % 3 === 0 ? key : { ...key, transactionalId: 'open-close' },
  )
  const records = Array.from({ length: LINES_PER_ROUND }, () => ({
    topic: ACCESS_LOG,
    partition: lines.count % PARTITIONS,
    key: lines.count + 1,
    value: lines.next(),
  }))
  if (round % 3 === 0) await producer.sendMany(records)
  else await producer.transaction((transaction) => transaction.sendMany(records))
  const untilEnd = round % 4 < 2
  const app = new Streams(webLogTopology({ windowMs: 60_000, graceMs: GRACE_MS }), {
    applicationId: 'open-close',
    log,
    guarantee,
    stateDirectory: join(directory, 'state'),
    ...(untilEnd ? { until: 'end' as const } : {}),
  })
  await app.start()
  const consumer = log.consumer({ topics: [PAGE_STATS], group: 'open-close-reader' })
  for (let batches = 0; batches < PARTITIONS; batches++) await consumer.next()
  await consumer.close()
  if (!untilEnd) await app.close()
  await app.finished
  await producer.close()
}

function holdings(): Holdings {
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  return {
    files: entries('/proc/self/fd'),
    threads: entries('/proc/self/task'),
    listeners,
    resources: process.getActiveResourcesInfo().length,
    alive: heapUsed + external,
    rss,
  }
}

/** Applications, producers and consumers that something still refers to: of each class, how many. */
function leftObjects(): string[] {
  return [Streams, Producer, Consumer].flatMap((type) => {
    const count = queryObjects(type, { format: 'count' })
    return count === 0 ? [] : [`${count} objects of ${type.name} are left`]
  })
}

/** Entries of a folder of /proc; 0 where there is none. */
function entries(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}

function outcomeOf(rounds: readonly Holdings[]): OpenCloseOutcome {
  const first = rounds[Math.min(WARM_ROUNDS, rounds.length - 1)] as Holdings
  const last = rounds.at(-1) as Holdings
  const failures = COUNTS.filter((name) => last[name] > first[name]).map(
    (name) => `${name}: ${first[name]} after the first rounds, ${last[name]} at the end`,
  )
  failures.push(...leftObjects())
  const half = rounds.slice(rounds.length >> 1)
  // A round stands for a minute.
  const slope = (pick: (one: Holdings) => number): number =>
    slopePerMinute(half.map((one, index) => ({ seconds: index * 60, value: pick(one) })))
  return {
    rounds,
    failures,
    aliveSlope: slope(({ alive }) => alive),
    rssSlope: slope(({ rss }) => rss),
    rssMax: spreadOf(rounds.map(({ rss }) => rss)).max,
  }
}

const MB = 1024 * 1024

function describe({ alive, rss, ...counts }: Holdings): string {
  const counted = COUNTS.map((name) => `${counts[name]} ${name}`).join(', ')
  return `${counted}, ${(alive / MB).toFixed(1)} MB alive, ${(rss / MB).toFixed(0)} MB resident`
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '200' },
      guarantee: { type: 'string', default: 'exactly-once' },
      'slope-max-kb': { type: 'string', default: '50' },
      'rss-max-mb': { type: 'string', default: '512' },
    },
  })
  const outcome = await openCloseCampaign({
    rounds: Number(values.rounds),
    guarantee: values.guarantee === 'at-least-once' ? 'at-least-once' : 'exactly-once',
    say: console.log,
  })
  const failures = [...outcome.failures]
  const aliveKb = outcome.aliveSlope / 1024
  const rssMb = outcome.rssMax / MB
  if (!(aliveKb <= Number(values['slope-max-kb']))) {
    failures.push(`memory alive rises by ${aliveKb.toFixed(1)} KB a round`)
  }
  if (!(rssMb <= Number(values['rss-max-mb']))) {
    failures.push(`resident memory reached ${rssMb.toFixed(0)} MB`)
  }
  console.log(
    `${outcome.rounds.length} rounds; last: ${describe(outcome.rounds.at(-1) as Holdings)}; ` +
      `a round adds ${aliveKb.toFixed(1)} KB alive, ${(outcome.rssSlope / 1024).toFixed(1)} KB resident`,
  )
  for (const failure of failures) console.log(`FAILED: ${failure}`)
  if (failures.length === 0) console.log('passed: nothing is left behind')
  process.exitCode = failures.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
