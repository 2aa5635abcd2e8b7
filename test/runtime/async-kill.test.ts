/**
 * Processes killed at random moments with calls in flight, over real files and RocksDB: the next
 * one makes the calls again, and nothing is lost, doubled (exactly-once) or out of order.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Guarantee } from 'millrace'
import { expect, test } from 'vitest'
import {
  countsIn,
  countsOf,
  openLog,
  produce,
  readAll,
  runToEnd,
  testFolder,
} from './applications.ts'
import { asking } from './programs.ts'

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
const KILLS = 2
/** Each kill takes a process of its own, which may wait for a core. */
const TIMEOUT_MS = 60_000
const CHILD = fileURLToPath(new URL('async-kill-child.ts', import.meta.url))
const INPUT = Array.from({ length: 1500 }, (_, at): [string, string] => [
  `k${at % 5}`,
  `w${at % 97}`,
])

let state = SEED
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 0x1_0000_0000
}

async function runAndKill(directory: string, guarantee: Guarantee, ordered: string): Promise<void> {
  const child = spawn(
    process.execPath,
    ['--conditions=millrace-source', CHILD, directory, guarantee, ordered],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  await wait(random() * 150)
  child.kill('SIGKILL')
  expect(await exited).toEqual([null, 'SIGKILL'])
}

function byKey(records: readonly (readonly [string | null, string | null])[]): unknown {
  const lists = Map.groupBy(records, ([key]) => key)
  return new Map([...lists].sort().map(([key, all]) => [key, all.map(([, value]) => value)]))
}

test.each([
  ['exactly-once', 'ordered'],
  ['exactly-once', 'by key'],
  ['at-least-once', 'ordered'],
] as const)(
  `%s, %s: killed ${KILLS} times with calls in flight (SEED=${SEED})`,
  async (guarantee, ordered) => {
    const directory = testFolder()
    const filling = await openLog({ in: 2, copy: 2, counts: 2 }, directory)
    await produce(filling, 'in', INPUT)
    await filling.shutdown()
    for (let kill = 0; kill < KILLS; kill++) await runAndKill(directory, guarantee, ordered)

    const log = await openLog({}, directory)
    const stateDirectory = join(directory, 'state')
    const options = { log, guarantee, stateDirectory, storage: 'rocksdb' } as const
    await runToEnd(asking(ordered === 'ordered'), options)
    const copies = (await readAll(log, 'copy')).map(({ key, value }) => [key, value] as const)
    const counts = await countsIn(log)
    if (guarantee === 'exactly-once') {
      expect(byKey(copies)).toEqual(byKey(INPUT))
      expect(counts).toEqual(countsOf(INPUT))
    } else {
      expect(copies.length).toBeGreaterThanOrEqual(INPUT.length)
      for (const [word, expected] of countsOf(INPUT)) {
        expect(counts.get(word)?.at(-1)).toBeGreaterThanOrEqual(expected.length)
      }
    }
  },
  TIMEOUT_MS,
)
