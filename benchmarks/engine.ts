/** Who is measured: millrace (`millrace.ts`) or the peer (`kafka-streams.ts`). */
import type { Figures, Guarantee } from './figures.ts'
import type { BenchmarkName } from './names.ts'

/** One benchmark under one guarantee; the log alone has none. */
export interface Case {
  readonly name: BenchmarkName
  readonly guarantee: Guarantee | null
}

export interface Engine {
  measures(benchmark: Case): boolean
  /** Gets the input ready; not timed. */
  prepare(benchmark: Case): Promise<void>
  /** One whole run, its answers checked. */
  measure(benchmark: Case): Promise<Figures>
  stop(): Promise<void>
}

/** What both engines are given. */
export interface EngineOptions {
  /** For files of this invocation; removed afterwards. */
  readonly directory: string
  /** Where generated data is kept, for ever. */
  readonly dataDirectory: string
  readonly scale: number
  /** null: 100 ms exactly-once, and at-least-once what the workload needs, or 30 s. */
  readonly commitIntervalMs: number | null
  readonly say: (text: string) => void
}

/** Keys of the restored store at scale 1. */
const RESTORE_KEYS = 2_000_000
/** Records a second of the latency benchmark. */
export const LATENCY_RATE = 5000
/** Seconds of it that are measured at scale 1. */
const LATENCY_SECONDS = 60
/** Seconds before that, in which compilers settle, at scale 1. */
const LATENCY_WARM_UP_SECONDS = 10

export function restoreKeys(scale: number): number {
  return Math.max(1, Math.round(RESTORE_KEYS * scale))
}

/** Whole seconds, at least one of each. */
export function latencySeconds(scale: number): { measured: number; warmUp: number } {
  return {
    measured: Math.max(1, Math.round(LATENCY_SECONDS * scale)),
    warmUp: Math.max(1, Math.round(LATENCY_WARM_UP_SECONDS * scale)),
  }
}
