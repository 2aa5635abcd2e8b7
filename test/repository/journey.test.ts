/**
 * `docs/ARCHITECTURE.md` against what happens: the program of the page is built and run under V8's
 * coverage. Every step of the walks must have been called, and the lists of touched files must be
 * the files that were.
 *
 * UPDATE=1 npm test -- test/repository/journey.test.ts    writes the lists anew
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { repositoryRoot, sourceRoot, withoutComments } from './source-files.ts'

type Called = Record<string, string[]>

const PAGE = join(repositoryRoot, 'docs/ARCHITECTURE.md')
const CHILD = join(import.meta.dirname, 'journey-child.ts')
const HOW = 'The page is behind the code: UPDATE=1 npm test -- test/repository/journey.test.ts'
/** The rooms on the log's side of the waist. */
const LOG_SIDE = /^(log|broker)\/|^(node|memory)-file-system\.ts$/

let page = readFileSync(PAGE, 'utf8')
let called: { readonly build: Called; readonly run: Called }

beforeAll(() => {
  called = journey()
  if (process.env.UPDATE !== '1') return
  page = withList(page, 'building', blockOf(called.build))
  page = withList(page, 'running', blockOf(called.run))
  writeFileSync(PAGE, page)
})

test('every file and function that the page names exists', () => {
  const missing = stepsOf(page).filter(({ file, name }) => !declares(file, name))
  expect(missing).toEqual([])
})

test('every step of building was called while the program was built', () => {
  const steps = stepsOf(sectionOf('Building it'))
  expect(steps.length).toBeGreaterThan(0)
  expect(steps.filter(({ file, name }) => !called.build[file]?.includes(name))).toEqual([])
})

test('every step of running was called while a record ran', () => {
  const steps = stepsOf(sectionOf('Running it'))
  expect(steps.length).toBeGreaterThan(0)
  expect(steps.filter(({ file, name }) => !called.run[file]?.includes(name))).toEqual([])
})

test('the files listed as touched by building are those that were', () => {
  expect(listOf('building'), HOW).toBe(blockOf(called.build))
})

test('the files listed as touched by running are those that were', () => {
  expect(listOf('running'), HOW).toBe(blockOf(called.run))
})

function journey(): { build: Called; run: Called } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-journey-'))
  try {
    const args = ['--conditions=millrace-source', CHILD, folder]
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What the page writes as `file: function, function` in code quotes. */
function stepsOf(text: string): { file: string; name: string }[] {
  return [...text.matchAll(/`([a-z][\w/-]*\.ts): ([#\w]+(?:, [#\w]+)*)`/g)].flatMap(
    ([, file, names]) => names!.split(', ').map((name) => ({ file: file!, name })),
  )
}

/** True when the file declares a function, method, class or constant of that name. */
function declares(file: string, name: string): boolean {
  const path = join(sourceRoot, file)
  if (!existsSync(path)) return false
  const code = withoutComments(readFileSync(path, 'utf8'))
  const declaration = `(function|class|const|get|interface)\\s+${name}\\b`
  const method = `^\\s*((private|async)\\s+)*(\\*\\s*)?${name}\\s*(<[^>]*>)?\\(`
  return new RegExp(`${declaration}|${method}`, 'm').test(code)
}

function sectionOf(title: string): string {
  return page.split(/^## /m).find((section) => section.startsWith(`${title}\n`)) ?? ''
}

function listOf(what: string): string {
  return new RegExp(`\`\`\`text touched by ${what}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? ''
}

function withList(text: string, what: string, list: string): string {
  const block = new RegExp(`(\`\`\`text touched by ${what}\n)[\\s\\S]*?(\`\`\`)`)
  return text.replace(block, (_all, open: string, close: string) => `${open}${list}${close}`)
}

/** A line with the count, then a line per room. */
function blockOf(files: Called): string {
  const paths = Object.keys(files).sort()
  const rooms = new Map<string, string[]>()
  for (const path of paths) {
    const slash = path.indexOf('/')
    const room = slash < 0 ? '(root)' : path.slice(0, slash)
    const name = path.slice(slash + 1).replace(/\.ts$/, '')
    rooms.set(room, [...(rooms.get(room) ?? []), name])
  }
  const logSide = paths.filter((path) => LOG_SIDE.test(path)).length
  const split = logSide === 0 ? '' : `: ${paths.length - logSide} of streams, ${logSide} of the log`
  const lines = [...rooms].map(([room, names]) => `${room.padEnd(10)} ${names.join(' ')}`)
  return `${[`${paths.length} files${split}`, ...lines].join('\n')}\n`
}
