/**
 * The files of `src/` as text, and who imports whom: what the repository tests read.
 *
 * Imports are found by plain text search, not by a parser: a line that the search misses would
 * also confuse a reader. `../test/repository/import-table.test.ts` states what must hold.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

export interface Import {
  /** As written: `./record.ts`, `node:fs`, `rocksdb-native`. */
  readonly specifier: string
  /** The file of `src/` it names, relative to `src/`; null for a package or a module of Node. */
  readonly file: string | null
  /** `import type` or `export type`: gone at run time. */
  readonly typeOnly: boolean
}

export interface SourceFile {
  /** Relative to `src/`, with forward slashes. */
  readonly path: string
  /** First folder under `src/`, or null for a file at its root. */
  readonly folder: string | null
  readonly text: string
  /** The text without comments: what rules about code look at. */
  readonly code: string
  readonly imports: readonly Import[]
}

export const repositoryRoot: string = resolve(import.meta.dirname, '../..')
export const sourceRoot: string = join(repositoryRoot, 'src')

/** Every file under a folder of the repository whose name ends so, sorted. */
export function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(repositoryRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
}

/** Reads all of `src/`. */
export function readSources(): readonly SourceFile[] {
  return filesUnder('src', '.ts').map((path) => {
    const text = readFileSync(join(sourceRoot, path), 'utf8')
    const code = withoutComments(text)
    const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : null
    return { path, folder, text, code, imports: importsOf(path, code) }
  })
}

/** Comments become spaces; line numbers stay. Strings that hold `//` keep it after a colon. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|[^:'"`\\])\/\/[^\n]*/g, '$1')
}

const STATIC_IMPORT = /^(import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm
const DYNAMIC_IMPORT = /\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/g

function importsOf(path: string, code: string): readonly Import[] {
  const found: Import[] = []
  for (const [, , type, specifier] of code.matchAll(STATIC_IMPORT)) {
    found.push(importOf(path, specifier!, type !== undefined))
  }
  for (const [, specifier] of code.matchAll(DYNAMIC_IMPORT)) {
    found.push(importOf(path, specifier!, false))
  }
  return found
}

function importOf(path: string, specifier: string, typeOnly: boolean): Import {
  const file = specifier.startsWith('.')
    ? relative(sourceRoot, resolve(sourceRoot, dirname(path), specifier)).replaceAll('\\', '/')
    : null
  return { specifier, file, typeOnly }
}
