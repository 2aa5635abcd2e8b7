/** Medians, ratios, checksums and the command line of the benchmarks. */
import { describe, expect, it } from 'vitest'
import { requireRightAnswers, Summation } from '../../benchmarks/checksums.ts'
import { type Figures, medians, ratios } from '../../benchmarks/figures.ts'
import { parseOptions } from '../../benchmarks/options.ts'
import { table } from '../../benchmarks/report.ts'

const FIGURES: Figures = {
  engine: 'millrace',
  workload: 'filter',
  guarantee: 'exactly-once',
  records: 2_000_000,
  seconds: 2.5,
  recordsPerSecond: 800_000,
  cpuSecondsPerMillion: 1.25,
  brokerCpuSecondsPerMillion: 0,
  peakMemoryMiB: 90,
  brokerMemoryMiB: 0,
  startSeconds: 0.1,
  otherBusyCores: 0,
  latency: null,
}

const PEER: Figures = {
  ...FIGURES,
  engine: 'kafka-streams',
  recordsPerSecond: 200_000,
  cpuSecondsPerMillion: 8,
  brokerCpuSecondsPerMillion: 2,
  peakMemoryMiB: 500,
  brokerMemoryMiB: 400,
}

describe('figures', () => {
  it('have the median of each figure by itself', () => {
    const runs = [3, 1, 2].map((seconds) => ({
      ...FIGURES,
      seconds,
      recordsPerSecond: 6 / seconds,
    }))
    expect(medians(runs)).toMatchObject({ seconds: 2, recordsPerSecond: 3 })
  })

  it('are compared with those of the peer and its broker together', () => {
    expect(ratios(FIGURES, PEER)).toEqual({
      recordsPerSecond: 4,
      cpu: 0.125,
      memory: 0.1,
      latencyP99: null,
    })
  })

  it('are a table with a line for each engine and one of ratios', () => {
    const lines = table([{ ours: FIGURES, peer: PEER }]).split('\n')
    expect(lines).toHaveLength(6)
    expect(lines[2]).toBe('filter, exactly-once, 2,000,000 records')
    expect(lines[3]).toContain('800,000')
    expect(lines[4]).toContain('8.00 (2.00)')
    expect(lines[5]).toContain('4.00 x')
  })
})

describe('checksums', () => {
  it('count the last value of a key where values replace each other', () => {
    const summation = new Summation(true)
    summation.add('a', [1, 10])
    summation.add('b', [5, 50])
    summation.add('a', [2, 20])
    summation.add('b', null)
    expect(summation.checksums()).toEqual({ results: 4, keys: 1, sum: 2, sum2: 20 })
  })

  it('make a wrong answer an error that names the sum', () => {
    const expected = { in: 2, records: 2, bytes: 0, sha256: '', results: 2, sum: 30 }
    const sums = { results: 2, keys: 0, sum: 31, sum2: 0 }
    expect(() => requireRightAnswers('millrace', 'filter', sums, expected)).toThrow(
      'sum is 31, must be 30',
    )
  })
})

describe('the command line', () => {
  it('runs everything once, exactly once, when nothing is said', () => {
    expect(parseOptions([])).toMatchObject({
      guarantees: ['exactly-once'],
      commitIntervalMs: null,
      runs: 1,
      scale: 1,
      peer: false,
    })
  })

  it('takes names, both guarantees and three runs with a peer', () => {
    const args = ['filter', '--guarantee', 'at-least-once', '--guarantee', 'exactly-once']
    expect(parseOptions([...args, '--peer', 'kafka-streams'])).toMatchObject({
      names: ['filter'],
      guarantees: ['at-least-once', 'exactly-once'],
      runs: 3,
      peer: true,
    })
  })

  it.each([
    [['nothing'], 'NAME is nothing; it can be log-append'],
    [['--guarantee', 'sometimes'], '--guarantee is sometimes'],
    [['--scale', '0'], '--scale is 0; it must be a number above 0'],
    [['--peer', 'flink'], '--peer is flink; it can be kafka-streams'],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message)
  })
})
