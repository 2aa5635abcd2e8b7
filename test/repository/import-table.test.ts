/**
 * The tree is the architecture: who may import whom, through which door the outside world enters,
 * and that no two files need each other. Plain text search over `src/`.
 *
 * The table is that of `docs/ARCHITECTURE.md`; an exception is listed here with its reason, and a
 * listed exception that nobody needs any more fails too.
 */
import { expect, test } from 'vitest'
import { readSources, type SourceFile } from './source-files.ts'

const sources = readSources()

/** Files at the root of `src/` that every room may import: errors, doors, durations. */
const ROOT_FILES = ['errors.ts', 'clock.ts', 'duration.ts', 'file-system.ts']

/** Each folder may import itself, the root files, and these. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  record: [],
  log: ['record'],
  broker: ['record', 'log'],
  protocol: ['record'],
  server: ['record', 'protocol', 'broker'],
  client: ['record', 'protocol'],
  state: ['record'],
  topology: ['record', 'state'],
  operators: ['record', 'state', 'topology'],
  dsl: ['record', 'state', 'topology', 'operators'],
  runtime: ['record', 'state', 'topology', 'client'],
  testing: [
    'record',
    'state',
    'topology',
    'operators',
    'dsl',
    'client',
    'runtime',
    'log',
    'broker',
  ],
}

/** What single files may import beyond their folder's line of the table. */
const FILE_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // The in-process end of the waist holds a broker; the machine's disk is its default.
  'client/embedded.ts': ['broker', 'log', 'node-file-system.ts', 'memory-file-system.ts'],
  // The state directory is on the machine's disk unless the options bring another file system.
  'runtime/options.ts': ['node-file-system.ts'],
}

/**
 * Imports left out of the search for cycles: of types only, hence gone at run time, between two files
 * of one room that describe each other.
 */
const TYPE_CYCLES: Readonly<Record<string, string>> = {
  'dsl/graph.ts -> dsl/k-stream.ts':
    'a step of the graph ends in a stream, which draws in the graph',
  'dsl/k-grouped-table.ts -> dsl/k-table.ts':
    'a grouped table becomes a table again, and a table groups',
  'dsl/k-table.ts -> dsl/k-stream.ts': 'a table becomes a stream, and a stream a table',
  'dsl/stream-steps.ts -> dsl/k-stream.ts': 'a step of a stream gives a stream',
  'log/log-home.ts -> log/segment.ts': 'a log is made of segments, and a segment knows its log',
  'runtime/application-topics.ts -> runtime/task.ts': 'topics decide which tasks there are',
  'runtime/task-stores.ts -> runtime/task.ts':
    'a task has stores, which are those of its description',
}

/** Edges: they use what a user of the package uses. */
const EDGES = ['connect', 'observe', 'cli', 'rxjs']

test('a folder imports only what the table allows', () => {
  const offences = sources.flatMap((source) =>
    importedFiles(source)
      .filter((file) => !isAllowed(source, file))
      .map((file) => `${source.path} imports ${file}`),
  )
  expect(offences).toEqual([])
})

test('every folder of src/ is in the table', () => {
  const folders = new Set(sources.map((source) => source.folder).filter((name) => name !== null))
  const known = new Set([...Object.keys(MAY_IMPORT), ...EDGES])
  expect([...folders].filter((folder) => !known.has(folder))).toEqual([])
})

test('an exception to the table is used by the file that has it', () => {
  const unused = Object.entries(FILE_MAY_IMPORT).flatMap(([path, granted]) => {
    const source = sources.find((one) => one.path === path)
    const used = new Set(source === undefined ? [] : importedFiles(source).map(roomOf))
    return granted.filter((name) => !used.has(name)).map((name) => `${path}: ${name}`)
  })
  expect(unused).toEqual([])
})

test('every relative import names a file of src/ with its ending', () => {
  const paths = new Set(sources.map((source) => source.path))
  const missing = sources.flatMap((source) =>
    importedFiles(source)
      .filter((file) => !paths.has(file))
      .map((file) => `${source.path} imports ${file}`),
  )
  expect(missing).toEqual([])
})

test('no cycle of imports exists among files, types included, but for the listed ones', () => {
  expect(findCycle(sources)).toBeNull()
})

test('a listed cycle is one of types, within one room, and still there', () => {
  const wrong = Object.keys(TYPE_CYCLES).filter((edge) => {
    const [from, to] = edge.split(' -> ') as [string, string]
    const imports = sources.find(({ path }) => path === from)?.imports ?? []
    const found = imports.filter(({ file }) => file === to)
    return found.length === 0 || !found.every((one) => one.typeOnly) || roomOf(from) !== roomOf(to)
  })
  expect(wrong).toEqual([])
})

test('index files re-export and do nothing else', () => {
  const offences = sources
    .filter((source) => /(^|\/)index\.ts$/.test(source.path))
    .filter(
      (source) =>
        source.code.replace(/export\s+(type\s+)?(\{[^}]*\}|\*)\s+from\s+'[^']+'/g, '').trim() !==
        '',
    )
    .map((source) => source.path)
  expect(offences).toEqual([])
})

function importedFiles(source: SourceFile): readonly string[] {
  return source.imports.map((one) => one.file).filter((file) => file !== null)
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file
}

function isAllowed(source: SourceFile, file: string): boolean {
  const room = roomOf(file)
  if (source.folder === null) return source.path === 'index.ts' || room === file
  if (EDGES.includes(source.folder)) return file === 'index.ts' || room === source.folder
  return (
    room === source.folder ||
    ROOT_FILES.includes(file) ||
    (MAY_IMPORT[source.folder] ?? []).includes(room) ||
    (FILE_MAY_IMPORT[source.path] ?? []).includes(room)
  )
}

/** The first cycle met by a walk over the imports, written as a path, or null. */
function findCycle(files: readonly SourceFile[]): string | null {
  const byPath = new Map(files.map((source) => [source.path, source]))
  const done = new Set<string>()

  const walk = (path: string, trail: readonly string[]): string | null => {
    const start = trail.indexOf(path)
    if (start >= 0) return [...trail.slice(start), path].join(' -> ')
    if (done.has(path)) return null
    const source = byPath.get(path)
    for (const next of source === undefined ? [] : importedFiles(source)) {
      if (`${path} -> ${next}` in TYPE_CYCLES) continue
      const cycle = walk(next, [...trail, path])
      if (cycle !== null) return cycle
    }
    done.add(path)
    return null
  }

  for (const source of files) {
    const cycle = walk(source.path, [])
    if (cycle !== null) return cycle
  }
  return null
}
