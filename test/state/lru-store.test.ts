/** A key-value store that forgets the rows used least recently, on either storage. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import type { Serde } from '../../src/record/serde.ts'
import { bytes, int64, json, text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import type { KeyValueStore, KeyValueStoreDefinition, StorageKind } from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

type Logged = [key: string, value: string | null, timestamp: number]

const fileSystem = new NodeFileSystem()

describe.each<StorageKind>(['memory', 'rocksdb'])('a store of three rows, in %s', (storage) => {
  let folder: TemporaryFolder
  let state: TaskState
  let store: KeyValueStore<string, string>
  let log: Logged[]
  let saved: number

  const three: KeyValueStoreDefinition = {
    kind: 'key-value',
    name: 'three',
    keySerde: text as Serde<unknown>,
    valueSerde: text as Serde<unknown>,
    storage,
    changelog: true,
    keepsBefore: false,
    maxEntries: 3,
  }

  async function open(definition = three): Promise<void> {
    const definitions = [definition]
    state = await TaskState.open({
      definitions,
      directory: folder.path,
      fileSystem,
      memory: new StoreMemory(1e6),
    })
    store = state.store('three')
    saved = state.changelogOffset('three') ?? 0
    const writer = state.restore('three')
    for (const [key, value, timestamp] of log.slice(saved)) {
      const row = value === null ? null : rangeOf(Buffer.from(value))
      writer.add(rangeOf(Buffer.from(key)), row, timestamp)
    }
    await writer.finish(log.length)
  }

  function drain(): Logged[] {
    const before = log.length
    store.drainChanges((key, value, timestamp) => {
      const textOf = (range: typeof key) => range.bytes.toString('utf8', range.start, range.end)
      log.push([textOf(key), value === null ? null : textOf(value), timestamp])
    })
    return log.slice(before)
  }

  async function commit(): Promise<Logged[]> {
    const logged = drain()
    await state.save(new Map([['three', log.length]]))
    return logged
  }

  /** Closes as it is; what was drained and not saved comes back from the changelog. */
  async function reopen(definition = three): Promise<void> {
    await state.close()
    await open(definition)
  }

  const put = (...keys: string[]) => {
    for (const key of keys) store.put(key, `${key}!`, 1)
  }

  async function keys(range = {}): Promise<string> {
    const found: string[] = []
    for await (const { key } of store.range(range)) found.push(key)
    return found.join('')
  }

  beforeEach(async () => {
    folder = temporaryFolder()
    log = []
    await open()
  })
  afterEach(async () => {
    await state.close()
    folder.remove()
  })

  it('forgets the row that was put or read longest ago', async () => {
    put('a', 'b', 'c')
    expect(store.get('a')).toMatchObject({ value: 'a!', timestamp: 1 })
    put('d')
    expect(await keys()).toBe('acd')
    expect(store.get('b')).toBeNull()
    put('c', 'e')
    expect(await keys()).toBe('cde')
  })

  it('uses nothing by a query over a range, nor by asking for what is not there', async () => {
    put('a', 'b', 'c')
    await keys()
    store.get('x')
    put('d')
    expect(await keys()).toBe('bcd')
  })

  it('reads ranges by the bytes of keys, in either direction, or by a prefix', async () => {
    put('b', 'a', 'ab')
    expect(await keys({ from: 'ab' })).toBe('abb')
    expect(await keys({ to: 'ab' })).toBe('aab')
    expect(await keys({ prefix: 'a' })).toBe('aab')
    expect(await keys({ reverse: true })).toBe('baba')
  })

  it('writes rows to the changelog in the order of their use, and deletes what it forgot', async () => {
    put('a', 'b', 'c')
    expect(await commit()).toEqual([
      ['a', 'a!', 1],
      ['b', 'b!', 1],
      ['c', 'c!', 1],
    ])
    store.get('a')
    store.put('d', 'd!', 2)
    store.put('c', null, 3)
    expect(await commit()).toEqual([
      ['b', null, 1],
      ['c', null, 3],
      ['a', 'a!', 1],
      ['d', 'd!', 2],
    ])
    expect(await commit()).toEqual([])
  })

  it('leaves no trace of a row that came and went between two commits', () => {
    put('a', 'b', 'c', 'd')
    expect(drain().map(([key]) => key)).toEqual(['b', 'c', 'd'])
  })

  it.each(['saved', 'only drained'])(
    'keeps rows and the order of use, %s, over a crash',
    async (how) => {
      const keep = how === 'saved' ? commit : async () => drain()
      put('a', 'b', 'c')
      await keep()
      store.get('a')
      expect(store.hasUndrained).toBe(true)
      await keep()
      expect(store.hasUndrained).toBe(false)
      await reopen()
      put('d')
      expect(await keys()).toBe('acd')
      await keep()
      await reopen()
      expect(await keys()).toBe('acd')
      put('e')
      expect(await keys()).toBe('ade')
    },
  )

  it('goes down to a smaller bound with the first put', async () => {
    put('a', 'b', 'c')
    await commit()
    await reopen({ ...three, maxEntries: 2 })
    put('d')
    expect(await keys()).toBe('cd')
    expect((await commit()).map(([key, value]) => [key, value])).toEqual([
      ['a', null],
      ['b', null],
      ['d', 'd!'],
    ])
  })

  it('is not taken for a store of all rows, nor the other way round', async () => {
    put('a')
    await commit()
    await state.close()
    const { maxEntries: _, ...all } = three
    if (storage === 'rocksdb') {
      await expect(open(all)).rejects.toMatchObject({ code: 'state-incompatible' })
    }
    log = []
    folder.remove()
    await open(three)
  })
})

describe('changes of a bounded store', () => {
  async function open(value: Serde<unknown>, keepsBefore = true) {
    const state = await TaskState.open({
      definitions: [
        {
          kind: 'key-value',
          name: 'two',
          keySerde: bytes as Serde<unknown>,
          valueSerde: value,
          storage: 'memory',
          changelog: false,
          keepsBefore,
          maxEntries: 2,
        },
      ],
      directory: 'unused',
      fileSystem,
      memory: new StoreMemory(1e6),
    })
    return state.store<KeyValueStore<Buffer, unknown>>('two')
  }
  const key = (name: string) => Buffer.from(name)

  function changes(store: KeyValueStore<Buffer, unknown>, copies = false): unknown[] {
    const seen: unknown[] = []
    store.forEachChanged((name, { before, after, timestamp }) => {
      seen.push([name.toString(), before, after, timestamp])
    }, copies)
    return seen
  }

  it('are emitted once a key, in the order of their first change, forgotten or not', async () => {
    const store = await open(int64 as Serde<unknown>)
    store.put(key('a'), 1, 1)
    store.put(key('b'), 1, 2)
    store.put(key('a'), 2, 3)
    store.put(key('c'), 1, 4)
    expect(store.get(key('b'))).toBeNull()
    expect(changes(store)).toEqual([
      ['a', null, 2, 3],
      ['b', null, 1, 2],
      ['c', null, 1, 4],
    ])
    expect(changes(store)).toEqual([])
  })

  it('do not tell of what is forgotten, and begin anew when it comes back', async () => {
    const store = await open(int64 as Serde<unknown>)
    for (const name of ['a', 'b', 'c']) store.put(key(name), 1, 1)
    changes(store)
    store.put(key('d'), 1, 2)
    expect(changes(store)).toEqual([['d', null, 1, 2]])
    store.put(key('a'), 5, 3)
    expect(changes(store)).toEqual([['a', null, 5, 3]])
  })

  it('know the row before when a key is forgotten and comes back before it was emitted', async () => {
    const store = await open(int64 as Serde<unknown>)
    store.put(key('a'), 1, 1)
    changes(store)
    store.put(key('a'), 2, 2)
    store.put(key('b'), 1, 3)
    store.put(key('c'), 1, 4)
    expect(store.get(key('a'))).toBeNull()
    expect(store.getEmitted(key('a'))).toEqual({ value: 1, timestamp: 2 })
    store.put(key('a'), 9, 5)
    expect(changes(store)).toEqual([
      ['a', 1, 9, 5],
      ['b', null, 1, 3],
      ['c', null, 1, 4],
    ])
  })

  it('are told apart although a value is changed in place', async () => {
    const store = await open(json() as Serde<unknown>)
    const row = { n: 1 }
    store.put(key('a'), row, 1)
    expect(changes(store, true)).toEqual([['a', null, { n: 1 }, 1]])
    row.n = 2
    store.put(key('a'), row, 2)
    expect(store.getEmitted(key('a'))).toMatchObject({ value: { n: 1 } })
    const [change] = changes(store, true) as [[string, unknown, object]]
    expect(change.slice(0, 3)).toEqual(['a', { n: 1 }, { n: 2 }])
    expect(change[2]).not.toBe(row)
    store.put(key('a'), null, 3)
    expect(changes(store)).toEqual([['a', { n: 2 }, null, 3]])
  })

  it('are nothing where a row came and went', async () => {
    const store = await open(int64 as Serde<unknown>)
    store.put(key('a'), 1, 1)
    store.put(key('a'), null, 2)
    store.put(key('b'), null, 3)
    expect(changes(store)).toEqual([])
  })
})
