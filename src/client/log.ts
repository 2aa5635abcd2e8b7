/** What `embedded` and `kafka` make: a `LogClient` with producers, consumers and a lifetime. */
import type { Clock } from '../clock.ts'
import type { LogClient } from './client.ts'
import type { Consumer } from './consumer.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import type { Producer } from './producer.ts'
import type { ProducerOptions } from './producer-options.ts'

/**
 * A log, included or a cluster: topics, producers and consumers, and what `Streams` runs on. Write
 * functions against it to use them on either.
 */
export interface Log extends LogClient, AsyncDisposable {
  readonly clock: Clock
  /** A producer of records on this log. */
  producer<K = unknown, V = unknown>(options?: ProducerOptions<K, V>): Producer<K, V>
  /** A consumer of records of this log, alone or in a group. */
  consumer<K = Buffer, V = Buffer>(options: ConsumerOptions<K, V>): Consumer<K, V>
  /** Closes it now, whoever holds it; calls then answer 'log-closed' until `open`. */
  shutdown(): Promise<void>
}
