/** The tree of subscribers of a foreign key, against a sorted list, over a store that evicts. */
import { describe, expect, test } from 'vitest'
import {
  nodeKeySerde,
  nodeSerde,
  Subscriptions,
} from '../../../src/operators/foreign-key-join/subscriptions.ts'
import { valueHash } from '../../../src/operators/foreign-key-join/value-hash.ts'
import { openKeyValueStore } from '../../../src/state/key-value-store.ts'
import { MemoryByteStore } from '../../../src/state/memory-byte-store.ts'
import type { KeyValueStore } from '../../../src/state/store.ts'
import { randomOf, SEED } from '../../record/random.ts'

type Nodes = KeyValueStore<string, Buffer>

class Opened {
  readonly bytes = new MemoryByteStore('test')
  nodes!: Nodes
  subscriptions!: Subscriptions

  /** Opens the store, with room for few nodes. */
  async open(): Promise<this> {
    this.nodes = await openKeyValueStore<string, Buffer>({
      definition: {
        kind: 'key-value',
        name: 'subscriptions',
        keySerde: nodeKeySerde as never,
        valueSerde: nodeSerde as never,
        storage: 'memory',
        changelog: true,
        keepsBefore: false,
      },
      number: 1,
      bytes: this.bytes,
      budgetBytes: 4096,
    })
    this.subscriptions = new Subscriptions(this.nodes)
    return this
  }

  /** What a commit does: drain, save, evict. */
  async save(): Promise<void> {
    this.nodes.drainChanges(() => {})
    const batch = this.bytes.newBatch()
    this.nodes.save(batch)
    await this.bytes.write(batch)
    this.nodes.evict()
  }

  async visited(foreignKey: string): Promise<string[]> {
    const found: string[] = []
    await this.subscriptions.visit(foreignKey, (key, partition, hash) => {
      found.push(`${key.latin1Slice(0, key.length)} ${partition} ${hash}`)
    })
    return found
  }

  async rows(): Promise<number> {
    await this.save()
    let rows = 0
    for await (const _ of this.nodes.range()) rows++
    return rows
  }
}

const hashOf = (text: string): string => valueHash(Buffer.from(text), 0, text.length)

function put(opened: Opened, foreignKey: string, key: string, partition = 0) {
  const hash = hashOf(key)
  const primaryKey = Buffer.from(key, 'latin1')
  return opened.subscriptions.put(foreignKey, { primaryKey, partition, hash }, 1)
}

function remove(opened: Opened, foreignKey: string, key: string) {
  return opened.subscriptions.delete(foreignKey, Buffer.from(key, 'latin1'), 1)
}

describe('subscriptions', () => {
  test('are visited by key bytes, unsigned, a prefix first', async () => {
    const opened = await new Opened().open()
    for (const key of ['b', 'a\u00ff', 'a', '', 'aa', '\u0080', 'a']) await put(opened, 'f', key)
    const keys = (await opened.visited('f')).map((line) => line.split(' ')[0])
    expect(keys).toEqual(['', 'a', 'aa', 'a\u00ff', 'b', '\u0080'])
  })

  test('keep the partition and hash last put', async () => {
    const opened = await new Opened().open()
    await put(opened, 'f', 'k', 3)
    await put(opened, 'f', 'k', 7)
    expect(await opened.visited('f')).toEqual([`k 7 ${hashOf('k')}`])
  })

  test('do not leak between foreign keys that begin alike', async () => {
    const opened = await new Opened().open()
    await put(opened, 'a', 'k1')
    await put(opened, 'ab', 'k2')
    await put(opened, 'a\0\0\0\0', 'k3')
    expect((await opened.visited('a')).length).toBe(1)
    expect((await opened.visited('ab')).length).toBe(1)
    expect((await opened.visited('b')).length).toBe(0)
  })

  test('of ascending keys fill their nodes, and leave nothing when all have gone', async () => {
    const opened = await new Opened().open()
    const keys = Array.from({ length: 3000 }, (_, index) => `k${String(index).padStart(6, '0')}`)
    for (const key of keys) await put(opened, 'f', key)
    expect((await opened.visited('f')).map((line) => line.split(' ')[0])).toEqual(keys)
    expect(await opened.rows()).toBeLessThan(3000 / 25)
    for (const key of keys) await remove(opened, 'f', key)
    expect(await opened.visited('f')).toEqual([])
    expect(await opened.rows()).toBe(0)
  })

  test('with keys longer than a node each have their own', async () => {
    const opened = await new Opened().open()
    const keys = ['a', 'b', 'c', 'd'].map((first) => first.repeat(3000))
    for (const key of keys.toReversed()) await put(opened, 'f', key)
    expect((await opened.visited('f')).map((line) => line.split(' ')[0])).toEqual(keys)
  })

  test(`are those of a sorted list, SEED=${SEED}`, async () => {
    const random = randomOf(SEED)
    const below = (end: number): number => Math.floor(random() * end)
    let opened = await new Opened().open()
    const model = new Map<string, Map<string, number>>()
    for (let step = 0; step < 20_000; step++) {
      const foreignKey = `f${below(3)}`
      const key = `k${below(below(2) === 0 ? 40 : 1500)}`
      const list = model.get(foreignKey) ?? new Map<string, number>()
      model.set(foreignKey, list)
      // Long phases of growth, then of decline.
      if (below(10) < (Math.floor(step / 4000) % 2 === 0 ? 8 : 2)) {
        const partition = below(5)
        list.set(key, partition)
        await put(opened, foreignKey, key, partition)
      } else {
        list.delete(key)
        await remove(opened, foreignKey, key)
      }
      if (below(50) === 0) await opened.save()
      if (below(4000) === 0) {
        await opened.save()
        const { bytes } = opened
        opened = await Object.assign(new Opened(), { bytes }).open()
      }
      if (below(500) === 0) {
        const wanted = [...list.keys()].map((one) => {
          return { foreignKey, primaryKey: Buffer.from(one) }
        })
        await opened.subscriptions.prefetchWays(wanted)
      }
      if (below(200) === 0 || step === 19_999) {
        const expected = [...list].map(([one, at]) => `${one} ${at} ${hashOf(one)}`)
        expect(await opened.visited(foreignKey)).toEqual(expected.sort(byFirstWord))
      }
    }
  })
})

function byFirstWord(one: string, other: string): number {
  const [a = '', b = ''] = [one.split(' ')[0], other.split(' ')[0]]
  return a < b ? -1 : a > b ? 1 : 0
}

test('hashes differ when a byte, the length or the order differs', () => {
  const hashes = new Set<string>()
  const bytes = Buffer.alloc(70)
  for (let length = 0; length <= 70; length++) hashes.add(valueHash(bytes, 0, length))
  for (let at = 0; at < 70; at++) {
    for (const byte of [1, 128, 255]) {
      bytes[at] = byte
      hashes.add(valueHash(bytes, 0, 70))
      bytes[at] = 0
    }
  }
  expect(hashes.size).toBe(71 + 70 * 3)
  expect([...hashes].every((hash) => hash.length === 16)).toBe(true)
})
