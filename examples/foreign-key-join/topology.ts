/**
 * Joins orders with the customers they name: a change of either gives the priced order anew, and a
 * customer who changes prices all of their orders again.
 */
import { json, StreamsBuilder, type Topology, text } from 'millrace'

export const ORDERS = 'orders'
export const CUSTOMERS = 'customers'
export const PRICED_ORDERS = 'priced-orders'

export interface Order {
  readonly customer: string
  readonly item: string
  readonly cents: number
}

export interface Customer {
  readonly name: string
  /** In percent. */
  readonly discount: number
}

export interface PricedOrder {
  readonly item: string
  readonly name: string
  readonly cents: number
}

export function foreignKeyJoinTopology(): Topology {
  const builder = new StreamsBuilder()
  const customers = builder.table(CUSTOMERS, { key: text, value: json<Customer>() })

  builder
    .table(ORDERS, { key: text, value: json<Order>() })
    .join(customers, priced, { foreignKey: (order) => order.customer, name: 'price-orders' })
    .toStream()
    .to(PRICED_ORDERS, { value: json<PricedOrder>() })

  return builder.build()
}

function priced({ item, cents }: Order, { name, discount }: Customer): PricedOrder {
  return { item, name, cents: Math.round(cents * (1 - discount / 100)) }
}
