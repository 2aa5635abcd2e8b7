/**
 * Latency: a producer at a constant rate, the application and a read-committed consumer of its
 * results, all three on the one embedded log of this process. (Kafka Streams' figure has them in
 * two processes beside the broker's; an embedded log has one.)
 *
 * A record is measured from the moment it is due to be sent, so that a stall of the process counts,
 * to the poll that returns its result.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Streams } from 'millrace'
import { LATENCY_RATE } from '../engine.ts'
import type { Figures, Latency } from '../figures.ts'
import { xorshift32 } from '../generator/random.ts'
import { LATENCY_INPUT, LATENCY_OUTPUT, latencyTopology } from '../workloads/latency.ts'
import { withLog } from './log.ts'
import type { AppInput } from './run.ts'
import { Stopwatch } from './stopwatch.ts'
import { TopicReader } from './topic-reader.ts'
import { createTopic, TopicWriter } from './topic-writer.ts'

const WORDS = 5000
const SEED = 99
const SPACE = 32
const TICK_MS = 1
const POLL_MS = 100
const RATE_PER_MS: number = LATENCY_RATE / 1000
/** How long results may be outstanding after the last send. */
const DRAIN_MS = 45_000

export interface LatencyInput extends AppInput {
  /** Seconds that are measured, and seconds before them. */
  readonly measured: number
  readonly warmUp: number
}

export function latency(input: LatencyInput): Promise<Figures> {
  const { directory, guarantee, measured, warmUp } = input
  return withLog(join(directory, 'log'), async (log) => {
    await createTopic(log, LATENCY_INPUT)
    await createTopic(log, LATENCY_OUTPUT)
    const began = performance.now()
    const app = new Streams(latencyTopology(), {
      applicationId: 'bench-latency',
      log,
      guarantee,
      commitInterval: input.commitIntervalMs,
      stateDirectory: join(directory, 'state'),
    })
    await app.start()
    const startSeconds = (performance.now() - began) / 1000
    const total = LATENCY_RATE * (warmUp + measured)
    const stopwatch = new Stopwatch()
    const measureFrom = performance.now() + warmUp * 1000
    const sent = send(new TopicWriter(log, LATENCY_INPUT), total)
    const latencies = receive(new TopicReader(log, LATENCY_OUTPUT), total, measureFrom)
    await sleep(warmUp * 1000)
    stopwatch.start()
    await sent
    stopwatch.stop()
    const milliseconds = await latencies
    await app.close()
    const records = LATENCY_RATE * measured
    return stopwatch.figures(
      { workload: 'latency', guarantee, records, startSeconds },
      percentiles(milliseconds),
    )
  })
}

/** Each millisecond, what is due by then. */
async function send(writer: TopicWriter, total: number): Promise<void> {
  const random = xorshift32(SEED)
  const from = performance.now()
  let sent = 0
  while (sent < total) {
    const due = Math.min(total, Math.floor((performance.now() - from) * RATE_PER_MS))
    const timestamp = Date.now()
    for (; sent < due; sent++) {
      const dueMicros = Math.round((from + sent / RATE_PER_MS) * 1000)
      const value = Buffer.from(`word${random.int(WORDS)} ${dueMicros}`)
      const full = writer.write(null, { bytes: value, start: 0, end: value.length }, timestamp)
      if (full !== undefined) await full
    }
    await writer.flush()
    await sleep(TICK_MS)
  }
}

/** Milliseconds of each result whose record was due at `measureFrom` or later. */
async function receive(reader: TopicReader, total: number, measureFrom: number): Promise<number[]> {
  const milliseconds: number[] = []
  const until = performance.now() + (total / LATENCY_RATE) * 1000 + DRAIN_MS
  while (reader.recordCount < total) {
    if (performance.now() > until) throw new Error(`only ${reader.recordCount} of ${total} results`)
    await reader.poll(POLL_MS, ({ bytes, valueStart, valueEnd }) => {
      const timeStart = bytes.indexOf(SPACE, valueStart) + 1
      const dueMs = Number(bytes.latin1Slice(timeStart, valueEnd)) / 1000
      if (dueMs >= measureFrom) milliseconds.push(performance.now() - dueMs)
    })
  }
  await reader.close()
  return milliseconds
}

function percentiles(values: readonly number[]): Latency {
  const sorted = Float64Array.from(values).sort()
  const at = (quantile: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))]!
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}
