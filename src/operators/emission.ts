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

/**
 * Watches a fold, to know whether what it made may be handed on as it is. An object that the fold
 * changes in place later must not be: whoever keeps it downstream (another aggregation's row, a
 * join) would see it change. So copies are handed on until a fold was seen to make a new object,
 * and always after it was seen to change its argument.
 */
export class FoldWatch {
  #makesNew = false
  #changesInPlace = false

  /** True when `folded`, made of what was `stored`, has to be copied before it is handed on. */
  mustCopy(stored: unknown, folded: unknown): boolean {
    if (typeof folded !== 'object' || folded === null) return false
    if (stored === folded) this.#changesInPlace = true
    else if (stored !== null) this.#makesNew = true
    return this.mustCopyKept(folded)
  }

  /** The same of a row that was folded before and is emitted now. */
  mustCopyKept(row: unknown): boolean {
    if (typeof row !== 'object' || row === null) return false
    return this.#changesInPlace || !this.#makesNew
  }
}
