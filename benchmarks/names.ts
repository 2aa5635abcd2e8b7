/** The names of the benchmarks, in the order they run. */

/** Benchmarks that run a topology of `workloads/` over generated records. */
export const TOPOLOGY_NAMES = [
  'filter',
  'weblog',
  'weblog-grace10',
  'wordcount',
  'streamjoin',
  'tablejoin',
  'hopping',
  'sessions',
  'fkjoin',
] as const

/** Benchmarks of the log alone; they have no guarantee and no peer. */
export const LOG_NAMES = ['log-append', 'log-read'] as const

export type TopologyName = (typeof TOPOLOGY_NAMES)[number]
export type LogName = (typeof LOG_NAMES)[number]
export type BenchmarkName = LogName | TopologyName | 'restore' | 'latency'

export const BENCHMARK_NAMES: readonly BenchmarkName[] = [
  ...LOG_NAMES,
  ...TOPOLOGY_NAMES,
  'restore',
  'latency',
]

export function isLogName(name: BenchmarkName): name is LogName {
  return (LOG_NAMES as readonly string[]).includes(name)
}

export function isTopologyName(name: BenchmarkName): name is TopologyName {
  return (TOPOLOGY_NAMES as readonly string[]).includes(name)
}
