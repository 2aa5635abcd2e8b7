/**
 * When an aggregation hands its results on.
 *
 * `updates`: every single update, at once. `commit`: the last value of each row that changed,
 * when the task commits (the default: what leaves is coalesced, 100 ms at most behind).
 */
export type Emission = 'updates' | 'commit'

/**
 * Folds one value into what is stored. `before` is null for a row that does not exist; a null
 * answer deletes the row. The answer may be `before` itself, changed in place.
 */
export type Fold<K, V, A> = (key: K, value: V, before: A | null) => A | null

/** True when a fold changed the stored object in place, so that whoever keeps it must get a copy. */
export function isSameObject(before: unknown, after: unknown): boolean {
  return before === after && typeof after === 'object' && after !== null
}
