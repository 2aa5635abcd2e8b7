/**
 * Session and sliding stores against a model: what is found, emitted, logged and expired, with
 * commits, evictions and crashes after which the changelog brings back what was not saved.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import type { Serde } from '../../src/record/serde.ts'
import { json, text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import type {
  SessionStore,
  SlidingStore,
  StorageKind,
  StoreDefinition,
} from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { randomOf, SEED } from '../record/random.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

interface Count {
  n: number
}

interface Row {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly value: Count
}

interface ChangelogRecord {
  readonly key: Buffer
  readonly value: Buffer | null
  readonly timestamp: number
}

const RETENTION_MS = 300
const SIZE_MS = 50

/** One store of a task, with the log that its changelog goes to. */
class Store {
  readonly #folder: TemporaryFolder = temporaryFolder()
  readonly #definition: StoreDefinition
  readonly #log: ChangelogRecord[] = []
  readonly #budgetBytes: number
  #state!: TaskState

  constructor(definition: StoreDefinition, budgetBytes: number) {
    this.#definition = definition
    this.#budgetBytes = budgetBytes
  }

  async open(): Promise<void> {
    this.#state = await TaskState.open({
      definitions: [this.#definition],
      directory: this.#folder.path,
      fileSystem: new NodeFileSystem(),
      memory: new StoreMemory(this.#budgetBytes),
    })
    const { name } = this.#definition
    const writer = this.#state.restore(name)
    for (const record of this.#log.slice(this.#state.changelogOffset(name) ?? 0)) {
      const { key, value, timestamp } = record
      writer.add(rangeOf(key), value === null ? null : rangeOf(value), timestamp)
    }
    await writer.finish(this.#log.length)
  }

  get logged(): number {
    return this.#log.length
  }

  sessions(): SessionStore<string, Count> {
    return this.#state.store(this.#definition.name)
  }

  windows(): SlidingStore<string, Count> {
    return this.#state.store(this.#definition.name)
  }

  drain(): void {
    this.#state.stores()[0]?.drainChanges((key, value, timestamp) => {
      this.#log.push({
        key: Buffer.from(key.bytes.subarray(key.start, key.end)),
        value: value === null ? null : Buffer.from(value.bytes.subarray(value.start, value.end)),
        timestamp,
      })
    })
  }

  async commit(): Promise<void> {
    this.drain()
    await this.#state.save(new Map([[this.#definition.name, this.#log.length]]))
  }

  async reopen(): Promise<void> {
    await this.#state.close()
    await this.open()
  }

  async dispose(): Promise<void> {
    await this.#state.close()
    this.#folder.remove()
  }
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = []
  for await (const row of rows) result.push(row)
  return result
}

let opened: Store[] = []
afterEach(async () => {
  for (const store of opened) await store.dispose()
  opened = []
})

async function open(
  kind: 'session' | 'sliding',
  storage: StorageKind,
  options: { keepsBefore?: boolean; budgetBytes?: number } = {},
): Promise<Store> {
  const common = {
    name: kind,
    keySerde: text as Serde<unknown>,
    valueSerde: json() as Serde<unknown>,
    storage,
    changelog: true,
    keepsBefore: options.keepsBefore ?? false,
    retentionMs: RETENTION_MS,
    bucketMs: 40,
  }
  const definition: StoreDefinition =
    kind === 'session'
      ? { ...common, kind: 'session' }
      : { ...common, kind: 'sliding', windowSizeMs: SIZE_MS }
  const store = new Store(definition, options.budgetBytes ?? 1e6)
  opened.push(store)
  await store.open()
  return store
}

function bounds(rows: readonly { start: number; end: number }[]): string {
  return rows.map(({ start, end }) => `${start}-${end}`).join(' ')
}

describe.each(['memory', 'rocksdb'] as const)('a session store over %s', (storage) => {
  it('finds the sessions of a key near a time, by their end', async () => {
    const store = await open('session', storage)
    for (const [start, end] of [
      [0, 100],
      [201, 300],
      [101, 200],
      [301, 330],
    ] as const) {
      await store.sessions().put('a', { start, end, value: { n: end } })
    }
    await store.sessions().put('b', { start: 150, end: 160, value: { n: 1 } })
    expect(bounds(await store.sessions().find('a', 150, 300))).toBe('101-200 201-300')
    expect(await store.sessions().get('a', 101, 200)).toEqual({ n: 200 })
    expect(await store.sessions().get('a', 101, 199)).toBeNull()
    expect(bounds(await all(store.sessions().fetch('a', 0, 250)))).toBe('0-100 101-200 201-300')
    await store.commit()
    await store.reopen()
    expect(bounds(await store.sessions().find('a', 150, 300))).toBe('101-200 201-300')
    expect((await all(store.sessions().fetchAll())).map(({ key }) => key).sort()).toEqual([
      ...'aaaab',
    ])
  })

  it('waits only for rows that are not in memory, and prefetch brings them there', async () => {
    const store = await open('session', storage)
    expect(store.sessions().find('a', 0, 50)).toEqual([])
    await store.sessions().put('a', { start: 10, end: 20, value: { n: 1 } })
    await store.commit()
    await store.reopen()
    const first = store.sessions().find('a', 0, 50)
    expect(first).toBeInstanceOf(Promise)
    await first
    await store.sessions().prefetch(['a', 'b'], [0, 0])
    expect(bounds(store.sessions().find('a', 0, 50) as Row[])).toBe('10-20')
    expect(store.sessions().find('b', 0, 50)).toEqual([])
  })

  it('emits each session as it is and deletes what was emitted and is gone, in order', async () => {
    const store = await open('session', storage, { keepsBefore: true })
    const emitted = async (): Promise<string[]> => {
      const seen: string[] = []
      await store.sessions().forEachChanged((key, { start, end }, { before, after }) => {
        seen.push(`${key}[${start},${end}] ${before?.n ?? '-'} ${after?.n ?? '-'}`)
      })
      return seen
    }
    const put = (key: string, start: number, end: number, n: number, from = 0, to = -1) => {
      const replaced = to < 0 ? [] : (store.sessions().find(key, from, to) as Row[])
      return store.sessions().put(key, { start, end, value: { n } }, replaced)
    }
    await put('a', 0, 0, 1)
    await put('b', 5, 5, 1)
    await put('a', 0, 9, 2, 0, 0)
    expect(await emitted()).toEqual(['b[5,5] - 1', 'a[0,9] - 2'])
    await store.commit()
    await put('a', 0, 9, 3, 0, 9)
    await put('a', 30, 30, 1)
    await put('a', 0, 30, 4, 0, 30)
    expect(await emitted()).toEqual(['a[0,9] 2 -', 'a[0,30] - 4'])
    await store.commit()
    await store.reopen()
    const [found] = await store.sessions().find('a', 0, 30)
    ;(found as Row).value.n++
    await store
      .sessions()
      .put('a', { start: 0, end: 30, value: (found as Row).value }, [found as Row])
    expect(await emitted()).toEqual(['a[0,30] 4 5'])
    expect(await emitted()).toEqual([])
  })

  it('forgets sessions whose end is the retention behind the largest end, also after a crash', async () => {
    const store = await open('session', storage)
    await store.sessions().put('a', { start: 0, end: 10, value: { n: 1 } })
    await store.sessions().put('a', { start: 40, end: 50, value: { n: 2 } })
    await store.sessions().put('b', { start: 309, end: 309, value: { n: 3 } })
    expect(bounds(await all(store.sessions().fetch('a')))).toBe('0-10 40-50')
    await store.sessions().put('b', { start: 310, end: 310, value: { n: 3 } })
    expect(bounds(await all(store.sessions().fetch('a')))).toBe('40-50')
    store.drain()
    await store.reopen()
    expect(bounds(await store.sessions().find('a', 0, 500))).toBe('40-50')
    await store.sessions().put('a', { start: 5, end: 10, value: { n: 9 } })
    expect(bounds(await all(store.sessions().fetchAll()))).toBe('40-50 309-309 310-310')
    await store.sessions().put('b', { start: 2000, end: 2000, value: { n: 3 } })
    await store.commit()
    await store.reopen()
    expect(bounds(await all(store.sessions().fetchAll()))).toBe('2000-2000')
  })
})

describe.each(['memory', 'rocksdb'] as const)('stores of intervals over %s', (storage) => {
  for (const kind of ['session', 'sliding'] as const) {
    for (const budgetBytes of [1e6, 2000]) {
      const seed = (SEED + budgetBytes + kind.length) >>> 0
      it(`${kind}: as the model, ${budgetBytes} bytes, seed ${seed} (SEED=${SEED})`, async () => {
        const store = await open(kind, storage, { budgetBytes, keepsBefore: true })
        await new Model(store, kind, randomOf(seed)).run(storage === 'memory' ? 1500 : 500)
      }, 20_000)
    }
  }
})

/** Random puts, moves and deletions, and what must then be there. */
class Model {
  readonly #store: Store
  readonly #kind: 'session' | 'sliding'
  readonly #random: () => number
  #rows = new Map<string, Row>()
  #emitted = new Map<string, number>()
  #drained = new Map<string, Row>()
  #time = 0
  #drainedTime = 0

  constructor(store: Store, kind: 'session' | 'sliding', random: () => number) {
    this.#store = store
    this.#kind = kind
    this.#random = random
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const dice = this.#random()
      if (dice < 0.85) await this.#put()
      else if (dice < 0.93) await this.#commit(dice < 0.9)
      else if (dice < 0.96) await this.#crash()
      else await this.#compare()
    }
    await this.#compare()
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below)
  }

  async #put(): Promise<void> {
    const key = 'abc'[this.#int(3)] as string
    const end = Math.max(SIZE_MS, this.#time + this.#int(40) - this.#int(this.#int(2) * 350 + 30))
    const isSession = this.#kind === 'session'
    const start = isSession ? Math.max(0, end - this.#int(60)) : end - SIZE_MS
    const n = this.#int(1000)
    const isDeletion = this.#random() < 0.15
    this.#time = Math.max(this.#time, end)
    const value = isDeletion ? null : { n }
    if (isSession) {
      const near = this.#random() < 0.5 ? await this.#store.sessions().find(key, end - 20, end) : []
      const replaced = near.filter((row) => row.end <= end)
      for (const row of replaced) this.#rows.delete(`${key} ${row.start} ${row.end}`)
      await this.#store.sessions().put(key, { start, end, value }, replaced)
    } else {
      await this.#store.windows().put(key, start, value, n)
    }
    if (end <= this.#time - RETENTION_MS) return
    if (value === null) this.#rows.delete(`${key} ${start} ${end}`)
    else this.#rows.set(`${key} ${start} ${end}`, { key, start, end, value })
  }

  async #commit(saves: boolean): Promise<void> {
    const seen = new Map(this.#emitted)
    const note = (id: string, before: Count | null, after: Count | null): void => {
      expect(before?.n, `the row before of ${id}`).toBe(seen.get(id))
      if (after === null) seen.delete(id)
      else seen.set(id, after.n)
    }
    if (this.#kind === 'session') {
      await this.#store.sessions().forEachChanged((key, { start, end }, { before, after }) => {
        note(`${key} ${start} ${end}`, before, after)
      })
    } else {
      await this.#store.windows().forEachChanged((key, start, { before, after }) => {
        note(`${key} ${start} ${start + SIZE_MS}`, before, after)
      })
    }
    this.#emitted = seen
    this.#expire()
    for (const [id, row] of this.#rows) expect(seen.get(id), id).toBe(row.value.n)
    if (saves) await this.#store.commit()
    else this.#store.drain()
    this.#drained = new Map(this.#rows)
    this.#drainedTime = this.#time
  }

  async #crash(): Promise<void> {
    await this.#store.reopen()
    this.#rows = new Map(this.#drained)
    this.#time = this.#drainedTime
    this.#emitted = new Map([...this.#rows].map(([id, { value }]) => [id, value.n]))
    await this.#compare()
  }

  #expire(): void {
    for (const [id, { end }] of this.#rows) {
      if (end <= this.#time - RETENTION_MS) this.#rows.delete(id)
    }
  }

  async #compare(): Promise<void> {
    this.#expire()
    const expected = [...this.#rows.values()].sort((a, b) => a.end - b.end || a.start - b.start)
    for (const key of 'abc') {
      const ofKey = expected.filter((row) => row.key === key)
      const lines = ofKey.map(({ start, end, value }) => `${start}-${end} ${value.n}`)
      expect(await this.#found(key)).toEqual(lines)
    }
    const rows = await this.#everything()
    expect(rows.sort()).toEqual(
      expected.map(({ key, start, end }) => `${key} ${start} ${end}`).sort(),
    )
  }

  async #found(key: string): Promise<string[]> {
    const rows =
      this.#kind === 'session'
        ? await this.#store.sessions().find(key, 0, this.#time)
        : await this.#store.windows().find(key, 0, this.#time)
    return rows.map(({ start, end, value }) => `${start}-${end} ${value.n}`)
  }

  async #everything(): Promise<string[]> {
    if (this.#kind === 'session') {
      const rows = await all(this.#store.sessions().fetchAll())
      return rows.map(({ key, start, end }) => `${key} ${start} ${end}`)
    }
    const rows = await all(this.#store.windows().fetchAll())
    return rows.map(({ key, windowStart }) => `${key} ${windowStart} ${windowStart + SIZE_MS}`)
  }
}
