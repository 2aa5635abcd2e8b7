/**
 * Has Kafka's own DumpLogSegments read the files of our logs, and judges by what it prints: its
 * exit status alone proves nothing.
 *
 * From a shell, over every partition folder below one: `node test/java/dump-log-segments.ts DIR`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER: string = fileURLToPath(new URL('.', import.meta.url))
export const JARS: string = join(FOLDER, 'target', 'lib')
const TOOL = 'org.apache.kafka.tools.DumpLogSegments'
const OUTPUT_BYTES_MAX: number = 1024 * 1024 * 1024
/** Files per run of the tool: its command line stays short enough. */
const FILES_PER_RUN = 500

const FORBIDDEN: readonly string[] = [
  'invalid bytes at the end',
  'Mismatches in',
  'Found timestamp mismatch',
  'Found out of order timestamp',
  'indexed offsets are not found',
  'Snapshot failed',
  'Snapshot is corrupt',
  'Snapshot contained',
  'Ignoring unknown file',
  'Exception',
]

export interface DumpReport {
  readonly files: number
  readonly batches: number
  readonly records: number
  readonly abortedTransactions: number
  readonly producers: number
  readonly problems: string[]
}

/** Why the tool cannot run here, or null. */
export function whyNoJava(): string | null {
  for (const program of ['java', 'mvn']) {
    if (spawnSync(program, ['-version'], { stdio: 'ignore' }).error !== undefined) {
      return `${program} is not installed`
    }
  }
  return null
}

/** Fetches the jars that the pom of a folder names, once; where they lie. */
export function prepareJars(folder: string = FOLDER): string {
  const jars = join(folder, 'target', 'lib')
  if (!existsSync(jars)) {
    execFileSync('mvn', ['-q', '-B', 'package'], { cwd: folder, stdio: 'inherit' })
  }
  return jars
}

/** Dumps all files of all partition folders at or below `directory`. */
export function dumpLogSegments(directory: string): DumpReport {
  prepareJars()
  const files = logFilesBelow(directory)
  const indexes = files.filter((file) => /\.(time)?index$/.test(file))
  const dump = run(files, ['--deep-iteration'])
  const sanity = run(indexes, ['--index-sanity-check'])
  const count = (pattern: RegExp) => dump.match(pattern)?.length ?? 0
  return {
    files: files.length,
    batches: count(/^baseOffset: /gm),
    records: count(/^\| offset: /gm),
    abortedTransactions: count(/^version: \d+ producerId: /gm),
    producers: count(/^producerId: \d+ producerEpoch: /gm),
    problems: [...problemsOf(dump, files), ...sanityProblems(sanity, indexes)],
  }
}

/**
 * "Non-consecutive offsets in FILE", then "  A is followed by B". Version 4.3.1 compares the first
 * record of a segment with offset -1, so that it lists every segment that does not start at 0, ours
 * and Kafka's own: `-1 is followed by` says nothing.
 */
const NON_CONSECUTIVE = /^ {2}(?!-1 )\d+ is followed by \d+$/

function problemsOf(dump: string, files: readonly string[]): string[] {
  const problems: string[] = []
  for (const line of dump.split('\n')) {
    const isBad = line.startsWith('baseOffset: ') && !line.endsWith('isvalid: true')
    if (isBad || NON_CONSECUTIVE.test(line) || FORBIDDEN.some((text) => line.includes(text)))
      problems.push(line)
  }
  const dumped = new Set(dump.split('\n').filter((line) => line.startsWith('Dumping ')))
  for (const file of files) {
    if (!dumped.has(`Dumping ${file}`)) problems.push(`not dumped: ${file}`)
  }
  return problems
}

function sanityProblems(output: string, indexes: readonly string[]): string[] {
  const lines = new Set(output.split('\n'))
  return indexes
    .filter((file) => !lines.has(`${file} passed sanity check.`) && !lines.has(`${file} is empty.`))
    .map((file) => `no sanity check passed: ${file}`)
}

function run(files: readonly string[], options: readonly string[]): string {
  let output = ''
  for (let start = 0; start < files.length; start += FILES_PER_RUN) {
    const list = files.slice(start, start + FILES_PER_RUN).join(',')
    const parameters = ['-cp', join(JARS, '*'), TOOL, ...options, '--files', list]
    const result = spawnSync('java', parameters, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX })
    output += `${result.stdout}\n${result.stderr}\n`
    if (result.status !== 0) output += `Exception: the tool ended with status ${result.status}\n`
  }
  return output
}

function logFilesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(^|[\\/])\d{20}\.(log|index|timeindex|txnindex|snapshot)$/.test(name))
    .map((name) => join(directory, name))
    .sort()
}

const directory = process.argv[2]
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (directory === undefined) throw new TypeError('usage: node dump-log-segments.ts DIR')
  const { problems, ...counts } = dumpLogSegments(directory)
  console.log(counts)
  for (const problem of problems) console.log(problem)
  process.exitCode = problems.length === 0 && counts.batches > 0 ? 0 : 1
}
