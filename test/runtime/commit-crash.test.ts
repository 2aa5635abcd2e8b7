/**
 * A process killed after each step of a commit, over real files and RocksDB: the next one goes on,
 * and the answer is that of a run that was never disturbed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Guarantee } from 'millrace'
import { expect, test } from 'vitest'
import type { CommitStep } from '../../src/runtime/commit.ts'
import {
  countsIn,
  countsOf,
  openLog,
  produce,
  runToEnd,
  testFolder,
  words,
} from './applications.ts'
import { counting } from './programs.ts'

/** What comes before them leaves nothing outside of the process. */
const STEPS = ['drain', 'send', 'offsets', 'end', 'save'] as const
const INPUT = words(6000, 100)
/** Each kill takes a process of its own, which may wait for a core. */
const TIMEOUT_MS = 60_000
const CHILD = fileURLToPath(new URL('commit-crash-child.ts', import.meta.url))

/** A log folder with the input in it. */
async function inputFolder(): Promise<string> {
  const directory = testFolder()
  const log = await openLog({ in: 2 }, directory)
  await produce(log, 'in', INPUT)
  await log.shutdown()
  return directory
}

async function dieAfter(
  step: CommitStep,
  which: number,
  directory: string,
  guarantee: Guarantee,
): Promise<void> {
  const child = spawn(
    process.execPath,
    ['--conditions=millrace-source', CHILD, directory, guarantee, step, String(which)],
    { stdio: 'inherit' },
  )
  expect(await once(child, 'exit'), `killed after '${step}'`).toEqual([null, 'SIGKILL'])
}

async function finish(
  directory: string,
  guarantee: Guarantee,
): Promise<Map<string | null, number[]>> {
  const log = await openLog({}, directory)
  const stateDirectory = join(directory, 'state')
  await runToEnd(counting(), { log, guarantee, stateDirectory, storage: 'rocksdb' })
  return countsIn(log)
}

test(
  'exactly-once: killed after each step in turn, at its second commit',
  async () => {
    const directory = await inputFolder()
    for (const step of STEPS) await dieAfter(step, 2, directory, 'exactly-once')
    expect(await finish(directory, 'exactly-once')).toEqual(countsOf(INPUT))
  },
  TIMEOUT_MS,
)

test(
  'at-least-once: killed with output sent and offsets not committed, nothing is lost',
  async () => {
    const directory = await inputFolder()
    await dieAfter('send', 2, directory, 'at-least-once')
    const counts = await finish(directory, 'at-least-once')
    for (const [word, expected] of countsOf(INPUT)) {
      expect(counts.get(word)?.at(-1)).toBeGreaterThanOrEqual(expected.length)
      expect(counts.get(word)).toEqual(expect.arrayContaining(expected))
    }
  },
  TIMEOUT_MS,
)
