/** Foreign-key join: the orders table joined to the customers table by the customer of the order. */
import { json, StreamsBuilder, text } from 'millrace'
import { parsed, type Workload } from './workload.ts'

interface Order {
  readonly id: string
  readonly customer: string
  readonly amount: number
  readonly item: string
}

interface Customer {
  readonly id: string
  readonly name: string
  readonly rate: number
}

interface PricedOrder {
  readonly id: string
  readonly customer: string
  readonly name: string
  readonly item: string
  readonly total: number
}

export const fkjoin: Workload = {
  inputs: ['fkjoin-customers', 'fkjoin-orders'],
  upserts: true,
  dropsStale: true,
  atLeastOnceCommitMs: 1000,

  topology(output) {
    const builder = new StreamsBuilder()
    const customers = builder.table('fkjoin-customers', { key: text, value: json<Customer>() })

    builder
      .table('fkjoin-orders', { key: text, value: json<Order>() })
      .join(customers, priced, { foreignKey: ({ customer }) => customer })
      .toStream()
      .to(output, { value: json<PricedOrder>() })

    return builder.build()
  },

  numbers: (value) => [parsed<PricedOrder>(value).total],
}

function priced({ id, amount, item }: Order, { id: customer, name, rate }: Customer): PricedOrder {
  return { id, customer, name, item, total: amount * rate }
}
