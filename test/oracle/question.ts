/**
 * One case, answered by Kafka Streams and by us.
 *
 * Journey: generated case -> [both answers] -> verdict -> differential.ts, which counts, or
 * shorten.ts, which looks for a shorter case of the same kind.
 *
 * A case that differs is asked again: whether Kafka Streams' answer depends on which of two equal
 * times is taken first (then it is not comparable), and which parts of it differ between its stores
 * in memory and in RocksDB (those are not compared).
 */
import { isDeepStrictEqual } from 'node:util'
import { ANSWER_PARTS, type Case, type Pair } from '../conformance/case.ts'
import { checkPair, type Verdict } from '../conformance/run-case.ts'
import type { Oracle } from './oracle.ts'

export interface Answered {
  readonly pair: Pair
  readonly verdict: Verdict
}

export async function answerBoth(oracle: Oracle, one: Case): Promise<Answered> {
  const pair = { case: one, answer: await oracle.ask(one) }
  const verdict = await checkPair(pair)
  if (verdict.outcome === 'same') return { pair, verdict }
  const again = await withExemptions(oracle, pair)
  return { pair: again, verdict: await checkPair(again) }
}

/** The pair with what in Kafka Streams' answer is not to be compared. */
async function withExemptions(oracle: Oracle, { case: one }: Pair): Promise<Pair> {
  const [answer, inMemory] = await Promise.all([
    oracle.ask(one, { ties: true }),
    oracle.ask(one, { store: 'memory' }),
  ])
  const storeSensitive = ANSWER_PARTS.filter(
    (part) => !isDeepStrictEqual(answer[part], inMemory[part]),
  )
  return { case: one, answer: { ...answer, storeSensitive } }
}
