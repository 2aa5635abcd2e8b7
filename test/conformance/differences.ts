/**
 * The reviewed list of cases where our answer is right and differs from Kafka Streams':
 * `differences.json`, one entry a case, each under a heading of `docs/differences.md`.
 *
 * An entry holds for the very case it was written for, by a digest of program and input: another
 * file may use the same id.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AnswerPart, Case } from './case.ts'
import type { Verdict } from './run-case.ts'

export interface ListedDifference {
  readonly id: string
  /** Of program, configuration and input: see `digestOf`. */
  readonly digest: string
  /** The only parts of the answer that may differ; `not supported`: the case uses what is not here. */
  readonly parts: readonly (AnswerPart | 'not supported')[]
  /** The heading of `docs/differences.md` that says why. */
  readonly topic: string
}

export const LISTED: readonly ListedDifference[] = JSON.parse(
  readFileSync(new URL('differences.json', import.meta.url), 'utf8'),
)

const byId = new Map(LISTED.map((listed) => [listed.id, listed]))

export function digestOf({ config = {}, program, input }: Case): string {
  const text = JSON.stringify([config, program, input])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** What differs of a verdict, by part; empty when nothing does. */
export function differingParts(verdict: Verdict): readonly ListedDifference['parts'][number][] {
  if (verdict.outcome === 'unsupported') return ['not supported']
  return 'differences' in verdict ? verdict.differences.map(({ part }) => part) : []
}

/** The entry that says a case differs in just these parts; null when there is none. */
export function listedDifference(one: Case, verdict: Verdict): ListedDifference | null {
  const listed = byId.get(one.id)
  if (listed === undefined || listed.digest !== digestOf(one)) return null
  const isListed = differingParts(verdict).every((part) => listed.parts.includes(part))
  return isListed ? listed : null
}
