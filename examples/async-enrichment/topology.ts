/**
 * Orders get the city of their customer from a service that is slow and sometimes down: up to 20
 * questions at once, each tried up to twelve times, results in the order of the orders.
 */
import { json, StreamsBuilder, type Topology, text } from 'millrace'

export const ORDERS = 'orders'
export const ENRICHED = 'orders-with-city'
/** Orders of customers that the service does not know. */
export const UNKNOWN = 'orders-of-unknown-customers'

export interface Order {
  readonly customer: string
  readonly amount: number
}

export interface EnrichedOrder extends Order {
  readonly city: string
}

/** The service has answered, and asking again would not help. */
export class UnknownCustomer extends Error {
  override readonly name = 'UnknownCustomer'
}

export function enrichmentTopology(service: string): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(ORDERS, { key: text, value: json<Order>() })
    .mapValuesAsync((order, _id, { signal }) => enrich(service, order, signal), {
      name: 'ask-for-city',
      concurrency: 20,
      timeout: '200ms',
      retry: {
        attempts: 12,
        backoff: (attempt, error) =>
          error instanceof UnknownCustomer ? null : Math.min(5 * 2 ** attempt, 100),
      },
    })
    .to(ENRICHED, { value: json<EnrichedOrder>() })
  return builder.build()
}

async function enrich(service: string, order: Order, signal: AbortSignal): Promise<EnrichedOrder> {
  const answer = await fetch(`${service}/customers/${order.customer}`, { signal })
  if (answer.status === 404) throw new UnknownCustomer(order.customer)
  if (!answer.ok) throw new Error(`the service answers ${answer.status}`)
  const { city } = (await answer.json()) as { readonly city: string }
  return { ...order, city }
}
