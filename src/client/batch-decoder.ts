/**
 * Fetched bytes as the records a user sees.
 *
 * Journey: fetch -> visible batches -> [records] -> user.
 */
import type { BatchReader } from '../record/record-batch.ts'
import type { Serde } from '../record/serde.ts'
import type { FetchedPartition, Isolation, TopicPartition } from './client.ts'
import { CommittedBatches } from './committed-batches.ts'
import type { ConsumerBatch, ConsumerRecord } from './consumer-options.ts'

export interface Serdes<K, V> {
  readonly key?: Serde<K>
  readonly value?: Serde<V>
}

export class BatchDecoder<K, V> {
  readonly #isolation: Isolation
  readonly #serdes: Serdes<K, V>
  readonly #cursor: CommittedBatches

  constructor(isolation: Isolation, serdes: Serdes<K, V>) {
    this.#isolation = isolation
    this.#serdes = serdes
    this.#cursor = new CommittedBatches(isolation)
  }

  /** The visible records from `start` on. */
  decode(place: TopicPartition, start: number, data: FetchedPartition): ConsumerBatch<K, V> {
    const { topic, partition } = place
    const records: ConsumerRecord<K, V>[] = []
    const cursor = this.#cursor
    cursor.start(start, data)
    while (cursor.next()) {
      const { reader } = cursor
      while (reader.next()) {
        if (reader.offset >= start) records.push(this.#record(topic, partition, reader))
      }
    }
    const { lastStableOffset, highWatermark } = data
    return {
      topic,
      partition,
      records,
      nextOffset: cursor.position,
      endOffset: this.#isolation === 'read-committed' ? lastStableOffset : highWatermark,
      [Symbol.iterator]: () => records[Symbol.iterator](),
    }
  }

  /** Where `decode` will end, by the headers alone. */
  endOf(start: number, data: FetchedPartition): number {
    const { reader } = this.#cursor
    let end = start
    for (const buffer of data.records) {
      for (let position = 0; reader.open(buffer, position); position = reader.nextPosition) {
        end = Math.max(end, reader.lastOffset + 1)
      }
    }
    return end
  }

  #record(topic: string, partition: number, reader: BatchReader): ConsumerRecord<K, V> {
    const { key, value } = this.#serdes
    return {
      topic,
      partition,
      offset: reader.offset,
      timestamp: reader.timestamp,
      key: read(key, reader.bytes, reader.keyStart, reader.keyEnd),
      value: read(value, reader.bytes, reader.valueStart, reader.valueEnd),
      headers: reader.headers(),
    }
  }
}

function read<T>(serde: Serde<T> | undefined, bytes: Buffer, start: number, end: number): T | null {
  if (start < 0) return null
  if (serde === undefined) return bytes.subarray(start, end) as T
  return serde.read(bytes, start, end)
}
