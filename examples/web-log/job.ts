/**
 * The main job from end to end: prepare the folder, ingest, process, report.
 *
 * Journey: args -> [job] -> ingest -> topology -> results -> report.
 *
 * Without `--follow` the file is read into the log first, and then processed to the end of what is
 * there. With it both run side by side until stopped; what was ingested by then is processed
 * before the report, so that the report is about all lines, whenever it is made.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, type Log, Streams, type StreamsMetrics } from 'millrace'
import type { Arguments } from './args.ts'
import { ingest } from './ingest.ts'
import type { Progress } from './progress.ts'
import { busiestPages, figures, type PageStats, sortPageStats, writeNdjson } from './report.ts'
import { countRejected, readPageStats } from './results.ts'
import { checkSettings } from './settings.ts'
import { createTopics, webLogTopology } from './topology.ts'

const APPLICATION_ID = 'web-log'
const PROGRESS_MS = 100

/** What the parts of a run share. */
interface Run {
  readonly args: Arguments
  readonly data: string
  readonly log: Log
  readonly progress: Progress
  /** Ends a followed file, which is how such a run is done, and interrupts any other. */
  readonly stop: AbortSignal
  /** What the application said of itself when it stopped. */
  readonly metrics: StreamsMetrics[]
}

/** A stop was asked for before the end of the input was reached. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/**
 * Runs the job and returns its report.
 *
 * @throws Interrupted when `stop` comes before a run without `--follow` is at its end
 */
export async function runJob(
  args: Arguments,
  progress: Progress,
  stop: AbortSignal,
): Promise<string> {
  const data = args.data ?? mkdtempSync(join(tmpdir(), 'millrace-web-log-'))
  try {
    mkdirSync(data, { recursive: true })
    checkSettings(data, args)
    await using log = embedded({ directory: join(data, 'log') })
    await log.open()
    return await runOn({ args, data, log, progress, stop, metrics: [] })
  } finally {
    progress.clear()
    if (args.data === null) rmSync(data, { recursive: true, force: true })
  }
}

async function runOn(run: Run): Promise<string> {
  const started = performance.now()
  const { follow, partitions } = run.args
  await createTopics(run.log, partitions)
  const lines = follow ? await ingestWhileProcessing(run) : await ingestInput(run, run.stop)
  await processToEnd(run, lines)
  return report(run, lines, (performance.now() - started) / 1000)
}

async function ingestWhileProcessing(run: Run): Promise<number> {
  const app = streams(run, 'forever')
  await app.start()
  const ended = new AbortController()
  const finished = app.finished.finally(() => ended.abort())
  // It is waited for below; until then its failure only ends the ingest.
  finished.catch(() => {})
  try {
    return await ingestInput(run, AbortSignal.any([run.stop, ended.signal]))
  } finally {
    await app.close()
    await finished
    run.metrics.push(app.metrics())
  }
}

function ingestInput({ args, log, progress }: Run, signal: AbortSignal): Promise<number> {
  return ingest({
    log,
    applicationId: APPLICATION_ID,
    input: args.input,
    partitions: args.partitions,
    follow: args.follow,
    signal,
    onNotice: progress.notice,
    onProgress: ({ lines, position, size }) =>
      progress.show(() => `reading ${percent(position, size)}, ${number(lines)} lines`),
  })
}

/** Processes what is in the log by now. */
async function processToEnd(run: Run, lines: number): Promise<void> {
  const { args, progress, stop } = run
  const app = streams(run, 'end')
  const interrupt = (): void => {
    if (!args.follow) void app.close()
  }
  await app.start()
  stop.addEventListener('abort', interrupt)
  if (stop.aborted) interrupt()
  const timer = setInterval(() => {
    const { recordsConsumed } = app.metrics()
    progress.show(() => `processed ${number(recordsConsumed)} of ${number(lines)} lines`)
  }, PROGRESS_MS)
  try {
    await app.finished
    run.metrics.push(app.metrics())
  } finally {
    clearInterval(timer)
    stop.removeEventListener('abort', interrupt)
    await app.close()
  }
  if (stop.aborted && !args.follow) {
    throw new Interrupted('stopped before the end; run it again on the same --data to go on')
  }
}

function streams({ args, data, log }: Run, until: 'end' | 'forever'): Streams {
  return new Streams(webLogTopology(args), {
    applicationId: APPLICATION_ID,
    log,
    guarantee: args.guarantee,
    ...(until === 'end' ? { until } : {}),
    stateDirectory: join(data, 'state'),
    // main.ts does: the report comes after the stop.
    handleSignals: false,
  })
}

/** The table and the figures; the NDJSON file when there is to be one. */
async function report(run: Run, lines: number, seconds: number): Promise<string> {
  const { args, log, metrics } = run
  const rows = sortPageStats(await readPageStats(log, args.windowMs))
  if (args.output !== null) await writeNdjson(args.output, rows)
  const rejected = await countRejected(log, args.partitions)
  const found = {
    lines,
    rejected,
    late: lateLines(run, { lines, rejected, rows }),
    windows: rows.length,
    seconds,
    processed: metrics.reduce((sum, { recordsConsumed }) => sum + recordsConsumed, 0),
  }
  return `${busiestPages(rows)}\n\n${figures(found)}\n`
}

/**
 * Lines left out because their window was closed. What this run left out is in its metrics; over
 * restarts, exactly once makes the sum come out: each line is a hit, rejected, or late.
 *
 * @throws Error when the sum does not come out: a line would be missing without a reason
 */
function lateLines(
  { args, metrics }: Run,
  all: { lines: number; rejected: ReadonlyMap<string, number>; rows: readonly PageStats[] },
): number {
  const dropped = metrics.flatMap((one) => one.dropped).filter(({ reason }) => reason === 'late')
  const counted = dropped.reduce((sum, { count }) => sum + count, 0)
  if (args.guarantee === 'at-least-once') return counted
  const processed = metrics.reduce((sum, { recordsConsumed }) => sum + recordsConsumed, 0)
  const rejected = [...all.rejected.values()].reduce((sum, count) => sum + count, 0)
  const hits = all.rows.reduce((sum, row) => sum + row.hits, 0)
  const late = all.lines - rejected - hits
  if (late < counted || (processed === all.lines && late > counted)) {
    throw new Error(
      `the figures do not add up: of ${all.lines} lines ${hits} are in the table, ` +
        `${rejected} were rejected and ${counted} were late`,
    )
  }
  return late
}

function percent(part: number, whole: number): string {
  return `${Math.floor((100 * part) / Math.max(whole, 1))} %`
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}
