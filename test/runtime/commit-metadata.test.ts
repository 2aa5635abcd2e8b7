/** What a task knows of time, as text in the metadata of its committed offsets. */
import { StreamsBuilder, text, tumbling } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
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
      expect(decoded).toEqual({ partitionTime, observed: times, others: -1 })
    }
  })

  test('of another version, or of nobody, is unknown', () => {
    for (const foreign of ['', '0', '2;17;a=20', 'AAAB', 'null', ' 1;5']) {
      expect(decodeTaskTime(foreign)).toEqual({ partitionTime: -1, observed: {}, others: -1 })
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

  test('of more operators than fit keeps to 4 KiB, and those left out have a time they reached', () => {
    const names = Array.from({ length: 300 }, (_, index) => `an-operator-with-a-name-${index}`)
    const encoded = encodeTaskTime(
      5,
      observed(Object.fromEntries(names.map((name, at) => [name, at]))),
    )
    expect(encoded.length).toBeLessThanOrEqual(4096)
    const time = decodeTaskTime(encoded)
    const kept = Object.keys(time.observed)
    expect(kept.length).toBeGreaterThan(100)
    expect(kept).toEqual(names.slice(0, kept.length))
    expect(time.others).toBe(kept.length)
  })

  test('of those that send windows as they close comes first', () => {
    const names = Array.from({ length: 300 }, (_, index) => `an-operator-with-a-name-${index}`)
    const times = new Map(names.map((name, max) => [name, { max, closes: max >= 290 }]))
    const { observed: kept } = decodeTaskTime(encodeTaskTime(5, times))
    expect(names.slice(290).map((name) => kept[name])).toEqual(
      Array.from({ length: 10 }, (_, index) => 290 + index),
    )
  })

  test('of many operators is committed, and what is late stays late', async () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream('in', { key: text, value: text })
    for (let index = 0; index < 150; index++) {
      const store = { name: `windows-of-a-long-name-${index}`, changelog: false }
      stream.groupByKey().windowedBy(tumbling(10)).count({ store })
    }
    const driver = await TopologyTestDriver.open(builder.build())
    const input = driver.input('in', { key: text, value: text })
    await input.pipe({ key: 'a', value: 'x', timestamp: 1_700_000_000_000 })
    await driver.restart()
    await input.pipe({ key: 'a', value: 'x', timestamp: 1_600_000_000_000 })
    const { dropped } = driver.metrics()
    expect(dropped).toHaveLength(150)
    expect(new Set(dropped.map(({ reason }) => reason))).toEqual(new Set(['late']))
    await driver.close()
  })
})
