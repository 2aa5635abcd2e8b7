/**
 * The benchmarks: `npm run bench -- [NAME ...] [options]`; `README.md` here says what each one is.
 *
 * Journey: data is generated on first use and kept -> for each benchmark our run and, with a peer,
 * the peer's run take turns -> medians, ratios, the table.
 *
 * Invariants:
 * - Every run of ours is a fresh process on a fresh folder, and its answers are checked.
 * - However this ends, the broker is stopped and the files of this invocation are gone.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Case, Engine, EngineOptions } from './engine.ts'
import { type Figures, medians } from './figures.ts'
import { startKafkaStreams } from './kafka-streams.ts'
import { millrace } from './millrace.ts'
import { isLogName } from './names.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { stopAll } from './processes.ts'
import { type Summary, table, writeJson } from './report.ts'

const DATA = join(import.meta.dirname, '.data')

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') return console.log(USAGE)

  mkdirSync(DATA, { recursive: true })
  const directory = mkdtempSync(join(DATA, 'run-'))
  const engines: Promise<Engine>[] = []
  const cleanUp = once(async () => {
    stopAll()
    for (const started of await Promise.allSettled(engines)) {
      if (started.status === 'fulfilled') await started.value.stop()
    }
    rmSync(directory, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(130)))
  }
  try {
    const shared: EngineOptions = {
      ...options,
      directory,
      dataDirectory: join(DATA, `scale-${options.scale}`),
      say,
    }
    engines.push(Promise.resolve(millrace(shared, options.profile ? join(DATA, 'profiles') : null)))
    if (options.peer) engines.push(startKafkaStreams(shared))
    await measureAll(options, await Promise.all(engines))
  } finally {
    await cleanUp()
  }
}

/** A signal may come while the end of a run, or its failure, is already cleaning up. */
function once(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => {
    running ??= task()
    return running
  }
}

async function measureAll(options: BenchOptions, engines: readonly Engine[]): Promise<void> {
  const runs: Figures[] = []
  const summaries: Summary[] = []
  for (const benchmark of cases(options)) {
    const taking = engines.filter((engine) => engine.measures(benchmark))
    const [ours, peer] = await inTurn(benchmark, taking, options.runs)
    runs.push(...ours!, ...(peer ?? []))
    summaries.push({ ours: medians(ours!), peer: peer === undefined ? null : medians(peer) })
    if (options.json !== null) writeJson(options.json, runs, summaries)
  }
  console.log(table(summaries))
}

function cases({ names, guarantees }: BenchOptions): readonly Case[] {
  return names.flatMap((name): Case[] =>
    isLogName(name)
      ? [{ name, guarantee: null }]
      : guarantees.map((guarantee) => ({ name, guarantee })),
  )
}

/** Ours, the peer, ours, the peer, ... so that a change of the machine's mood meets both. */
async function inTurn(
  benchmark: Case,
  engines: readonly Engine[],
  runs: number,
): Promise<readonly Figures[][]> {
  const figures = engines.map((): Figures[] => [])
  for (const engine of engines) await engine.prepare(benchmark)
  for (let run = 1; run <= runs; run++) {
    for (const [index, engine] of engines.entries()) {
      const measured = await engine.measure(benchmark)
      figures[index]!.push(measured)
      const rate = `${Math.round(measured.recordsPerSecond).toLocaleString('en-US')} records/s`
      say(
        `${benchmark.name} ${benchmark.guarantee ?? ''} ${run}/${runs} ${measured.engine} ${rate}`,
      )
    }
  }
  return figures
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

main().catch((error: unknown) => {
  say(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
