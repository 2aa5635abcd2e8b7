import { expect, it } from 'vitest'
import { SAMPLE } from '../../../examples/web-log/args.ts'
import { webLogKillCampaign } from '../../campaigns/web-log-kill.ts'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

it(`is right after kill -9 at random moments (SEED=${seed})`, { timeout: 60_000 }, async () => {
  const outcome = await webLogKillCampaign({
    kills: 3,
    lines: 8000,
    input: SAMPLE,
    seed,
    partitions: 2,
    windowMs: 60_000,
    keep: false,
    say() {},
  })
  expect(outcome).toMatchObject({ kills: 3, lines: 8000 })
})
