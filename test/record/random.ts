/** The seed of a random test: env SEED, or a new one. Put it in the test's name or message. */
export const SEED: number = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Numbers from 0 up to 1 that the seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
