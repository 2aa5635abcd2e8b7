/**
 * Visits from a web log: the requests of one client with never more than half an hour between two of
 * them are a visit.
 *
 * Journey: `access-log` -> parse -> repartition by client -> sessions -> `visits`
 *
 * A visit that grows is another row of the table: the row with the old end is deleted, which is a
 * null value in the topic. A line out of its order can connect two visits to one.
 */
import {
  json,
  StreamsBuilder,
  session,
  sessionWindowed,
  type Topology,
  text,
  type Windowed,
} from 'millrace'
import { parseTime } from '../web-log/parse.ts'

export const ACCESS_LOG = 'access-log'
/** A visit by client, start and end; null when it has become part of another. */
export const VISITS = 'visits'

export interface Visit {
  readonly pages: number
  readonly bytes: number
  readonly firstPage: string
  readonly lastPage: string
}

export type VisitKey = Windowed<string>

interface Request {
  readonly client: string
  readonly page: string
  readonly bytes: number
}

//            client          time          request                    status  bytes
const LINE = /^(\S+) \S+ \S+ \[([^\]]+)\] "\S+ (\S+) [^"]*" (\d{3}) (\d+|-)/

export function sessionsTopology(): Topology {
  const builder = new StreamsBuilder()

  builder
    .stream(ACCESS_LOG, {
      value: text,
      timestamp: ({ value, timestamp }) => timeOf(value) ?? timestamp,
    })
    .flatMapValues(requests)
    .groupBy((_key, request) => request.client, { value: json<Request>() })
    .windowedBy(session('30m', { grace: '1h' }))
    .aggregate(noVisit, (_client, request, visit) => joined(visit, visitOf(request)), {
      merge: (_client, one, other) => joined(one, other),
      value: json<Visit>(),
      store: 'visits',
    })
    .toStream()
    .to(VISITS, { key: sessionWindowed(text) })

  return builder.build()
}

/** The request of a line, or nothing when it is not one. */
function requests(line: string): readonly Request[] {
  const match = LINE.exec(line)
  if (match === null || parseTime(match[2]!) === null) return []
  const [, client, , page, , bytes] = match
  return [{ client: client!, page: page!, bytes: bytes === '-' ? 0 : Number(bytes) }]
}

function timeOf(line: string): number | null {
  const match = LINE.exec(line)
  return match === null ? null : parseTime(match[2]!)
}

function noVisit(): Visit {
  return { pages: 0, bytes: 0, firstPage: '', lastPage: '' }
}

function visitOf({ page, bytes }: Request): Visit {
  return { pages: 1, bytes, firstPage: page, lastPage: page }
}

/** Two parts of a visit, the earlier one first; records come nearly in the order of their time. */
function joined(one: Visit, other: Visit): Visit {
  if (one.pages === 0) return other
  return {
    pages: one.pages + other.pages,
    bytes: one.bytes + other.bytes,
    firstPage: one.firstPage,
    lastPage: other.lastPage,
  }
}
