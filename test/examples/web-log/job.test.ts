import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { embedded } from 'millrace'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Arguments, parseArguments, SAMPLE } from '../../../examples/web-log/args.ts'
import { runJob } from '../../../examples/web-log/job.ts'
import { webLogTable } from '../../independent/web-log-table.mjs'

let folder: string
let data: string
let input: string
let output: string
const notices: string[] = []
let shown = ''
const progress = {
  show(text: () => string) {
    shown = text()
  },
  notice: (text: string) => notices.push(text),
  clear() {},
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-web-log-test-'))
  data = join(folder, 'data')
  input = join(folder, 'access.log')
  output = join(folder, 'out.ndjson')
  notices.length = 0
  shown = ''
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function args(...argv: string[]): Arguments {
  return parseArguments(['--output', output, ...argv]) as Arguments
}

function run(...argv: string[]): Promise<string> {
  return runJob(args(...argv), progress, new AbortController().signal)
}

function written(): string {
  return readFileSync(output, 'utf8')
}

/** What the independent script makes of it. */
function expected(log: Buffer, windowMs = 60_000): string {
  return webLogTable(log, windowMs)
    .rows.map((row) => `${JSON.stringify(row)}\n`)
    .join('')
}

/** Lines of the sample, as text with line ends. */
const sample = readFileSync(SAMPLE, 'utf8')
const lines = sample.match(/.*\n/g) as string[]

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !check(); tries++) await wait(20)
  expect(check()).toBe(true)
}

describe('the main job', () => {
  it.each([
    [1, 'exactly-once'],
    [4, 'exactly-once'],
    [8, 'exactly-once'],
    [4, 'at-least-once'],
  ])('gives the independent table with %i partitions, %s', async (partitions, guarantee) => {
    const text = await run('--partitions', String(partitions), '--guarantee', guarantee)
    expect(written()).toBe(expected(Buffer.from(sample)))
    expect(text).toMatch(/^page +hits +bytes +windows\n-/)
    expect(text).toMatch(
      /lines 2,000, rejected 7, late 0, windows \d+, seconds \d+\.\d\d, records\/s [\d,]+\n/,
    )
    expect(text).toContain('  rejected 4: not a log line\n')
  })

  it('keeps nothing without --data', async () => {
    // A folder of its own: other runs on this machine make their temporary folders meanwhile.
    const temporary = join(folder, 'temporary')
    mkdirSync(temporary)
    vi.stubEnv('TMPDIR', temporary)
    await run('--window', '1h').finally(() => vi.unstubAllEnvs())
    expect(readdirSync(temporary)).toEqual([])
    expect(written()).toBe(expected(Buffer.from(sample), 3_600_000))
  })

  it('resumes on the same data: only new lines are read, the report is about all', async () => {
    writeFileSync(input, lines.slice(0, 700).join(''))
    await run('--input', input, '--data', data)
    expect(written()).toBe(expected(readFileSync(input)))

    const again = await run('--input', input, '--data', data)
    expect(written()).toBe(expected(readFileSync(input)))
    expect(again).toMatch(/lines 700, rejected 2, late 0, .* records\/s 0\n/)

    appendFileSync(input, lines.slice(700).join(''))
    const more = await run('--input', input, '--data', data)
    expect(written()).toBe(expected(readFileSync(input)))
    expect(more).toMatch(/lines 2,000, rejected 7, late 0/)
    expect(notices).toEqual([])
  })

  it('takes a last line without an end once, whether its end comes later or not', async () => {
    writeFileSync(input, lines.slice(0, 3).join('').trimEnd())
    expect(await run('--input', input, '--data', data)).toMatch(/lines 3, rejected 0/)
    appendFileSync(input, `\n${lines[3]}`)
    expect(await run('--input', input, '--data', data)).toMatch(/lines 4, rejected 0/)
    expect(written()).toBe(expected(readFileSync(input)))
  })

  it('reads an input that replaced the one before from its beginning, and says so', async () => {
    writeFileSync(input, lines.slice(0, 10).join('').trimEnd())
    await run('--input', input, '--data', data)
    rmSync(input)
    writeFileSync(input, `\n${lines.slice(10, 30).join('')}`)
    expect(await run('--input', input, '--data', data)).toMatch(/lines 31, rejected 1,/)
    expect(written()).toBe(expected(Buffer.from(lines.slice(0, 30).join(''))))
    expect(notices).toEqual([expect.stringContaining('is not the file that was read before')])
  })

  it('takes an empty file, empty lines, any bytes and a line of any length', async () => {
    writeFileSync(input, '')
    expect(await run('--input', input)).toMatch(/lines 0, rejected 0, late 0, windows 0/)
    expect(written()).toBe('')
    const long = Buffer.from(lines[0]!.replace('\n', ` ${'x'.repeat(300_000)}\n`))
    const odd = Buffer.from(lines[1]!.replace(/"GET \S+/, '"GET /\u00ff\u00fe'), 'latin1')
    writeFileSync(input, Buffer.concat([Buffer.from('\n\r\n'), long, odd, Buffer.from(lines[2]!)]))
    const text = await run('--input', input)
    expect(text).toMatch(/lines 5, rejected 3, late 0, windows 2/)
    expect(text).toContain('  rejected 1: line too long\n')
    expect(written()).toContain('{"target":"/\ufffd\ufffd",')
  })

  it('counts and reports every line that is too late, over restarts too', async () => {
    const at = (minute: number, page: string): string =>
      lines[0]!
        .replace(/\[[^\]]+\]/, `[11/Mar/2024:10:${minute}:00 +0000]`)
        .replace(/GET \S+/, `GET ${page}`)
    const few = ['--input', input, '--data', data, '--partitions', '1', '--grace', '2m']
    writeFileSync(input, [at(10, '/a'), at(20, '/a'), at(18, '/b'), at(17, '/late')].join(''))
    expect(await run(...few)).toMatch(/lines 4, rejected 0, late 1, windows 3/)
    appendFileSync(input, at(11, '/late'))
    expect(await run(...few)).toMatch(/lines 5, rejected 0, late 2, windows 3/)
    expect(written()).not.toContain('/late')
  })

  it('refuses a folder that was begun with other settings, and names them', async () => {
    await run('--data', data)
    await expect(run('--data', data, '--window', '1h')).rejects.toThrow(
      'was begun with --window 60000ms; say the same, or name another folder',
    )
    await expect(run('--data', data, '--partitions', '2')).rejects.toThrow('--partitions 4')
  })

  it('says who has the folder when another process works on it', async () => {
    await using log = embedded({ directory: join(data, 'log') })
    await log.open()
    await expect(run('--data', data)).rejects.toMatchObject({ code: 'log-locked' })
  })

  it('follows a file that grows, is rotated and truncated, and reports when stopped', async () => {
    const stop = new AbortController()
    writeFileSync(input, lines.slice(0, 100).join(''))
    const done = runJob(args('--input', input, '--data', data, '--follow'), progress, stop.signal)
    await eventually(() => shown.endsWith(' 100 lines'))
    appendFileSync(input, lines[100]!.slice(0, 20))
    await wait(300)
    appendFileSync(input, lines[100]!.slice(20))
    await eventually(() => shown.endsWith(' 101 lines'))
    renameSync(input, `${input}.1`)
    appendFileSync(`${input}.1`, lines.slice(101, 150).join(''))
    writeFileSync(input, lines.slice(150, 200).join(''))
    await eventually(() => shown.endsWith(' 200 lines'))
    truncateSync(input, 0)
    await wait(300)
    appendFileSync(input, lines.slice(200, 230).join(''))
    await eventually(() => shown.endsWith(' 230 lines'))
    expect(notices).toEqual([
      expect.stringContaining('was rotated'),
      expect.stringContaining('was truncated'),
    ])
    appendFileSync(input, 'half a li')
    await wait(300)
    stop.abort()
    expect(await done).toMatch(/lines 230, /)
    expect(written()).toBe(expected(Buffer.from(lines.slice(0, 230).join(''))))

    appendFileSync(input, `ne\n${lines[230]}`)
    expect(await run('--input', input, '--data', data)).toMatch(/lines 232, /)
    expect(written()).toBe(expected(Buffer.from(lines.slice(0, 231).join(''))))
  })

  it('can be interrupted, says how to go on, and does', async () => {
    const interrupted = runJob(args('--data', data), progress, AbortSignal.abort())
    await expect(interrupted).rejects.toThrow('run it again on the same --data to go on')
    expect(await run('--data', data)).toMatch(/lines 2,000, rejected 7/)
    expect(written()).toBe(expected(Buffer.from(sample)))
  })

  it('goes on in a file that was rotated while it was not running', async () => {
    writeFileSync(input, lines.slice(0, 50).join(''))
    await run('--input', input, '--data', data)
    appendFileSync(input, lines.slice(50, 60).join(''))
    renameSync(input, `${input}.1`)
    writeFileSync(input, lines.slice(60, 80).join(''))
    expect(await run('--input', input, '--data', data)).toMatch(/lines 80, /)
    expect(written()).toBe(expected(Buffer.from(lines.slice(0, 80).join(''))))
  })
})
