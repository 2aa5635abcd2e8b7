/**
 * What a series of samples says: spread per minute, and whether it stays flat.
 *
 * The slope is the median of the slopes between pairs of samples (Theil and Sen): a garbage
 * collection or a burst moves it by nothing as long as most samples agree.
 */

export interface Point {
  readonly seconds: number
  readonly value: number
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    min: sorted[0] ?? Number.NaN,
    median: sorted[sorted.length >> 1] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** Units of the value per minute; 0 with fewer than two samples. */
export function slopePerMinute(points: readonly Point[]): number {
  const slopes: number[] = []
  for (let left = 0; left < points.length; left++) {
    for (let right = left + 1; right < points.length; right++) {
      const [from, to] = [points[left] as Point, points[right] as Point]
      if (to.seconds === from.seconds) continue
      slopes.push((to.value - from.value) / (to.seconds - from.seconds))
    }
  }
  return slopes.length === 0 ? 0 : spreadOf(slopes).median * 60
}

/** The spread of each whole or begun minute, in order. */
export function perMinute(points: readonly Point[]): readonly Spread[] {
  const minutes: number[][] = []
  for (const { seconds, value } of points) {
    const minute = Math.floor(seconds / 60)
    const values = minutes[minute] ?? []
    minutes[minute] = values
    values.push(value)
  }
  return minutes.map(spreadOf)
}
