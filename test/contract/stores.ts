/**
 * What the stores of a task must do. Run over RocksDB and memory; a reopen is a crash, after which
 * what was not saved comes back from the changelog.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import type { Serde } from '../../src/record/serde.ts'
import { bytes as bytesSerde, json, text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import type {
  JoinStore,
  KeyValueStore,
  StorageKind,
  StoreDefinition,
  WindowStore,
} from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { randomOf, SEED } from '../record/random.ts'
import { type TemporaryFolder, temporaryFolder } from '../state/temporary-folder.ts'

interface ChangelogRecord {
  readonly store: string
  readonly key: Buffer
  readonly value: Buffer | null
  readonly timestamp: number
}

type AnySerde = Serde<unknown>

interface Kept {
  /** Whether key-value stores keep their rows as bytes. */
  readonly keepsBytes: boolean
  readonly keepsBefore: boolean
}

function definitions(storage: StorageKind, { keepsBytes, keepsBefore }: Kept) {
  const common = {
    keySerde: text as AnySerde,
    valueSerde: json() as AnySerde,
    storage,
    changelog: true,
    keepsBefore,
  }
  const table = { ...common, kind: 'key-value', keepsBytes } as const
  return [
    { ...table, name: 'table' },
    { ...table, name: 'bytes', keySerde: bytesSerde as AnySerde },
    { ...common, kind: 'window', name: 'windows', retentionMs: 1000, windowSizeMs: 10 },
    { ...common, kind: 'join', name: 'join', retentionMs: 1000, bucketMs: 100 },
  ] satisfies StoreDefinition[]
}

/** A task's state with the log that its changelogs go to. */
class Task {
  readonly folder: TemporaryFolder = temporaryFolder()
  readonly log: ChangelogRecord[] = []
  state!: TaskState
  budgetBytes = 1e6
  readonly keepsBefore: boolean
  readonly #definitions: readonly StoreDefinition[]

  constructor(stores: readonly StoreDefinition[]) {
    this.#definitions = stores
    this.keepsBefore = stores.some((store) => 'keepsBefore' in store && store.keepsBefore)
  }

  async open(stores = this.#definitions): Promise<void> {
    this.state = await TaskState.open({
      definitions: stores,
      directory: this.folder.path,
      fileSystem: new NodeFileSystem(),
      memory: new StoreMemory(this.budgetBytes),
    })
    for (const { name } of stores) await this.#restore(name)
  }

  async #restore(name: string): Promise<void> {
    const writer = this.state.restore(name)
    const offset = this.state.changelogOffset(name) ?? 0
    for (const record of this.log.slice(offset)) {
      if (record.store !== name) continue
      const { key, value, timestamp } = record
      writer.add(rangeOf(key), value === null ? null : rangeOf(value), timestamp)
      if (writer.isFull) await writer.write(0)
    }
    await writer.finish(this.log.length)
  }

  drain(): void {
    for (const store of this.state.stores()) {
      store.drainChanges((key, value, timestamp) => {
        this.log.push({
          store: store.name,
          key: Buffer.from(key.bytes.subarray(key.start, key.end)),
          value: value === null ? null : Buffer.from(value.bytes.subarray(value.start, value.end)),
          timestamp,
        })
      })
    }
  }

  async save(): Promise<void> {
    const offset = this.log.length
    await this.state.save(new Map(this.state.stores().map(({ name }) => [name, offset])))
  }

  async commit(): Promise<void> {
    this.drain()
    await this.save()
  }

  async reopen(): Promise<void> {
    await this.state.close()
    await this.open()
  }

  async dispose(): Promise<void> {
    await this.state.close()
    this.folder.remove()
  }

  logged(name: string): [string, string | null, number][] {
    return this.log
      .filter(({ store }) => store === name)
      .map(({ key, value, timestamp }) => [
        key.toString('latin1'),
        value?.toString() ?? null,
        timestamp,
      ])
  }
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = []
  for await (const row of rows) result.push(row)
  return result
}

const isPromise = (value: unknown): boolean => value instanceof Promise

interface Count {
  n: number
}

export function storesContract(storage: StorageKind, keepsBytes = false): void {
  describe(`stores over ${storage}${keepsBytes ? ', rows kept as bytes' : ''}`, () => {
    let task: Task
    /** About what a row of these tests takes in memory. */
    const rowBytes = keepsBytes ? 64 : 220

    const start = async (keepsBefore = false): Promise<void> => {
      task = new Task(definitions(storage, { keepsBytes, keepsBefore }))
      await task.open()
    }
    const table = (): KeyValueStore<string, Count> => task.state.store('table')
    const windows = (): WindowStore<string, Count> => task.state.store('windows')
    const join = (): JoinStore<string, string> => task.state.store('join')
    const valueAt = async (key: string): Promise<number | null> =>
      (await table().get(key))?.value.n ?? null
    const windowAt = async (key: string, windowStart: number): Promise<number | null> =>
      (await windows().get(key, windowStart))?.value.n ?? null
    const changes = async (): Promise<[string, Count | null, Count | null][]> => {
      const seen: [string, Count | null, Count | null][] = []
      await table().forEachChanged((key, row) => {
        seen.push([key, row.before, row.after])
      })
      return seen
    }

    beforeEach(() => start())
    afterEach(() => task.dispose())

    describe('key-value store', () => {
      it('reads its own writes, and nothing from the byte store when it began empty', () => {
        expect(table().get('a')).toBeNull()
        table().put('a', { n: 1 }, 5)
        expect(table().get('a')).toMatchObject({ value: { n: 1 }, timestamp: 5 })
        table().put('a', null, 6)
        expect(table().get('a')).toBeNull()
        expect(table().prefetch(['b', 'c'])).toBeUndefined()
      })

      it('waits only for rows that are not in memory, and prefetch brings them there', async () => {
        table().put('a', { n: 1 }, 1)
        table().put('b', { n: 2 }, 2)
        await task.commit()
        await task.reopen()
        const first = table().get('a')
        expect(isPromise(first)).toBe(true)
        await first
        expect(await valueAt('a')).toBe(1)
        expect(isPromise(table().get('a'))).toBe(false)
        await table().prefetch(['a', 'b', 'none', 'b', null as unknown as string])
        expect(table().get('b')).toMatchObject({ value: { n: 2 } })
        expect(table().get('none')).toBeNull()
      })

      it('logs the last of several writes of a key, once, in the order keys first changed', () => {
        table().put('b', { n: 1 }, 1)
        table().put('a', { n: 1 }, 2)
        table().put('b', { n: 2 }, 3)
        table().put('c', { n: 1 }, 4)
        table().put('c', null, 5)
        task.drain()
        expect(task.logged('table')).toEqual([
          ['b', '{"n":2}', 3],
          ['a', '{"n":1}', 2],
          ['c', null, 5],
        ])
        task.drain()
        expect(task.log).toHaveLength(3)
      })

      it('saves less often than it drains, and a crash between restores from the changelog', async () => {
        table().put('a', { n: 1 }, 1)
        table().put('gone', { n: 1 }, 1)
        await task.commit()
        table().put('a', { n: 2 }, 2)
        table().put('gone', null, 2)
        table().put('b', { n: 3 }, 3)
        task.drain()
        table().put('a', { n: 99 }, 4)
        await task.reopen()
        expect([await valueAt('a'), await valueAt('b'), await valueAt('gone')]).toEqual([
          2,
          3,
          null,
        ])
      })

      it('refuses to save rows that were not drained', async () => {
        table().put('a', { n: 1 }, 1)
        await expect(task.save()).rejects.toThrow(/a save follows a drain/)
        task.drain()
      })

      it('takes keys and values of any bytes', async () => {
        const store = task.state.store<KeyValueStore<Uint8Array, string>>('bytes')
        const keys = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte, 255 - byte, 0))
        for (const [index, key] of keys.entries()) store.put(key, `ü€😀${index}`, index)
        expect(store.get(Buffer.from(keys[200] as Buffer))).toMatchObject({ value: 'ü€😀200' })
        table().put('schlüssel€😀', { n: 7 }, 1)
        await task.commit()
        await task.reopen()
        const reopened = task.state.store<KeyValueStore<Uint8Array, string>>('bytes')
        const rows = await all(reopened.range())
        expect(rows.map(({ key }) => Buffer.from(key))).toEqual(keys)
        expect(rows.map(({ value }) => value)).toEqual(keys.map((_, index) => `ü€😀${index}`))
        expect(await valueAt('schlüssel€😀')).toBe(7)
        expect((await all(table().range())).map(({ key }) => key)).toEqual(['schlüssel€😀'])
      })

      it('ranges over buffered and stored rows as one, both ends included', async () => {
        for (const key of ['a', 'b', 'c', 'd']) table().put(key, { n: 1 }, 1)
        await task.commit()
        table().put('b', null, 2)
        table().put('c', { n: 2 }, 2)
        table().put('cc', { n: 3 }, 2)
        task.drain()
        table().put('z', { n: 4 }, 2)
        const rows = async (range = {}): Promise<string> =>
          (await all(table().range(range))).map(({ key, value }) => `${key}${value.n}`).join(' ')
        expect(await rows()).toBe('a1 c2 cc3 d1 z4')
        expect(await rows({ from: 'c', to: 'd' })).toBe('c2 cc3 d1')
        expect(await rows({ to: 'c', reverse: true })).toBe('c2 a1')
        expect(await rows({ from: 'd', reverse: true })).toBe('z4 d1')
        expect(await rows({ from: 'x', to: 'b' })).toBe('')
      })

      it('ranges over the keys that begin with one, buffered and stored', async () => {
        const put = (key: string) => table().put(key, { n: 1 }, 1)
        for (const key of ['a', 'ab', 'b', 'é']) put(key)
        await task.commit()
        for (const key of ['aa', 'ac', 'éa']) put(key)
        const keys = async (range = {}): Promise<string> =>
          (await all(table().range(range))).map(({ key }) => key).join(' ')
        expect(await keys({ prefix: 'a' })).toBe('a aa ab ac')
        expect(await keys({ prefix: 'a', reverse: true })).toBe('ac ab aa a')
        expect(await keys({ prefix: 'ab' })).toBe('ab')
        expect(await keys({ prefix: 'é' })).toBe('é éa')
        expect(await keys({ prefix: 'x' })).toBe('')
      })

      it('ends a range with an error when the store is closed under it', async () => {
        for (let i = 0; i < 3000; i++) table().put(`k${i}`, { n: i }, i)
        await task.commit()
        const rows = table().range()[Symbol.asyncIterator]()
        await rows.next()
        await task.state.close()
        await expect(
          (async () => {
            while ((await rows.next()).done !== true);
          })(),
        ).rejects.toMatchObject({ code: 'streams-state-invalid' })
      })

      it('keeps to its budget, and never lets go of a row that is not saved', async () => {
        task.budgetBytes = 227 * rowBytes
        await task.reopen()
        for (let i = 0; i < 1000; i++) table().put(`k${i}`, { n: i }, i)
        expect(table().dirtyBytes()).toBeGreaterThan(900 * rowBytes)
        table().evict()
        expect(table().get('k0')).toMatchObject({ value: { n: 0 } })
        task.drain()
        table().evict()
        expect(table().get('k999')).toMatchObject({ value: { n: 999 } })
        await task.save()
        expect(table().bufferedBytes()).toBeLessThan(task.budgetBytes)
        expect(table().dirtyBytes()).toBe(0)
        for (let i = 0; i < 1000; i++) expect(await valueAt(`k${i}`)).toBe(i)
        table().evict()
        expect(table().bufferedBytes()).toBeLessThan(task.budgetBytes)
      })

      it('lets go of rows that rest before those in use', async () => {
        task.budgetBytes = 227 * rowBytes
        await task.reopen()
        for (let i = 0; i < 150; i++) table().put(`k${i}`, { n: i }, i)
        await task.commit()
        for (let i = 0; i < 20; i++) table().get(`k${i}`)
        for (let i = 150; i < 240; i++) table().put(`k${i}`, { n: i }, i)
        await task.commit()
        for (let i = 0; i < 20; i++) expect(isPromise(table().get(`k${i}`))).toBe(false)
        const evicted = table().get('k30')
        expect(isPromise(evicted)).toBe(true)
        await evicted
      })
    })

    describe('changes with the row before', () => {
      beforeEach(async () => {
        await task.dispose()
        await start(true)
      })

      it('gives the row as last emitted and the present one, once per emission', async () => {
        table().put('a', { n: 1 }, 1)
        table().put('a', { n: 2 }, 1)
        table().put('b', { n: 1 }, 1)
        expect(await changes()).toEqual([
          ['a', null, { n: 2 }],
          ['b', null, { n: 1 }],
        ])
        expect(await changes()).toEqual([])
        await task.commit()
        table().put('a', { n: 3 }, 1)
        table().put('b', null, 1)
        table().put('c', { n: 1 }, 1)
        table().put('c', null, 1)
        expect(await changes()).toEqual([
          ['a', { n: 2 }, { n: 3 }],
          ['b', { n: 1 }, null],
        ])
        await task.commit()
        expect(task.logged('table').slice(-3)).toEqual([
          ['a', '{"n":3}', 1],
          ['b', null, 1],
          ['c', null, 1],
        ])
      })

      it('is not fooled by an aggregator that changes its argument and returns it', async () => {
        const fold = async (key: string): Promise<void> => {
          const row = await table().get(key)
          const value = row === null ? { n: 0 } : row.value
          value.n++
          table().put(key, value, 1)
        }
        await fold('a')
        await fold('a')
        expect(await changes()).toEqual([['a', null, { n: 2 }]])
        task.drain()
        await fold('a')
        expect(await changes()).toEqual([['a', { n: 2 }, { n: 3 }]])
        await fold('a')
        expect(await changes()).toEqual([['a', { n: 3 }, { n: 4 }]])
        await task.commit()
        await task.reopen()
        await fold('a')
        expect(await changes()).toEqual([['a', { n: 4 }, { n: 5 }]])
        await task.commit()
        expect(task.logged('table')).toEqual([
          ['a', '{"n":2}', 1],
          ['a', '{"n":4}', 1],
          ['a', '{"n":5}', 1],
        ])
      })

      it('reads the row before of a key that is put without having been read', async () => {
        table().put('a', { n: 1 }, 1)
        table().put('b', { n: 1 }, 1)
        await task.commit()
        await task.reopen()
        table().put('a', { n: 2 }, 2)
        table().put('b', null, 2)
        table().put('c', { n: 1 }, 2)
        expect(await changes()).toEqual([
          ['a', { n: 1 }, { n: 2 }],
          ['b', { n: 1 }, null],
          ['c', null, { n: 1 }],
        ])
      })

      it('waits for a callback before the next one, and copies values apart', async () => {
        const order: string[] = []
        for (const key of ['a', 'b']) table().put(key, { n: 1 }, 1)
        await table().forEachChanged(async (key) => {
          order.push(`${key} begins`)
          await Promise.resolve()
          order.push(`${key} ends`)
        })
        expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
        const value = { n: 1 }
        const copy = table().copyValue(value)
        value.n = 2
        expect(copy).toEqual({ n: 1 })
      })
    })

    describe('window store', () => {
      it('reads nothing of windows that began while it runs, and of others only what it misses', async () => {
        expect(windows().get('a', 100)).toBeNull()
        windows().put('a', 100, { n: 1 }, 101)
        expect(windows().mayRead(100)).toBe(false)
        await task.commit()
        await task.reopen()
        expect(windows().mayRead(100)).toBe(true)
        expect(windows().mayRead(110)).toBe(false)
        expect(windows().get('a', 110)).toBeNull()
        const first = windows().get('a', 100)
        expect(isPromise(first)).toBe(true)
        await first
        await windows().prefetch(['a', 'b', 'a'], [100, 100, 110])
        expect(windows().get('a', 100)).toMatchObject({ value: { n: 1 }, timestamp: 101 })
        expect(windows().get('b', 100)).toBeNull()
      })

      it('keeps a key apart in each window, and tells a tombstone from a row', async () => {
        windows().put('a', 100, { n: 1 }, 1)
        windows().put('a', 110, { n: 2 }, 2)
        windows().put('b', 100, { n: 3 }, 3)
        windows().put('b', 100, null, 4)
        expect([await windowAt('a', 100), await windowAt('a', 110)]).toEqual([1, 2])
        expect(windows().get('b', 100)).toBeNull()
        task.drain()
        const key = (text: string, startByte: string): string =>
          `${text}\0\0\0\0\0\0\0${startByte}\0\0\0\0`
        expect(task.logged('windows')).toEqual([
          [key('a', 'd'), '{"n":1}', 1],
          [key('a', 'n'), '{"n":2}', 2],
          [key('b', 'd'), null, 4],
        ])
        await task.reopen()
        expect(await windowAt('a', 110)).toBe(2)
        expect(await windowAt('b', 100)).toBeNull()
      })

      it('refuses and forgets windows older than the retention, also in the byte store', async () => {
        windows().put('a', 100, { n: 1 }, 1)
        windows().put('a', 200, { n: 1 }, 1)
        await task.commit()
        expect(windows().put('a', 1100, { n: 2 }, 2)).toBe(true)
        expect(windows().get('a', 100)).toBeNull()
        expect(windows().put('a', 100, { n: 9 }, 3)).toBe(false)
        expect(windows().mayRead(100)).toBe(false)
        expect(windows().put('a', 101, { n: 3 }, 3)).toBe(true)
        const starts = async (): Promise<number[]> =>
          (await all(windows().fetchAll())).map(({ windowStart }) => windowStart)
        expect(await starts()).toEqual([101, 200, 1100])
        await task.commit()
        await task.reopen()
        expect(await starts()).toEqual([101, 200, 1100])
        expect(windows().put('a', 100, { n: 9 }, 3)).toBe(false)
        expect(await windowAt('a', 101)).toBe(3)
      })

      it('emits and logs a row that expired before its commit, and does not save it', async () => {
        windows().put('a', 100, { n: 1 }, 1)
        windows().put('a', 5000, { n: 2 }, 2)
        const seen: number[] = []
        await windows().forEachChanged((_key, windowStart) => {
          seen.push(windowStart)
        })
        expect(seen).toEqual([100, 5000])
        await task.commit()
        expect(task.logged('windows')).toHaveLength(2)
        expect(windows().bufferedBytes()).toBeLessThan(300)
        expect(windows().dirtyBytes()).toBe(0)
        await task.reopen()
        expect((await all(windows().fetchAll())).map(({ windowStart }) => windowStart)).toEqual([
          5000,
        ])
      })

      it('fetches a key over windows, and all keys by window and key', async () => {
        for (const start of [300, 100, 200]) {
          windows().put('b', start, { n: start }, 1)
          windows().put('a', start, { n: start + 1 }, 1)
        }
        await task.commit()
        await task.reopen()
        windows().put('a', 200, null, 2)
        windows().put('a', 250, { n: 250 }, 2)
        const ofKey = await all(windows().fetch('a', 100, 250))
        expect(ofKey.map(({ windowStart, value }) => [windowStart, value.n])).toEqual([
          [100, 101],
          [250, 250],
        ])
        const everything = await all(windows().fetchAll(150, 300))
        expect(everything.map(({ key, windowStart }) => `${key}@${windowStart}`)).toEqual([
          'b@200',
          'a@250',
          'a@300',
          'b@300',
        ])
      })

      it('keeps to its budget over windows and within one', async () => {
        task.budgetBytes = 50_000
        await task.reopen()
        for (const start of [100, 200]) {
          for (let i = 0; i < 500; i++) windows().put(`k${i}`, start, { n: start + i }, i)
        }
        await task.commit()
        expect(windows().bufferedBytes()).toBeLessThan(50_000)
        for (const start of [100, 200]) {
          for (let i = 0; i < 500; i++) expect(await windowAt(`k${i}`, start)).toBe(start + i)
          expect(await windowAt('none', start)).toBeNull()
        }
      })
    })

    describe('join store', () => {
      const fetch = async (key: string, from: number, to: number): Promise<string> => {
        const seen: string[] = []
        await join().fetch(key, from, to, (value, timestamp) => {
          seen.push(`${value}@${timestamp}`)
        })
        return seen.join(' ')
      }

      it('keeps several records a key and time, and visits them by time, then arrival', async () => {
        expect(join().add('a', 150, 'x')).toBe(true)
        for (const [time, value] of [
          [150, 'y'],
          [90, 'z'],
          [250, 'w'],
          [149, 'v'],
        ] as const) {
          join().add('a', time, value)
        }
        join().add('b', 150, 'other')
        const expected = 'z@90 v@149 x@150 y@150 w@250'
        expect(isPromise(join().fetch('a', 0, 1000, () => {}))).toBe(false)
        expect(await fetch('a', 0, 1000)).toBe(expected)
        expect(await fetch('a', 149, 150)).toBe('v@149 x@150 y@150')
        await task.commit()
        await task.reopen()
        const first = join().fetch('a', 0, 1000, () => {})
        expect(isPromise(first)).toBe(true)
        await first
        expect(await fetch('a', 0, 1000)).toBe(expected)
        expect(await join().add('a', 150, 'later')).toBe(true)
        expect(await fetch('a', 150, 150)).toBe('x@150 y@150 later@150')
      })

      it('rewrites only the last chunk of a hot key', async () => {
        for (let i = 0; i < 100; i++) join().add('a', 100 + (i % 50), `${i}`)
        await task.commit()
        expect(task.logged('join')).toHaveLength(4)
        join().add('a', 120, 'one more')
        await task.commit()
        expect(task.logged('join')).toHaveLength(5)
        await task.reopen()
        await join().prefetch(['a', 'none'], [120, 120], { beforeMs: 10, afterMs: 10 })
        const seen: string[] = []
        expect(
          isPromise(
            join().fetch('a', 100, 199, (value) => {
              seen.push(value)
            }),
          ),
        ).toBe(false)
        expect(seen).toHaveLength(101)
        for (let i = 0; i < 40; i++) join().add('a', 120, `added ${i}`)
        await task.commit()
        // Chunk 0 counts the chunks; the last one was continued, and a fifth one begun.
        expect(task.logged('join')).toHaveLength(8)
        await task.reopen()
        const count = (await fetch('a', 100, 199)).split(' ').length
        expect(count).toBeGreaterThanOrEqual(141)
      })

      it('waits for a visit before the next', async () => {
        for (let i = 0; i < 3; i++) join().add('a', 100 * (i + 1), `${i}`)
        let open = 0
        await join().fetch('a', 0, 1000, async () => {
          expect(open++).toBe(0)
          await Promise.resolve()
          open--
        })
        expect(open).toBe(0)
      })

      it('refuses and forgets what is older than the retention, also after a crash', async () => {
        join().add('a', 100, 'old')
        join().add('a', 150, 'newer')
        await task.commit()
        join().add('a', 1120, 'now')
        expect(join().add('a', 120, 'late')).toBe(false)
        expect(join().add('a', 121, 'in time')).toBe(true)
        expect(await fetch('a', 0, 2000)).toBe('in time@121 newer@150 now@1120')
        await task.commit()
        await task.reopen()
        expect(await join().add('a', 120, 'late')).toBe(false)
        expect(await fetch('a', 0, 2000)).toBe('in time@121 newer@150 now@1120')
        await join().add('a', 5000, 'far')
        expect(await fetch('a', 0, 6000)).toBe('far@5000')
        await task.commit()
        expect(join().bufferedBytes()).toBeLessThan(400)
        expect(join().dirtyBytes()).toBe(0)
      })

      it('knows its time again when a crash follows a restore without a save between', async () => {
        join().add('a', 150, 'x')
        task.drain()
        await task.reopen()
        await task.reopen()
        expect(await fetch('a', 0, 1000)).toBe('x@150')
        await join().add('a', 1140, 'y')
        task.drain()
        await task.reopen()
        await task.reopen()
        expect(await join().add('a', 140, 'late')).toBe(false)
      })

      it('keeps to its budget', async () => {
        task.budgetBytes = 20_000
        await task.reopen()
        for (let i = 0; i < 300; i++) await join().add(`k${i % 100}`, 100 + i, `v${i}`)
        await task.commit()
        expect(join().bufferedBytes()).toBeLessThan(20_000)
        for (let i = 0; i < 300; i++) {
          expect(await fetch(`k${i % 100}`, 100 + i, 100 + i)).toBe(`v${i}@${100 + i}`)
        }
      })
    })

    describe('task state', () => {
      it('evicts nothing while a save is under way', async () => {
        task.budgetBytes = 1
        await task.reopen()
        table().put('a', { n: 1 }, 1)
        task.drain()
        const saved = task.save()
        task.state.evict()
        expect(table().get('a')).toMatchObject({ value: { n: 1 } })
        await saved
        expect(table().bufferedBytes()).toBe(0)
        expect(await valueAt('a')).toBe(1)
      })

      it('shows rows whose write is under way, and takes changes of them', async () => {
        for (let i = 0; i < 3000; i++) table().put(`k${i}`, { n: i }, i)
        task.drain()
        const saved = task.save()
        table().put('k7', { n: -7 }, 7)
        const rows = await all(table().range())
        expect(rows).toHaveLength(3000)
        expect(rows.find(({ key }) => key === 'k7')?.value.n).toBe(-7)
        await saved
        await task.commit()
        await task.reopen()
        expect([await valueAt('k7'), await valueAt('k2999')]).toEqual([-7, 2999])
      })

      it('takes a store that was added, and keeps the rows of the others', async () => {
        table().put('a', { n: 1 }, 1)
        await task.commit()
        await task.state.close()
        const [first] = definitions(storage, { keepsBytes, keepsBefore: false })
        await task.open([{ ...first!, name: 'added' }, first!])
        expect(task.state.store<KeyValueStore<string, Count>>('added').get('a')).toBeNull()
        expect(await valueAt('a')).toBe(1)
      })

      it('restores over several batches, and the last record of a key wins', async () => {
        for (let i = 0; i < 70_000; i++) table().put(`k${i % 50_000}`, { n: i }, i)
        task.drain()
        for (let i = 0; i < 10; i++) table().put(`k${i}`, i === 3 ? null : { n: -i }, i)
        task.drain()
        await task.reopen()
        const found = await Promise.all(['k0', 'k1', 'k3', 'k19999', 'k20000'].map(valueAt))
        expect(found).toEqual([0, -1, null, 69_999, 20_000])
      })
    })

    it(`agrees with plain maps over random operations and crashes (SEED=${SEED})`, async () => {
      await task.dispose()
      for (const keepsBefore of [false, true]) {
        await start(keepsBefore)
        await new RandomRun(task, randomOf(SEED)).run(2500)
        if (!keepsBefore) await task.dispose()
      }
    }, 30_000)
  })
}

/** Runs operations on a task and on plain maps beside it, and compares every answer. */
class RandomRun {
  readonly #task: Task
  readonly #random: () => number
  #rows = new Map<string, number>()
  #windowRows = new Map<string, number>()
  #records = new Map<string, [number, number][]>()
  #emitted = new Map<string, number>()
  #drained = this.#copy()
  #time = 0
  #drainedTime = 0

  constructor(task: Task, random: () => number) {
    this.#task = task
    this.#random = random
  }

  async run(operations: number): Promise<void> {
    this.#task.budgetBytes = 6_000
    await this.#task.reopen()
    for (let operation = 0; operation < operations; operation++) await this.#step(operation)
    await this.#compareAll()
  }

  #pick(below: number): number {
    return Math.floor(this.#random() * below)
  }

  async #step(operation: number): Promise<void> {
    const { state } = this.#task
    const table = state.store<KeyValueStore<string, Count>>('table')
    const windows = state.store<WindowStore<string, Count>>('windows')
    const join = state.store<JoinStore<string, number>>('join')
    const key = `k${this.#pick(60)}`
    const start = Math.max(0, this.#time - this.#pick(1200))
    switch (this.#pick(20)) {
      case 0:
      case 1:
      case 2: {
        // Mutates what it got and puts it back, as an aggregator may.
        const row = await table.get(key)
        expect(row?.value.n ?? null).toBe(this.#rows.get(key) ?? null)
        const value = row === null ? { n: 0 } : row.value
        value.n = operation
        table.put(key, value, operation)
        this.#rows.set(key, operation)
        return
      }
      case 3:
        table.put(key, { n: operation }, operation)
        this.#rows.set(key, operation)
        return
      case 4:
        table.put(key, null, operation)
        this.#rows.delete(key)
        return
      case 5:
        return await table.prefetch(Array.from({ length: 20 }, () => `k${this.#pick(70)}`))
      case 6:
      case 7:
      case 8: {
        const at = `${key}@${start}`
        const row = await windows.get(key, start)
        const isLive = start > this.#time - 1000
        expect(row?.value.n ?? null).toBe(isLive ? (this.#windowRows.get(at) ?? null) : null)
        const value = this.#pick(5) === 0 ? null : { n: operation }
        expect(windows.put(key, start, value, operation)).toBe(isLive)
        if (!isLive) return
        if (value === null) this.#windowRows.delete(at)
        else this.#windowRows.set(at, operation)
        return
      }
      case 9:
        // The stores' own time follows what is put into them.
        this.#time += this.#pick(120)
        windows.put('clock', this.#time, { n: operation }, operation)
        this.#windowRows.set(`clock@${this.#time}`, operation)
        await join.add('clock', this.#time, operation)
        this.#addRecord('clock', this.#time, operation)
        return
      case 10:
        await windows.prefetch([key, key], [start, this.#time])
        return await join.prefetch([key], [start], { beforeMs: 200, afterMs: 200 })
      case 11:
      case 12: {
        const kept = await join.add(key, start, operation)
        expect(kept).toBe(start > this.#time - 1000)
        if (kept) this.#addRecord(key, start, operation)
        return
      }
      case 13:
        return await this.#compareJoin(key, start - 150, start + 150)
      case 14:
        return await this.#compareTable()
      case 15:
        return await this.#emit(table)
      case 16:
      case 17:
        await this.#emit(table)
        this.#task.drain()
        this.#drained = this.#copy()
        this.#drainedTime = this.#time
        if (this.#pick(3) === 0) await this.#task.save()
        return
      case 18:
        for (const store of state.stores()) store.evict()
        return
      case 19:
        if (this.#pick(6) === 0) await this.#crash()
    }
  }

  async #emit(table: KeyValueStore<string, Count>): Promise<void> {
    const { keepsBefore } = this.#task
    await table.forEachChanged((key, row) => {
      expect(row.after?.n ?? null).toBe(this.#rows.get(key) ?? null)
      if (keepsBefore) expect(row.before?.n ?? null).toBe(this.#emitted.get(key) ?? null)
      else expect(row.before).toBeNull()
    })
    this.#emitted = new Map(this.#rows)
  }

  /** Goes on from what was drained: the log has it, whatever the database has. */
  async #crash(): Promise<void> {
    this.#rows = new Map(this.#drained.rows)
    this.#emitted = new Map(this.#drained.rows)
    this.#windowRows = new Map(this.#drained.windowRows)
    this.#records = new Map(this.#drained.records)
    this.#time = this.#drainedTime
    await this.#task.reopen()
    await this.#compareAll()
  }

  #copy() {
    const records = new Map(
      [...this.#records].map(([key, list]) => [key, [...list]] as [string, [number, number][]]),
    )
    return { rows: new Map(this.#rows), windowRows: new Map(this.#windowRows), records }
  }

  #addRecord(key: string, time: number, value: number): void {
    this.#records.set(key, [...(this.#records.get(key) ?? []), [time, value]])
  }

  async #compareAll(): Promise<void> {
    await this.#compareTable()
    const windows = this.#task.state.store<WindowStore<string, Count>>('windows')
    const rows = await all(windows.fetchAll())
    const expected = [...this.#windowRows].filter(
      ([at]) => Number(at.split('@')[1]) > this.#time - 1000,
    )
    expect(new Map(rows.map((row) => [`${row.key}@${row.windowStart}`, row.value.n]))).toEqual(
      new Map(expected),
    )
    for (const key of this.#records.keys()) await this.#compareJoin(key, 0, this.#time)
  }

  async #compareTable(): Promise<void> {
    const table = this.#task.state.store<KeyValueStore<string, Count>>('table')
    const rows = await all(table.range())
    const sorted = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1))
    expect(rows.map(({ key, value }) => [key, value.n])).toEqual(sorted)
  }

  async #compareJoin(key: string, from: number, to: number): Promise<void> {
    const join = this.#task.state.store<JoinStore<string, number>>('join')
    const seen: [number, number][] = []
    await join.fetch(key, from, to, (value, timestamp) => {
      seen.push([timestamp, value])
    })
    const expected = (this.#records.get(key) ?? [])
      .filter(([time]) => time >= from && time <= to && time > this.#time - 1000)
      .sort(([a], [b]) => a - b)
    expect(seen).toEqual(expected)
  }
}
