/**
 * The program: lines in, statistics per page and window out, rejected lines to their own topic.
 *
 * Journey: `access-log` -> parse -> repartition by target -> windows -> `page-stats`
 *                               \-> `access-log.rejected`
 */
import {
  type ConsumedRecord,
  int64,
  json,
  type Log,
  StreamsBuilder,
  type Topology,
  text,
  tumbling,
} from 'millrace'
import { accessLine, type Hit, type Line, type Rejected, type RejectReason } from './parse.ts'

/** Lines as they stand in the file; the key is the line's number, the record's time its arrival. */
export const ACCESS_LOG = 'access-log'
/** Lines that are no hits, with their reason; the key is the line's number. */
export const REJECTED = 'access-log.rejected'
/** Each new value of a page in a window; the last one of a key is the final value. */
export const PAGE_STATS = 'page-stats'

export interface RejectedLine {
  readonly line: number
  readonly reason: RejectReason
  readonly text: string
}

/** The value of a page in a window. */
export interface Sums {
  readonly hits: number
  readonly bytes: number
}

export function webLogTopology(options: { windowMs: number; graceMs: number }): Topology {
  const builder = new StreamsBuilder()

  const lines = builder.stream(ACCESS_LOG, { key: int64, value: accessLine, timestamp: eventTime })

  const { hits, rejected } = lines.split({
    hits: (_line, parsed): parsed is Hit => parsed.kind === 'hit',
    rejected: (_line, parsed): parsed is Rejected => parsed.kind === 'rejected',
  })

  rejected
    .mapValues(({ reason, text }, line) => ({ line, reason, text }))
    .to(REJECTED, { value: json<RejectedLine>() })

  hits
    .map((_line, { target, bytes }) => [target, bytes])
    .groupByKey({ key: text, value: int64 })
    .windowedBy(tumbling(options.windowMs, { grace: options.graceMs }))
    .aggregate(
      () => ({ hits: 0, bytes: 0 }),
      (_target, bytes, sums) => ({ hits: sums.hits + 1, bytes: sums.bytes + bytes }),
      { store: 'stats-per-page', value: json<Sums>(), emit: 'commit' },
    )
    .toStream()
    .to(PAGE_STATS)

  return builder.build()
}

/**
 * A hit happened when its line says. A line that is none happened when the lines around it did, so
 * that it neither moves time nor waits for it.
 */
function eventTime({ value }: ConsumedRecord<number, Line>, partitionTime: number): number {
  return value.kind === 'hit' ? value.timestamp : Math.max(partitionTime, 0)
}

/**
 * Creates the topics that are not there. Nothing in them is ever deleted: event times may be years
 * ago, so that any retention by time could take a line or a result at once.
 */
export async function createTopics(log: Log, partitions: number): Promise<void> {
  const config = { 'retention.ms': '-1' }
  const topics = [ACCESS_LOG, REJECTED, PAGE_STATS].map((topic) => ({ topic, partitions, config }))
  for (const { topic, error } of await log.admin.createTopics(topics)) {
    if (error === null || error.code === 'topic-already-exists') continue
    throw new Error(`the topic ${topic} cannot be created: ${error.message}`)
  }
}
