/**
 * The generator's randomness: xorshift32 (shifts 13, 17, 5) and Zipf draws on top of it.
 *
 * Invariant: the same seed gives the same draws for ever. The checksums of every workload, here and
 * in the Java peer, hang on it; a faster or better generator is a different set of benchmarks.
 */

/** A draw is the unsigned 32-bit state divided by 2^32, so it lies in [0, 1). */
export interface Random {
  next(): number
  /** A whole number from 0 to `bound - 1`. */
  int(bound: number): number
  pick<T>(items: readonly T[]): T
}

export function xorshift32(seed: number): Random {
  let state = (seed * 2654435761) >>> 0 || 1

  const next = (): number => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 4294967296
  }
  for (let warm = 0; warm < 16; warm++) next()

  return {
    next,
    int: (bound) => Math.floor(next() * bound),
    pick: <T>(items: readonly T[]) => items[Math.floor(next() * items.length)] as T,
  }
}

/** Draws a rank below `size` with a weight of 1/(rank+1): a binary search in the distribution. */
export function zipf(random: Random, size: number): () => number {
  const cumulative = new Float64Array(size)
  let sum = 0
  for (let rank = 0; rank < size; rank++) {
    sum += 1 / (rank + 1)
    cumulative[rank] = sum
  }
  for (let rank = 0; rank < size; rank++) cumulative[rank] = cumulative[rank]! / sum

  return () => {
    const draw = random.next()
    let low = 0
    let high = size - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulative[middle]! < draw) low = middle + 1
      else high = middle
    }
    return low
  }
}
