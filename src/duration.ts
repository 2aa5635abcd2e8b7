/**
 * Durations as users write them: `'500ms' | '10s' | '5m' | '2h' | '7d'`, or a number of
 * milliseconds. Everything inside the library holds milliseconds in names that end in `Ms`.
 */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Milliseconds of a duration.
 *
 * @param duration a number of milliseconds, or text such as `'5m'`
 * @param name what the duration is for, named in the error
 * @throws RangeError when it is not a whole, non-negative number of milliseconds
 */
export function milliseconds(duration: Duration | string, name = 'duration'): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration))
  const ms =
    typeof duration === 'number'
      ? duration
      : match
        ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
        : Number.NaN
  if (!Number.isSafeInteger(ms) || ms < 0) {
    throw new RangeError(
      `${name} is ${JSON.stringify(duration)}; write whole milliseconds as a number, or '500ms', '10s', '5m', '2h', '7d'`,
    )
  }
  return ms
}
