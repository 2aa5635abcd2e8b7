/**
 * All cases with the real Kafka Streams' answers: each gives the same answer straight, and a share of
 * them restarted after every record, crashed in every commit, and on RocksDB. The whole matrix is
 * `npm run conformance:all`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Pair } from './case.ts'
import { readPairs } from './case-file.ts'
import { firstDifference } from './compare.ts'
import { differingParts, digestOf, LISTED, listedDifference } from './differences.ts'
import { checkPair, type RunOptions } from './run-case.ts'

const FOLDER = new URL('./', import.meta.url)
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl'))

/** In a run of all tests some cases stand for the rest; the whole matrix is a command. */
const RESTARTED_SHARE = 5
const CRASHED_SHARE = 5
const ROCKSDB_SHARE = 12

function some<T>(all: readonly T[], share: number): T[] {
  return all.filter((_, index) => index % share === 0)
}

function pairsOf(file: string): Pair[] {
  return readPairs(new URL(file, FOLDER))
}

/** Runs cases; those whose answer is not the published one and not listed, with the difference. */
async function disagreements(pairs: readonly Pair[], options: RunOptions): Promise<unknown[]> {
  const found: unknown[] = []
  for (const pair of pairs) {
    const verdict = await checkPair(pair, options)
    if (listedDifference(pair.case, verdict) !== null) continue
    if (verdict.outcome === 'unsupported') {
      found.push({ id: pair.case.id, unsupported: verdict.reason })
    } else if (verdict.outcome === 'different') {
      found.push({ id: pair.case.id, differences: verdict.differences.map(firstDifference) })
    }
  }
  return found
}

describe('Kafka Streams and this library give the same answers', () => {
  test.each(files)('%s, straight', async (file) => {
    expect(await disagreements(pairsOf(file), {})).toEqual([])
  })

  test.each(files)('%s, restarted after every record', async (file) => {
    expect(await disagreements(some(pairsOf(file), RESTARTED_SHARE), { restartEvery: 1 })).toEqual(
      [],
    )
  })

  test.each(files)('%s, crashed in every commit', async (file) => {
    expect(await disagreements(some(pairsOf(file), CRASHED_SHARE), { crashes: true })).toEqual([])
  })

  test('some of all, on RocksDB', async () => {
    const pairs = some(files.flatMap(pairsOf), ROCKSDB_SHARE)
    const stateDirectory = mkdtempSync(join(tmpdir(), 'millrace-conformance-'))
    try {
      expect(await disagreements(pairs, { storage: 'rocksdb', stateDirectory })).toEqual([])
    } finally {
      rmSync(stateDirectory, { recursive: true, force: true })
    }
  })
})

describe('the list of differences', () => {
  const pairs = new Map(files.flatMap(pairsOf).map((pair) => [pair.case.id, pair]))
  const text = readFileSync(new URL('../../docs/differences.md', FOLDER), 'utf8')
  /** The text under each heading, by the heading's words. */
  const topics = new Map(
    text
      .split(/^##+ /mu)
      .slice(1)
      .map((part) => [part.split('\n')[0] ?? '', part]),
  )

  test.each(LISTED)('$id differs, and only as docs/differences.md says', async (listed) => {
    const { id, digest, topic, parts } = listed
    expect(topics.get(topic), `heading '${topic}'`).toContain(id)
    const pair = pairs.get(id) as Pair
    expect(digestOf(pair.case)).toBe(digest)
    const verdict = await checkPair(pair)
    const differing = differingParts(verdict)
    expect(differing, 'it does not differ any more').not.toEqual([])
    expect(parts).toEqual(expect.arrayContaining([...differing]))
  })
})
