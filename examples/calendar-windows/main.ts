/**
 * What a shop in Zurich sold, by day and by month of its own calendar.
 *
 *   node --conditions=millrace-source examples/calendar-windows/main.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, float64, json, Streams, StreamsBuilder, type Topology, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { daysIn, monthsIn } from './windows.ts'

export const SALES = 'sales'
export const BY_DAY = 'sales-by-day'
export const BY_MONTH = 'sales-by-month'

const ZONE = 'Europe/Zurich'

export interface Sale {
  readonly shop: string
  readonly at: number
  readonly amount: number
}

export function calendarTopology(): Topology {
  const builder = new StreamsBuilder()
  const sales = builder.stream(SALES, { key: text, value: json<Sale>() }).groupByKey()
  const parts = [
    { topic: BY_DAY, windows: daysIn(ZONE, { grace: '1h' }) },
    { topic: BY_MONTH, windows: monthsIn(ZONE, { grace: '1h' }) },
  ]

  for (const { topic, windows } of parts) {
    sales
      .windowedBy(windows)
      .aggregate(
        () => 0,
        (_shop, sale, sum) => sum + sale.amount,
        { value: float64, store: topic },
      )
      .toStream()
      .map(({ key, start }, sum) => [`${key} ${dateOf(start)}`, sum])
      .to(topic, { key: text, value: float64 })
  }

  return builder.build()
}

/** The date on which a window starts, as the calendar in Zurich has it. */
function dateOf(start: number): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE, dateStyle: 'short' }).format(start)
}

/** The sums of a topic, by shop and date; what the run keeps lies in `directory`. */
export async function sumsOf(
  sales: readonly Sale[],
  directory: string,
): Promise<Record<typeof BY_DAY | typeof BY_MONTH, Map<string, number>>> {
  // Records of the sample are older than any retention by time.
  const topicDefaults = { 'retention.ms': '-1' }
  await using log = embedded({ directory: join(directory, 'log'), topicDefaults })
  await log.open()
  await log.admin.createTopics([SALES, BY_DAY, BY_MONTH].map((topic) => ({ topic, partitions: 1 })))
  await using producer = log.producer({ key: text, value: json<Sale>() })
  await producer.sendMany(
    sales.map((sale) => ({ topic: SALES, key: sale.shop, value: sale, timestamp: sale.at })),
  )
  await producer.flush()

  const app = new Streams(calendarTopology(), {
    applicationId: 'calendar-windows',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const sums = { [BY_DAY]: new Map<string, number>(), [BY_MONTH]: new Map<string, number>() }
  for (const topic of [BY_DAY, BY_MONTH] as const) {
    await readTopic(log, topic, { key: text, value: float64 }, ({ key, value }) => {
      sums[topic].set(key, value)
    })
  }
  return sums
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-calendar-windows-'))
  try {
    const start = Date.UTC(2024, 2, 29, 12)
    const sales = Array.from({ length: 100 }, (_, hour) => {
      return { shop: 'zurich', at: start + hour * 3_600_000, amount: 10 }
    })
    for (const [topic, sums] of Object.entries(await sumsOf(sales, directory))) {
      for (const [date, sum] of sums) console.log(`${topic.padEnd(16)} ${date}  ${sum.toFixed(2)}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main()
