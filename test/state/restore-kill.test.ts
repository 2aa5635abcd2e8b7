/**
 * A restore that is killed, again and again: what its database says it has it has, and what comes
 * out at last is what a restore without a kill gives.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import { readInt64 } from '../../src/record/byte-writer.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import { openRocksDB } from '../../src/state/rocksdb.ts'
import type {
  JoinStore,
  KeyValueStore,
  SessionStore,
  SubscriptionStore,
  VersionedStore,
  WindowStore,
} from '../../src/state/store.ts'
import type { TaskState } from '../../src/state/task-state.ts'
import { randomOf, SEED } from '../record/random.ts'
import { type Changelogs, type LoggedRow, openTask, RETENTION_MS } from './restore-kill.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

const KILLS = Number(process.env.KILLS ?? 3)
const ROUNDS = 20
const ROUND_ROWS = 2000
const KEYS = 5000
/** The table is the first store of the catalogue. */
const TABLE_PREFIX = Buffer.of(0, 1)

let folder: TemporaryFolder
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

describe('a restore', () => {
  it(`killed ${KILLS} times is never ahead of its rows, and ends with the right ones (SEED=${SEED})`, async () => {
    const random = randomOf(SEED)
    const written = await openTask(join(folder.path, 'written'), 'memory')
    const changelogs = await writeStores(written, random)
    const file = join(folder.path, 'changelogs.json')
    writeFileSync(file, JSON.stringify(changelogs))
    const directory = join(folder.path, 'restored')

    const table = changelogs.table as readonly LoggedRow[]
    let offset = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const when = { batches: 1 + random() * 30, delayMs: random() * 20 }
      if (await runChild([directory, file], when)) break
      offset = await requireRowsBelowOffset(join(directory, 'rocksdb'), table)
    }
    expect(offset).toBeGreaterThan(0)
    expect(await runChild([directory, file], null)).toBe(true)

    const restored = await openTask(directory, 'rocksdb')
    for (const [name, rows] of Object.entries(changelogs)) {
      expect(restored.changelogOffset(name)).toBe(rows.length)
    }
    expect(await contentOf(restored)).toEqual(await contentOf(written))
    await restored.close()
    await written.close()
  }, 120_000)
})

/** Random puts and deletes, drained every so often; what the changelogs then have. */
async function writeStores(state: TaskState, random: () => number): Promise<Changelogs> {
  const changelogs: Record<string, LoggedRow[]> = {}
  for (const { name } of state.stores()) changelogs[name] = []
  const pick = (below: number): number => Math.floor(random() * below)
  for (let round = 0; round < ROUNDS; round++) {
    for (let row = 0; row < ROUND_ROWS; row++) {
      const time = round * ROUND_ROWS + row
      const value = pick(10) === 0 ? null : time
      await putAt(state, { key: keyOf(pick(KEYS)), value, time: Math.max(0, time - pick(500)) })
      state.store<KeyValueStore<string, number>>('table').put(keyOf(pick(KEYS)), value, time)
    }
    for (const store of state.stores()) {
      store.drainChanges((key, value, timestamp) => {
        const keyText = key.bytes.latin1Slice(key.start, key.end)
        const text = value === null ? null : value.bytes.latin1Slice(value.start, value.end)
        changelogs[store.name]?.push([keyText, text, timestamp])
      })
    }
    await state.save(new Map())
  }
  return changelogs
}

async function putAt(
  state: TaskState,
  row: { readonly key: string; readonly value: number | null; readonly time: number },
): Promise<void> {
  const { key, value, time } = row
  state.store<WindowStore<string, number>>('windows').put(key, time - (time % 10), value, time)
  if (value !== null) await state.store<JoinStore<string, number>>('join').add(key, time, value)
  const sessions = state.store<SessionStore<string, number>>('sessions')
  await sessions.put(key, { start: time - (time % 7), end: time, value })
  await state.store<VersionedStore<string, number>>('versions').put(key, value, time)
  const subscriptions = state.store<SubscriptionStore<string>>('subscriptions')
  const subscriber = rangeOf(Buffer.from(key))
  if (value === null) await subscriptions.delete(foreignKeyOf(key), subscriber, time)
  else await subscriptions.put(foreignKeyOf(key), subscriber, rangeOf(payloadOf(time)), time)
}

/** Few, so that each has a tree of subscribers. */
function foreignKeyOf(key: string): string {
  return `of-${key.at(-1)}`
}

function payloadOf(number: number): Buffer {
  const payload = Buffer.alloc(20)
  payload.writeUInt32BE(number)
  return payload
}

function keyOf(number: number): string {
  return `key-${String(number).padStart(6, '0')}`
}

interface KillTime {
  /** So many batches, at least, are being written or are. */
  readonly batches: number
  readonly delayMs: number
}

/** Runs the child to its end, or kills it at that time; true: it had ended. */
async function runChild(args: readonly string[], kill: KillTime | null): Promise<boolean> {
  const script = fileURLToPath(new URL('./restore-kill-child.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let batches = 0
  child.stdout.on('data', (dots: Buffer) => {
    batches += dots.length
    if (kill !== null && batches >= kill.batches) {
      setTimeout(() => child.kill('SIGKILL'), kill.delayMs)
    }
  })
  const [code] = await closed
  return code === 0
}

/** Each record below the saved offset is in the database, or a later one of its key; that offset. */
async function requireRowsBelowOffset(
  directory: string,
  log: readonly LoggedRow[],
): Promise<number> {
  const database = await openRocksDB({ directory, fileSystem: new NodeFileSystem() })
  const [saved] = await database.getMany([Buffer.from('\0\0otable')])
  const offset = saved === null || saved === undefined ? 0 : readInt64(saved, 0)
  const lastBelow = new Map<string, number>()
  for (let at = 0; at < offset; at++) lastBelow.set(log[at]?.[0] as string, at)
  const lastOf = new Map(log.map(([key], at) => [key, at]))
  const keys = [...lastBelow.keys()]
  const rows = await database.getMany(
    keys.map((key) => Buffer.concat([TABLE_PREFIX, Buffer.from(key, 'latin1')])),
  )
  for (const [index, key] of keys.entries()) {
    const at = lastBelow.get(key) as number
    const [, value, timestamp] = log[at] as LoggedRow
    const row = rows[index] ?? null
    if (row !== null) expect(readInt64(row, 0)).toBeGreaterThanOrEqual(timestamp)
    // Gone although it was put: a later record has deleted it.
    else if (value !== null) expect(lastOf.get(key)).toBeGreaterThan(at)
    if (row !== null && value === null) expect(readInt64(row, 0)).toBeGreaterThan(timestamp)
  }
  await database.close()
  return offset
}

/** All that the stores answer. */
async function contentOf(state: TaskState): Promise<Record<string, unknown[]>> {
  const content: Record<string, unknown[]> = { join: [], versions: [] }
  content.table = await all(state.store<KeyValueStore<string, number>>('table').range())
  content.windows = await all(state.store<WindowStore<string, number>>('windows').fetchAll())
  content.sessions = await all(state.store<SessionStore<string, number>>('sessions').fetchAll())
  const end = ROUNDS * ROUND_ROWS
  for (let number = 0; number < KEYS; number += 50) {
    const key = keyOf(number)
    const join = state.store<JoinStore<string, number>>('join')
    await join.fetch(key, end - RETENTION_MS / 2, end, (value, timestamp) => {
      content.join?.push([key, value, timestamp])
    })
    const versions = await state.store<VersionedStore<string, number>>('versions').versions(key)
    content.versions?.push([key, versions])
  }
  content.subscriptions = []
  const subscriptions = state.store<SubscriptionStore<string>>('subscriptions')
  for (let digit = 0; digit < 10; digit++) {
    await subscriptions.visit(foreignKeyOf(`${digit}`), (key, payload) => {
      const number = payload.bytes.readUInt32BE(payload.start)
      content.subscriptions?.push([digit, key.bytes.toString('latin1', key.start, key.end), number])
    })
  }
  return content
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = []
  for await (const row of rows) result.push(row)
  return result
}
