/**
 * Writes records into a topic in full batches, straight through the client: how inputs are loaded.
 *
 * Invariant: partitions and batch bounds are those of Kafka's own producer: keyed records by
 * murmur2, record i of those without a key to partition i mod 4, batches of at most 64 KiB.
 */
import type { LogClient, ProduceItem } from '../../src/client/client.ts'
import { keyPartition } from '../../src/record/murmur2.ts'
import { type ByteRange, NO_HEADERS } from '../../src/record/record.ts'
import { BatchWriter } from '../../src/record/record-batch.ts'

export const PARTITIONS = 4
export const BATCH_BYTES_MAX: number = 64 * 1024
/** More than a record takes beyond its key and value. */
const RECORD_OVERHEAD_BYTES = 32
/** Sealed batches kept until they are sent together. */
const BATCHES_PER_PRODUCE = 16

/** Creates a topic of `PARTITIONS` partitions. */
export async function createTopic(client: LogClient, topic: string): Promise<void> {
  const [result] = await client.admin.createTopics([{ topic, partitions: PARTITIONS }])
  if (result!.error !== null) throw new Error(`${topic}: ${result!.error.message}`)
}

export class TopicWriter {
  readonly #client: LogClient
  readonly #topic: string
  readonly #writers = Array.from({ length: PARTITIONS }, () => new BatchWriter())
  #sealed: ProduceItem[] = []
  #unkeyed = 0

  constructor(client: LogClient, topic: string) {
    this.#client = client
    this.#topic = topic
  }

  /** A promise only when batches are sent; the ranges are copied at once. */
  write(key: ByteRange | null, value: ByteRange, timestamp: number): Promise<void> | undefined {
    const partition =
      key === null
        ? this.#unkeyed++ % PARTITIONS
        : keyPartition(key.bytes, key.start, key.end, PARTITIONS)
    const writer = this.#writers[partition]!
    const keyLength = key === null ? 0 : key.end - key.start
    const needed = keyLength + value.end - value.start + RECORD_OVERHEAD_BYTES
    if (writer.recordCount > 0 && writer.size + needed > BATCH_BYTES_MAX) this.#seal(partition)
    writer.append(timestamp, key, value, NO_HEADERS)
    return this.#sealed.length >= BATCHES_PER_PRODUCE ? this.#send() : undefined
  }

  /** Sends what is left. */
  async flush(): Promise<void> {
    for (const [partition, writer] of this.#writers.entries()) {
      if (writer.recordCount > 0) this.#seal(partition)
    }
    await this.#send()
  }

  #seal(partition: number): void {
    const batch = this.#writers[partition]!.seal()
    this.#sealed.push({ topic: this.#topic, partition, batch })
  }

  async #send(): Promise<void> {
    const items = this.#sealed
    this.#sealed = []
    if (items.length === 0) return
    for (const result of await this.#client.produce(items, { acks: 'all' })) {
      if (result.error !== null) throw new Error(`${this.#topic}: ${result.error.message}`)
    }
  }
}
