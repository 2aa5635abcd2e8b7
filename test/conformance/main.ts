/**
 * `npm run conformance -- FILE ...`: runs files of cases with the answers of Kafka Streams.
 *
 *   --store memory|rocksdb   where all stores lie; default memory
 *   --restart-every N        restarts after every N input entries; every other restart has lost the
 *                            state directory, so that all state comes from changelogs
 *   --crash                  crashes each commit, after its steps in turn
 *   --defects                runs our program with the defects of Kafka Streams, of kafka-defects.ts
 *   --only TEXT              only cases whose id begins so
 *   --every N                only every Nth case
 *
 * Prints every mismatch with the case's id and its first difference, and ends with
 * `N passed, N failed`; the exit status is 1 when any failed. A case passes as well when it differs
 * as `differences.json` says, or just by the defects of Kafka Streams in `kafka-defects.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Pair } from './case.ts'
import { readPairs } from './case-file.ts'
import { firstDifference } from './compare.ts'
import { listedDifference } from './differences.ts'
import { checkPair, type RunOptions, type Verdict } from './run-case.ts'

/** A case that takes longer hangs. */
const CASE_MS_MAX = 30_000

interface Arguments {
  readonly files: readonly string[]
  readonly options: RunOptions
  readonly only: string
  readonly every: number
}

function readArguments(): Arguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      store: { type: 'string', default: 'memory' },
      'restart-every': { type: 'string', default: '0' },
      crash: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      every: { type: 'string', default: '1' },
      defects: { type: 'boolean', default: false },
    },
  })
  const { store: storage, crash: crashes, only, defects } = values
  const restartEvery = Number(values['restart-every'])
  if (storage !== 'memory' && storage !== 'rocksdb') {
    throw new TypeError(`--store is ${storage}; write memory or rocksdb`)
  }
  if (!Number.isInteger(restartEvery) || restartEvery < 0) {
    throw new TypeError(`--restart-every is ${values['restart-every']}; write a whole number`)
  }
  const every = Number(values.every)
  if (!Number.isInteger(every) || every < 1) {
    throw new TypeError(`--every is ${values.every}; write a whole number from 1`)
  }
  if (positionals.length === 0) throw new TypeError('name at least one file of cases')
  return {
    files: positionals,
    only,
    every,
    options: { storage, restartEvery, crashes, withDefects: defects },
  }
}

async function verdictOf(pair: Pair, options: RunOptions): Promise<Verdict | Error> {
  let timer: NodeJS.Timeout | undefined
  const hangs = new Promise<Error>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`not done after ${CASE_MS_MAX} ms`)), CASE_MS_MAX)
  })
  try {
    return await Promise.race([checkPair(pair, options), hangs])
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    clearTimeout(timer)
  }
}

class Report {
  passed = 0
  failed = 0
  asListed = 0
  notCompared = 0

  add({ case: one, answer }: Pair, verdict: Verdict | Error): void {
    if (verdict instanceof Error) {
      this.#fail(one.id, [`the runner failed: ${verdict.stack ?? verdict.message}`])
    } else if (verdict.outcome === 'not-comparable') {
      this.notCompared++
    } else if (verdict.outcome === 'same') {
      this.passed++
    } else if (verdict.outcome === 'defect' || listedDifference(one, verdict) !== null) {
      this.passed++
      this.asListed++
    } else if (verdict.outcome === 'unsupported') {
      this.#fail(one.id, [`not supported: ${verdict.reason}`])
    } else {
      const lines = verdict.differences.map(firstDifference)
      if (verdict.error !== undefined) lines.push(`ours ended with ${verdict.error}`)
      if (answer.error != null) lines.push(`Kafka Streams' ended with ${answer.error}`)
      this.#fail(`${one.id} (${one.title})`, lines)
    }
  }

  #fail(what: string, lines: readonly string[]): void {
    this.failed++
    console.log(`FAILED ${what}\n${lines.map((line) => `  ${line}`).join('\n')}`)
  }

  print(): void {
    if (this.asListed > 0) {
      console.log(`${this.asListed} of those passed differ as docs/differences.md says`)
    }
    if (this.notCompared > 0) {
      console.log(`${this.notCompared} not compared: they depend on the choice between equal times`)
    }
    console.log(`${this.passed} passed, ${this.failed} failed`)
  }
}

async function main(): Promise<number> {
  const { files, options, only, every } = readArguments()
  const stateDirectory =
    options.storage === 'rocksdb' ? mkdtempSync(join(tmpdir(), 'millrace-conformance-')) : undefined
  const run = stateDirectory === undefined ? options : { ...options, stateDirectory }
  const report = new Report()
  let met = 0
  try {
    for (const file of files) {
      for (const pair of readPairs(file)) {
        const isChosen = pair.case.id.startsWith(only) && met++ % every === 0
        if (isChosen) report.add(pair, await verdictOf(pair, run))
      }
    }
  } finally {
    if (stateDirectory !== undefined) rmSync(stateDirectory, { recursive: true, force: true })
  }
  report.print()
  return report.failed === 0 ? 0 : 1
}

process.on('unhandledRejection', (error) => {
  console.log('a promise was rejected and nobody waited for it:', error)
  process.exitCode = 1
})

try {
  process.exitCode = (await main()) || process.exitCode || 0
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
// A case that hangs must not keep the process.
process.exit()
