/** The list of error codes, what the code uses, and what `docs/errors.md` explains are one list. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors.ts'
import { readSources, repositoryRoot } from './source-files.ts'

const document = readFileSync(join(repositoryRoot, 'docs/errors.md'), 'utf8')
const entries = document.split(/^### /m).slice(1)

test('docs/errors.md has every code of errors.ts, in its order, and no other', () => {
  expect(entries.map((entry) => entry.split('\n', 1)[0])).toEqual([...ERROR_CODES])
})

test('every code is explained by a cause and a remedy', () => {
  const bare = entries
    .filter((entry) => !/^\*\*Cause\.\*\* \S/m.test(entry) || !/^\*\*Remedy\.\*\* \S/m.test(entry))
    .map((entry) => entry.split('\n', 1)[0])
  expect(bare).toEqual([])
})

test('every code is used outside of errors.ts', () => {
  const code = readSources()
    .filter((source) => source.path !== 'errors.ts')
    .map((source) => source.code)
    .join('\n')
  expect(ERROR_CODES.filter((name) => !code.includes(`'${name}'`))).toEqual([])
})

test('codes named in the documentation of the code exist', () => {
  const known = new Set<string>(ERROR_CODES)
  const unknown = readSources().flatMap((source) =>
    [...source.text.matchAll(/StreamsError\s+[`']([a-z]+(?:-[a-z]+)+)[`']/g)]
      .map((match) => match[1]!)
      .filter((name) => !known.has(name))
      .map((name) => `${source.path}: ${name}`),
  )
  expect(unknown).toEqual([])
})
