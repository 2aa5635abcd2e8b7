/**
 * Time-ordered and versioned stores against a model, with commits, evictions and crashes after which
 * the changelog brings back what was not saved.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import { NO_HEADERS } from '../../src/record/record.ts'
import { text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import type {
  ParkedSide,
  StorageKind,
  StoreDefinition,
  TimeOrderedStore,
  VersionedStore,
} from '../../src/state/store.ts'
import { StoreMemory } from '../../src/state/store-memory.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { randomOf, SEED } from '../record/random.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

interface ChangelogRecord {
  readonly key: Buffer
  readonly value: Buffer | null
  readonly timestamp: number
}

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

  parked(): TimeOrderedStore<string, string> {
    return this.#state.store(this.#definition.name)
  }

  versioned(): VersionedStore<string, string> {
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

  /** What was drained is on the log; what was not saved comes back from there. */
  async reopen(): Promise<void> {
    this.drain()
    await this.#state.close()
    await this.open()
  }

  async dispose(): Promise<void> {
    await this.#state.close()
    this.#folder.remove()
  }
}

let opened: Store[] = []
afterEach(async () => {
  for (const store of opened) await store.dispose()
  opened = []
})

async function open(definition: StoreDefinition, budgetBytes = 1 << 20): Promise<Store> {
  const store = new Store(definition, budgetBytes)
  await store.open()
  opened.push(store)
  return store
}

const basics = { name: 'store', keySerde: text, valueSerde: text, changelog: true } as const

describe.each<StorageKind>(['memory', 'rocksdb'])('in %s', (storage) => {
  const parked = { kind: 'time-ordered', ...basics, storage, otherSerde: text } as StoreDefinition
  const versioned = { kind: 'versioned', ...basics, storage, historyMs: 100 } as StoreDefinition

  it('parked records leave by time, side, key and arrival', async () => {
    const store = (await open(parked)).parked()
    await store.add({ time: 5, side: 'left', key: 'a' }, 'last', NO_HEADERS)
    await store.add({ time: 5, side: 'right', key: 'b' }, 'third', NO_HEADERS)
    await store.add({ time: 5, side: 'right', key: 'a' }, 'first', NO_HEADERS)
    await store.add({ time: 5, side: 'right', key: 'a' }, 'second', NO_HEADERS)
    await store.add({ time: 1, side: 'left', key: 'z' }, 'zeroth', NO_HEADERS)
    expect(await takeUpTo(store, 9)).toEqual(['zeroth', 'first', 'second', 'third', 'last'])
    expect(store.firstTime()).not.toBeNull()
    expect(await takeUpTo(store, 9)).toEqual([])
  })

  it('what came and went before a commit is not logged, and headers and notes are kept', async () => {
    const store = await open(parked)
    await store.parked().add({ time: 1, side: 'left', key: 'a' }, 'gone', NO_HEADERS)
    await store.parked().remove(1, 'left', 'a')
    await store.commit()
    expect(store.logged).toBe(0)
    const headers = [
      { key: 'h', value: Buffer.from('1') },
      { key: 'n', value: null },
    ]
    await store.parked().add({ time: 1, side: 'left', key: 'a' }, 'kept', headers)
    store.parked().setNotes(7, 8)
    await store.reopen()
    expect(store.parked().notes).toEqual([7, 8])
    const seen: unknown[] = []
    await store.parked().visit(1, (_place, read) => {
      seen.push(...read())
      return 'keep'
    })
    expect(seen).toEqual([{ value: 'kept', headers }])
  })

  it.each([1 << 20, 2000])('parked records are as a model says, with %d bytes', async (budget) => {
    const random = randomOf(SEED)
    const store = await open(parked, budget)
    let model: { time: number; side: ParkedSide; key: string; value: string }[] = []
    for (let step = 0; step < 600; step++) {
      const time = Math.floor(random() * 40)
      const side = random() < 0.5 ? 'left' : 'right'
      const key = `k${Math.floor(random() * 4)}`
      const kind = random()
      if (kind < 0.6) {
        await store.parked().add({ time, side, key }, `${step}`, NO_HEADERS)
        model.push({ time, side, key, value: `${step}` })
      } else if (kind < 0.8) {
        await store.parked().remove(time, side, key)
        model = model.filter((one) => one.time !== time || one.side !== side || one.key !== key)
      } else if (kind < 0.9) {
        await store.commit()
      } else if (kind < 0.93) {
        await store.reopen()
      } else {
        const upTo = Math.floor(random() * 10)
        const due = model.filter((one) => one.time <= upTo).sort(inOrder)
        model = model.filter((one) => one.time > upTo)
        expect(await takeUpTo(store.parked(), upTo), `seed ${SEED}`).toEqual(
          due.map(({ value }) => value),
        )
      }
    }
    expect(await takeUpTo(store.parked(), 99), `seed ${SEED}`).toEqual(
      model.sort(inOrder).map(({ value }) => value),
    )
  })

  it.each([1 << 20, 2000])('versions are as a model says, with %d bytes', async (budget) => {
    const random = randomOf(SEED)
    const store = await open(versioned, budget)
    const model = new Map<string, Map<number, string | null>>()
    let observed = 0
    for (let step = 0; step < 600; step++) {
      const key = `k${Math.floor(random() * 5)}`
      const time = Math.max(0, observed + Math.floor(random() * 160) - 130)
      const kind = random()
      if (kind < 0.6) {
        const value = random() < 0.25 ? null : `${step}`
        const put = await store.versioned().put(key, value, time)
        expect(put === 'expired', `seed ${SEED}`).toBe(time < observed - 100)
        if (put === 'expired') continue
        observed = Math.max(observed, time)
        const ofKey = model.get(key) ?? new Map<number, string | null>()
        model.set(key, ofKey)
        ofKey.set(time, value)
        expect(put, `seed ${SEED}`).toBe(Math.max(...ofKey.keys()) === time ? 'latest' : 'history')
      } else if (kind < 0.75) {
        await store.commit()
      } else if (kind < 0.78) {
        await store.reopen()
      } else {
        const ofKey = model.get(key) ?? new Map<number, string | null>()
        const latest = Math.max(-1, ...ofKey.keys())
        expect((await store.versioned().get(key))?.value ?? null, `seed ${SEED}`).toBe(
          ofKey.get(latest) ?? null,
        )
        const found = await store.versioned().asOf(key, time)
        const from = Math.max(-1, ...[...ofKey.keys()].filter((one) => one <= time))
        const value = ofKey.get(from) ?? null
        const isLatest = from === latest && value !== null
        const expected = isLatest || time >= observed - 100 ? value : null
        expect(found?.value ?? null, `seed ${SEED}, step ${step}`).toBe(expected)
        if (found !== null) expect(found.timestamp).toBe(from)
      }
    }
  })

  it('versions of a range come in both orders, deletions left out', async () => {
    const store = (await open(versioned)).versioned()
    for (const [value, time] of [
      ['a', 10],
      ['b', 20],
      [null, 30],
      ['d', 40],
    ] as const) {
      await store.put('k', value, time)
    }
    const rows = (await store.versions('k', { from: 15, to: 40 })).map(
      ({ value, timestamp, validTo }) => [value, timestamp, validTo],
    )
    expect(rows).toEqual([
      ['a', 10, 20],
      ['b', 20, 30],
      ['d', 40, null],
    ])
    expect((await store.versions('k', { descending: true })).map(({ value }) => value)).toEqual([
      'd',
      'b',
      'a',
    ])
    expect(await store.delete('k', 25)).toEqual({ value: 'b', timestamp: 20, validTo: 30 })
    expect(await store.asOf('k', 26)).toBeNull()
    expect((await store.asOf('k', 24))?.value).toBe('b')
  })
})

type Parked = { time: number; side: ParkedSide; key: string; value: string }

function inOrder(one: Parked, other: Parked): number {
  if (one.time !== other.time) return one.time - other.time
  if (one.side !== other.side) return one.side === 'right' ? -1 : 1
  if (one.key !== other.key) return one.key < other.key ? -1 : 1
  return Number(one.value) - Number(other.value)
}

async function takeUpTo(store: TimeOrderedStore<string, string>, upTo: number): Promise<string[]> {
  const taken: string[] = []
  await store.visit(upTo, (_place, read) => {
    taken.push(...read().map(({ value }) => value))
    return 'remove'
  })
  return taken
}
