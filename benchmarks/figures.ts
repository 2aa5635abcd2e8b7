/** What is reported of a run, whoever ran it, and the medians of several. */

export type Guarantee = 'at-least-once' | 'exactly-once'
export type Engine = 'millrace' | 'kafka-streams'

/** Milliseconds from just before the send to the read-committed read of the result. */
export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** The figures of one run. The broker's are those of a process of its own, 0 when there is none. */
export interface Figures {
  readonly engine: Engine
  readonly workload: string
  readonly guarantee: Guarantee | null
  readonly records: number
  readonly seconds: number
  readonly recordsPerSecond: number
  /** User and system CPU of all threads, per million input records. */
  readonly cpuSecondsPerMillion: number
  readonly brokerCpuSecondsPerMillion: number
  readonly peakMemoryMiB: number
  readonly brokerMemoryMiB: number
  /** From the call of start to the state RUNNING; not part of `seconds`. */
  readonly startSeconds: number
  /** Cores busy with anything else meanwhile: the noise of this run. */
  readonly otherBusyCores: number
  readonly latency: Latency | null
}

/** The peer against us, in our favour when records/s is above 1 and the others are below. */
export interface Ratios {
  readonly recordsPerSecond: number
  readonly cpu: number
  readonly memory: number
  readonly latencyP99: number | null
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Each figure's own median over runs of one engine, workload and guarantee. */
export function medians(runs: readonly Figures[]): Figures {
  const of = (pick: (figures: Figures) => number): number => median(runs.map(pick))
  const latencies = runs.flatMap(({ latency }) => latency ?? [])
  const latencyOf = (pick: (latency: Latency) => number): number => median(latencies.map(pick))
  return {
    ...runs[0]!,
    seconds: of((run) => run.seconds),
    recordsPerSecond: of((run) => run.recordsPerSecond),
    cpuSecondsPerMillion: of((run) => run.cpuSecondsPerMillion),
    brokerCpuSecondsPerMillion: of((run) => run.brokerCpuSecondsPerMillion),
    peakMemoryMiB: of((run) => run.peakMemoryMiB),
    brokerMemoryMiB: of((run) => run.brokerMemoryMiB),
    startSeconds: of((run) => run.startSeconds),
    otherBusyCores: of((run) => run.otherBusyCores),
    latency:
      latencies.length === 0
        ? null
        : {
            p50: latencyOf((latency) => latency.p50),
            p95: latencyOf((latency) => latency.p95),
            p99: latencyOf((latency) => latency.p99),
            max: latencyOf((latency) => latency.max),
          },
  }
}

export function ratios(ours: Figures, peer: Figures): Ratios {
  const cpu = (run: Figures): number => run.cpuSecondsPerMillion + run.brokerCpuSecondsPerMillion
  const memory = (run: Figures): number => run.peakMemoryMiB + run.brokerMemoryMiB
  return {
    recordsPerSecond: ours.recordsPerSecond / peer.recordsPerSecond,
    cpu: cpu(ours) / cpu(peer),
    memory: memory(ours) / memory(peer),
    latencyP99:
      ours.latency === null || peer.latency === null ? null : ours.latency.p99 / peer.latency.p99,
  }
}
