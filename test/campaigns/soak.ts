/**
 * Soak: the web-log job at full speed for minutes, and whether its memory stays flat.
 *
 *   node --conditions=millrace-source test/campaigns/soak.ts [--minutes 10 | --seconds 20]
 *     [--reader fast|slow] [--guarantee exactly-once|at-least-once] [--partitions 4]
 *     [--window 1m] [--grace 2h] [--storage rocksdb|memory] [--store-mb 8]
 *     [--ahead-mb 8] [--rss-max-mb N] [--slope-max N] [--samples FILE] [--data DIR] [--seed N]
 *
 * A child process runs everything (`soak-load.ts`) and sends a sample a second; this one writes them
 * as NDJSON, looks at the disk, and judges. It exits with 1 when
 * - resident memory was ever above `--rss-max-mb`,
 * - it rises by more than `--slope-max` MB a minute in the second half of the run. Before that it
 *   rises by design: RocksDB's block caches and the memory tails take about four minutes to fill. A
 *   run of a minute or less cannot tell; it collects garbage before each sample and is judged by
 *   what is alive, or
 * - the folder grew beyond `DISK_BYTES_MAX`, which ends the run.
 *
 * Event time passes an hour in 3 to 10 seconds, so windows open, expire, are saved, evicted and read
 * back all the time, changelogs and repartition topics are purged, and retention deletes segments.
 */
import { fork } from 'node:child_process'
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { SoakLoad, SoakMessage, SoakSample } from './soak-load.ts'
import { type Point, perMinute, slopePerMinute, spreadOf } from './soak-verdict.ts'

const MB = 1024 * 1024
/**
 * Of four partitions, in MB: 520 for Node, V8's heap with its garbage, memory tails, queues and what
 * malloc keeps (measured, full speed), and of RocksDB four block caches of 32, as the binding has
 * them, and up to 64 of write buffers: 710. A fifth on top, for other machines.
 */
const RSS_MAX_MB = 850
/** Alive in a short run: measured 60 (heap) and 135 (outside of it). */
const HEAP_ALIVE_MAX_MB = 100
const EXTERNAL_ALIVE_MAX_MB = 220
const SLOPE_MAX_MB = 5
const DISK_BYTES_MAX = 10 * 1024 * MB
const DISK_LOOK_MS = 5000
/** A run of so long or less is judged by what is alive after a collection. */
const SHORT_RUN_MS = 60_000

export interface SoakOptions extends Omit<SoakLoad, 'directory' | 'collect'> {
  readonly data: string | null
  readonly samples: string | null
  readonly rssMaxMb: number
  readonly slopeMaxMb: number
  readonly say: (text: string) => void
}

export interface SoakVerdict {
  readonly failures: readonly string[]
  readonly text: string
}

export async function soak(options: SoakOptions): Promise<SoakVerdict> {
  const directory = options.data ?? mkdtempSync(join(tmpdir(), 'millrace-soak-'))
  mkdirSync(directory, { recursive: true })
  try {
    const isShort = options.runMs <= SHORT_RUN_MS
    const disk = new Disk(directory)
    const samples = await runLoad({ ...options, directory, collect: isShort }, options, disk)
    return judge(samples, disk, options)
  } finally {
    if (options.data === null) rmSync(directory, { recursive: true, force: true })
  }
}

/** Bytes in the folder, by topic. */
class Disk {
  readonly #directory: string
  topics: ReadonlyMap<string, number> = new Map()
  bytes = 0
  bytesMax = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  look(): void {
    const topics = new Map<string, number>()
    for (const name of readdirSync(this.#directory, { recursive: true, encoding: 'utf8' })) {
      const stat = statSync(join(this.#directory, name), { throwIfNoEntry: false })
      if (stat === undefined || !stat.isFile()) continue
      const [room, folder = ''] = name.split('/')
      const topic = room === 'log' ? folder.replace(/-\d+$/, '') : (room as string)
      topics.set(topic, (topics.get(topic) ?? 0) + stat.size)
    }
    this.topics = topics
    this.bytes = [...topics.values()].reduce((sum, bytes) => sum + bytes, 0)
    this.bytesMax = Math.max(this.bytesMax, this.bytes)
  }
}

function runLoad(load: SoakLoad, options: SoakOptions, disk: Disk): Promise<SoakSample[]> {
  const samples: SoakSample[] = []
  const output = options.samples === null ? null : createWriteStream(options.samples)
  const child = fork(join(import.meta.dirname, 'soak-load.ts'), [JSON.stringify(load)], {
    execArgv: [...process.execArgv, ...(load.collect ? ['--expose-gc'] : [])],
  })
  let minute = 0
  const timer = setInterval(() => {
    disk.look()
    if (disk.bytes > DISK_BYTES_MAX) child.kill('SIGKILL')
  }, DISK_LOOK_MS)
  return new Promise((done, fail) => {
    let isDone = false
    child.on('message', (message: SoakMessage) => {
      if (message.kind === 'done') isDone = true
      if (message.kind !== 'sample') return
      const { sample } = message
      samples.push(sample)
      output?.write(`${JSON.stringify({ ...sample, diskBytes: disk.bytes })}\n`)
      if (Math.floor(sample.seconds / 60) === minute) return
      options.say(minuteLine(samples, minute++, disk))
    })
    child.on('error', fail)
    child.on('close', (code, signal) => {
      clearInterval(timer)
      output?.end()
      const isTooLarge = disk.bytes > DISK_BYTES_MAX
      if (!isTooLarge) disk.look()
      if (isDone || isTooLarge) done(samples)
      else fail(new Error(`the load failed, exit code ${code ?? signal}`))
    })
  })
}

const mb = (bytes: number): string => (bytes / MB).toFixed(bytes < 10 * MB ? 1 : 0)

function minuteLine(samples: readonly SoakSample[], minute: number, disk: Disk): string {
  const within = samples.filter(({ seconds }) => Math.floor(seconds / 60) === minute)
  const first = within[0] as SoakSample
  const last = within.at(-1) as SoakSample
  const seconds = Math.max(last.seconds - first.seconds, 1)
  const three = (pick: (sample: SoakSample) => number): string => {
    const { min, median, max } = spreadOf(within.map(pick))
    return `${mb(min)}/${mb(median)}/${mb(max)}`
  }
  return (
    `minute ${minute + 1}: rss ${three(({ rss }) => rss)} MB (min/median/max), ` +
    `heap ${three(({ heapUsed }) => heapUsed)}, ` +
    `external ${three(({ external }) => external)}, ` +
    `stores ${three(({ storeBytes }) => storeBytes)}, ` +
    `queues ${three(({ queuedBytes }) => queuedBytes)}; ` +
    `${((last.consumed - first.consumed) / seconds / 1000).toFixed(0)} k lines/s, ` +
    `event time ${((last.streamTime - (samples[0] as SoakSample).streamTime) / 3.6e6).toFixed(1)} h, ` +
    `late ${last.late}, reader behind ${last.lag} (lost ${last.skipped}), ` +
    `disk ${mb(disk.bytes)} MB`
  )
}

function judge(samples: readonly SoakSample[], disk: Disk, options: SoakOptions): SoakVerdict {
  const isShort = options.runMs <= SHORT_RUN_MS
  const settled = samples.filter(({ seconds }) => seconds * 1000 >= options.runMs / 2)
  const pointsOf = (from: readonly SoakSample[], pick: (sample: SoakSample) => number): Point[] =>
    from.map((sample) => ({ seconds: sample.seconds, value: pick(sample) / MB }))
  const rss = pointsOf(settled, (sample) => sample.rss)
  const alive = pointsOf(settled, ({ heapUsed, external }) => heapUsed + external)
  const rssMax = spreadOf(samples.map((sample) => sample.rss)).max / MB
  const slope = slopePerMinute(rss)
  const last = samples.at(-1)
  const failures: string[] = []
  if (!(rssMax <= options.rssMaxMb)) {
    failures.push(`resident memory reached ${rssMax.toFixed(0)} MB, over ${options.rssMaxMb} MB`)
  }
  if (!isShort && !(slope <= options.slopeMaxMb)) {
    failures.push(`memory rises by ${slope.toFixed(2)} MB a minute, over ${options.slopeMaxMb}`)
  }
  if (isShort) failures.push(...aliveFailures(samples))
  if (disk.bytesMax > DISK_BYTES_MAX) failures.push(`the folder grew to ${mb(disk.bytesMax)} MB`)
  if (last === undefined || last.consumed === 0) failures.push('nothing was processed')
  const medians = perMinute(pointsOf(samples, (sample) => sample.rss)).map(({ median }) =>
    median.toFixed(0),
  )
  const text = [
    `resident memory: at most ${rssMax.toFixed(0)} MB; in the second half ` +
      `it rises by ${slope.toFixed(2)} MB a minute, ` +
      `heap and external ${isShort ? 'alive' : 'with garbage'} by ${slopePerMinute(alive).toFixed(2)}`,
    `resident, median of each minute: ${medians.join(' ')} MB`,
    `${last?.consumed ?? 0} lines, ${last?.read ?? 0} results read, ${last?.late ?? 0} late, ` +
      `disk at most ${mb(disk.bytesMax)} MB`,
    `disk: ${[...disk.topics].map(([topic, bytes]) => `${topic} ${mb(bytes)}`).join(', ')} MB`,
  ].join('\n')
  return { failures, text }
}

function aliveFailures(samples: readonly SoakSample[]): string[] {
  const bounds = [
    { what: 'heap', max: HEAP_ALIVE_MAX_MB, pick: ({ heapUsed }: SoakSample) => heapUsed },
    { what: 'outside', max: EXTERNAL_ALIVE_MAX_MB, pick: ({ external }: SoakSample) => external },
  ]
  return bounds.flatMap(({ what, max, pick }) => {
    const reached = spreadOf(samples.map(pick)).max / MB
    return reached <= max ? [] : [`alive in ${what}: ${reached.toFixed(0)} MB, over ${max} MB`]
  })
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 }

function duration(text: string): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? []
  if (count === undefined) throw new RangeError(`'${text}' is no duration; write 10m, for example`)
  return Number(count) * (UNIT_MS[unit as string] as number)
}

function oneOf<T extends string>(option: string, text: string, ...values: readonly T[]): T {
  const value = values.find((candidate) => candidate === text)
  if (value !== undefined) return value
  throw new RangeError(`--${option} is '${text}'; write ${values.join(' or ')}`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seconds: { type: 'string' },
      reader: { type: 'string', default: 'fast' },
      guarantee: { type: 'string', default: 'exactly-once' },
      partitions: { type: 'string', default: '4' },
      window: { type: 'string', default: '1m' },
      grace: { type: 'string', default: '2h' },
      storage: { type: 'string', default: 'rocksdb' },
      'store-mb': { type: 'string', default: '8' },
      'ahead-mb': { type: 'string', default: '8' },
      'rss-max-mb': { type: 'string', default: String(RSS_MAX_MB) },
      'slope-max': { type: 'string', default: String(SLOPE_MAX_MB) },
      samples: { type: 'string' },
      data: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  })
  const runMs =
    values.seconds === undefined ? Number(values.minutes) * 60_000 : Number(values.seconds) * 1000
  if (!(runMs >= 5000)) throw new RangeError('a run takes at least 5 seconds')
  const { failures, text } = await soak({
    runMs,
    reader: oneOf('reader', values.reader, 'fast', 'slow'),
    guarantee: oneOf('guarantee', values.guarantee, 'exactly-once', 'at-least-once'),
    partitions: Number(values.partitions),
    windowMs: duration(values.window),
    graceMs: duration(values.grace),
    storage: oneOf('storage', values.storage, 'rocksdb', 'memory'),
    storeBytes: Number(values['store-mb']) * MB,
    aheadBytes: Number(values['ahead-mb']) * MB,
    rssMaxMb: Number(values['rss-max-mb']),
    slopeMaxMb: Number(values['slope-max']),
    samples: values.samples === undefined ? null : resolve(values.samples),
    data: values.data === undefined ? null : resolve(values.data),
    seed: Number(values.seed),
    say: console.log,
  })
  console.log(text)
  for (const failure of failures) console.log(`FAILED: ${failure}`)
  if (failures.length === 0) console.log('passed: memory stays flat')
  process.exitCode = failures.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
