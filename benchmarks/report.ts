/** The table on the terminal and the file of `--json`. */
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { type Figures, type Ratios, ratios } from './figures.ts'

/** One benchmark under one guarantee: the medians of our runs, and of the peer's when it ran. */
export interface Summary {
  readonly ours: Figures
  readonly peer: Figures | null
}

const WIDTHS = [-16, 13, 20, 22, 28, 10] as const
const HEADER = [
  '',
  'records/s',
  'CPU-s/M (broker)',
  'memory MiB (broker)',
  'p50/p95/p99 ms',
  'start s',
]

/** The table: a heading line, our line, the peer's line and the ratios for each summary. */
export function table(summaries: readonly Summary[]): string {
  const lines = [row(HEADER)]
  for (const { ours, peer } of summaries) {
    const guarantee = ours.guarantee === null ? '' : `, ${ours.guarantee}`
    lines.push('', `${ours.workload}${guarantee}, ${grouped(ours.records)} records`)
    lines.push(row(cells('millrace', ours)))
    if (peer === null) continue
    lines.push(row(cells('Kafka Streams', peer)))
    lines.push(row(ratioCells(ratios(ours, peer))))
  }
  return lines.join('\n')
}

function cells(name: string, figures: Figures): string[] {
  const { latency } = figures
  return [
    `  ${name}`,
    grouped(figures.recordsPerSecond),
    withBroker(figures.cpuSecondsPerMillion, figures.brokerCpuSecondsPerMillion, 2),
    withBroker(figures.peakMemoryMiB, figures.brokerMemoryMiB, 0),
    latency === null
      ? ''
      : [latency.p50, latency.p95, latency.p99].map((value) => value.toFixed(1)).join(' / '),
    figures.startSeconds.toFixed(2),
  ]
}

function ratioCells(ratio: Ratios): string[] {
  return [
    '  ratio',
    `${ratio.recordsPerSecond.toFixed(2)} x`,
    `${ratio.cpu.toFixed(2)} x`,
    `${ratio.memory.toFixed(2)} x`,
    ratio.latencyP99 === null ? '' : `p99 ${ratio.latencyP99.toFixed(2)} x`,
    '',
  ]
}

function withBroker(own: number, broker: number, digits: number): string {
  return broker === 0 ? own.toFixed(digits) : `${own.toFixed(digits)} (${broker.toFixed(digits)})`
}

function row(texts: readonly string[]): string {
  return texts
    .map((text, index) => {
      const width = WIDTHS[index]!
      return width < 0 ? text.padEnd(-width) : text.padStart(width)
    })
    .join('')
    .trimEnd()
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Writes all runs and summaries: one JSON value a line for `.ndjson` and `.jsonl`, else one document. */
export function writeJson(
  file: string,
  runs: readonly Figures[],
  summaries: readonly Summary[],
): void {
  const machine = {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    node: process.version,
  }
  const rated = summaries.map(({ ours, peer }) => ({
    ours,
    peer,
    ratios: peer === null ? null : ratios(ours, peer),
  }))
  if (!/\.(ndjson|jsonl)$/.test(file)) {
    writeFileSync(file, `${JSON.stringify({ machine, runs, summaries: rated }, null, 2)}\n`)
    return
  }
  const lines = [
    { machine },
    ...runs.map((run) => ({ run })),
    ...rated.map((summary) => ({ summary })),
  ]
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}
