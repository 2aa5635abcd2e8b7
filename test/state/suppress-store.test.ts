/** What a suppression holds back, over memory and RocksDB; a reopen is a crash. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import { NO_HEADERS } from '../../src/record/record.ts'
import type { Serde } from '../../src/record/serde.ts'
import { json, text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import type {
  HeldRow,
  StorageKind,
  SuppressStore,
  SuppressStoreDefinition,
} from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { randomOf, SEED } from '../record/random.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

type Held = SuppressStore<string, number>

function row(key: string, value: number | null, timestamp = 0): HeldRow<string, number> {
  return { key, value, timestamp, headers: NO_HEADERS }
}

describe.each(['memory', 'rocksdb'] as const)('over %s', (storage) => {
  let folder: TemporaryFolder
  let state: TaskState
  let store: Held
  /** The changelog, compacted: the last row of each key. */
  const log = new Map<string, { value: Buffer | null; timestamp: number }>()
  let appended = 0

  const definition = (kind: StorageKind): SuppressStoreDefinition => ({
    kind: 'suppress',
    name: 'held',
    keySerde: text as Serde<unknown>,
    valueSerde: json<number>() as Serde<unknown>,
    storage: kind,
    changelog: true,
    countsBytes: true,
  })

  async function open(): Promise<void> {
    state = await TaskState.open({
      definitions: [definition(storage)],
      directory: folder.path,
      fileSystem: new NodeFileSystem(),
      memory: new StoreMemory(1e6),
    })
    store = state.store('held')
    const writer = state.restore('held')
    if ((state.changelogOffset('held') ?? 0) < appended) {
      for (const [key, { value, timestamp }] of log) {
        const bytes = rangeOf(Buffer.from(key, 'latin1'))
        writer.add(bytes, value === null ? null : rangeOf(value), timestamp)
      }
    }
    await writer.finish(appended)
  }

  function drain(): void {
    store.drainChanges((key, value, timestamp) => {
      const bytes =
        value === null ? null : Buffer.from(value.bytes.subarray(value.start, value.end))
      log.set(key.bytes.latin1Slice(key.start, key.end), { value: bytes, timestamp })
      appended++
    })
  }

  async function commit(saves = true): Promise<void> {
    drain()
    if (saves) await state.save(new Map([['held', appended]]))
  }

  async function crash(): Promise<void> {
    await state.close()
    await open()
  }

  function takeAll(): string[] {
    const taken: string[] = []
    while (store.firstTime < Number.POSITIVE_INFINITY) {
      const time = store.firstTime
      const held = store.take()
      taken.push(held === null ? `mark@${time}` : `${held.key}=${held.value}@${time}`)
    }
    return taken
  }

  beforeEach(async () => {
    folder = temporaryFolder()
    log.clear()
    appended = 0
    await open()
  })
  afterEach(async () => {
    await state.close()
    folder.remove()
  })

  test('rows leave by time, then by the bytes of their keys', () => {
    for (const key of ['é', 'b', 'aa', 'B', 'a']) store.hold(5, row(key, 1))
    store.hold(4, row('z', 1))
    expect(store.heldKeys).toBe(6)
    expect(takeAll()).toEqual(['z=1@4', 'B=1@5', 'a=1@5', 'aa=1@5', 'b=1@5', 'é=1@5'])
    expect(store.heldKeys).toBe(0)
    expect(store.take()).toBe(null)
  })

  test('a row of a key that is held takes its place, with the time of the first', () => {
    store.hold(3, row('a', 1, 10))
    store.hold(9, row('a', null, 20))
    expect(store.heldKeys).toBe(1)
    expect(store.firstTime).toBe(3)
    expect(store.take()).toMatchObject({ value: null, timestamp: 20 })
  })

  test.each([true, false])('what is held comes back after a crash (saved: %s)', async (saves) => {
    const headers = [
      { key: 'trace', value: Buffer.from('1') },
      { key: 'none', value: null },
    ]
    store.hold(7, { ...row('a', 1, 100), headers })
    store.hold(8, row('b', null, 200))
    store.mark(9, 'c', 300)
    await commit(saves)
    store.hold(1, row('lost', 1))
    await crash()
    expect(store.heldKeys).toBe(2)
    expect(store.isMarked('c')).toBe(true)
    expect(store.isMarked('b')).toBe(false)
    const first = store.take()
    expect(first).toMatchObject({ key: 'a', value: 1, timestamp: 100 })
    expect(first?.headers.map(({ key, value }) => [key, value?.toString()])).toEqual([
      ['trace', '1'],
      ['none', undefined],
    ])
    expect(takeAll()).toEqual(['b=null@8', 'mark@9'])
  })

  test('what was taken stays away, and what came and went leaves no trace', async () => {
    store.hold(1, row('a', 1))
    await commit()
    expect(store.take()?.key).toBe('a')
    store.hold(2, row('b', 2))
    expect(store.take()?.key).toBe('b')
    await commit(false)
    expect([...log].map(([key, { value }]) => [key, value])).toEqual([['a', null]])
    await crash()
    expect(store.heldKeys).toBe(0)
  })

  test('a key that is taken and held again before a commit is held', async () => {
    store.hold(1, row('a', 1))
    await commit()
    store.take()
    store.hold(5, row('a', 2))
    await commit()
    await crash()
    expect(takeAll()).toEqual(['a=2@5'])
  })

  test('bytes are counted as Kafka Streams counts them, marks not at all', () => {
    store.hold(1, row('ab', 12345))
    expect(store.heldBytes).toBe(48 + 2 + 5)
    store.hold(1, row('ab', 1))
    store.mark(2, 'c', 0)
    expect(store.heldBytes).toBe(48 + 2 + 1)
    takeAll()
    expect(store.heldBytes).toBe(0)
  })

  test('whatever is held, taken, committed and crashed, it is what a map says', async () => {
    const random = randomOf(SEED)
    let model = new Map<string, [time: number, value: number]>()
    let committed = new Map(model)
    for (let step = 0; step < 400; step++) {
      const choice = random()
      if (choice < 0.6) {
        const key = `k${Math.floor(random() * 20)}`
        const time = Math.floor(random() * 10)
        store.hold(time, row(key, step))
        model.set(key, [model.get(key)?.[0] ?? time, step])
      } else if (choice < 0.85) {
        const [first] = [...model].sort(
          ([a, [x]], [b, [y]]) => x - y || Buffer.compare(Buffer.from(a), Buffer.from(b)),
        )
        const taken = store.take()
        expect([taken?.key, taken?.value], `seed ${SEED}`).toEqual([first?.[0], first?.[1][1]])
        if (first !== undefined) model.delete(first[0])
      } else if (choice < 0.97) {
        await commit(random() < 0.5)
        committed = new Map(model)
      } else {
        await crash()
        model = new Map(committed)
      }
      expect(store.heldKeys).toBe(model.size)
    }
  })
})
