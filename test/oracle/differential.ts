/**
 * `npm run differential -- --seed N --count N`: random programs, answered by Kafka Streams and by us.
 *
 *   --seed N     the first case's seed, default 1; a difference names the seed of its own case
 *   --count N    how many cases, default 200
 *   --save FILE  appends the pairs that differ, to be run with `npm run conformance -- FILE`
 *
 * A case that differs is asked again: whether Kafka Streams' answer depends on which of two equal
 * times is taken first (then it is left out), and which parts of it differ between its stores in
 * memory and in RocksDB (those are not compared). What still differs is printed; the exit status is
 * then 1.
 */
import { appendFileSync } from 'node:fs'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { ANSWER_PARTS, type Pair } from '../conformance/case.ts'
import { firstDifference } from '../conformance/compare.ts'
import { checkPair, type Verdict } from '../conformance/run-case.ts'
import { randomCase } from './generate.ts'
import { ask } from './oracle.ts'

const BATCH = 250

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '200' },
    save: { type: 'string' },
  },
})
const first = Number(values.seed)
const count = Number(values.count)
let same = 0
let notCompared = 0
let defects = 0
let different = 0

for (let from = first; from < first + count; from += BATCH) {
  const seeds = Array.from({ length: Math.min(BATCH, first + count - from) }, (_, i) => from + i)
  await runBatch(seeds)
}
console.log(`seeds ${first} to ${first + count - 1}: ${notCompared} not compared (equal times)`)
console.log(`${defects} differ by what docs/differences.md calls a defect of Kafka Streams`)
console.log(`${same} the same, ${different} different`)
process.exitCode = different === 0 ? 0 : 1

async function runBatch(seeds: readonly number[]): Promise<void> {
  const cases = seeds.map(randomCase)
  const answers = await ask(cases)
  const differing: Pair[] = []
  for (const [index, one] of cases.entries()) {
    const pair = { case: one, answer: answers[index] as Pair['answer'] }
    if (isSame(await checkPair(pair))) same++
    else differing.push(pair)
  }
  for (const pair of await askAgain(differing)) {
    const verdict = await checkPair(pair)
    if (verdict.outcome === 'not-comparable') notCompared++
    else if (verdict.outcome === 'defect') defects++
    else if (isSame(verdict)) same++
    else report(pair, verdict)
  }
}

/** The pairs with what in Kafka Streams' answer is not to be compared. */
async function askAgain(pairs: readonly Pair[]): Promise<Pair[]> {
  const cases = pairs.map((pair) => pair.case)
  const withTies = await ask(cases, { ties: true })
  const inMemory = await ask(cases, { store: 'memory' })
  return pairs.map((pair, index) => {
    const answer = withTies[index] as Pair['answer']
    const other = inMemory[index] as Pair['answer']
    const storeSensitive = ANSWER_PARTS.filter(
      (part) => !isDeepStrictEqual(answer[part], other[part]),
    )
    return { case: pair.case, answer: { ...answer, storeSensitive } }
  })
}

function isSame({ outcome }: Verdict): boolean {
  return outcome === 'same'
}

function report(pair: Pair, verdict: Verdict): void {
  different++
  const { id, title } = pair.case
  console.log(`DIFFERENT ${id} (${title})`)
  if (verdict.outcome === 'unsupported') console.log(`  not supported: ${verdict.reason}`)
  if (verdict.outcome === 'different') {
    for (const difference of verdict.differences) console.log(`  ${firstDifference(difference)}`)
    if (verdict.error !== undefined) console.log(`  ours ended with ${verdict.error}`)
  }
  if (pair.answer.error !== null) console.log(`  Kafka Streams' ended with ${pair.answer.error}`)
  if (values.save !== undefined) appendFileSync(values.save, `${JSON.stringify(pair)}\n`)
}
