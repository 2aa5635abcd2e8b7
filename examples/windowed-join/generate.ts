/**
 * Ads as a day on the web makes them: most are never clicked, some soon, some too late to count, a
 * few twice. Always the same ones for the same count, in the order of their impressions.
 */
import type { Click, Impression } from './topology.ts'

export interface GeneratedAd {
  readonly id: string
  readonly impression: Impression
  readonly clicks: readonly Click[]
}

const START_MS = Date.UTC(2024, 2, 11, 8)
const GAP_MS = 700
const CAMPAIGNS = ['spring', 'shoes', 'insurance']
const PAGES = ['/news', '/sports', '/weather', '/']

export function generateAds(count: number): GeneratedAd[] {
  return Array.from({ length: count }, (_, index) => {
    const shownAt = START_MS + index * GAP_MS
    const impression = {
      campaign: CAMPAIGNS[index % CAMPAIGNS.length]!,
      page: PAGES[(index >> 2) % PAGES.length]!,
      shownAt,
    }
    const clicks = delaysOf(index).map((delayMs) => ({ clickedAt: shownAt + delayMs }))
    return { id: `ad-${index}`, impression, clicks }
  })
}

/** When an ad is clicked, after it was shown. */
function delaysOf(index: number): number[] {
  if (index % 35 === 0) return [2000, 9000]
  if (index % 11 === 0) return [11 * 60_000]
  if (index % 7 === 0) return [1000 + (index % 60) * 1000]
  return []
}
