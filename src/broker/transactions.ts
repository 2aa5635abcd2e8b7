/**
 * The transaction coordinator: who holds a transactional id, which partitions its transaction
 * touches, and the steps that make it visible everywhere or nowhere.
 *
 * Journey: client -> [transactions] -> `__transaction_state`, and a marker in each partition.
 *
 *   empty ---add---> ongoing ---end---> prepare-commit ---markers---> complete-commit ---add---> ongoing
 *                       \-----end, init, timeout---> prepare-abort ---markers---> complete-abort --/
 *
 * The steps of an end (also in `finish`):
 * 1. With flush policy `each-commit`, the data of all partitions of the transaction is fsynced.
 * 2. `prepare-*` is written (and fsynced). **This is the commit point**: from here on the outcome
 *    never changes, and a crash is completed by `recover`.
 * 3. A marker is written to each partition (and fsynced); pending offsets become committed.
 * 4. `complete-*` is written (and fsynced before the next transaction of the id begins: else data
 *    of the next one could be taken for data of this one).
 *
 * Invariants:
 * - A partition is in `ongoing` on disk before the first batch of the transaction is in the partition.
 * - `complete-*` is never durable before its markers are (under `each-commit`).
 * - One holder: a new `init` raises the epoch, and every call of an older epoch is refused.
 */
import type { Clock } from '../clock.ts'
import type { CommittedOffset, CommittedOffsets } from './offsets.ts'
import type { Partition, TopicPartition } from './partition.ts'
import { Refusal } from './refusal.ts'
import {
  decodeTransactionKey,
  decodeTransactionValue,
  encodeTransaction,
  type TransactionStatus,
} from './state-records.ts'
import type { StateTopic } from './state-topic.ts'

/** Kafka's `transaction.max.timeout.ms`. */
export const TRANSACTION_TIMEOUT_MS_MAX: number = 15 * 60_000
/** Kafka's `transactional.id.expiration.ms`: an id not used for so long is forgotten. */
const TRANSACTIONAL_ID_EXPIRATION_MS = 7 * 24 * 3_600_000
/** The last epoch is left for fencing; the id then gets a new producer id. */
const EPOCH_MAX = 32_766
/** Markers that could not be written (full disk) are tried again after this time. */
const MARKER_RETRY_MS = 1000
/** There is one coordinator for ever. */
const COORDINATOR_EPOCH = 0

export type Outcome = 'commit' | 'abort'

export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

interface Transaction {
  readonly transactionalId: string
  producerId: number
  epoch: number
  timeoutMs: number
  status: TransactionStatus
  readonly partitions: Set<Partition>
  startedAt: number
  updatedAt: number
  /** The epoch whose transaction was ended by the timeout, until the next `init`; else -1. */
  timedOutEpoch: number
  cancelTimeout: (() => void) | null
  /** Until `complete-*` is durable, under `each-commit`: the next transaction waits for it. */
  settled: Promise<void> | null
}

export interface TransactionDependencies {
  readonly state: StateTopic
  readonly offsets: CommittedOffsets
  readonly clock: Clock
  /** True: the steps of an end are fsynced, as told above. */
  readonly durable: boolean
  nextProducerId(): number
  /** Null when the topic or partition does not exist. */
  partition(place: TopicPartition): Partition | null
}

export class Transactions {
  readonly state: StateTopic
  private readonly dependencies: TransactionDependencies
  private readonly byId = new Map<string, Transaction>()
  private readonly byProducer = new Map<number, Transaction>()
  private closed = false

  constructor(dependencies: TransactionDependencies) {
    this.dependencies = dependencies
    this.state = dependencies.state
  }

  /** Reads the topic back; `recover` then settles what a crash left. */
  replay(): void {
    this.dependencies.state.replay({
      record: (key, value) => this.replayRecord(key, value),
      marker: () => {},
    })
  }

  /**
   * After `replay`, all partitions open:
   * 1. what was prepared is completed; 2. what was ongoing keeps its timeout;
   * 3. a transaction open in a partition that no id knows of (its state was lost with the power)
   *    is aborted, or it would hold the last stable offset for ever;
   * 4. an epoch that a partition knows and the id does not (lost likewise) is not given out again.
   */
  async recover(partitions: Iterable<Partition>): Promise<void> {
    for (const transaction of this.byId.values()) {
      if (transaction.status === 'ongoing') this.armTimeout(transaction)
      const prepared = /^prepare-(commit|abort)$/.exec(transaction.status)?.[1] as
        | Outcome
        | undefined
      // What fails here (full disk) is tried again by a timer; its id answers 'concurrent' until then.
      if (prepared !== undefined) this.dropSettled(transaction)
      if (prepared !== undefined) await this.complete(transaction, prepared).catch(() => {})
    }
    for (const partition of partitions) this.settle(partition)
  }

  /** @throws Refusal 'concurrent-transactions' while the previous one is completing */
  async init(transactionalId: string | null, timeoutMs: number): Promise<ProducerIdentity> {
    if (transactionalId === null) {
      return { producerId: this.dependencies.nextProducerId(), epoch: 0 }
    }
    if (!(timeoutMs > 0 && timeoutMs <= TRANSACTION_TIMEOUT_MS_MAX)) {
      throw new Refusal(
        'invalid-transaction-timeout',
        `The transaction timeout is ${timeoutMs} ms; choose 1 to ${TRANSACTION_TIMEOUT_MS_MAX} ms`,
        { transactionalId },
      )
    }
    let transaction = this.byId.get(transactionalId)
    if (transaction?.status === 'ongoing') await this.fence(transaction)
    if (transaction !== undefined) this.refuseWhileCompleting(transaction)
    if (transaction === undefined) transaction = this.enter(transactionalId, timeoutMs)
    else this.raiseEpoch(transaction)
    transaction.timeoutMs = timeoutMs
    transaction.timedOutEpoch = -1
    transaction.partitions.clear()
    this.write(transaction, 'empty')
    if (this.dependencies.durable) await this.dependencies.state.partition.flush()
    return identityOf(transaction)
  }

  addPartitions(
    transactionalId: string,
    producer: ProducerIdentity,
    places: readonly TopicPartition[],
  ): void | Promise<void> {
    const before = this.byId.get(transactionalId)?.settled ?? null
    if (before !== null) {
      return before.then(() => this.addPartitions(transactionalId, producer, places))
    }
    const transaction = this.holder(transactionalId, producer)
    this.refuseWhileCompleting(transaction)
    this.join(
      transaction,
      places.map((place) => this.existing(place)),
    )
  }

  commitOffsets(
    transactionalId: string,
    producer: ProducerIdentity,
    groupId: string,
    offsets: readonly CommittedOffset[],
  ): void | Promise<void> {
    const before = this.byId.get(transactionalId)?.settled ?? null
    if (before !== null) {
      return before.then(() => this.commitOffsets(transactionalId, producer, groupId, offsets))
    }
    const transaction = this.holder(transactionalId, producer)
    this.refuseWhileCompleting(transaction)
    this.join(transaction, [this.dependencies.offsets.state.partition])
    this.dependencies.offsets.commitInTransaction(transaction, groupId, offsets)
  }

  /** Repeating the same decision is safe: it answers what the first call answered. */
  async end(
    transactionalId: string,
    producer: ProducerIdentity,
    outcome: Outcome,
  ): Promise<ProducerIdentity> {
    const transaction = this.known(transactionalId)
    if (isTimedOut(transaction, producer) && outcome === 'abort') return identityOf(transaction)
    this.refuseOthers(transaction, producer)
    this.refuseWhileCompleting(transaction)
    const { status } = transaction
    if (status === 'ongoing') await this.finish(transaction, outcome)
    else if (status !== 'empty' && status !== `complete-${outcome}`) {
      throw new Refusal(
        'invalid-transaction-state',
        `Cannot ${outcome}: the transaction is ${status}; begin a new one`,
        { transactionalId },
      )
    }
    return identityOf(transaction)
  }

  /** Refuses a transactional batch whose partition is not part of its producer's open transaction. */
  verify(partition: Partition, producerId: number, epoch: number): void {
    const transaction = this.byProducer.get(producerId)
    if (transaction === undefined) {
      throw new Refusal(
        'invalid-producer-id-mapping',
        `No transactional id holds producer id ${producerId}; call init again`,
        partition.place,
      )
    }
    this.refuseOthers(transaction, { producerId, epoch })
    if (transaction.status === 'ongoing' && transaction.partitions.has(partition)) return
    throw new Refusal(
      'invalid-transaction-state',
      `The partition is not part of an open transaction (it is ${transaction.status}); add it first`,
      { ...partition.place, transactionalId: transaction.transactionalId },
    )
  }

  /** The partition is deleted: it leaves the transactions that touch it. */
  forget(partition: Partition): void {
    for (const transaction of this.byId.values()) transaction.partitions.delete(partition)
  }

  /** Forgets ids unused for a week, and shortens the topic when it is mostly history. */
  async sweep(): Promise<void> {
    const oldest = this.dependencies.clock.now() - TRANSACTIONAL_ID_EXPIRATION_MS
    for (const [id, transaction] of this.byId) {
      if (isOpen(transaction) || transaction.updatedAt >= oldest) continue
      this.dependencies.state.append([encodeTransaction(id, null)])
      this.byId.delete(id)
      this.byProducer.delete(transaction.producerId)
    }
    if (!this.dependencies.state.rewriteDue) return
    const table = [...this.byId].map(([id, transaction]) => encodeTransaction(id, transaction))
    await this.dependencies.state.rewrite(table)
  }

  /** Stops the timeouts; what is ongoing stays so and is found again at the next open. */
  close(): void {
    this.closed = true
    for (const transaction of this.byId.values()) disarm(transaction)
  }

  /** The numbered steps of the header. */
  private async finish(transaction: Transaction, outcome: Outcome): Promise<void> {
    disarm(transaction)
    const { durable, state } = this.dependencies
    try {
      if (durable) {
        // The status is set before the first wait, so that nothing joins the transaction any more.
        transaction.status = `prepare-${outcome}`
        await flushAll(transaction.partitions)
      }
      this.write(transaction, `prepare-${outcome}`)
    } catch (error) {
      transaction.status = 'ongoing'
      this.armTimeout(transaction)
      throw error
    }
    if (durable) await state.partition.flush()
    await this.complete(transaction, outcome)
  }

  /** Steps 3 and 4. A failure leaves `prepare-*` and is tried again by a timer. */
  private async complete(transaction: Transaction, outcome: Outcome): Promise<void> {
    try {
      for (const partition of transaction.partitions) this.mark(partition, transaction, outcome)
      if (this.dependencies.durable) await flushAll(transaction.partitions)
      transaction.partitions.clear()
      this.write(transaction, `complete-${outcome}`)
      if (this.dependencies.durable) this.settleLater(transaction)
    } catch (error) {
      this.retryLater(transaction, outcome)
      throw new Refusal(
        'concurrent-transactions',
        `The outcome is decided (${outcome}) but its markers could not be written yet`,
        { transactionalId: transaction.transactionalId },
        error,
      )
    }
  }

  private mark(partition: Partition, producer: ProducerIdentity, outcome: Outcome): void {
    if (partition.retired) return
    const before = partition.log.lastStableOffset
    partition.writable().appendControl({
      producerId: producer.producerId,
      producerEpoch: producer.epoch,
      coordinatorEpoch: COORDINATOR_EPOCH,
      type: outcome,
      timestamp: this.dependencies.clock.now(),
    })
    const { offsets } = this.dependencies
    if (partition === offsets.state.partition) offsets.ended(producer.producerId, outcome)
    partition.grown(partition.log.lastStableOffset > before ? Number.POSITIVE_INFINITY : 1)
  }

  /** A failed fsync shows at the next write. */
  private settleLater(transaction: Transaction): void {
    const settled = this.state.partition
      .flush()
      .catch(() => {})
      .then(() => {
        if (transaction.settled === settled) transaction.settled = null
      })
    transaction.settled = settled
  }

  private retryLater(transaction: Transaction, outcome: Outcome): void {
    if (this.closed) return
    transaction.cancelTimeout = this.dependencies.clock.after(MARKER_RETRY_MS, () => {
      this.complete(transaction, outcome).catch(() => {})
    })
  }

  /** Raises the epoch first, so that the aborted holder cannot write behind its marker. */
  private async fence(transaction: Transaction): Promise<void> {
    this.raiseEpoch(transaction)
    await this.finish(transaction, 'abort')
  }

  private armTimeout(transaction: Transaction): void {
    const { clock } = this.dependencies
    const due = transaction.startedAt + transaction.timeoutMs - clock.now()
    transaction.cancelTimeout = clock.after(Math.max(0, due), () => {
      if (transaction.status !== 'ongoing' || this.closed) return
      transaction.timedOutEpoch = transaction.epoch
      this.fence(transaction).catch(() => {})
    })
  }

  /** A partition that knows a newer epoch has the marker: it came before what has that epoch. */
  private dropSettled(transaction: Transaction): void {
    for (const partition of transaction.partitions) {
      const known = partition.log
        .producers()
        .find(({ producerId }) => producerId === transaction.producerId)
      if ((known?.producerEpoch ?? -1) > transaction.epoch) transaction.partitions.delete(partition)
    }
  }

  /** Steps 3 and 4 of `recover`. */
  private settle(partition: Partition): void {
    for (const { producerId, producerEpoch, hasOpenTransaction } of partition.log.producers()) {
      const transaction = this.byProducer.get(producerId)
      const isOngoing = transaction?.status === 'ongoing' && transaction.partitions.has(partition)
      if (hasOpenTransaction && !(isOngoing && transaction.epoch === producerEpoch)) {
        this.mark(partition, { producerId, epoch: producerEpoch }, 'abort')
      }
      if (transaction !== undefined && transaction.epoch < producerEpoch) {
        transaction.epoch = producerEpoch
      }
    }
  }

  private join(transaction: Transaction, partitions: readonly Partition[]): void {
    const { status } = transaction
    const before = transaction.partitions.size
    if (status !== 'ongoing') transaction.partitions.clear()
    for (const partition of partitions) transaction.partitions.add(partition)
    if (status === 'ongoing' && transaction.partitions.size === before) return
    if (status !== 'ongoing') transaction.startedAt = this.dependencies.clock.now()
    this.write(transaction, 'ongoing')
    if (status !== 'ongoing') this.armTimeout(transaction)
  }

  /** The record first, then the table: a failed write changes nothing. */
  private write(transaction: Transaction, status: TransactionStatus): void {
    const updatedAt = this.dependencies.clock.now()
    const value = { ...transaction, status, updatedAt }
    this.dependencies.state.append([encodeTransaction(transaction.transactionalId, value)])
    transaction.status = status
    transaction.updatedAt = updatedAt
  }

  private enter(transactionalId: string, timeoutMs: number): Transaction {
    const transaction: Transaction = {
      transactionalId,
      producerId: this.dependencies.nextProducerId(),
      epoch: 0,
      timeoutMs,
      status: 'empty',
      partitions: new Set(),
      startedAt: -1,
      updatedAt: this.dependencies.clock.now(),
      timedOutEpoch: -1,
      cancelTimeout: null,
      settled: null,
    }
    this.keep(transaction)
    return transaction
  }

  private keep(transaction: Transaction): void {
    this.byId.set(transaction.transactionalId, transaction)
    this.byProducer.set(transaction.producerId, transaction)
  }

  private raiseEpoch(transaction: Transaction): void {
    if (transaction.epoch < EPOCH_MAX) {
      transaction.epoch++
      return
    }
    // An ongoing transaction is still aborted under the old producer id, with the last epoch.
    if (transaction.status === 'ongoing') {
      transaction.epoch = EPOCH_MAX + 1
      return
    }
    this.byProducer.delete(transaction.producerId)
    transaction.producerId = this.dependencies.nextProducerId()
    transaction.epoch = 0
    this.byProducer.set(transaction.producerId, transaction)
  }

  private known(transactionalId: string): Transaction {
    const transaction = this.byId.get(transactionalId)
    if (transaction !== undefined) return transaction
    throw new Refusal(
      'invalid-producer-id-mapping',
      'No such transactional id is known; call init first',
      { transactionalId },
    )
  }

  private holder(transactionalId: string, producer: ProducerIdentity): Transaction {
    const transaction = this.known(transactionalId)
    this.refuseOthers(transaction, producer)
    return transaction
  }

  private refuseOthers(transaction: Transaction, producer: ProducerIdentity): void {
    const { producerId, epoch, transactionalId } = transaction
    if (producerId === producer.producerId && epoch === producer.epoch) return
    if (isTimedOut(transaction, producer)) {
      throw new Refusal(
        'transaction-timed-out',
        `The transaction was open for more than ${transaction.timeoutMs} ms and was aborted; ` +
          'abort it and begin again, or raise the transaction timeout',
        { transactionalId },
      )
    }
    throw new Refusal(
      'producer-fenced',
      `Producer ${producer.producerId} epoch ${producer.epoch} was replaced by ${producerId} epoch ` +
        `${epoch}: another instance uses this transactional id; stop this one`,
      { transactionalId },
    )
  }

  private refuseWhileCompleting(transaction: Transaction): void {
    if (transaction.status !== 'prepare-commit' && transaction.status !== 'prepare-abort') return
    throw new Refusal(
      'concurrent-transactions',
      'The previous transaction is still completing; call again in a few milliseconds',
      { transactionalId: transaction.transactionalId },
    )
  }

  private existing(place: TopicPartition): Partition {
    const partition = this.dependencies.partition(place)
    if (partition !== null) return partition
    throw new Refusal(
      'unknown-topic-or-partition',
      'Cannot add to the transaction: there is no such partition; create the topic first',
      { topic: place.topic, partition: place.partition },
    )
  }

  private replayRecord(key: Buffer, bytes: Buffer | null): void {
    const transactionalId = decodeTransactionKey(key)
    if (transactionalId === null) return
    const earlier = this.byId.get(transactionalId)
    if (earlier !== undefined) this.byProducer.delete(earlier.producerId)
    this.byId.delete(transactionalId)
    const value = bytes === null ? null : decodeTransactionValue(bytes)
    if (value === null) return
    const partitions = new Set<Partition>()
    for (const place of value.partitions) {
      const partition = this.dependencies.partition(place)
      if (partition !== null) partitions.add(partition)
    }
    const rest = {
      transactionalId,
      partitions,
      timedOutEpoch: -1,
      cancelTimeout: null,
      settled: null,
    }
    this.keep({ ...value, ...rest })
  }
}

const identityOf = ({ producerId, epoch }: Transaction): ProducerIdentity => ({ producerId, epoch })

function isOpen({ status }: Transaction): boolean {
  return status === 'ongoing' || status === 'prepare-commit' || status === 'prepare-abort'
}

function isTimedOut(transaction: Transaction, producer: ProducerIdentity): boolean {
  return (
    producer.producerId === transaction.producerId && producer.epoch === transaction.timedOutEpoch
  )
}

function disarm(transaction: Transaction): void {
  transaction.cancelTimeout?.()
  transaction.cancelTimeout = null
}

async function flushAll(partitions: Iterable<Partition>): Promise<void> {
  const flushes: Promise<void>[] = []
  for (const partition of partitions) flushes.push(partition.flush())
  await Promise.all(flushes)
}
