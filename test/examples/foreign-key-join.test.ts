import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { priceOrders, sampleUpdates, type Update } from '../../examples/foreign-key-join/main.ts'
import { CUSTOMERS, ORDERS } from '../../examples/foreign-key-join/topology.ts'

it('foreign-key-join prices every order as its customer is at last, and drops what is gone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-foreign-key-join-test-'))
  try {
    const updates: Update[] = [
      ...sampleUpdates(100),
      { topic: CUSTOMERS, key: 'c3', value: null },
      { topic: ORDERS, key: 'o0', value: { customer: 'c1', item: 'sofa', cents: 1000 } },
      { topic: ORDERS, key: 'o4', value: null },
      { topic: ORDERS, key: 'o8', value: { customer: 'nobody', item: 'sofa', cents: 1000 } },
    ]
    const orders = await priceOrders(updates, directory)
    expect(orders.size).toBe(100 - 25 - 2)
    expect(orders.get('o0')).toEqual({ item: 'sofa', name: 'Grace', cents: 800 })
    expect(orders.get('o1')).toEqual({ item: 'lamp', name: 'Grace', cents: 480 })
    expect(orders.get('o2')).toEqual({ item: 'chair', name: 'Edsger', cents: 700 })
    expect(orders.has('o3') || orders.has('o4') || orders.has('o8')).toBe(false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
