/** Random input of a case: records with keys, values and times of a few kinds, and steps of the clock. */
import type { Entry, Value } from '../../conformance/case.ts'
import type { Random } from './random.ts'

export const KEYS = ['k1', 'k2', 'k3', 'k4', 'a', 'b'] as const
const WORDS = ['a', 'b', 'ab', 'abc', 'ba', 'x', 'hello', ''] as const
const PARTS = ['a', 'b', 'k1', 'k2', 'k3', 'k4', 'kk', '1'] as const

export function randomInput(random: Random, topics: readonly string[]): Entry[] {
  const entries: Entry[] = []
  const count = 15 + random.below(random.chance(0.2) ? 160 : 60)
  const keys = KEYS.slice(0, random.pick([2, 4, KEYS.length]))
  const spread = random.pick([2, 10, 10, 50])
  const disorder = random.pick([0, 0.1, 0.3])
  const nullKeys = random.pick([0, 0, 0.1])
  const leap = random.chance(0.1) ? 70_000 : 300
  let time = random.pick([0, 50, 1000, 266])
  for (let index = 0; index < count; index++) {
    if (random.chance(0.05)) {
      entries.push({ advanceWallClockMs: random.pick([1, 5, 10, 50, 100]) })
      continue
    }
    time += random.chance(0.05) ? random.pick([100, leap]) : random.below(spread)
    const ts = random.chance(disorder) ? Math.max(0, time - random.below(spread * 4)) : time
    entries.push({
      topic: random.pick(topics),
      key: random.chance(nullKeys) ? null : random.pick(keys),
      value: randomValue(random),
      ts,
      ...randomHeaders(random),
    })
  }
  return random.chance(0.5) ? [...entries, ...ending(topics, time)] : entries
}

/** A late record of each topic, so that what waits for time is sent. */
function ending(topics: readonly string[], time: number): Entry[] {
  return topics.map((topic) => ({ topic, key: 'end', value: 'end', ts: time + 2000 }))
}

function randomValue(random: Random): Value {
  switch (random.weighted({ none: 1, number: 3, word: 2, parts: 3, sentence: 1 })) {
    case 'none':
      return null
    case 'number':
      return random.below(12)
    case 'word':
      return random.pick(WORDS)
    case 'parts':
      return `${random.pick(WORDS)}|${random.pick(PARTS)}`
    case 'sentence':
      return `${random.pick(WORDS)} ${random.pick(WORDS)}`
  }
}

function randomHeaders(random: Random): Pick<Entry, 'headers'> {
  if (!random.chance(0.15)) return {}
  return {
    headers: [
      ['h', String(random.below(6))],
      ...(random.chance(0.3) ? [['g', random.pick([null, 'x'])] as const] : []),
    ],
  }
}
