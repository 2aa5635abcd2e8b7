import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseArguments, SAMPLE, UsageError } from '../../../examples/web-log/args.ts'

describe('the command line of the main job', () => {
  it('runs on the sample when nothing is said', () => {
    expect(parseArguments([])).toEqual({
      input: SAMPLE,
      windowMs: 60_000,
      graceMs: 7 * 86_400_000,
      output: null,
      data: null,
      guarantee: 'exactly-once',
      partitions: 4,
      follow: false,
    })
  })

  it('takes what the help says', () => {
    const argv =
      `--input ${SAMPLE} --window 1h --grace 0s --output ${join(tmpdir(), 'out.ndjson')} ` +
      `--data ${join(tmpdir(), 'none')} --guarantee at-least-once --partitions 8 --follow`
    expect(parseArguments(argv.split(' '))).toEqual({
      input: SAMPLE,
      windowMs: 3_600_000,
      graceMs: 0,
      output: join(tmpdir(), 'out.ndjson'),
      data: join(tmpdir(), 'none'),
      guarantee: 'at-least-once',
      partitions: 8,
      follow: true,
    })
    expect(parseArguments(['--help'])).toBe('help')
  })

  it.each([
    ['--window 0s', "--window is '0s'"],
    ['--window 5', "--window is '5'; write a duration such as 500ms"],
    ['--grace soon', "--grace is 'soon'"],
    ['--partitions 0', "--partitions is '0'"],
    ['--partitions 2.5', "--partitions is '2.5'"],
    ['--guarantee maybe', "--guarantee is 'maybe'"],
    ['--input /no/such.log', '--input: there is no file /no/such.log'],
    [`--input ${tmpdir()}`, 'is not a regular file'],
    ['--output /no/such/out.ndjson', '--output: there is no folder /no/such'],
    [`--output ${tmpdir()}`, 'is a folder'],
    [`--data ${SAMPLE}`, 'is a file'],
    ['--speed 9', "Unknown option '--speed'"],
    ['sample.log', "Unexpected argument 'sample.log'"],
    ['--input', "'--input <value>' argument missing"],
  ])('names what is wrong: %s', (argv, message) => {
    expect(() => parseArguments(argv.split(' '))).toThrow(UsageError)
    expect(() => parseArguments(argv.split(' '))).toThrow(message)
  })
})
