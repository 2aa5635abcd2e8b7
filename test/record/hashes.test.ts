/** CRC-32C and murmur2 against published vectors and Kafka's own. */
import { expect, test } from 'vitest'
import { crc32c, crc32cPortable } from '../../src/record/crc32c.ts'
import { keyPartition, murmur2 } from '../../src/record/murmur2.ts'
import { fixtureJson } from './fixtures.ts'
import { randomOf, SEED } from './random.ts'

test('crc32c gives the vectors of RFC 3720', () => {
  const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
  for (const sum of [crc32c, crc32cPortable]) {
    expect(sum(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(sum(Buffer.alloc(32, 255))).toBe(0x62a8ab43)
    expect(sum(ascending)).toBe(0x46dd794e)
    expect(sum(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(sum(Buffer.alloc(0))).toBe(0)
  }
})

test(`crc32c without native code gives the same sums (SEED=${SEED})`, () => {
  const random = randomOf(SEED)
  const bytes = Buffer.from(Array.from({ length: 300 }, () => Math.floor(random() * 256)))
  for (let run = 0; run < 500; run++) {
    const start = Math.floor(random() * 300)
    const end = start + Math.floor(random() * (300 - start))
    expect(crc32cPortable(bytes, start, end)).toBe(crc32c(bytes, start, end))
  }
})

test('murmur2 and the partition of a key are those of Kafka', () => {
  for (const [hex, hash, partition] of fixtureJson<[string, number, number][]>('murmur2')) {
    const padded = Buffer.from(`ff${hex}ff`, 'hex')
    expect(murmur2(padded, 1, padded.length - 1)).toBe(hash)
    expect(keyPartition(padded, 1, padded.length - 1, 12)).toBe(partition)
  }
})
