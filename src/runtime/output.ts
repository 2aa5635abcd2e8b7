/**
 * Output: everything an application writes, gathered into one batch per partition.
 *
 * Journey: sink or changelog -> [output] -> client -> log. A batch that is full is sent during
 * processing; the rest goes at commit.
 *
 * Invariants:
 * - Batches of a partition carry consecutive sequence numbers and are sent in order; after a
 *   retriable failure the same bytes go again, and none of that partition past them.
 * - With a transactional id, a partition is added to the transaction before its first batch.
 * - `flush` returns only when every record handed over before it is acknowledged.
 */

import type {
  LogClient,
  ProduceItem,
  ProduceResult,
  ProducerIdentity,
  TopicPartition,
} from '../client/client.ts'
import { type Clock, sleep } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import type { ByteRange, PromiseOrValue, RecordHeaders } from '../record/record.ts'

/** Batches of 64 KiB: larger ones leave the processor's cache, smaller ones cost a call each (measured). */
const BATCH_BYTES = 64 * 1024
/** Full batches waiting to be sent; beyond it the sender waits. */
const SEALED_BYTES_MAX = 4 * 1024 * 1024
const SEQUENCE_COUNT = 0x8000_0000
const RETRY_DELAY_MS = 20
/** How long a batch is tried: Kafka's delivery.timeout.ms. */
const DELIVERY_TIMEOUT_MS = 120_000

/** Where records of one partition gather; `Output.partition` gives it, `send` and `append` take it. */
export class PartitionOutput implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly writer: BatchWriter = new BatchWriter({ bytes: BATCH_BYTES })
  sequence = 0
  inTransaction = false
  /** The offset after the last acknowledged record, -1 before the first. */
  endOffset = -1

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }
}

interface SealedBatch extends ProduceItem {
  readonly output: PartitionOutput
  readonly recordCount: number
}

export interface OutputOptions {
  readonly client: LogClient
  readonly clock: Clock
  /** null: at-least-once, an idempotent producer without transactions. */
  readonly transactionalId: string | null
  readonly identity: ProducerIdentity
}

export class Output {
  readonly #client: LogClient
  readonly #clock: Clock
  readonly #transactionalId: string | null
  #identity: ProducerIdentity
  readonly #partitions = new Map<string, PartitionOutput[]>()
  readonly #open = new Set<PartitionOutput>()
  readonly #batchBytesMax = new Map<string, number>()
  #sealed: SealedBatch[] = []
  #sealedBytes = 0
  #sending: Promise<void> | null = null
  #wroteSinceCommit = false

  constructor(options: OutputOptions) {
    this.#client = options.client
    this.#clock = options.clock
    this.#transactionalId = options.transactionalId
    this.#identity = options.identity
  }

  get identity(): ProducerIdentity {
    return this.#identity
  }

  /** True when something was written since the last commit. */
  get hasUncommitted(): boolean {
    return this.#wroteSinceCommit
  }

  /** Where records of that partition go. */
  partition(topic: string, partition: number): PartitionOutput {
    let outputs = this.#partitions.get(topic)
    if (outputs === undefined) {
      outputs = []
      this.#partitions.set(topic, outputs)
    }
    let output = outputs[partition]
    if (output === undefined) {
      output = new PartitionOutput(topic, partition)
      outputs[partition] = output
    }
    return output
  }

  /** Appends a record; a promise when the sender has to catch up first. */
  send(
    output: PartitionOutput,
    key: ByteRange | null,
    value: ByteRange | null,
    timestamp: number,
    headers: RecordHeaders,
  ): PromiseOrValue<void> {
    this.append(output, key, value, timestamp, headers)
    if (this.#sealedBytes > SEALED_BYTES_MAX) return this.#drain()
  }

  /** Appends a record without sending: for callers whose own bound holds, and who flush soon. */
  append(
    output: PartitionOutput,
    key: ByteRange | null,
    value: ByteRange | null,
    timestamp: number,
    headers: RecordHeaders,
  ): void {
    const { writer } = output
    this.#wroteSinceCommit = true
    if (writer.recordCount === 0) this.#open.add(output)
    else if (writer.size + recordBytes(key, value) > BATCH_BYTES) this.#seal(output)
    writer.append(timestamp, key, value, headers)
  }

  /** How large a batch a topic takes: its `max.message.bytes`. */
  async batchBytesMax(topic: string): Promise<number> {
    let bytes = this.#batchBytesMax.get(topic)
    if (bytes === undefined) {
      const config = await this.#client.admin.describeConfig(topic)
      bytes = Number(config['max.message.bytes'] ?? Number.POSITIVE_INFINITY)
      this.#batchBytesMax.set(topic, bytes)
    }
    return bytes
  }

  /** The offset after the last acknowledged record of that partition, -1 when none was written. */
  endOffset(topic: string, partition: number): number {
    return this.#partitions.get(topic)?.[partition]?.endOffset ?? -1
  }

  /** Sends the batches that are full. */
  sendFull(): PromiseOrValue<void> {
    if (this.#sealed.length > 0) return this.#drain()
  }

  /** Sends everything and waits until it is acknowledged. */
  async flush(): Promise<void> {
    for (const output of this.#open) this.#seal(output)
    this.#open.clear()
    await this.#drain()
  }

  /** Called when everything written is committed, with the identity to go on with. */
  committed(identity: ProducerIdentity): void {
    const newIdentity =
      identity.producerId !== this.#identity.producerId || identity.epoch !== this.#identity.epoch
    this.#identity = identity
    this.#wroteSinceCommit = false
    for (const outputs of this.#partitions.values()) {
      for (const output of outputs) {
        if (output === undefined) continue
        output.inTransaction = false
        if (newIdentity) output.sequence = 0
      }
    }
  }

  #seal(output: PartitionOutput): void {
    const recordCount = output.writer.recordCount
    const batch = output.writer.seal({
      producerId: this.#identity.producerId,
      producerEpoch: this.#identity.epoch,
      baseSequence: output.sequence,
      isTransactional: this.#transactionalId !== null,
    })
    output.sequence = (output.sequence + recordCount) % SEQUENCE_COUNT
    const { topic, partition } = output
    this.#sealed.push({ topic, partition, batch, output, recordCount })
    this.#sealedBytes += batch.length
  }

  /** One sender at a time, so that batches of a partition stay in order. */
  #drain(): Promise<void> {
    this.#sending ??= this.#sendSealed().finally(() => {
      this.#sending = null
    })
    return this.#sending
  }

  async #sendSealed(): Promise<void> {
    while (this.#sealed.length > 0) {
      const batches = this.#sealed
      this.#sealed = []
      this.#sealedBytes = 0
      if (this.#transactionalId !== null) await this.#addPartitions(this.#transactionalId, batches)
      await this.#produce(batches)
    }
  }

  async #addPartitions(transactionalId: string, batches: readonly SealedBatch[]): Promise<void> {
    const added = new Set<PartitionOutput>()
    for (const { output } of batches) {
      if (!output.inTransaction) added.add(output)
    }
    if (added.size === 0) return
    const partitions = [...added].map(({ topic, partition }) => ({ topic, partition }))
    await this.#client.transactions.addPartitions(transactionalId, this.#identity, partitions)
    for (const output of added) output.inTransaction = true
  }

  async #produce(batches: readonly SealedBatch[]): Promise<void> {
    const deadline = this.#clock.monotonic() + DELIVERY_TIMEOUT_MS
    const options =
      this.#transactionalId === null
        ? ({ acks: 'all' } as const)
        : ({ acks: 'all', transactionalId: this.#transactionalId } as const)
    for (let waiting = batches; ; ) {
      const results = await this.#client.produce(waiting, options)
      waiting = this.#unacknowledged(waiting, results, this.#clock.monotonic() > deadline)
      if (waiting.length === 0) return
      await sleep(this.#clock, RETRY_DELAY_MS)
    }
  }

  /** The batches to send again, in order: from the first failed one of each partition on. */
  #unacknowledged(
    batches: readonly SealedBatch[],
    results: readonly ProduceResult[],
    late: boolean,
  ): SealedBatch[] {
    const again: SealedBatch[] = []
    const failed = new Set<PartitionOutput>()
    for (const [index, batch] of batches.entries()) {
      const result = results[index] as ProduceResult
      const { error } = result
      if (failed.has(batch.output)) {
        again.push(batch)
        continue
      }
      if (error === null) {
        // A cluster may know a batch again and no longer know where it is.
        if (result.baseOffset >= 0) batch.output.endOffset = result.baseOffset + batch.recordCount
        continue
      }
      if (error.kind !== 'retry' || late) {
        const { topic, partition } = batch
        throw new StreamsError(
          error.kind === 'fenced' ? 'producer-fenced' : 'production-failed',
          `${batch.recordCount} records were not written: ${error.message}`,
          { place: { topic, partition }, retriable: error.kind === 'retry' },
        )
      }
      failed.add(batch.output)
      again.push(batch)
    }
    return again
  }
}

/** An upper bound of a record's encoded size, headers left out. */
function recordBytes(key: ByteRange | null, value: ByteRange | null): number {
  return (
    32 + (key === null ? 0 : key.end - key.start) + (value === null ? 0 : value.end - value.start)
  )
}
