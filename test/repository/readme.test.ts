/** What the README shows is what is run, and what it links to is there. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { filesUnder, repositoryRoot } from './source-files.ts'

const readme = readFileSync(join(repositoryRoot, 'README.md'), 'utf8')
const FIRST_TOPOLOGY = join(repositoryRoot, 'examples/first-topology.ts')

test('the first topology of the README is examples/first-topology.ts', () => {
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  expect(block).toBe(readFileSync(FIRST_TOPOLOGY, 'utf8'))
})

test('the first topology prints the views of each page, and more when it is run again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-readme-'))
  try {
    // A run over the turn of a minute may spread the views over two windows; their sum stays.
    expect(viewsByPage(folder)).toEqual({ '/': 2, '/docs': 1 })
    const again = viewsByPage(folder)
    expect(Object.keys(again).sort()).toEqual(['/', '/docs'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the commands of the README are lines of their own, as .ci/run looks for them', () => {
  const lines = readme.split('\n')
  expect(lines).toContain('npm ci && npm start')
  expect(lines).toContain('npm ci && npm test')
})

test('scripts named in the documents are scripts of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const unknown = documents().flatMap(({ path, text }) =>
    [...text.matchAll(/npm run (?:--silent |-s )?([a-z][a-z:-]*)/g)]
      .map((match) => match[1]!)
      .filter((name) => !(name in scripts))
      .map((name) => `${path}: npm run ${name}`),
  )
  expect(unknown).toEqual([])
})

test('links between documents and files of the repository lead somewhere', () => {
  const broken = documents().flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(repositoryRoot, path, '..', target)))
      .map((target) => `${path}: ${target}`),
  )
  expect(broken).toEqual([])
})

function documents(): { path: string; text: string }[] {
  const paths = [
    'README.md',
    'benchmarks/README.md',
    ...filesUnder('docs', '.md')
      .filter((path) => !path.includes('node_modules/'))
      .map((path) => `docs/${path}`),
  ]
  return paths.map((path) => ({ path, text: readFileSync(join(repositoryRoot, path), 'utf8') }))
}

/** Runs the first topology in a folder; per page the sum of its windows' last values. */
function viewsByPage(folder: string): Record<string, number> {
  const printed = execFileSync(process.execPath, ['--conditions=millrace-source', FIRST_TOPOLOGY], {
    cwd: folder,
    encoding: 'utf8',
  })
  const last = new Map<string, number>()
  for (const line of printed.trim().split('\n')) {
    const [start, page, views] = line.split(' ')
    last.set(`${start} ${page}`, Number(views))
  }
  const sums: Record<string, number> = {}
  for (const [window, views] of last) {
    const page = window.split(' ')[1]!
    sums[page] = (sums[page] ?? 0) + views
  }
  return sums
}
