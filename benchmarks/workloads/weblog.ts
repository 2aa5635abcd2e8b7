/**
 * Web log: lines of the Combined Log Format; per path and minute of event time, hits and bytes.
 *
 * The grace is two hours, so that no line of a backlog read partition by partition is late and the
 * workload has one right answer. With ten seconds it has the same answer in aligned time; Kafka
 * Streams drops more than half of the lines.
 */
import { type Duration, json, StreamsBuilder, text, tumbling } from 'millrace'
import { parsed, type Workload } from './workload.ts'

const LINE =
  /^(\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+) (\S+)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"$/
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'

interface Hit {
  readonly path: string
  readonly status: number
  readonly bytes: number
}

interface Traffic {
  readonly count: number
  readonly bytes: number
}

export const weblog: Workload = {
  inputs: ['weblog-in'],
  upserts: true,
  topology: (output) => traffic(output, '2h'),

  numbers(value) {
    const { count, bytes } = parsed<Traffic>(value)
    return [count, bytes]
  },
}

export const weblogGrace10: Workload = {
  ...weblog,
  time: 'aligned',
  topology: (output) => traffic(output, '10s'),
}

function traffic(output: string, grace: Duration) {
  const builder = new StreamsBuilder()

  builder
    .stream('weblog-in', { value: text, timestamp: ({ value }) => eventTime(value) })
    .flatMapValues(hits)
    .groupBy((_key, hit) => hit.path, { value: json<Hit>() })
    .windowedBy(tumbling('1m', { grace }))
    .aggregate(
      (): Traffic => ({ count: 0, bytes: 0 }),
      (_path, hit, sum) => ({ count: sum.count + 1, bytes: sum.bytes + hit.bytes }),
      { value: json<Traffic>() },
    )
    .toStream()
    .map(({ key, start }, sum) => [`${key}@${start}`, sum])
    .to(output, { value: json<Traffic>() })

  return builder.build()
}

/** The hit of a line, or nothing when it is not one. */
function hits(line: string): readonly Hit[] {
  const match = LINE.exec(line)
  if (match === null) return []
  const [, , , , , , path, , status, bytes] = match
  return [{ path: path!, status: Number(status), bytes: bytes === '-' ? 0 : Number(bytes) }]
}

/** The bracketed time, `01/Jan/2026:00:00:00 +0000`, in milliseconds since the epoch. */
function eventTime(line: string): number {
  const from = line.indexOf('[') + 1
  const digits = (at: number): number =>
    line.charCodeAt(from + at) * 10 + line.charCodeAt(from + at + 1) - 528
  const year = digits(7) * 100 + digits(9)
  const month = MONTHS.indexOf(line.slice(from + 3, from + 6)) / 3
  const local = Date.UTC(year, month, digits(0), digits(12), digits(15), digits(18))
  const zone = digits(22) * 60 + digits(24)
  return local - (line[from + 21] === '-' ? -zone : zone) * 60_000
}
