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
import type { Difference } from './compare.ts'

export interface ListedDifference {
  readonly id: string
  /** Of program, configuration and input: see `digestOf`. */
  readonly digest: string
  /** The only parts of the answer that may differ. */
  readonly parts: readonly AnswerPart[]
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

/** The entry that says a case differs in just these parts; null when there is none. */
export function listedDifference(
  one: Case,
  differences: readonly Difference[],
): ListedDifference | null {
  const listed = byId.get(one.id)
  if (listed === undefined || listed.digest !== digestOf(one)) return null
  return differences.every(({ part }) => listed.parts.includes(part)) ? listed : null
}
