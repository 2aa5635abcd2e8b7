/**
 * Transactions, as KIP-98 and KIP-447 have them (exactly-once v2): one producer for all tasks of a
 * stream thread, offsets fenced by the group's generation.
 *
 * Journey: `runtime/commit.ts` -> `LogTransactions` -> [transactions] -> coordinators.
 *
 *   1. init           a producer id and epoch; the earlier holder is fenced, its transaction aborted
 *   2. addPartitions  before the first batch to them
 *   3. commitOffsets  the group joins the transaction, then its offsets go to its own coordinator
 *   4. end            from the coordinator's word on it happened
 *
 * Each of these may be repeated when its answer was lost: 1 raises the epoch again, 2 and 3 write the
 * same, 4 answers the same end again (versions below 5, KIP-890).
 */
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { InitProducerId } from '../../protocol/messages/22-init-producer-id.ts'
import { AddPartitionsToTxn } from '../../protocol/messages/24-add-partitions-to-txn.ts'
import { AddOffsetsToTxn } from '../../protocol/messages/25-add-offsets-to-txn.ts'
import { EndTxn } from '../../protocol/messages/26-end-txn.ts'
import { TxnOffsetCommit } from '../../protocol/messages/28-txn-offset-commit.ts'
import type {
  GroupIdentity,
  LogTransactions,
  OffsetItem,
  ProducerIdentity,
  TopicPartition,
} from '../client.ts'
import type { Cluster } from './cluster.ts'
import { type ClusterError, errorOf } from './errors.ts'
import { resultsOf, topicsToCommit } from './offsets.ts'
import { byTopic } from './topics.ts'
import type { Address } from './transport.ts'

/** A lane of its own: a commit must not wait behind a question about topics. */
const LANE = 'transactions'
/** A new topic is not everywhere at once; after this one that is unknown is missing. */
const UNKNOWN_PARTITION_PATIENCE_MS = 2000

export function clusterTransactions(cluster: Cluster): LogTransactions {
  return {
    init: (transactionalId, timeoutMs) => init(cluster, transactionalId, timeoutMs),
    addPartitions: (transactionalId, producer, partitions) =>
      addPartitions(cluster, { transactionalId, producer }, partitions),
    async commitOffsets(transactionalId, producer, group, offsets) {
      if (offsets.length === 0) return
      await addOffsets(cluster, { transactionalId, producer }, group.groupId)
      await commitOffsets(cluster, { transactionalId, producer }, { group, offsets })
    },
    end: (transactionalId, producer, outcome) =>
      end(cluster, { transactionalId, producer }, outcome === 'commit'),
  }
}

interface Transaction {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
}

async function init(
  cluster: Cluster,
  transactionalId: string | null,
  transactionTimeoutMs: number,
): Promise<ProducerIdentity> {
  const request = { transactionalId, transactionTimeoutMs }
  const attempt = async (address: Address): Promise<ProducerIdentity> => {
    const response = await cluster.call(LANE, address, { api: InitProducerId, request })
    throwIfFailed(response.errorCode, transactionalId)
    return { producerId: response.producerId, epoch: response.producerEpoch }
  }
  return transactionalId === null
    ? cluster.onAny(attempt)
    : cluster.onCoordinator({ type: 'transaction', id: transactionalId }, attempt)
}

async function addPartitions(
  cluster: Cluster,
  { transactionalId, producer }: Transaction,
  partitions: readonly TopicPartition[],
): Promise<void> {
  if (partitions.length === 0) return
  const request = {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producer.producerId,
    v3AndBelowProducerEpoch: producer.epoch,
    v3AndBelowTopics: byTopic(partitions, ({ partition }) => partition).map(([name, numbers]) => ({
      name,
      partitions: numbers,
    })),
  }
  const began = cluster.clock.monotonic()
  await cluster.onCoordinator({ type: 'transaction', id: transactionalId }, async (address) => {
    const { resultsByTopicV3AndBelow: results } = await cluster.call(LANE, address, {
      api: AddPartitionsToTxn,
      request,
    })
    const error = firstError(results, transactionalId)
    if (error === null) return
    const isPatient = cluster.clock.monotonic() - began < UNKNOWN_PARTITION_PATIENCE_MS
    if (error.code !== 'topic-not-found' || isPatient) throw error
    throw error.final('The cluster has no such topic or partition')
  })
}

type TopicResults = readonly {
  readonly name: string
  readonly resultsByPartition: readonly {
    readonly partitionIndex: number
    readonly partitionErrorCode: number
  }[]
}[]

/** One failed partition fails the call, and the others then were not attempted: that is no reason. */
function firstError(results: TopicResults, transactionalId: string): ClusterError | null {
  for (const { name, resultsByPartition } of results) {
    for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
      const isReason =
        partitionErrorCode !== ERROR_NUMBERS.NONE &&
        partitionErrorCode !== ERROR_NUMBERS.OPERATION_NOT_ATTEMPTED
      if (!isReason) continue
      return errorOf(partitionErrorCode, {
        topic: name,
        partition: partitionIndex,
        transactionalId,
      })
    }
  }
  return null
}

async function addOffsets(
  cluster: Cluster,
  { transactionalId, producer }: Transaction,
  groupId: string,
): Promise<void> {
  const request = {
    transactionalId,
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    groupId,
  }
  await cluster.onCoordinator({ type: 'transaction', id: transactionalId }, async (address) => {
    const response = await cluster.call(LANE, address, { api: AddOffsetsToTxn, request })
    throwIfFailed(response.errorCode, transactionalId)
  })
}

async function commitOffsets(
  cluster: Cluster,
  { transactionalId, producer }: Transaction,
  what: { readonly group: GroupIdentity; readonly offsets: readonly OffsetItem[] },
): Promise<void> {
  const { group, offsets } = what
  const { groupId } = group
  const request = {
    transactionalId,
    groupId,
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    generationId: group.generation,
    memberId: group.memberId,
    groupInstanceId: group.instanceId ?? null,
    topics: topicsToCommit(offsets),
  }
  await cluster.onCoordinator({ type: 'group', id: groupId }, async (address) => {
    const { topics } = await cluster.call(LANE, address, { api: TxnOffsetCommit, request })
    for (const { error } of resultsOf(offsets, topics, groupId)) {
      if (error !== null) throw error
    }
  })
}

async function end(
  cluster: Cluster,
  { transactionalId, producer }: Transaction,
  committed: boolean,
): Promise<ProducerIdentity> {
  const request = {
    transactionalId,
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    committed,
  }
  await cluster.onCoordinator({ type: 'transaction', id: transactionalId }, async (address) => {
    const response = await cluster.call(LANE, address, { api: EndTxn, request })
    throwIfFailed(response.errorCode, transactionalId)
  })
  return producer
}

function throwIfFailed(errorCode: number, transactionalId: string | null): void {
  if (errorCode === ERROR_NUMBERS.NONE) return
  throw errorOf(errorCode, transactionalId === null ? {} : { transactionalId })
}
