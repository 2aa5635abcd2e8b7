/** Every benchmark, small, from loading to its checksums, as `npm run bench` runs it but in this process. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireRightAnswers } from '../../benchmarks/checksums.ts'
import type { Guarantee } from '../../benchmarks/figures.ts'
import { dataFile, ensureWorkload } from '../../benchmarks/generator/files.ts'
import { TOPOLOGY_NAMES } from '../../benchmarks/names.ts'
import { check } from '../../benchmarks/ours/check.ts'
import { latency } from '../../benchmarks/ours/latency.ts'
import { load } from '../../benchmarks/ours/load.ts'
import { logAppend } from '../../benchmarks/ours/log-append.ts'
import { logRead } from '../../benchmarks/ours/log-read.ts'
import { buildStore, restore } from '../../benchmarks/ours/restore.ts'
import { run } from '../../benchmarks/ours/run.ts'

const SCALE = 0.002
const GUARANTEES: readonly Guarantee[] = ['exactly-once', 'at-least-once']
const COMMIT_INTERVAL_MS = 100

describe('the benchmarks', () => {
  let root: string

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'bench-workloads-'))
  })

  afterAll(() => {
    rmSync(root, { recursive: true, force: true })
  })

  const fresh = (name: string): string => {
    const directory = join(root, name)
    mkdirSync(directory)
    return directory
  }

  const cases = TOPOLOGY_NAMES.flatMap((workload, index) => ({
    workload,
    guarantee: GUARANTEES[index % 2]!,
  }))

  it.each(cases)('$workload gives the right answers ($guarantee)', async (benchmark) => {
    const { workload, guarantee } = benchmark
    const directory = fresh(workload)
    const expected = ensureWorkload(root, workload, SCALE)
    const file = dataFile(root, workload)
    const loaded = await load({ workload, file, directory: join(directory, 'log') })
    expect(loaded.records).toBe(expected.records)

    const commitIntervalMs = COMMIT_INTERVAL_MS
    const { records } = expected
    const figures = await run({ directory, workload, guarantee, commitIntervalMs, records })
    expect(figures.recordsPerSecond).toBeGreaterThan(0)
    requireRightAnswers('millrace', workload, await check({ directory, workload }), expected)
  })

  it('log-append and log-read agree on every record', async () => {
    const directory = fresh('log')
    const records = 10_000
    expect((await logAppend({ directory, records })).records).toBe(records)
    expect((await logRead({ directory, records })).records).toBe(records)
  })

  it('restore brings every key back', async () => {
    const directory = fresh('restore')
    const input = {
      directory,
      guarantee: 'exactly-once',
      commitIntervalMs: COMMIT_INTERVAL_MS,
      keys: 4000,
    } as const
    await buildStore(input)
    rmSync(join(directory, 'state'), { recursive: true })
    expect((await restore(input)).records).toBe(4000)
  })

  it('latency sees every result', async () => {
    const figures = await latency({
      directory: fresh('latency'),
      guarantee: 'exactly-once',
      commitIntervalMs: COMMIT_INTERVAL_MS,
      measured: 1,
      warmUp: 1,
    })
    expect(figures.latency?.p50).toBeGreaterThan(0)
    expect(figures.latency?.p99).toBeGreaterThanOrEqual(figures.latency?.p50 ?? 0)
  })
})
