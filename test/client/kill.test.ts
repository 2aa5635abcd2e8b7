/** The short form of the kill campaign; the long one is `npm run campaign:log-kill`. */
import { expect, it } from 'vitest'
import { runLogKills } from '../campaigns/log-kill.ts'
import { SEED } from '../record/random.ts'

it(`kill -9 loses nothing that was told, and shows nothing that was not committed (SEED=${SEED})`, async () => {
  const outcome = await runLogKills({ kills: 5, seed: SEED })
  expect(outcome.killsAtWork).toBeGreaterThan(0)
  expect(outcome.batches).toBeGreaterThan(0)
})
