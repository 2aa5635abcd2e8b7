/** The subscribers of foreign keys, against sorted lists: evicted, saved, and restored after a crash. */
import { describe, expect, test } from 'vitest'
import { text } from '../../src/record/serdes.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import { MemoryByteStore } from '../../src/state/memory-byte-store.ts'
import { RestoreWriter } from '../../src/state/restore-writer.ts'
import type { SubscriptionStore } from '../../src/state/store.ts'
import { openSubscriptionStore } from '../../src/state/subscription-store.ts'
import { randomOf, SEED } from '../record/random.ts'

interface ChangelogRecord {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** A store with the log and the database that outlive it. */
class Opened {
  readonly bytes = new MemoryByteStore('test')
  readonly log: ChangelogRecord[] = []
  saved = 0
  budgetBytes: number
  store!: SubscriptionStore<string>

  constructor(budgetBytes = 4096) {
    this.budgetBytes = budgetBytes
  }

  async open(): Promise<this> {
    this.store = await openSubscriptionStore<string>({
      definition: {
        kind: 'subscription',
        name: 'subscriptions',
        keySerde: text as never,
        valueSerde: text as never,
        storage: 'memory',
        changelog: true,
      },
      number: 1,
      bytes: this.bytes,
      memory: { limitOf: () => this.budgetBytes },
    })
    const { store, bytes } = this
    const writer = new RestoreWriter({
      store,
      bytes,
      writeOffset: (_batch, offset) => {
        this.saved = offset
      },
    })
    for (let at = this.saved; at < this.log.length; at++) {
      const { key, value } = this.log[at] as ChangelogRecord
      writer.add(rangeOf(key), value === null ? null : rangeOf(value), 1)
      if (at % 700 === 0) await writer.write(at + 1)
    }
    await writer.finish(this.log.length)
    return this
  }

  drain(): void {
    this.store.drainChanges(({ bytes, start, end }, value) => {
      this.log.push({
        key: Buffer.from(bytes.subarray(start, end)),
        value: value && Buffer.from(value.bytes.subarray(value.start, value.end)),
      })
    })
  }

  /** What a commit does: drain, save, evict. */
  async commit(): Promise<void> {
    this.drain()
    const batch = this.bytes.newBatch()
    this.store.save(batch)
    await this.bytes.write(batch)
    this.saved = this.log.length
    this.store.evict()
  }

  put(foreignKey: string, key: string, payload = 0) {
    return this.store.put(foreignKey, rangeOf(latin1(key)), rangeOf(payloadOf(payload)), 1)
  }

  delete(foreignKey: string, key: string) {
    return this.store.delete(foreignKey, rangeOf(latin1(key)), 1)
  }

  async visited(foreignKey: string): Promise<string[]> {
    const found: string[] = []
    await this.store.visit(foreignKey, ({ bytes, start, end }, payload) => {
      const number = payload.bytes.readInt32BE(payload.end - 4)
      expect(payload.end - payload.start).toBe(20)
      found.push(`${bytes.latin1Slice(start, end)} ${number}`)
    })
    return found
  }

  async keysOf(foreignKey: string): Promise<string[]> {
    return (await this.visited(foreignKey)).map((line) => line.split(' ')[0] as string)
  }

  async rows(): Promise<number> {
    await this.commit()
    let rows = 0
    for await (const chunk of this.bytes.scan({})) rows += chunk.length
    return rows
  }
}

const latin1 = (key: string): Buffer => Buffer.from(key, 'latin1')

function payloadOf(number: number): Buffer {
  const payload = Buffer.alloc(20)
  payload.writeInt32BE(number, 16)
  return payload
}

describe('subscriptions', () => {
  test('are visited by key bytes, unsigned, a prefix first', async () => {
    const opened = await new Opened().open()
    for (const key of ['b', 'a\u00ff', 'a', '', 'aa', '\u0080', 'a']) await opened.put('f', key)
    expect(await opened.keysOf('f')).toEqual(['', 'a', 'aa', 'a\u00ff', 'b', '\u0080'])
  })

  test('keep the payload last put', async () => {
    const opened = await new Opened().open()
    await opened.put('f', 'k', 3)
    await opened.put('f', 'k', 7)
    expect(await opened.visited('f')).toEqual(['k 7'])
  })

  test('do not leak between foreign keys that begin alike', async () => {
    const opened = await new Opened().open()
    await opened.put('a', 'k1')
    await opened.put('ab', 'k2')
    await opened.put('a\0\0\0\0', 'k3')
    expect(await opened.keysOf('a')).toEqual(['k1'])
    expect(await opened.keysOf('ab')).toEqual(['k2'])
    expect(await opened.keysOf('a\0\0\0\0')).toEqual(['k3'])
    expect(await opened.visited('b')).toEqual([])
  })

  test('of ascending keys fill their nodes, and leave nothing when all have gone', async () => {
    const opened = await new Opened().open()
    const keys = Array.from({ length: 3000 }, (_, index) => `k${String(index).padStart(6, '0')}`)
    for (const key of keys) await opened.put('f', key)
    expect(await opened.keysOf('f')).toEqual(keys)
    expect(await opened.rows()).toBeLessThan(3000 / 25)
    for (const key of keys) await opened.delete('f', key)
    expect(await opened.visited('f')).toEqual([])
    expect(await opened.rows()).toBe(0)
  })

  test('with keys longer than a node each have their own', async () => {
    const opened = await new Opened().open()
    const keys = ['a', 'b', 'c', 'd'].map((first) => first.repeat(3000))
    for (const key of keys.toReversed()) await opened.put('f', key)
    expect(await opened.keysOf('f')).toEqual(keys)
  })

  test('are one changelog record a change, and none when there was nothing to end', async () => {
    const opened = await new Opened().open()
    for (let index = 0; index < 100; index++) await opened.put('f', `k${index}`)
    await opened.put('f', 'k1', 9)
    await opened.delete('f', 'k2')
    await opened.delete('f', 'k2')
    await opened.delete('g', 'k1')
    opened.drain()
    expect(opened.log.length).toBe(102)
    expect(opened.log.at(-1)).toEqual({ key: latin1('\0\0\0\u0001fk2'), value: null })
    opened.drain()
    expect(opened.log.length).toBe(102)
  })

  test('answer at once while all of them are in memory, and after a prefetch', async () => {
    const opened = await new Opened(1e6).open()
    for (let index = 0; index < 500; index++) {
      expect(opened.put(`f${index % 5}`, `k${index}`)).toBeUndefined()
    }
    await opened.commit()
    expect(opened.put('f1', 'k1', 2)).toBeUndefined()
    await opened.commit()
    await opened.open()
    const keys = ['k1', 'k6', 'k11', 'k496', 'new']
    const foreignKeys = ['f1', 'f1', 'f1', 'f1', 'none']
    await opened.store.prefetch(foreignKeys, keys.map(latin1).map(rangeOf))
    for (const [index, key] of keys.entries()) {
      expect(opened.put(foreignKeys[index] as string, key, 3)).toBeUndefined()
    }
    expect(opened.put('f2', 'k2')).toBeInstanceOf(Promise)
    await opened.store.prefetchRoots(['f3', 'f3', 'f4'])
    expect(opened.store.prefetchRoots(['f3', 'f4'])).toBeUndefined()
    expect((await opened.visited('f1')).filter((line) => line.endsWith(' 3'))).toHaveLength(4)
  })

  test('are counted as bytes that cannot be let go of until they are saved', async () => {
    const opened = await new Opened().open()
    expect(opened.store.dirtyBytes()).toBe(0)
    for (let index = 0; index < 1000; index++) await opened.put(`f${index % 7}`, `k${index}`)
    opened.store.evict()
    expect(opened.store.bufferedBytes()).toBeGreaterThan(1000 * 28)
    expect(opened.store.dirtyBytes()).toBeGreaterThan(1000 * 28)
    await opened.commit()
    expect(opened.store.dirtyBytes()).toBe(0)
    expect(opened.store.bufferedBytes()).toBeLessThanOrEqual(4096)
  })

  test('are not saved before they are drained', async () => {
    const opened = await new Opened().open()
    await opened.put('f', 'k')
    expect(() => opened.store.save(opened.bytes.newBatch())).toThrow('a save follows a drain')
  })

  test(`are those of a sorted list, SEED=${SEED}`, async () => {
    const random = randomOf(SEED)
    const below = (end: number): number => Math.floor(random() * end)
    let opened = await new Opened().open()
    const model = new Map<string, Map<string, number>>()
    let drained: typeof model = new Map()
    for (let step = 0; step < 20_000; step++) {
      const foreignKey = `f${below(3)}`
      const key = `k${below(below(2) === 0 ? 40 : 1500)}`
      const list = model.get(foreignKey) ?? new Map<string, number>()
      model.set(foreignKey, list)
      // Long phases of growth, then of decline.
      if (below(10) < (Math.floor(step / 4000) % 2 === 0 ? 8 : 2)) {
        list.set(key, step)
        await opened.put(foreignKey, key, step)
      } else {
        list.delete(key)
        await opened.delete(foreignKey, key)
      }
      if (below(50) === 0) {
        if (below(2) === 0) await opened.commit()
        else opened.drain()
        drained = new Map([...model].map(([one, of]) => [one, new Map(of)]))
      }
      if (below(1000) === 0) {
        // A crash: what was drained comes back, from the database, or else from the log.
        const { bytes, log, saved } = opened
        opened = await Object.assign(new Opened(), { bytes, log, saved }).open()
        model.clear()
        for (const [one, of] of drained) model.set(one, new Map(of))
      }
      if (below(500) === 0) {
        const keys = [...list.keys()]
        await opened.store.prefetch(
          keys.map(() => foreignKey),
          keys.map(latin1).map(rangeOf),
        )
      }
      if (below(200) === 0 || step === 19_999) {
        const expected = [...(model.get(foreignKey) ?? [])].map(([one, at]) => `${one} ${at}`)
        expect(await opened.visited(foreignKey)).toEqual(expected.sort(byFirstWord))
      }
    }
  })
})

function byFirstWord(one: string, other: string): number {
  const [a = '', b = ''] = [one.split(' ')[0], other.split(' ')[0]]
  return a < b ? -1 : a > b ? 1 : 0
}
