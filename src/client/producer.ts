/**
 * A producer of records over any `LogClient`: serialises, partitions, batches, sends, retries.
 *
 * Journey: user -> [send -> batches -> produce] -> log.
 * Records of one turn of the event loop share a batch even without linger. One produce call is in
 * flight at a time, with at most one batch per partition, so order is kept without more rules.
 *
 * Invariants:
 * - Idempotent (the default): a record is in the log once, however often a batch had to be sent.
 * - After a batch was given up, its producer id is given up too: sequences never have a gap.
 * - Buffered bytes are bounded: `send` and `sendMany` wait while the buffer is full.
 */
import { type Clock, holdProcess } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import { ByteWriter } from '../record/byte-writer.ts'
import { NO_HEADERS } from '../record/record.ts'
import { BATCH_HEADER_BYTES, type BatchWriter } from '../record/record-batch.ts'
import type {
  ClientError,
  GroupIdentity,
  LogClient,
  OffsetItem,
  ProduceItem,
  ProducerIdentity,
} from './client.ts'
import { type Partitioner, stickyPartitioner } from './partitioner.ts'
import {
  type Batch,
  openPartitions,
  type PartitionBatches,
  type PendingRecord,
  type TransactionProgress,
} from './producer-batches.ts'
import {
  type OffsetToCommit,
  type ProducerOptions,
  type ProducerRecord,
  type ProducerSettings,
  type ProducerTransaction,
  serialise,
  settingsOf,
} from './producer-options.ts'
import {
  asStreamsError,
  isUnknownTopic,
  kindOf,
  MISSING_RESULT,
  overdue,
  pause,
  retryDelayMs,
  retrying,
  unknownPartition,
} from './retrying.ts'
import { SendGate } from './send-gate.ts'

/** `sendMany` lets batches leave when this much is waiting: enough to fill a call, small in cache. */
const SEND_MANY_BYTES = 1024 * 1024
/** A guess of what a record adds to key and value, for closing a batch in time. */
const RECORD_OVERHEAD_BYTES = 24

/**
 * Writes records to topics; `EmbeddedLog.producer` makes one. It is idempotent: a record that has to be
 * sent again is there once. With a `transactionalId` its records become visible together or not at all.
 *
 * @see org.apache.kafka.clients.producer.KafkaProducer
 * @example
 * ```ts
 * await using producer = log.producer({ key: text, value: json<Order>() })
 * const offset = await producer.send({ topic: 'orders', key: 'o-1', value: { amount: 1 } })
 * const orders = ['o-2', 'o-3'].map((key) => ({ topic: 'orders', key, value: { amount: 2 } }))
 * await producer.sendMany(orders)
 * for (const order of orders) producer.send(order).catch(console.error)
 * await producer.flush()
 * await producer.close()
 * ```
 */
export class Producer<K = unknown, V = unknown> implements ProducerTransaction<K, V> {
  readonly #client: LogClient
  readonly #clock: Clock
  readonly #options: ProducerOptions<K, V>
  readonly #settings: ProducerSettings
  readonly #partitioner: Partitioner
  readonly #topics = new Map<string, readonly PartitionBatches[]>()
  readonly #writers: BatchWriter[] = []
  readonly #keyBytes = new ByteWriter()
  readonly #valueBytes = new ByteWriter()
  #held: Promise<void> | null = null
  #identity: ProducerIdentity | null = null
  #identityLost = false
  readonly #gate: SendGate
  /** Partitions with batches that are not acknowledged yet. */
  readonly #busy = new Set<PartitionBatches>()
  /** The loop that sends, while there is something to send. */
  #draining: Promise<void> | null = null
  #flushing = 0
  #cancelLinger: (() => void) | null = null
  #transaction: TransactionProgress | null = null
  #fatal: unknown = null
  #closed = false

  constructor(client: LogClient, options: ProducerOptions<K, V>, clock: Clock) {
    this.#client = client
    this.#options = options
    this.#clock = clock
    this.#settings = settingsOf(options)
    this.#gate = new SendGate(this.#settings.bufferBytes)
    this.#partitioner = options.partitioner ?? stickyPartitioner(clock)
  }

  /**
   * Sends one record. In a transaction its promise may be left alone: `commit` throws what failed.
   *
   * @returns its offset, once it is acknowledged (-1 with `acks: 'none'`)
   * @throws StreamsError 'topic-not-found', 'partition-not-found', 'record-too-large',
   *   'producer-fenced', 'request-timed-out', 'log-closed'
   */
  send(record: ProducerRecord<K, V>): Promise<number> {
    const sent = this.#send(record)
    // In a transaction `commit` tells what failed, so a send need not be awaited.
    if (this.#settings.transactional) sent.catch(() => {})
    return sent
  }

  #send(record: ProducerRecord<K, V>): Promise<number> {
    const partitions = this.#topics.get(record.topic)
    if (partitions !== undefined && this.#gate.isOpen) {
      return new Promise((resolve, reject) => {
        this.#append(record, partitions, resolve, reject)
      })
    }
    return new Promise((resolve, reject) => {
      const appended = this.#gate.pass(async () => {
        this.#append(record, await this.#ready(record.topic), resolve, reject)
      })
      appended.catch(reject)
    })
  }

  /**
   * Sends many records with one promise for all: the way to write fast.
   *
   * @returns how many, once all are acknowledged
   * @throws the error of the first record that failed; later ones may have been written
   */
  async sendMany(records: Iterable<ProducerRecord<K, V>>): Promise<number> {
    let count = 0
    let failure: { readonly error: unknown } | null = null
    const reject = (error: unknown): void => {
      failure ??= { error }
    }
    const limit = Math.min(SEND_MANY_BYTES, this.#settings.bufferBytes)
    const watched = new Set<Batch>()
    await this.#gate.pass(async () => {
      let topic = ''
      let partitions: readonly PartitionBatches[] = []
      for (const record of records) {
        if (record.topic !== topic) {
          topic = record.topic
          partitions = this.#topics.get(topic) ?? (await this.#ready(topic))
        }
        const batch = this.#append(record, partitions, null, reject)
        if (!watched.has(batch)) {
          watched.add(batch)
          batch.pending.push({ index: 0, resolve: () => watched.delete(batch), reject })
        }
        count++
        if (this.#gate.bytes >= limit) await this.#roomBelow(limit)
        if (failure !== null) break
      }
    })
    await this.flush()
    if (failure !== null) throw (failure as { readonly error: unknown }).error
    return count
  }

  /** Resolves when everything sent so far is acknowledged or has failed. */
  async flush(): Promise<void> {
    this.#flushing++
    try {
      await this.#gate.passed()
      while (this.#busy.size > 0) {
        this.#drainSoon(0)
        await this.#draining
      }
    } finally {
      this.#flushing--
    }
  }

  /** Takes over the transactional id now: fences an earlier holder and aborts what it left open. */
  async init(): Promise<ProducerIdentity> {
    const transactionalId = this.#requireTransactionalId()
    await this.#hold()
    this.#identity = await retrying(this.#clock, this.#settings.deliveryTimeoutMs, () =>
      this.#client.transactions.init(transactionalId, this.#settings.transactionTimeoutMs),
    )
    this.#identityLost = false
    return this.#identity
  }

  /**
   * Begins a transaction; `init` is done if it was not.
   *
   * @throws TypeError without a `transactionalId`; StreamsError 'transaction-state-invalid'
   * @example
   * ```ts
   * const payments = log.producer({ transactionalId: 'payments' })
   * await payments.init()
   * await payments.begin()
   * await payments.send({ topic: 'orders', key: 'o-1', value: 'paid' })
   * await payments.sendOffsets('billing', [{ topic: 'orders', partition: 0, offset: 1 }])
   * const isWanted = Date.now() > 0
   * await (isWanted ? payments.commit() : payments.abort())
   * ```
   */
  async begin(): Promise<void> {
    this.#requireTransactionalId()
    this.#refuseFatal()
    if (this.#transaction !== null) {
      throw new StreamsError(
        'transaction-state-invalid',
        'A transaction is open already; commit or abort it first',
      )
    }
    if (this.#identity === null || this.#identityLost) await this.init()
    this.#transaction = { partitions: new Set(), unregistered: [], hasOffsets: false, error: null }
  }

  /**
   * Offsets of a consumer that count when the transaction commits: see `begin`.
   *
   * @param group - its name, or a consumer's `groupIdentity`, which is then checked
   * @throws StreamsError 'transaction-state-invalid', 'group-generation-stale', 'producer-fenced'
   */
  async sendOffsets(
    group: string | GroupIdentity,
    offsets: readonly OffsetToCommit[],
  ): Promise<void> {
    const transaction = this.#requireTransaction()
    const identity =
      typeof group === 'string' ? { groupId: group, generation: -1, memberId: '' } : group
    const items: OffsetItem[] = offsets.map((item) => ({ metadata: '', ...item }))
    try {
      await this.#transactionCall((id, producer) =>
        this.#client.transactions.commitOffsets(id, producer, identity, items),
      )
      transaction.hasOffsets = true
    } catch (error) {
      transaction.error ??= { error }
      throw error
    }
  }

  /**
   * Makes all records and offsets of the transaction visible at once.
   *
   * @throws what made a record of it fail: then nothing is visible; call `abort`
   */
  async commit(): Promise<void> {
    const transaction = this.#requireTransaction()
    await this.flush()
    if (transaction.error !== null) throw transaction.error.error
    await this.#end(transaction, 'commit')
  }

  /** Makes nothing of the transaction visible. */
  async abort(): Promise<void> {
    const transaction = this.#requireTransaction()
    const aborted = new StreamsError('transaction-aborted', 'The transaction was aborted')
    for (const partition of this.#busy) {
      for (const batch of partition.drop()) this.#giveUp(partition, batch, aborted)
    }
    await this.flush()
    if (this.#fatal !== null) {
      this.#transaction = null
      throw this.#fatal
    }
    try {
      await this.#end(transaction, 'abort')
    } catch (error) {
      // The log aborts by itself when the producer takes its id again, or by timeout.
      this.#transaction = null
      this.#identityLost = true
      if (kindOf(error) === 'fenced') throw error
    }
  }

  /**
   * Runs `work` in a transaction: commits when it resolves, aborts when it throws.
   *
   * @example
   * ```ts
   * const payments = log.producer({ transactionalId: 'payments' })
   * await payments.transaction((open) => open.send({ topic: 'orders', key: 'o-1', value: 'paid' }))
   * ```
   */
  async transaction<T>(work: (transaction: ProducerTransaction<K, V>) => Promise<T>): Promise<T> {
    await this.begin()
    try {
      const result = await work(this)
      await this.commit()
      return result
    } catch (error) {
      if (this.#transaction !== null) await this.abort().catch(() => {})
      throw error
    }
  }

  /** Sends what is buffered, aborts an open transaction, and lets the log go. */
  async close(): Promise<void> {
    if (this.#closed) return
    try {
      if (this.#transaction !== null) await this.abort().catch(() => {})
      await this.flush()
    } finally {
      this.#closed = true
      this.#cancelLinger?.()
      if (this.#held !== null) {
        await this.#held.catch(() => {})
        await this.#client.close()
      }
    }
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #append(
    record: ProducerRecord<K, V>,
    partitions: readonly PartitionBatches[],
    resolve: ((offset: number) => void) | null,
    reject: (error: unknown) => void,
  ): Batch {
    this.#refuseFatal()
    if (this.#options.transactionalId !== undefined) this.#requireTransaction()
    const key = serialise(record.key, this.#options.key, this.#keyBytes, 'key')
    const value = serialise(record.value, this.#options.value, this.#valueBytes, 'value')
    const number =
      record.partition ?? this.#partitioner({ topic: record.topic, key }, partitions.length)
    const partition = partitions[number]
    if (partition === undefined) throw unknownPartition(record.topic, number, partitions.length)

    const recordBytes = (key?.end ?? 0) + (value?.end ?? 0) + RECORD_OVERHEAD_BYTES
    const wasEmpty = partition.isEmpty
    const batch = partition.open(this.#clock, recordBytes)
    const timestamp = record.timestamp ?? this.#clock.now()
    const headers = record.headers ?? NO_HEADERS
    this.#gate.bytes += partition.add(batch, timestamp, key, value, headers)
    if (resolve !== null) batch.pending.push({ index: batch.recordCount - 1, resolve, reject })
    if (wasEmpty) {
      this.#busy.add(partition)
      this.#joinTransaction(partition)
      this.#drainSoon(this.#settings.lingerMs)
    } else if (batch.full) {
      this.#drainSoon(0)
    }
    return batch
  }

  #joinTransaction(partition: PartitionBatches): void {
    const transaction = this.#transaction
    if (transaction === null || transaction.partitions.has(partition)) return
    transaction.partitions.add(partition)
    transaction.unregistered.push({ topic: partition.topic, partition: partition.partition })
  }

  /** Waits for room, and for the topic's description when it is not known yet. */
  async #ready(topic: string): Promise<readonly PartitionBatches[]> {
    this.#refuseFatal()
    if (!this.#gate.hasRoom) await this.#roomBelow(this.#settings.bufferBytes)
    const known = this.#topics.get(topic)
    if (known !== undefined) return known
    await this.#hold()
    const partitions = await openPartitions(this.#client, topic, this.#settings, this.#writers)
    this.#topics.set(topic, partitions)
    return partitions
  }

  async #roomBelow(limit: number): Promise<void> {
    while (this.#gate.bytes >= limit && this.#fatal === null) {
      this.#drainSoon(0)
      await this.#gate.someFreed()
    }
  }

  #hold(): Promise<void> {
    this.#held ??= this.#client.open()
    return this.#held
  }

  #drainSoon(delayMs: number): void {
    if (this.#draining !== null) return
    if (delayMs > 0 && this.#flushing === 0) {
      if (this.#cancelLinger !== null) return
      const letGo = holdProcess()
      const cancel = this.#clock.after(delayMs, () => this.#drainSoon(0))
      this.#cancelLinger = () => {
        cancel()
        letGo()
      }
      return
    }
    this.#cancelLinger?.()
    this.#cancelLinger = null
    // One turn later: what the caller sends before it waits shares the batch.
    this.#draining = Promise.resolve()
      .then(() => this.#drain())
      .finally(() => {
        this.#draining = null
        if (this.#busy.size > 0) this.#drainSoon(this.#settings.lingerMs)
      })
  }

  /** Sends until nothing is ready. */
  async #drain(): Promise<void> {
    if (this.#held === null || this.#identity === null) await this.#prepareOrFail()
    for (;;) {
      const ready = this.#readyPartitions()
      if (ready.length === 0) return
      const delayMs = await this.#sendOnce(ready)
      if (delayMs > 0) await pause(this.#clock, delayMs)
      if (this.#identityLost && this.#options.transactionalId === undefined) {
        this.#identity = null
        this.#identityLost = false
        await this.#prepareOrFail()
      }
    }
  }

  /** An idempotent producer needs an id before its first batch. */
  async #prepareOrFail(): Promise<void> {
    try {
      await this.#hold()
      if (this.#settings.idempotent && this.#identity === null) {
        this.#identity = await retrying(this.#clock, this.#settings.deliveryTimeoutMs, () =>
          this.#client.transactions.init(null, 0),
        )
      }
    } catch (error) {
      for (const partition of [...this.#busy]) {
        for (const batch of partition.drop()) this.#giveUp(partition, batch, error)
      }
    }
  }

  #readyPartitions(): PartitionBatches[] {
    const now = this.#clock.monotonic()
    const lingerMs = this.#flushing > 0 || this.#gate.isAwaited ? 0 : this.#settings.lingerMs
    const ready: PartitionBatches[] = []
    for (const partition of this.#busy) {
      const at = partition.readyAt(lingerMs)
      if (at !== null && at <= now) ready.push(partition)
    }
    return ready
  }

  /** One produce call with a batch of each; returns how long to wait before the next. */
  async #sendOnce(partitions: readonly PartitionBatches[]): Promise<number> {
    const { acks = 'all', transactionalId } = this.#options
    const items: ProduceItem[] = partitions.map((partition) => ({
      topic: partition.topic,
      partition: partition.partition,
      batch: partition.take(this.#identity),
    }))
    try {
      await this.#registerPartitions()
      const results = await this.#client.produce(
        items,
        transactionalId === undefined ? { acks } : { acks, transactionalId },
      )
      let delayMs = 0
      for (let index = 0; index < partitions.length; index++) {
        const partition = partitions[index] as PartitionBatches
        const result = results[index]
        const error = result === undefined ? MISSING_RESULT : acks === 'none' ? null : result.error
        const offset = acks === 'none' ? -1 : (result?.baseOffset ?? -1)
        delayMs = Math.max(delayMs, this.#settle(partition, error, offset))
      }
      return delayMs
    } catch (error) {
      // The call as a whole failed: the outcome is unknown, so the same bytes go again if it helps.
      const retry = retryDelayMs(kindOf(error))
      for (const partition of partitions) {
        if (retry === null || this.#isOverdue(partition)) this.#fail(partition, error)
        else partition.retry()
      }
      return retry ?? 0
    }
  }

  /** Takes the result of the batch in flight; returns how long to wait if it has to go again. */
  #settle(partition: PartitionBatches, error: ClientError | null, baseOffset: number): number {
    if (error === null) {
      const batch = partition.finish()
      this.#release(partition, batch)
      for (const { index, resolve } of batch.pending) {
        resolve(baseOffset < 0 ? -1 : baseOffset + index)
      }
      return 0
    }
    const delayMs = retryDelayMs(error.kind)
    if (delayMs !== null && !this.#isOverdue(partition)) {
      partition.retry()
      return delayMs
    }
    const { topic, partition: number } = partition
    const place = { topic, partition: number }
    const late = this.#settings.deliveryTimeoutMs
    this.#fail(
      partition,
      delayMs === null ? asStreamsError(error, place) : overdue(error, place, late),
    )
    return 0
  }

  #isOverdue(partition: PartitionBatches): boolean {
    const openedAt = partition.inFlight?.openedAt ?? 0
    return this.#clock.monotonic() - openedAt > this.#settings.deliveryTimeoutMs
  }

  /** The batch in flight is given up, and with it the sequence of its producer id. */
  #fail(partition: PartitionBatches, error: unknown): void {
    this.#identityLost = true
    if (kindOf(error) === 'fenced') this.#fatal = error
    if (this.#transaction !== null) this.#transaction.error ??= { error }
    if (isUnknownTopic(error)) this.#topics.delete(partition.topic)
    this.#giveUp(partition, partition.finish(), error)
    const hopeless = this.#fatal !== null || this.#options.transactionalId !== undefined
    if (!hopeless) return
    for (const other of [...this.#busy]) {
      for (const batch of other.drop()) this.#giveUp(other, batch, error)
    }
  }

  #giveUp(partition: PartitionBatches, batch: Batch, error: unknown): void {
    this.#release(partition, batch)
    for (const pending of batch.pending as PendingRecord[]) pending.reject(error)
  }

  #release(partition: PartitionBatches, batch: Batch): void {
    if (partition.isEmpty) this.#busy.delete(partition)
    this.#gate.free(batch.bytes - BATCH_HEADER_BYTES)
  }

  async #registerPartitions(): Promise<void> {
    const transaction = this.#transaction
    if (transaction === null || transaction.unregistered.length === 0) return
    const partitions = transaction.unregistered
    transaction.unregistered = []
    await this.#transactionCall((id, producer) =>
      this.#client.transactions.addPartitions(id, producer, partitions),
    )
  }

  async #end(transaction: TransactionProgress, outcome: 'commit' | 'abort'): Promise<void> {
    if (transaction.partitions.size > 0 || transaction.hasOffsets || transaction.error !== null) {
      const identity = await this.#transactionCall((id, producer) =>
        this.#client.transactions.end(id, producer, outcome),
      )
      const { producerId, epoch } = this.#identity as ProducerIdentity
      // The same identity stays the same object: sequences go on.
      if (identity.producerId !== producerId || identity.epoch !== epoch) this.#identity = identity
    }
    this.#transaction = null
  }

  #transactionCall<T>(
    call: (transactionalId: string, producer: ProducerIdentity) => Promise<T>,
  ): Promise<T> {
    const id = this.#requireTransactionalId()
    const producer = this.#identity as ProducerIdentity
    return retrying(this.#clock, this.#settings.deliveryTimeoutMs, () => call(id, producer)).catch(
      (error: unknown) => {
        if (kindOf(error) === 'fenced') this.#fatal = error
        throw error
      },
    )
  }

  #requireTransactionalId(): string {
    const { transactionalId } = this.#options
    if (transactionalId !== undefined) return transactionalId
    throw new TypeError('the producer has no `transactionalId`; give it one to use transactions')
  }

  #requireTransaction(): TransactionProgress {
    if (this.#transaction !== null) return this.#transaction
    throw new StreamsError(
      'transaction-state-invalid',
      'No transaction is open; call begin, or use transaction(work)',
    )
  }

  #refuseFatal(): void {
    if (this.#fatal !== null) throw this.#fatal
    if (this.#closed) throw new StreamsError('log-closed', 'The producer was closed')
  }
}
