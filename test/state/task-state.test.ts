import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import type { Serde } from '../../src/record/serde.ts'
import { int64, json, text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import { openRocksDB } from '../../src/state/rocksdb.ts'
import type { StoreDefinition } from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

const fileSystem = new NodeFileSystem()
const counts: StoreDefinition = {
  kind: 'key-value',
  name: 'counts',
  keySerde: text as Serde<unknown>,
  valueSerde: json() as Serde<unknown>,
  storage: 'rocksdb',
  changelog: true,
  keepsBefore: false,
}

describe("a task's state", () => {
  let folder: TemporaryFolder

  beforeEach(() => {
    folder = temporaryFolder()
  })
  afterEach(() => folder.remove())

  const open = (...definitions: StoreDefinition[]): Promise<TaskState> =>
    TaskState.open({
      definitions,
      directory: folder.path,
      fileSystem,
      memory: new StoreMemory(1e6),
    })

  it('says what a store was and what it is now declared as, and stays closed', async () => {
    await (await open(counts)).close()
    const changed = open({ ...counts, valueSerde: int64 as Serde<unknown> })
    await expect(changed).rejects.toMatchObject({
      code: 'state-incompatible',
      message: expect.stringMatching(/key-value of text and json.*key-value of text and int64/),
      place: { store: 'counts' },
    })
    await (await open(counts)).close()
  })

  it('says which length of a window was another, and takes one it knows nothing of', async () => {
    const window = (times: Record<string, number>): StoreDefinition => ({
      ...counts,
      kind: 'window',
      retentionMs: 100,
      windowSizeMs: 10,
      times,
    })
    await (await open(window({ size: 10 }))).close()
    await (await open(window({ size: 10, grace: 5 }))).close()
    await expect(open(window({ size: 20 }))).rejects.toMatchObject({
      code: 'state-incompatible',
      message: expect.stringMatching(
        /'counts' cannot be used: its size was 10 ms and is now 20 ms/,
      ),
      place: { store: 'counts' },
    })
  })

  it('refuses a folder of another format', async () => {
    await (await open(counts)).close()
    const database = await openRocksDB({ directory: `${folder.path}/rocksdb`, fileSystem })
    const batch = database.newBatch()
    batch.put(rangeOf(Buffer.from('\0\0f')), rangeOf(Buffer.from('99')))
    await database.write(batch)
    await database.close()
    await expect(open(counts)).rejects.toMatchObject({
      code: 'state-incompatible',
      message: expect.stringMatching(/format 99.*delete the folder/),
    })
  })

  it('is locked while it is open', async () => {
    const state = await open(counts)
    await expect(open(counts)).rejects.toMatchObject({ code: 'state-locked' })
    await state.close()
  })

  it('makes no folder when all stores are in memory', async () => {
    const state = await open({ ...counts, storage: 'memory' })
    expect(fileSystem.list(folder.path)).toEqual([])
    await state.close()
  })

  it('knows the changelog offset it was saved with, and nothing after destroy', async () => {
    const first = await open(counts)
    expect(first.changelogOffset('counts')).toBeNull()
    await first.save(new Map([['counts', 41]]))
    await first.close()
    const second = await open(counts)
    expect(second.changelogOffset('counts')).toBe(41)
    await second.destroy()
    const third = await open(counts)
    expect(third.changelogOffset('counts')).toBeNull()
    await third.close()
  })

  it('names the store whose row cannot be serialised', async () => {
    const state = await open(counts)
    const store = state.store('counts') as unknown as {
      put(key: string, value: unknown, timestamp: number): void
    }
    store.put('a', 1n, 1)
    expect(() => state.stores()[0]?.drainChanges(() => {})).toThrow(
      expect.objectContaining({ code: 'serialization-failed', place: { store: 'counts' } }),
    )
    await state.close()
  })
})
