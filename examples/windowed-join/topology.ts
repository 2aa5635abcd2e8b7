/**
 * Joins two streams in a window: an impression (an ad was shown) and a click on it belong together
 * when they carry the same id and the click came at most ten minutes later.
 */
import { json, StreamsBuilder, type Topology, text } from 'millrace'

export const IMPRESSIONS = 'impressions'
export const CLICKS = 'clicks'
export const CONVERSIONS = 'conversions'

export interface Impression {
  readonly campaign: string
  readonly page: string
  /** Milliseconds since the epoch. */
  readonly shownAt: number
}

export interface Click {
  readonly clickedAt: number
}

export interface Conversion {
  readonly campaign: string
  readonly page: string
  readonly secondsToClick: number
}

export const CLICK_WINDOW_MS: number = 10 * 60_000

export function windowedJoinTopology(): Topology {
  const builder = new StreamsBuilder()
  const impressions = builder.stream(IMPRESSIONS, { key: text, value: json<Impression>() })
  const clicks = builder.stream(CLICKS, { key: text, value: json<Click>() })

  impressions
    .join(clicks, conversion, { before: 0, after: CLICK_WINDOW_MS, grace: '1m' })
    .to(CONVERSIONS, { value: json<Conversion>() })

  return builder.build()
}

function conversion(impression: Impression, click: Click): Conversion {
  const secondsToClick = (click.clickedAt - impression.shownAt) / 1000
  return { campaign: impression.campaign, page: impression.page, secondsToClick }
}
