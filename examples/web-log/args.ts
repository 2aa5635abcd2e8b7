/**
 * The command line of the main job: text in, checked options out.
 *
 * Invariant: everything wrong with the command line is a `UsageError` that names the option, what
 * it was given and what it takes; nothing has been opened or written by then.
 */
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'

export interface Arguments {
  readonly input: string
  readonly windowMs: number
  readonly graceMs: number
  readonly output: string | null
  /** null: a temporary folder that is removed at the end. */
  readonly data: string | null
  readonly guarantee: 'exactly-once' | 'at-least-once'
  readonly partitions: number
  readonly follow: boolean
}

/** The user's mistake: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** More would only make files: a partition is the unit of parallelism, and this is one process. */
const PARTITIONS_MAX = 256

export const SAMPLE: string = resolve(import.meta.dirname, 'sample.log')

export const HELP: string = `Counts hits and sums bytes per page and time window of a web server's access log, exactly once.

  npm start -- [options]

  --input FILE       access log in common or combined format (default: a small generated sample)
  --window DURATION  size of the tumbling windows (default 1m)
  --grace DURATION   how much later than the newest line of its partition a line may be (default 7d)
  --output FILE      write every window of every page as NDJSON, with its final value
  --data DIR         folder of the log and the state; run again on it with the same input and the
                     job goes on where it stopped, after a crash as well
                     (default: a temporary folder, removed at the end)
  --guarantee G      exactly-once or at-least-once (default exactly-once). Reading the file into
                     the log is exactly once either way
  --partitions N     partitions of the topics, 1 to ${PARTITIONS_MAX} (default 4)
  --follow           keep reading as the file grows, is rotated or truncated, until Ctrl-C
  --help             this text

Durations: 500ms, 10s, 5m, 2h, 7d.  Exit code: 0 done, 1 failed, 2 misuse.
`

/**
 * @returns the checked options, or 'help'
 * @throws UsageError
 */
export function parseArguments(argv: readonly string[]): Arguments | 'help' {
  const values = parseOptions(argv)
  if (values.help === true) return 'help'
  return {
    input: inputFile(values.input),
    windowMs: duration('--window', values.window ?? '1m', 1),
    graceMs: duration('--grace', values.grace ?? '7d', 0),
    output: values.output === undefined ? null : outputFile(values.output),
    data: values.data === undefined ? null : dataFolder(values.data),
    guarantee: guarantee(values.guarantee ?? 'exactly-once'),
    partitions: partitions(values.partitions ?? '4'),
    follow: values.follow === true,
  }
}

function parseOptions(argv: readonly string[]): {
  [name in 'input' | 'window' | 'grace' | 'output' | 'data' | 'guarantee' | 'partitions']?: string
} & { follow?: boolean; help?: boolean } {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        input: { type: 'string' },
        window: { type: 'string' },
        grace: { type: 'string' },
        output: { type: 'string' },
        data: { type: 'string' },
        guarantee: { type: 'string' },
        partitions: { type: 'string' },
        follow: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function inputFile(path: string | undefined): string {
  const file = path === undefined ? SAMPLE : given('--input', path)
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) throw new UsageError(`--input: there is no file ${path ?? file}`)
  if (!stat.isFile()) throw new UsageError(`--input: ${path} is not a regular file`)
  return file
}

function outputFile(path: string): string {
  const file = given('--output', path)
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new UsageError(`--output: ${path} is a folder, name a file`)
  }
  if (statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UsageError(`--output: there is no folder ${dirname(path)}`)
  }
  return file
}

function dataFolder(path: string): string {
  const folder = given('--data', path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new UsageError(`--data: ${path} is a file, name a folder`)
  }
  return folder
}

function given(option: string, path: string): string {
  if (path === '') throw new UsageError(`${option} is empty, name a file or folder`)
  return resolve(path)
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 }

function duration(option: string, text: string, leastMs: number): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
  const ms = match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2]!]!
  if (!Number.isSafeInteger(ms) || ms < leastMs) {
    throw new UsageError(
      `${option} is '${text}'; write a duration such as 500ms, 10s, 5m, 2h or 7d${leastMs > 0 ? ', more than 0' : ''}`,
    )
  }
  return ms
}

function guarantee(text: string): Arguments['guarantee'] {
  if (text === 'exactly-once' || text === 'at-least-once') return text
  throw new UsageError(`--guarantee is '${text}'; write exactly-once or at-least-once`)
}

function partitions(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= PARTITIONS_MAX) return count
  throw new UsageError(`--partitions is '${text}'; write a whole number, 1 to ${PARTITIONS_MAX}`)
}
