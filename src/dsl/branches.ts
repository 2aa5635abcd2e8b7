/**
 * The branches of a split: predicates by name, and what their type guards say of the values.
 */
import { checkName, show } from '../topology/names.ts'
import type { RecordContext } from '../topology/processor.ts'
import { checkFunction } from './arguments.ts'

/** Decides whether a record belongs to a branch; a type guard narrows the values of the branch. */
export type BranchPredicate<K, V> = (key: K, value: V, context: RecordContext) => boolean

type Guard<V, B extends V> = (key: never, value: V) => value is B

/** The values of a branch: those its type guard lets through, or all. */
export type BranchValue<Predicate, V> = Predicate extends Guard<V, infer B> ? B : V

/** Checks the branches of a split, keeping their order. */
export function readBranches<K, V>(
  branches: object,
  rest: string | undefined,
  call: string,
): { branch: string; predicate: BranchPredicate<K, V> }[] {
  if (typeof branches !== 'object' || branches === null || Object.keys(branches).length === 0) {
    throw new TypeError(
      `branches of ${call} is ${show(branches)}; pass predicates by name: { failed: (key, value) => ... }`,
    )
  }
  if (rest !== undefined) {
    checkName(rest, `option default of ${call}`)
    if (Object.hasOwn(branches, rest)) {
      throw new TypeError(
        `option default of ${call} is '${rest}', which is a branch; use another name`,
      )
    }
  }
  return Object.entries(branches).map(([branch, predicate]) => {
    checkName(branch, `branch of ${call}`)
    checkFunction(predicate, call, `branch ${branch}`, '(key, value) => true')
    return { branch, predicate }
  })
}
