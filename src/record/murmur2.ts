/**
 * murmur2 as Kafka's default partitioner computes it, so that a key lands in the same partition
 * whichever client wrote it.
 *
 * Journey: a serialised key -> [partition] of the topic it is written to.
 *
 * @see org.apache.kafka.common.utils.Utils#murmur2
 */
const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const SHIFT = 24

/** Kafka's murmur2 of `bytes` from `start` to `end`, as a signed 32-bit integer. */
export function murmur2(bytes: Buffer, start = 0, end: number = bytes.length): number {
  const length = end - start
  let hash = SEED ^ length
  let position = start
  for (const last = end - 3; position < last; position += 4) {
    let word =
      bytes[position]! |
      (bytes[position + 1]! << 8) |
      (bytes[position + 2]! << 16) |
      (bytes[position + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> SHIFT
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const left = end - position
  if (left > 0) {
    if (left === 3) hash ^= bytes[position + 2]! << 16
    if (left >= 2) hash ^= bytes[position + 1]! << 8
    hash = Math.imul(hash ^ bytes[position]!, MULTIPLIER)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** The partition of a serialised key: `toPositive(murmur2(key)) % partitions`. */
export function keyPartition(
  bytes: Buffer,
  start: number,
  end: number,
  partitions: number,
): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions
}
