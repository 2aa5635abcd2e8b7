/** A key together with the window its row belongs to. */

/** `start` is inclusive, `end` exclusive for time windows; milliseconds since the epoch. */
export interface Windowed<K> {
  readonly key: K
  readonly start: number
  readonly end: number
}
