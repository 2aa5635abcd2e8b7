/** The command line of `npm run bench`, read and checked. */
import { parseArgs } from 'node:util'
import type { Guarantee } from './figures.ts'
import { BENCHMARK_NAMES, type BenchmarkName } from './names.ts'

export const USAGE: string = `npm run bench -- [NAME ...] [options]

  NAME                      ${BENCHMARK_NAMES.join(', ')}; all when none is given
  --guarantee GUARANTEE     at-least-once or exactly-once (default); may be given twice
  --commit-interval MS      commit every MS milliseconds (default: 100 exactly-once, 30000 at-least-once)
  --peer kafka-streams      measure Kafka Streams and its broker in turn (needs Java 17 and Maven)
  --runs N                  runs of each, medians are reported (default 1, with a peer 3)
  --scale F                 multiplies the number of records (default 1)
  --json FILE               write every run and the summaries: lines for .ndjson, else one document
  --profile                 write a .cpuprofile of each of our runs to benchmarks/.data/profiles`

export interface BenchOptions {
  readonly names: readonly BenchmarkName[]
  readonly guarantees: readonly Guarantee[]
  /** null: the default of the guarantee. */
  readonly commitIntervalMs: number | null
  readonly peer: boolean
  readonly runs: number
  readonly scale: number
  readonly json: string | null
  readonly profile: boolean
}

/** @throws RangeError naming the argument and what it may be */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      guarantee: { type: 'string', multiple: true, default: ['exactly-once'] },
      'commit-interval': { type: 'string' },
      peer: { type: 'string' },
      runs: { type: 'string' },
      scale: { type: 'string', default: '1' },
      json: { type: 'string' },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  if (values.peer !== undefined) oneOf('--peer', values.peer, ['kafka-streams'])
  const interval = values['commit-interval']
  return {
    names:
      positionals.length === 0
        ? BENCHMARK_NAMES
        : positionals.map((name) => oneOf('NAME', name, BENCHMARK_NAMES)),
    guarantees: values.guarantee.map((guarantee) =>
      oneOf('--guarantee', guarantee, ['at-least-once', 'exactly-once'] as const),
    ),
    commitIntervalMs: interval === undefined ? null : positive('--commit-interval', interval),
    peer: values.peer !== undefined,
    runs: Math.ceil(positive('--runs', values.runs ?? (values.peer === undefined ? '1' : '3'))),
    scale: positive('--scale', values.scale),
    json: values.json ?? null,
    profile: values.profile,
  }
}

function oneOf<T extends string>(argument: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === value)
  if (found !== undefined) return found
  throw new RangeError(`${argument} is ${value}; it can be ${allowed.join(', ')}`)
}

function positive(argument: string, value: string): number {
  const number = Number(value)
  if (number > 0 && Number.isFinite(number)) return number
  throw new RangeError(`${argument} is ${value}; it must be a number above 0`)
}
