/**
 * Our side: each step is a child process of `ours/main.ts` on a fresh folder.
 *
 * Journey: generate (kept) -> load into an embedded log (kept) -> for each run: copy that log, [run]
 * the topology on it in one process, check its answers in another, remove the copy.
 */
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Checksums, requireRightAnswers } from './checksums.ts'
import {
  type Case,
  type Engine,
  type EngineOptions,
  latencySeconds,
  restoreKeys,
} from './engine.ts'
import type { Figures, Guarantee } from './figures.ts'
import { dataFile, ensureWorkload } from './generator/files.ts'
import { type BenchmarkName, isTopologyName, type TopologyName } from './names.ts'
import type { Steps } from './ours/steps.ts'
import { runForJson } from './processes.ts'
import { WORKLOADS } from './workloads/index.ts'

const STEPS = join(import.meta.dirname, 'ours', 'main.ts')
const EXACTLY_ONCE_COMMIT_MS = 100
const AT_LEAST_ONCE_COMMIT_MS = 30_000
/** Records of log-append and log-read at scale 1. */
const LOG_RECORDS = 5_000_000

/** `profiles`: where each measured run leaves a CPU profile, or null. */
export function millrace(options: EngineOptions, profiles: string | null): Engine {
  const { dataDirectory, scale } = options
  const fresh = join(options.directory, 'millrace')
  const log = join(fresh, 'log')

  return {
    measures: () => true,

    async prepare({ name }) {
      if (isTopologyName(name)) await preload(name)
    },

    async measure(benchmark) {
      rmSync(fresh, { recursive: true, force: true })
      mkdirSync(fresh, { recursive: true })
      try {
        return await measured(benchmark)
      } finally {
        rmSync(fresh, { recursive: true, force: true })
      }
    },

    stop: async () => {},
  }

  async function measured({ name, guarantee }: Case): Promise<Figures> {
    const commitIntervalMs = options.commitIntervalMs ?? defaultCommitMs(name, guarantee)
    const flags = profileFlags(`${name}${guarantee === null ? '' : `-${guarantee}`}`)
    const app = { directory: fresh, guarantee: guarantee!, commitIntervalMs }
    if (name === 'log-append' || name === 'log-read') {
      const records = Math.max(1, Math.round(LOG_RECORDS * scale))
      if (name === 'log-read') await step('log-append', { directory: fresh, records })
      return step(name, { directory: fresh, records }, flags)
    }
    if (name === 'restore') {
      const keys = restoreKeys(scale)
      await step('restore-build', { ...app, keys })
      rmSync(join(fresh, 'state'), { recursive: true })
      return step('restore', { ...app, keys }, flags)
    }
    if (name === 'latency') return step('latency', { ...app, ...latencySeconds(scale) }, flags)

    cpSync(preloaded(name), log, { recursive: true })
    const expected = ensureWorkload(dataDirectory, name, scale)
    const figures = await step('run', { ...app, workload: name, records: expected.records }, flags)
    const sums: Checksums = await step('check', { directory: fresh, workload: name })
    requireRightAnswers('millrace', name, sums, expected)
    return figures
  }

  /** Loads into a folder of another name first: an interrupted load is never used. */
  async function preload(workload: TopologyName): Promise<void> {
    ensureWorkload(dataDirectory, workload, scale)
    if (existsSync(preloaded(workload))) return
    const partial = `${preloaded(workload)}.${process.pid}`
    rmSync(partial, { recursive: true, force: true })
    await step('load', { workload, file: dataFile(dataDirectory, workload), directory: partial })
    if (existsSync(preloaded(workload))) rmSync(partial, { recursive: true })
    else renameSync(partial, preloaded(workload))
  }

  function preloaded(workload: TopologyName): string {
    return join(dataDirectory, `${workload}.log`)
  }

  function profileFlags(name: string): readonly string[] {
    if (profiles === null) return []
    return ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`]
  }
}

/** As in Kafka Streams, unless the workload needs another. */
function defaultCommitMs(name: BenchmarkName, guarantee: Guarantee | null): number {
  if (guarantee !== 'at-least-once') return EXACTLY_ONCE_COMMIT_MS
  return (isTopologyName(name) && WORKLOADS[name].atLeastOnceCommitMs) || AT_LEAST_ONCE_COMMIT_MS
}

/** Runs one step in a process of its own, which finds the library where this one does. */
function step<Name extends keyof Steps & string>(
  name: Name,
  input: Parameters<Steps[Name]>[0],
  flags: readonly string[] = [],
): Promise<Awaited<ReturnType<Steps[Name]>>> {
  const args = [...process.execArgv, ...flags, STEPS, name, JSON.stringify(input)]
  return runForJson(process.execPath, args)
}
