/** What happens to batches that the log does not take at once. */
import type { Guarantee } from 'millrace'
import { describe, expect, test } from 'vitest'
import { randomOf, SEED } from '../record/random.ts'
import {
  application,
  countsIn,
  countsOf,
  openLog,
  produce,
  runToEnd,
  words,
} from './applications.ts'
import { type Attempt, type Fault, flakyLog } from './flaky-log.ts'
import { counting } from './programs.ts'

const INPUT = words(3000, 50)

/** The attempts of each partition, in order. */
function byPartition(attempts: readonly Attempt[]): Attempt[][] {
  return [...Map.groupBy(attempts, ({ topic, partition }) => `${topic}-${partition}`).values()]
}

describe.each<Guarantee>(['exactly-once', 'at-least-once'])('%s', (guarantee) => {
  test.each<Fault>(['refused', 'answer-lost'])(
    'a batch that is %s is sent again, the same bytes, before any later one',
    async (fault) => {
      const log = await openLog({ in: 3 })
      await produce(log, 'in', INPUT)
      let faults = 0
      const flaky = flakyLog(log, (_item, attempt) =>
        attempt % 3 === 1 && faults++ < 6 ? fault : null,
      )
      await runToEnd(counting(), { log: flaky.log, guarantee, commitInterval: 5 })
      expect(await countsIn(log)).toEqual(countsOf(INPUT))
      expect(flaky.attempts.filter((one) => one.fault === fault).length).toBeGreaterThan(3)
      for (const attempts of byPartition(flaky.attempts)) {
        for (const [index, { fault, bytes }] of attempts.entries()) {
          if (fault !== null) expect(attempts[index + 1]?.bytes).toBe(bytes)
        }
      }
    },
  )

  test(`faults at random change no answer, SEED=${SEED}`, async () => {
    const random = randomOf(SEED)
    const log = await openLog({ in: 2 })
    await produce(log, 'in', INPUT)
    const flaky = flakyLog(log, () => {
      if (random() > 0.15) return null
      return random() < 0.5 ? 'refused' : 'answer-lost'
    })
    await runToEnd(counting(), { log: flaky.log, guarantee, commitInterval: 10 })
    expect(await countsIn(log)).toEqual(countsOf(INPUT))
  })

  test('a batch that is refused for good fails the application, and nothing of it is committed', async () => {
    const log = await openLog({ in: 1 })
    const input = words(20)
    await produce(log, 'in', input)
    const flaky = flakyLog(log, ({ topic }) => (topic === 'counts' ? 'refused' : null), {
      code: 'record-too-large',
      kind: 'fatal',
      message: 'too large for this log',
    })
    const app = application(counting(), { log: flaky.log, guarantee, until: 'end' })
    await app.start()
    await expect(app.finished).rejects.toMatchObject({
      code: 'production-failed',
      place: { topic: 'counts', partition: 0 },
      message: expect.stringContaining('records were not written: too large for this log'),
    })
    await runToEnd(counting(), { log, guarantee })
    const counts = await countsIn(log)
    for (const [word, expected] of countsOf(input)) {
      expect(counts.get(word)?.at(-1)).toBeGreaterThanOrEqual(expected.length)
      if (guarantee === 'exactly-once') expect(counts.get(word)).toEqual(expected)
    }
  })
})
