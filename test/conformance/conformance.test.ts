/**
 * Cases with the real Kafka Streams' answers, those whose operators exist here: each gives the same
 * answer straight, restarted after every record, crashed in every commit, and on RocksDB.
 *
 * Left out of the fixtures although every operator exists: cases of a stream merged with itself
 * (here each record comes twice, as two streams would have it), of Kafka's optimiser, and of build
 * errors that are none here (one topic read as two tables, or as a stream and a table).
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Pair } from './case.ts'
import { checkPair, type RunOptions } from './run-case.ts'

const FIXTURES = new URL('../fixtures/conformance/', import.meta.url)
const files = readdirSync(FIXTURES).filter((name) => name.endsWith('.jsonl'))
/** Files whose cases keep state: where another byte store, or another guarantee, could matter. */
const STATEFUL = [
  'group-aggregate',
  'hopping',
  'stream-stream-join',
  'stream-table-join',
  'tumbling',
]
const stateful = STATEFUL.map((name) => `${name}.jsonl`)

function pairsOf(file: string): Pair[] {
  const lines = readFileSync(new URL(file, FIXTURES), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Pair)
}

/** Opening a database for each case takes most of its time: every third case stands for the rest. */
const ROCKSDB_SHARE = 3

/** Runs cases; those whose answer is not the published one, with the difference. */
async function disagreements(pairs: readonly Pair[], options: RunOptions): Promise<unknown[]> {
  const found: unknown[] = []
  for (const pair of pairs) {
    const verdict = await checkPair(pair, options)
    if (verdict.outcome !== 'same') found.push({ id: pair.case.id, ...verdict })
  }
  return found
}

describe('Kafka Streams and this library give the same answers', () => {
  test.each(files)('%s, straight', async (file) => {
    expect(await disagreements(pairsOf(file), {})).toEqual([])
  })

  test.each(files)('%s, restarted after every record', async (file) => {
    expect(await disagreements(pairsOf(file), { restartEvery: 1 })).toEqual([])
  })

  test.each(files)('%s, crashed in every commit', async (file) => {
    expect(await disagreements(pairsOf(file), { crashes: true })).toEqual([])
  })

  test.each(stateful)('%s, restarted after every record, at-least-once', async (file) => {
    expect(
      await disagreements(pairsOf(file), { guarantee: 'at-least-once', restartEvery: 1 }),
    ).toEqual([])
  })

  test.each(stateful)('%s, on RocksDB', async (file) => {
    const pairs = pairsOf(file).filter((_pair, index) => index % ROCKSDB_SHARE === 0)
    const stateDirectory = mkdtempSync(join(tmpdir(), 'millrace-conformance-'))
    try {
      expect(await disagreements(pairs, { storage: 'rocksdb', stateDirectory })).toEqual([])
    } finally {
      rmSync(stateDirectory, { recursive: true, force: true })
    }
  })
})
