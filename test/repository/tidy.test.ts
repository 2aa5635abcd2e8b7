/**
 * How our files read: each opens by saying what it is, none grows without bound, and nothing
 * switches the type checker off.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { filesUnder, readSources, repositoryRoot, withoutComments } from './source-files.ts'

const LINES_MAX = 600

const COLUMNS_MAX = 110

/** Files over the limit, with the exact reason; a new one needs a better reason than these. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'log/partition-log.ts': 'one owner of one state: append, read, roll, retention, truncate',
}

const sources = readSources()

test('every file of src/ opens with what it is', () => {
  const offences = sources
    .filter(
      (source) =>
        !/^\/\*\*\n( \*.*\n)+/.test(source.text) && !/^\/\*\* .* \*\/\n/.test(source.text),
    )
    .map((source) => source.path)
  expect(offences).toEqual([])
})

test(`no file of src/ is longer than ${LINES_MAX} lines, but for the listed ones`, () => {
  const long = sources
    .map((source) => ({ path: source.path, lines: source.text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > LINES_MAX)
  expect(long.map(({ path }) => path)).toEqual(Object.keys(LONG_FILES))
})

test(`no comment of src/ is wider than ${COLUMNS_MAX} columns (the formatter keeps the code)`, () => {
  const offences = sources.flatMap((source) =>
    source.text
      .split('\n')
      .map((line, index) => ({ line, place: `${source.path}:${index + 1}` }))
      .filter(({ line }) => line.length > COLUMNS_MAX && /^\s*(\*|\/\/|\/\*)/.test(line))
      .map(({ place }) => place),
  )
  expect(offences).toEqual([])
})

test('nothing in the tree switches the type checker off', () => {
  const offences = ['src', 'test', 'examples', 'benchmarks'].flatMap((folder) =>
    filesUnder(folder, '.ts')
      .filter((path) => !(folder === 'test' && path.startsWith('repository/')))
      .flatMap((path) => {
        const text = readFileSync(join(repositoryRoot, folder, path), 'utf8')
        const code = withoutComments(text)
        const found = [
          ...(text.match(/@ts-(ignore|nocheck)/g) ?? []),
          ...(code.match(/(:\s*|<\s*|\bas\s+|\|\s*|=>\s*)any\b(?!['\w-]|\s+\w)|,\s*any>/g) ?? []),
        ]
        return found.map((what) => `${folder}/${path}: ${what}`)
      }),
  )
  expect(offences).toEqual([])
})

test('nothing is left to do in a comment', () => {
  const offences = sources
    .filter((source) => /\b(TODO|FIXME|XXX|HACK)\b/.test(source.text))
    .map((source) => source.path)
  expect(offences).toEqual([])
})

test('the names of files are lower case with hyphens', () => {
  const offences = sources
    .map((source) => source.path)
    .filter((path) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.d)?\.ts$/.test(path))
  expect(offences).toEqual([])
})
