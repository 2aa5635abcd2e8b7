/** The short form of the damage campaign; the long one is test/campaigns/log-damage.ts. */
import { describe, expect, it } from 'vitest'
import { DAMAGE_KINDS, runDamage, seedFromEnvironment } from '../campaigns/log-damage.ts'

const ROUNDS = 50

describe('a damaged log opens with the documented outcome and serves no wrong record', () => {
  const seed = seedFromEnvironment()
  it.each(DAMAGE_KINDS)(`%s (seed ${seed}; SEED=${seed} replays)`, (kind) => {
    expect(runDamage(kind, ROUNDS, seed).rounds).toBe(ROUNDS)
  })
})
