/**
 * `npm run differential -- --seed N --count N`: random programs, answered by Kafka Streams and by us.
 *
 *   --seed N     the first case's seed, default 1; a difference names the seed of its own case
 *   --count N    how many cases, default 200
 *   --save FILE  appends the pairs that differ, to be run with `npm run conformance -- FILE`
 *   --cases FILE asks the cases of a file of pairs again, in place of random ones
 *   --shorten    what differs is first made as short as it can be
 *
 * Each difference is printed; the exit status is then 1.
 */
import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Case } from '../conformance/case.ts'
import { readPairs } from '../conformance/case-file.ts'
import { firstDifference } from '../conformance/compare.ts'
import type { Verdict } from '../conformance/run-case.ts'
import { Oracle } from './oracle.ts'
import { randomCase } from './programs/random-case.ts'
import { type Answered, answerBoth } from './question.ts'
import { shorten } from './shorten.ts'

/** Cases at a time: enough for the JVM to answer the next while this process works on the last. */
const AT_A_TIME = 8

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '200' },
    cases: { type: 'string' },
    save: { type: 'string' },
    shorten: { type: 'boolean', default: false },
  },
})
const cases = values.cases === undefined ? randomCases() : readCases(values.cases)
const outcomes = { same: 0, 'not-comparable': 0, defect: 0, different: 0, unsupported: 0 }
let inPart = 0

const oracle = new Oracle()
await Promise.all(Array.from({ length: AT_A_TIME }, work))
await oracle.close()

const { same, defect } = outcomes
const different = outcomes.different + outcomes.unsupported
console.log(
  `${what()}: ${outcomes['not-comparable']} not compared (equal times), ${inPart} in part (kind of store)`,
)
console.log(`${defect} differ by what docs/differences.md calls a defect of Kafka Streams`)
console.log(`${same} the same, ${different} different`)
process.exitCode = different === 0 ? 0 : 1

function* randomCases(): Generator<Case> {
  const first = Number(values.seed)
  for (let seed = first; seed < first + Number(values.count); seed++) yield randomCase(seed)
}

function* readCases(file: string): Generator<Case> {
  for (const pair of readPairs(file)) yield pair.case
}

function what(): string {
  if (values.cases !== undefined) return values.cases
  return `seeds ${values.seed} to ${Number(values.seed) + Number(values.count) - 1}`
}

async function work(): Promise<void> {
  for (const one of cases) {
    const answered = await answerBoth(oracle, one)
    const { pair, verdict } = answered
    outcomes[verdict.outcome]++
    if ((pair.answer.storeSensitive ?? []).length > 0) inPart++
    if (isDifferent(answered)) report(values.shorten ? await shortened(answered) : answered)
  }
}

function isDifferent({ verdict }: Answered): boolean {
  return verdict.outcome === 'different' || verdict.outcome === 'unsupported'
}

/** The shortest case that differs in the same part of the answer first. */
async function shortened(answered: Answered): Promise<Answered> {
  const shortest = await shorten(answered.pair.case, async (one) => {
    if (!one.program.some(({ op }) => op === 'to')) return false
    const { verdict } = await answerBoth(oracle, one)
    return firstPart(verdict) === firstPart(answered.verdict)
  })
  return answerBoth(oracle, shortest)
}

function firstPart(verdict: Verdict): string {
  return verdict.outcome === 'different' ? `${verdict.differences[0]?.part}` : verdict.outcome
}

function report({ pair, verdict }: Answered): void {
  const { id, title } = pair.case
  const lines = [`DIFFERENT ${id} (${title})`]
  if (verdict.outcome === 'unsupported') lines.push(`not supported: ${verdict.reason}`)
  if (verdict.outcome === 'different') {
    lines.push(...verdict.differences.map(firstDifference))
    if (verdict.error !== undefined) lines.push(`ours ended with ${verdict.error}`)
  }
  if (pair.answer.error !== null) lines.push(`Kafka Streams' ended with ${pair.answer.error}`)
  console.log(lines.join('\n  '))
  if (values.save !== undefined) appendFileSync(values.save, `${JSON.stringify(pair)}\n`)
}
