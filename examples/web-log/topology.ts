/**
 * The program: lines in, statistics per page and window out, rejected lines to their own topic.
 *
 * Journey: `access-log` -> parse -> repartition by target -> windows -> `page-stats`
 *                               \-> `access-log.rejected`
 */
import { int64, json, StreamsBuilder, type Topology, text, tumbling } from 'millrace'
import { accessLine, type Line, type RejectReason } from './parse.ts'

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

  lines
    .flatMap((line, parsed) =>
      parsed.kind === 'rejected' ? [[line, rejectedLine(line, parsed)]] : [],
    )
    .to(REJECTED, { key: int64, value: json<RejectedLine>() })

  lines
    .flatMap((_line, parsed) => (parsed.kind === 'hit' ? [[parsed.target, parsed.bytes]] : []))
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
