/**
 * Which ads are clicked, and how soon: generated impressions and clicks go into two topics, the
 * topology joins them, and the conversions are summed up per campaign.
 *
 *   node --conditions=millrace-source examples/windowed-join/main.ts [IMPRESSIONS]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedLog, embedded, json, Streams, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { type GeneratedAd, generateAds } from './generate.ts'
import {
  CLICKS,
  type Click,
  CONVERSIONS,
  type Conversion,
  IMPRESSIONS,
  type Impression,
  windowedJoinTopology,
} from './topology.ts'

const PARTITIONS = 4

/** Conversions by ad id; everything the run keeps lies in `directory`. */
export async function joinAds(
  ads: readonly GeneratedAd[],
  directory: string,
): Promise<Map<string, Conversion[]>> {
  // Records of the sample are older than any retention by time.
  const topicDefaults = { 'retention.ms': '-1' }
  await using log = embedded({ directory: join(directory, 'log'), topicDefaults })
  await log.open()
  // Both sides of a join need the same number of partitions.
  const topics = [IMPRESSIONS, CLICKS, CONVERSIONS]
  await log.admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS })))
  await produceAds(log, ads)

  const app = new Streams(windowedJoinTopology(), {
    applicationId: 'windowed-join',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const conversions = new Map<string, Conversion[]>()
  const serdes = { key: text, value: json<Conversion>() }
  await readTopic(log, CONVERSIONS, serdes, ({ key, value }) => {
    conversions.set(key, [...(conversions.get(key) ?? []), value])
  })
  return conversions
}

/** Record time is event time: the join matches by it. Both topics are written in its order. */
async function produceAds(log: EmbeddedLog, ads: readonly GeneratedAd[]): Promise<void> {
  const records = ads.flatMap(({ id, impression, clicks }) => [
    { topic: IMPRESSIONS, key: id, value: impression, timestamp: impression.shownAt },
    ...clicks.map((click) => {
      return { topic: CLICKS, key: id, value: click, timestamp: click.clickedAt }
    }),
  ])
  records.sort((a, b) => a.timestamp - b.timestamp)
  await using producer = log.producer({ key: text, value: json<Impression | Click>() })
  await producer.sendMany(records)
}

async function main(count: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-windowed-join-'))
  try {
    const ads = generateAds(count)
    const conversions = await joinAds(ads, directory)
    console.log('campaign      shown  clicked in time  seconds to click')
    for (const campaign of new Set(ads.map(({ impression }) => impression.campaign))) {
      const shown = ads.filter(({ impression }) => impression.campaign === campaign)
      const seconds = shown
        .flatMap(({ id }) => conversions.get(id) ?? [])
        .map(({ secondsToClick }) => secondsToClick)
      const mean = seconds.reduce((sum, one) => sum + one, 0) / Math.max(seconds.length, 1)
      const cells = [String(shown.length).padStart(7), String(seconds.length).padStart(17)]
      console.log(`${campaign.padEnd(11)} ${cells.join('')} ${mean.toFixed(1).padStart(17)}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main(Number(process.argv[2] ?? 2000))
