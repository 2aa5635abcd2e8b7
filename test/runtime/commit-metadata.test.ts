/** What a task knows of time, as text in the metadata of its committed offsets. */
import { describe, expect, test } from 'vitest'
import { decodeTaskTime, encodeTaskTime } from '../../src/runtime/commit-metadata.ts'
import { randomOf, SEED } from '../record/random.ts'

function observed(times: Readonly<Record<string, number>>) {
  return new Map(Object.entries(times).map(([name, max]) => [name, { max }]))
}

describe('task time', () => {
  test('is text that a person can read', () => {
    expect(encodeTaskTime(17, observed({ 'hits-count': 20, 'a=b': 3 }))).toBe(
      '1;17;hits-count=20;a=b=3',
    )
  })

  test(`comes back as it was, SEED=${SEED}`, () => {
    const random = randomOf(SEED)
    const time = (): number => Math.floor(random() ** 8 * Number.MAX_SAFE_INTEGER) - 1
    for (let round = 0; round < 500; round++) {
      const times: Record<string, number> = {}
      for (let index = Math.floor(random() * 5); index > 0; index--) {
        times[`node-${Math.floor(random() * 1e6).toString(36)}=.${index}`] = time()
      }
      const partitionTime = time()
      const decoded = decodeTaskTime(encodeTaskTime(partitionTime, observed(times)))
      expect(decoded).toEqual({ partitionTime, observed: times })
    }
  })

  test('of another version, or of nobody, is unknown', () => {
    for (const text of ['', '0', '2;17;a=20', 'AAAB', 'null', ' 1;5']) {
      expect(decodeTaskTime(text)).toEqual({ partitionTime: -1, observed: {} })
    }
  })

  test(`damaged in any way never fails a start, SEED=${SEED}`, () => {
    const random = randomOf(SEED)
    const alphabet = '1;=-.e09aN Infinity\u{0}\u{1F600}'
    for (let round = 0; round < 5000; round++) {
      const length = Math.floor(random() * 30)
      const noise = Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)])
      const { partitionTime, observed: times } = decodeTaskTime(`1;${noise.join('')}`)
      for (const time of [partitionTime, ...Object.values(times)]) {
        expect(Number.isSafeInteger(time) && time >= -1).toBe(true)
      }
    }
  })
})
