/**
 * When an aggregation hands its results on.
 *
 * `updates`: every single update, at once. `commit`: the last value of each row that changed,
 * when the task commits (the default: what leaves is coalesced, 100 ms at most behind). `close`, for
 * windows only: each window's final row, once, when stream time has passed its end and the grace.
 */
export type Emission = 'updates' | 'commit' | 'close'

/**
 * Folds one value into what is stored. `before` is null for a row that does not exist; a null
 * answer deletes the row. The answer may be `before` itself, changed in place: so what is handed on
 * is a copy, unless all that is below writes its bytes at once (`valuesEscape`).
 */
export interface Fold<K, V, A> {
  (key: K, value: V, before: A | null): A | null
  /**
   * What a row that does not exist begins with. Updates sent one by one give it as the row before a
   * first one, as Kafka Streams does (KStreamAggregate); null or missing: there is none before.
   */
  readonly initial?: () => A
}

/** The row before a first one, for whoever takes each update. */
export function beforeFirst<K, V, A>(fold: Fold<K, V, A>): A | null {
  return fold.initial === undefined ? null : fold.initial()
}
