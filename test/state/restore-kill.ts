/** The task whose restore is killed: its stores, and how each is brought up to its changelog. */
import { readFileSync } from 'node:fs'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import type { Serde } from '../../src/record/serde.ts'
import { int64, text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import type { StorageKind, StoreDefinition } from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'

/** Of each store, its changelog: key and value as latin1 text, and the timestamp. */
export type Changelogs = Readonly<Record<string, readonly LoggedRow[]>>
export type LoggedRow = readonly [key: string, value: string | null, timestamp: number]

export const RETENTION_MS = 20_000
/** Several native writes, and many batches. */
const BATCH_ROWS = 3000

export function openTask(directory: string, storage: StorageKind): Promise<TaskState> {
  const common = {
    keySerde: text as Serde<unknown>,
    valueSerde: int64 as Serde<unknown>,
    storage,
    changelog: true,
    keepsBefore: false,
    retentionMs: RETENTION_MS,
    bucketMs: 1000,
  }
  const definitions: StoreDefinition[] = [
    { ...common, kind: 'key-value', name: 'table' },
    { ...common, kind: 'window', name: 'windows', windowSizeMs: 10 },
    { ...common, kind: 'join', name: 'join' },
    { ...common, kind: 'session', name: 'sessions' },
    { ...common, kind: 'versioned', name: 'versions', historyMs: RETENTION_MS },
    { ...common, kind: 'subscription', name: 'subscriptions' },
  ]
  return TaskState.open({
    definitions,
    directory,
    fileSystem: new NodeFileSystem(),
    memory: new StoreMemory(64 << 20),
  })
}

/** Restores every store from where its rows are; calls back as a batch begins to be written. */
export async function restoreAll(
  state: TaskState,
  file: string,
  progress: () => void,
): Promise<void> {
  const changelogs = JSON.parse(readFileSync(file, 'utf8')) as Changelogs
  await Promise.all(
    Object.entries(changelogs).map(async ([name, rows]) => {
      const writer = state.restore(name)
      let offset = state.changelogOffset(name) ?? 0
      for (const [key, value, timestamp] of rows.slice(offset)) {
        const bytes = value === null ? null : rangeOf(Buffer.from(value, 'latin1'))
        writer.add(rangeOf(Buffer.from(key, 'latin1')), bytes, timestamp)
        offset++
        if (offset % BATCH_ROWS !== 0) continue
        await writer.write(offset)
        progress()
      }
      await writer.finish(offset)
    }),
  )
}
