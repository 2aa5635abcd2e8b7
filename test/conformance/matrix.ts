/**
 * `npm run conformance:all [FILE ...]`: the cases (ours when none are named) on memory and on RocksDB,
 * straight, restarted after every record, and crashed in every commit. Exits with 1 when any fails.
 *
 * With `--short` only every tenth case is interrupted on RocksDB: opening it after every record of all
 * of them takes a quarter of an hour.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('./', import.meta.url))
const WAYS: readonly (readonly string[])[] = [
  [],
  ['--restart-every', '1'],
  ['--crash'],
  ['--store', 'rocksdb'],
  ['--store', 'rocksdb', '--restart-every', '1'],
  ['--store', 'rocksdb', '--crash'],
]

const ours = readdirSync(HERE).filter((name) => name.endsWith('.jsonl'))
const isShort = process.argv[2] === '--short'
const named = process.argv.slice(isShort ? 3 : 2)
const files = named.length > 0 ? named : ours.map((name) => `${HERE}${name}`)
for (const way of WAYS) {
  const begin = Date.now()
  console.log(`=== ${way.length === 0 ? 'straight, in memory' : way.join(' ')}`)
  const some = isShort && way.length > 2 ? ['--every', '10'] : []
  const program = [...process.execArgv, `${HERE}main.ts`, ...way, ...some, ...files]
  const { status } = spawnSync(process.execPath, program, { stdio: 'inherit' })
  console.log(`    ${((Date.now() - begin) / 1000).toFixed(1)} s`)
  if (status !== 0) process.exitCode = 1
}
