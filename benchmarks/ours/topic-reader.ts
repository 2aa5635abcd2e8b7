/**
 * Reads a topic from its beginning as a read-committed consumer does: markers are skipped, and so
 * are the records of aborted transactions.
 *
 * Journey: log files -> fetch -> [batch -> record views] -> a callback per record, no allocation.
 */
import type { FetchedPartition, Fetcher, LogClient } from '../../src/client/client.ts'
import { BatchReader } from '../../src/record/record-batch.ts'
import { PARTITIONS } from './topic-writer.ts'

const PARTITION_FETCH_BYTES = 1024 * 1024
const FETCH_BYTES = PARTITIONS * PARTITION_FETCH_BYTES

/** Called with the reader at each record: its fields and ranges are valid until it returns. */
export type OnRecord = (reader: BatchReader) => void

export class TopicReader {
  /** Records handed out so far. */
  recordCount = 0
  readonly #client: LogClient
  readonly #topic: string
  readonly #fetcher: Fetcher
  readonly #reader = new BatchReader()
  readonly #offsets: number[] = new Array(PARTITIONS).fill(0)

  constructor(client: LogClient, topic: string) {
    this.#client = client
    this.#topic = topic
    this.#fetcher = client.fetcher(`read-${topic}`)
  }

  /** Reads all that is committed now. */
  async toEnd(onRecord: OnRecord): Promise<void> {
    const partitions = this.#offsets.map((_, partition) => ({ topic: this.#topic, partition }))
    const asked = partitions.map((partition) => ({ ...partition, at: 'latest' as const }))
    const ends = await this.#client.listOffsets(asked, 'read-committed')
    while (ends.some(({ partition, offset }) => this.#offsets[partition]! < offset)) {
      await this.poll(0, onRecord)
    }
  }

  /** One fetch of all partitions; waits up to `maxWaitMs` for the first record. */
  async poll(maxWaitMs: number, onRecord: OnRecord): Promise<void> {
    const items = this.#offsets.map((offset, partition) => ({
      topic: this.#topic,
      partition,
      offset,
      maxBytes: PARTITION_FETCH_BYTES,
    }))
    const fetched = await this.#fetcher.poll(items, {
      maxWaitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolation: 'read-committed',
    })
    for (const partition of fetched) {
      if (partition.error !== null) throw new Error(`${this.#topic}: ${partition.error.message}`)
      this.#take(partition, onRecord)
    }
  }

  close(): Promise<void> {
    return this.#fetcher.close()
  }

  #take(fetched: FetchedPartition, onRecord: OnRecord): void {
    const reader = this.#reader
    const starting = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
    const aborting = new Set<number>()
    let offset = this.#offsets[fetched.partition]!
    for (const buffer of fetched.records) {
      let position = 0
      while (reader.open(buffer, position, { verifyCrc: true })) {
        position = reader.nextPosition
        while (starting.length > 0 && starting[0]!.firstOffset <= reader.lastOffset) {
          aborting.add(starting.shift()!.producerId)
        }
        if (reader.isControl) {
          if (reader.controlType() === 'abort') aborting.delete(reader.producerId)
        } else if (!reader.isTransactional || !aborting.has(reader.producerId)) {
          this.recordCount += forEachFrom(reader, offset, onRecord)
        }
        offset = reader.lastOffset + 1
      }
    }
    this.#offsets[fetched.partition] = offset
  }
}

/** The records of a batch from `offset` on: a batch may begin before the offset that was asked for. */
function forEachFrom(reader: BatchReader, offset: number, onRecord: OnRecord): number {
  let count = 0
  while (reader.next()) {
    if (reader.offset < offset) continue
    onRecord(reader)
    count++
  }
  return count
}
