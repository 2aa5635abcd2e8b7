/**
 * Produce: encoded batches to the leaders of their partitions, one attempt each.
 *
 * Journey: output or producer -> `LogClient.produce` -> [produce] -> connections -> leaders.
 *
 * A request may hold one batch of a partition, so batches of one partition become requests one after
 * the other on one connection, which the leader works through in order.
 *
 * Invariants:
 * - The bytes are never touched: what the caller sends again is the same batch with the same
 *   sequence number.
 * - After a failed request nothing more is sent to that leader. Of what was under way, a batch whose
 *   sequence number only seems to have a gap may be sent again.
 * - At most REQUESTS_AHEAD_MAX requests to a leader are unanswered: it remembers so many batches of a
 *   producer, to know them again. Batches without a producer id go one at a time.
 */
import type { ResponseOf } from '../../protocol/api.ts'
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { Produce } from '../../protocol/messages/00-produce.ts'
import { PRODUCER_ID_AT } from '../../record/batch-format.ts'
import type { ClientError, ProduceItem, ProduceResult, TopicPartition } from '../client.ts'
import type { Cluster } from './cluster.ts'
import { ClusterError, clusterErrorOf, errorOf, timedOut } from './errors.ts'
import type { Address } from './transport.ts'

/** Kafka keeps the last five batches of a producer and partition. */
const REQUESTS_AHEAD_MAX = 5
/** A request is closed at this size; brokers take 100 MiB (socket.request.max.bytes). */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024
const LANE = 'produce'
const ACKS = { all: -1, leader: 1, none: 0 } as const

export interface ProduceOptions {
  readonly acks: 'all' | 'leader' | 'none'
  readonly transactionalId?: string
}

interface ProduceCall {
  readonly address: Address
  readonly indexes: number[]
  readonly keys: Set<string>
  bytes: number
}

export async function produce(
  cluster: Cluster,
  items: readonly ProduceItem[],
  options: ProduceOptions,
): Promise<readonly ProduceResult[]> {
  const results: ProduceResult[] = new Array(items.length)
  try {
    await cluster.metadata.ready(items)
  } catch (thrown) {
    const error = clusterErrorOf(thrown)
    return items.map((item) => failed(item, error))
  }
  const leaders = new Map<number, ProduceCall[]>()
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as ProduceItem
    const leader = cluster.metadata.leaderOf(item)
    if ('reaction' in leader) results[index] = failed(item, leader)
    else addToCalls(leaders, { ...leader, index, item })
  }
  await Promise.all(
    [...leaders.values()].map((calls) => sendInOrder(cluster, calls, { items, options, results })),
  )
  settleFollowers(items, results)
  for (const { topic, error } of results) {
    if (error?.kind === 'retry') cluster.metadata.distrust([topic])
  }
  return results
}

/** Puts a batch into the first request, from the one after the partition's last, that has room. */
function addToCalls(
  leaders: Map<number, ProduceCall[]>,
  what: {
    readonly node: number
    readonly address: Address
    readonly index: number
    readonly item: ProduceItem
  },
): void {
  const { node, address, index, item } = what
  const key = `${item.partition}/${item.topic}`
  const bytes = item.batch.length
  let calls = leaders.get(node)
  if (calls === undefined) {
    calls = []
    leaders.set(node, calls)
  }
  let at = calls.findLastIndex(({ keys }) => keys.has(key)) + 1
  while (at < calls.length && (calls[at] as ProduceCall).bytes + bytes > REQUEST_BYTES_MAX) at++
  const call = calls[at]
  if (call === undefined) calls.push({ address, indexes: [index], keys: new Set([key]), bytes })
  else {
    call.indexes.push(index)
    call.keys.add(key)
    call.bytes += bytes
  }
}

interface ProduceWork {
  readonly items: readonly ProduceItem[]
  readonly options: ProduceOptions
  readonly results: ProduceResult[]
}

/** All requests of one leader; a window of them is unanswered at a time. */
async function sendInOrder(
  cluster: Cluster,
  calls: readonly ProduceCall[],
  work: ProduceWork,
): Promise<void> {
  const ahead: Promise<void>[] = []
  let failure: ClientError | null = null
  for (const call of calls) {
    if (ahead.length >= windowOf(call, work)) await ahead.shift()
    failure ??= firstError(calls, work)
    if (failure === null) ahead.push(send(cluster, call, work))
    else
      failAll(call, work, new ClusterError(['retry', failure.code], `Not sent: ${failure.message}`))
  }
  await Promise.all(ahead)
}

function windowOf({ indexes }: ProduceCall, { items }: ProduceWork): number {
  const isIdempotent = indexes.every((index) => isNumbered((items[index] as ProduceItem).batch))
  return isIdempotent ? REQUESTS_AHEAD_MAX : 1
}

/** True for a batch with a producer id; none is -1. */
function isNumbered(batch: Buffer): boolean {
  return batch.readInt8(PRODUCER_ID_AT) >= 0
}

/** What went wrong so far with a request to that leader. */
function firstError(calls: readonly ProduceCall[], { results }: ProduceWork): ClientError | null {
  for (const { indexes } of calls) {
    for (const index of indexes) {
      const error = results[index]?.error
      if (error) return error
    }
  }
  return null
}

function failAll(
  { indexes }: ProduceCall,
  { items, results }: ProduceWork,
  error: ClientError,
): void {
  for (const index of indexes) results[index] = failed(items[index] as ProduceItem, error)
}

async function send(cluster: Cluster, call: ProduceCall, work: ProduceWork): Promise<void> {
  const { address, indexes, bytes } = call
  const { items, options, results } = work
  const { acks, transactionalId } = options
  const request = {
    ...(transactionalId === undefined ? {} : { transactionalId }),
    acks: ACKS[acks],
    timeoutMs: cluster.requestTimeoutMs,
    topicData: topicsOf(items, indexes),
  }
  const destination = { lane: LANE, address }
  const callOptions = { bytes: bytes + 100 * indexes.length, waitMs: ANSWER_MARGIN_MS }
  try {
    if (acks === 'none') {
      await cluster.connections.tell(destination, Produce, request, callOptions)
      for (const index of indexes) {
        results[index] = { ...placeOf(items[index] as ProduceItem), ...UNACKNOWLEDGED }
      }
      return
    }
    const response = await cluster.connections.call(destination, Produce, request, callOptions)
    const answers = answersOf(response)
    for (const index of indexes) {
      const item = items[index] as ProduceItem
      const answer = answers.get(item.topic)?.find((one) => one.index === item.partition)
      results[index] =
        answer === undefined
          ? failed(item, timedOut('The broker gave no answer for the partition'))
          : resultOf(item, answer)
    }
  } catch (thrown) {
    failAll(call, work, clusterErrorOf(thrown))
  }
}

/** The broker answers REQUEST_TIMED_OUT at its own end of the time; wait for that word. */
const ANSWER_MARGIN_MS = 1000
const UNACKNOWLEDGED = { error: null, baseOffset: -1, logAppendTime: -1 } as const

interface TopicData {
  readonly name: string
  readonly partitionData: { readonly index: number; readonly records: Buffer }[]
}

function topicsOf(items: readonly ProduceItem[], indexes: readonly number[]): TopicData[] {
  const topics = new Map<string, TopicData>()
  for (const at of indexes) {
    const { topic, partition, batch } = items[at] as ProduceItem
    const data = { index: partition, records: batch }
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, { name: topic, partitionData: [data] })
    else known.partitionData.push(data)
  }
  return [...topics.values()]
}

type TopicAnswer = ResponseOf<typeof Produce>['responses'][number]
type PartitionAnswer = TopicAnswer['partitionResponses'][number]

function answersOf({
  responses,
}: ResponseOf<typeof Produce>): Map<string, readonly PartitionAnswer[]> {
  return new Map(responses.map(({ name, partitionResponses }) => [name, partitionResponses]))
}

function resultOf(item: ProduceItem, answer: PartitionAnswer): ProduceResult {
  const { errorCode, baseOffset, logAppendTimeMs, errorMessage } = answer
  if (errorCode === ERROR_NUMBERS.NONE) {
    return { ...placeOf(item), error: null, baseOffset, logAppendTime: logAppendTimeMs }
  }
  // Written by an attempt that went unheard, so long ago that the broker forgot where.
  if (errorCode === ERROR_NUMBERS.DUPLICATE_SEQUENCE_NUMBER) {
    return { ...placeOf(item), ...UNACKNOWLEDGED }
  }
  return failed(item, errorOf(errorCode, placeOf(item), errorMessage))
}

/** Behind a batch that is to be sent again, every failure of the partition is one in passing. */
function settleFollowers(items: readonly ProduceItem[], results: ProduceResult[]): void {
  const waiting = new Map<string, ClientError>()
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as ProduceItem
    const { error } = results[index] as ProduceResult
    if (error === null) continue
    const key = `${item.partition}/${item.topic}`
    const before = waiting.get(key)
    if (before !== undefined && error.code === 'producer-sequence-invalid') {
      results[index] = failed(item, before)
    } else if (error.kind === 'retry') {
      waiting.set(key, error)
    }
  }
}

function failed(item: ProduceItem, error: ClientError): ProduceResult {
  return { ...placeOf(item), error, baseOffset: -1, logAppendTime: -1 }
}

function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
