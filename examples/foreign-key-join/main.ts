/**
 * What each order costs its customer: customers, orders and a rise of one discount go into two
 * topics, the topology joins them by the customer that an order names.
 *
 *   node --conditions=millrace-source examples/foreign-key-join/main.ts [ORDERS]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedLog, embedded, json, Streams, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import {
  CUSTOMERS,
  type Customer,
  foreignKeyJoinTopology,
  ORDERS,
  type Order,
  PRICED_ORDERS,
  type PricedOrder,
} from './topology.ts'

/** A change of a table; null deletes the row. */
export type Update =
  | { readonly topic: typeof ORDERS; readonly key: string; readonly value: Order | null }
  | { readonly topic: typeof CUSTOMERS; readonly key: string; readonly value: Customer | null }

/** Priced orders by order id, after all updates; everything the run keeps lies in `directory`. */
export async function priceOrders(
  updates: readonly Update[],
  directory: string,
): Promise<Map<string, PricedOrder>> {
  // Records of the sample are older than any retention by time.
  const topicDefaults = { 'retention.ms': '-1' }
  await using log = embedded({ directory: join(directory, 'log'), topicDefaults })
  await log.open()
  // The two sides of a join by foreign key need not have the same number of partitions.
  await log.admin.createTopics([
    { topic: ORDERS, partitions: 4 },
    { topic: CUSTOMERS, partitions: 2 },
    { topic: PRICED_ORDERS, partitions: 4 },
  ])
  await produce(log, updates)

  const app = new Streams(foreignKeyJoinTopology(), {
    applicationId: 'foreign-key-join',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const orders = new Map<string, PricedOrder>()
  const serdes = { key: text, value: json<PricedOrder | null>() }
  await readTopic(log, PRICED_ORDERS, serdes, ({ key, value }) => {
    if (value === null) orders.delete(key)
    else orders.set(key, value)
  })
  return orders
}

async function produce(log: EmbeddedLog, updates: readonly Update[]): Promise<void> {
  await using producer = log.producer({ key: text, value: json<Order | Customer | null>() })
  await producer.sendMany(updates.map((update, index) => ({ ...update, timestamp: index })))
}

/** Customers, orders of theirs, and a discount for one of them that comes after. */
export function sampleUpdates(orders: number): Update[] {
  const names = ['Ada', 'Grace', 'Edsger', 'Barbara']
  const items = ['book', 'lamp', 'chair', 'desk', 'pen']
  const customers = names.map((name, index): Update => {
    return { topic: CUSTOMERS, key: `c${index}`, value: { name, discount: 0 } }
  })
  const placed = Array.from({ length: orders }, (_, index): Update => {
    const order = {
      customer: `c${index % names.length}`,
      item: items[index % items.length]!,
      cents: 500 + 100 * (index % 7),
    }
    return { topic: ORDERS, key: `o${index}`, value: order }
  })
  const raised: Update = { topic: CUSTOMERS, key: 'c1', value: { name: 'Grace', discount: 20 } }
  return [...customers, ...placed, raised]
}

async function main(count: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-foreign-key-join-'))
  try {
    const orders = [...(await priceOrders(sampleUpdates(count), directory)).values()]
    console.log('customer   orders      total')
    for (const name of new Set(orders.map((order) => order.name))) {
      const own = orders.filter((order) => order.name === name)
      const total = own.reduce((sum, { cents }) => sum + cents, 0) / 100
      console.log(
        `${name.padEnd(10)} ${String(own.length).padStart(6)} ${total.toFixed(2).padStart(10)}`,
      )
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main(Number(process.argv[2] ?? 1000))
