import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { enrichOrders } from '../../examples/async-enrichment/main.ts'

it('async-enrichment gives each order its city once and in order, though the service fails', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-async-enrichment-test-'))
  const customers = ['ada', 'emmy', 'nobody', 'grace']
  const orders = Array.from({ length: 120 }, (_, id) => ({
    customer: customers[id % 4] as string,
    amount: id,
  }))
  try {
    const { enriched, unknown, questions } = await enrichOrders(orders, directory)
    const city = { ada: 'London', emmy: 'Erlangen', grace: 'Arlington' } as Record<string, string>
    const known = orders.filter(({ customer }) => customer !== 'nobody')
    expect(enriched).toEqual(known.map((order) => ({ ...order, city: city[order.customer] })))
    expect(unknown).toEqual(orders.filter(({ customer }) => customer === 'nobody'))
    expect(questions).toBeGreaterThan(orders.length)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
