import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { generateAds } from '../../examples/windowed-join/generate.ts'
import { joinAds } from '../../examples/windowed-join/main.ts'
import { CLICK_WINDOW_MS } from '../../examples/windowed-join/topology.ts'

it('windowed-join gives every click within ten minutes of its ad, and no other', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-windowed-join-test-'))
  try {
    const ads = generateAds(500)
    const expected = new Map<string, number[]>()
    for (const { id, impression, clicks } of ads) {
      const delays = clicks.map(({ clickedAt }) => clickedAt - impression.shownAt)
      const inTime = delays.filter((delayMs) => delayMs <= CLICK_WINDOW_MS)
      if (inTime.length > 0)
        expected.set(
          id,
          inTime.map((delayMs) => delayMs / 1000),
        )
    }
    const found = [...(await joinAds(ads, directory))].map(([id, conversions]) => {
      const seconds = conversions.map(({ secondsToClick }) => secondsToClick)
      return [id, seconds.sort((a, b) => a - b)] as const
    })
    expect(expected.size).toBeGreaterThan(50)
    expect(new Map(found)).toEqual(expected)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
