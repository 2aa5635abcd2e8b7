/**
 * One measured run of a topology over its preloaded input, in this process alone.
 *
 * The clock runs from the state `running` until everything is processed and committed, which is when
 * the application begins to stop; nothing of the run is left out as warm-up.
 */
import { join } from 'node:path'
import { Streams, type StreamsMetrics } from 'millrace'
import type { Figures, Guarantee } from '../figures.ts'
import type { TopologyName } from '../names.ts'
import { WORKLOADS } from '../workloads/index.ts'
import { withLog } from './log.ts'
import { Stopwatch } from './stopwatch.ts'
import { createTopic } from './topic-writer.ts'

export const OUTPUT = 'bench-out'

/** How an application is run: what all its benchmarks are told. */
export interface AppInput {
  /** Holds `log` and `state`. */
  readonly directory: string
  readonly guarantee: Guarantee
  readonly commitIntervalMs: number
}

export interface RunInput extends AppInput {
  readonly workload: TopologyName
  /** Input records, all topics together. */
  readonly records: number
}

export function run(input: RunInput): Promise<Figures> {
  const { directory, guarantee, workload, records } = input
  return withLog(join(directory, 'log'), async (log) => {
    await createTopic(log, OUTPUT)
    const stopwatch = new Stopwatch()
    const began = performance.now()
    const app = new Streams(WORKLOADS[workload].topology(OUTPUT), {
      applicationId: `bench-${workload}`,
      log,
      guarantee,
      commitInterval: input.commitIntervalMs,
      stateDirectory: join(directory, 'state'),
      until: 'end',
      time: WORKLOADS[workload].time ?? 'kafka',
    })
    let startSeconds = 0
    app.onStateChange((state) => {
      if (state === 'running') {
        startSeconds = (performance.now() - began) / 1000
        stopwatch.start()
      }
      if (state === 'stopping') stopwatch.stop()
    })
    await app.start()
    await app.finished
    requireAll(app.metrics(), records)
    return stopwatch.figures({ workload, guarantee, records, startSeconds })
  })
}

/**
 * Every record was read, and none was left out as late, null or unreadable. A stale response of a
 * foreign-key join is no record that was read.
 */
function requireAll({ recordsConsumed, dropped }: StreamsMetrics, records: number): void {
  if (recordsConsumed !== records) {
    throw new Error(`the application read ${recordsConsumed} of ${records} records`)
  }
  const lost = dropped.filter(({ reason }) => reason !== 'stale')
  if (lost.length > 0) throw new Error(`records were dropped: ${JSON.stringify(lost)}`)
}
