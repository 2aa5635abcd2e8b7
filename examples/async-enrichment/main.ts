/**
 * Asynchronous enrichment, the whole program: write orders, ask the service for each customer's
 * city, read the results.
 *
 *   node --conditions=millrace-source examples/async-enrichment/main.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deadLetter, embedded, json, Streams, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { startService } from './service.ts'
import {
  ENRICHED,
  type EnrichedOrder,
  enrichmentTopology,
  ORDERS,
  type Order,
  UNKNOWN,
  UnknownCustomer,
} from './topology.ts'

export interface Enrichment {
  readonly enriched: readonly EnrichedOrder[]
  readonly unknown: readonly Order[]
  /** Questions to the service, those that were asked again included. */
  readonly questions: number
}

/** Enriches the orders; everything the run keeps lies in `directory`. */
export async function enrichOrders(
  orders: readonly Order[],
  directory: string,
): Promise<Enrichment> {
  await using log = embedded({ directory: join(directory, 'log') })
  await log.open()
  await log.admin.createTopics(
    [ORDERS, ENRICHED, UNKNOWN].map((topic) => ({ topic, partitions: 1 })),
  )
  await using producer = log.producer({ value: json<Order>() })
  await producer.sendMany(orders.map((value, id) => ({ topic: ORDERS, key: `${id}`, value })))

  const service = await startService()
  try {
    const app = new Streams(enrichmentTopology(service.url), {
      applicationId: 'async-enrichment',
      log,
      stateDirectory: join(directory, 'state'),
      until: 'end',
      onProcessingError: (_record, _place, error) =>
        error instanceof UnknownCustomer ? deadLetter(UNKNOWN) : 'fail',
    })
    await app.start()
    await app.finished
  } finally {
    await service.close()
  }

  const enriched: EnrichedOrder[] = []
  const unknown: Order[] = []
  const serdes = { key: text, value: json<EnrichedOrder>() }
  await readTopic(log, ENRICHED, serdes, ({ value }) => enriched.push(value))
  await readTopic(log, UNKNOWN, serdes, ({ value }) => unknown.push(value))
  return { enriched, unknown, questions: service.questions }
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-async-enrichment-'))
  try {
    const customers = ['ada', 'emmy', 'grace', 'nobody']
    const orders = Array.from({ length: 200 }, (_, id) => ({
      customer: customers[id % customers.length] as string,
      amount: id,
    }))
    const { enriched, unknown, questions } = await enrichOrders(orders, directory)
    console.log(`${enriched.length} orders enriched, with ${questions} questions; the first:`)
    for (const { customer, amount, city } of enriched.slice(0, 3)) {
      console.log(`  ${customer} in ${city}: ${amount}`)
    }
    console.log(`${unknown.length} orders of customers that nobody knows`)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main()
