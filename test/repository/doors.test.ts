/**
 * One door per outside thing: the file system, RocksDB, kafkajs, sockets, compression, the native
 * checksum and the clock each enter `src/` in one place, so that a test can stand in for them.
 */
import { expect, test } from 'vitest'
import { readSources } from './source-files.ts'

const sources = readSources()

/** Packages and modules of Node, and the only files that may name them. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  'node:fs': ['node-file-system.ts'],
  'node:fs/promises': [],
  'rocksdb-native': ['state/rocksdb.ts'],
  kafkajs: ['client/kafka/transport.ts'],
  'node:net': ['client/kafka/transport.ts'],
  'node:tls': ['client/kafka/transport.ts'],
  'node:http': [],
  'node:https': [],
  'node:dgram': [],
  'node:zlib': ['record/compression.ts'],
  '@platformatic/wasm-utils': ['record/compression.ts'],
  '@node-rs/crc32': ['record/crc32c.ts'],
  'node:timers': [],
  'node:timers/promises': [],
  'node:child_process': [],
  'node:worker_threads': [],
  rxjs: [
    'rxjs/credits.ts',
    'rxjs/from-table.ts',
    'rxjs/from-topic.ts',
    'rxjs/state-of.ts',
    'rxjs/to-topic.ts',
  ],
}

/** Modules without effect on the outside; any file may use them. */
const PURE_MODULES = ['node:path', 'node:assert', 'node:module', 'node:util', 'node:buffer']

/** Modules with an effect that is not worth a door, where they are used and why. */
const OTHER_MODULES: Readonly<Record<string, readonly string[]>> = {
  // Identities that must differ between machines: they need real randomness, and no test waits on them.
  'node:crypto': ['broker/topics.ts', 'broker/group.ts', 'broker/metadata.ts'],
}

const CLOCK_CALLS =
  /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|process\.hrtime|new Date\(\))/

/** Files besides the door itself that name the machine's clock, with the reason. */
const CLOCK_EXCEPTIONS: Readonly<Record<string, string>> = {
  'clock.ts': 'the door',
  'testing/test-clock.ts': 'the other implementation of the door: its yield is a turn of the loop',
  'node-file-system.ts': 'a name for a temporary file that no other process takes',
}

test('a package or module of Node enters through its door only', () => {
  const offences = sources.flatMap((source) =>
    packagesOf(
      source.imports.map((one) => one.specifier),
      source.code,
    )
      .filter((name) => !mayEnter(name, source.path))
      .map((name) => `${source.path} imports ${name}`),
  )
  expect(offences).toEqual([])
})

test('time, timers and random numbers come from the clock', () => {
  const offences = sources
    .filter((source) => !(source.path in CLOCK_EXCEPTIONS))
    .flatMap((source) =>
      source.code
        .split('\n')
        .map((line, index) => ({ line, place: `${source.path}:${index + 1}` }))
        .filter(({ line }) => CLOCK_CALLS.test(line))
        .map(({ line, place }) => `${place} ${line.trim()}`),
    )
  expect(offences).toEqual([])
})

test('an exception to the clock rule is needed by the file that has it', () => {
  const unused = Object.keys(CLOCK_EXCEPTIONS).filter(
    (path) => !CLOCK_CALLS.test(sources.find((source) => source.path === path)?.code ?? ''),
  )
  expect(unused).toEqual([])
})

test('nothing is written to the console by the library', () => {
  const offences = sources
    .filter((source) => /\bconsole\./.test(withoutStrings(source.code)))
    .map((one) => one.path)
  expect(offences).toEqual([])
})

function withoutStrings(code: string): string {
  return code.replace(/'[^'\n]*'|`[^`]*`/g, "''")
}

function mayEnter(name: string, path: string): boolean {
  if (PURE_MODULES.includes(name)) return true
  return (DOORS[name] ?? OTHER_MODULES[name] ?? []).includes(path)
}

/** What a file imports from outside, `createRequire` included. */
function packagesOf(specifiers: readonly string[], code: string): readonly string[] {
  const required = [...code.matchAll(/\brequire\w*\(\s*'([^']+)'/g)].map((match) => match[1]!)
  return [...new Set([...specifiers, ...required])].filter((name) => !name.startsWith('.'))
}
