/**
 * `node test/conformance/list-differences.ts ID ... --topic HEADING`: adds cases to `differences.json`, with the
 * parts that differ now, to be reviewed; the reason goes under that heading of `docs/differences.md`.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readPairs } from './case-file.ts'
import { differingParts, digestOf, LISTED, type ListedDifference } from './differences.ts'
import { checkPair } from './run-case.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { topic: { type: 'string', default: '' } },
})
const FOLDER = new URL('./', import.meta.url)
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl'))
const entries = new Map<string, ListedDifference>(LISTED.map((listed) => [listed.id, listed]))
for (const pair of files.flatMap((file) => readPairs(new URL(file, FOLDER)))) {
  const { id } = pair.case
  if (!positionals.includes(id)) continue
  const parts = differingParts(await checkPair(pair))
  if (parts.length === 0) throw new RangeError(`${id} does not differ`)
  entries.set(id, { id, digest: digestOf(pair.case), parts, topic: values.topic })
}
const sorted = [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
writeFileSync(new URL('differences.json', FOLDER), `${JSON.stringify(sorted, null, 2)}\n`)
