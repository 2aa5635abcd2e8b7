/**
 * What every byte store must do. Run over RocksDB and memory.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ByteRow, type ByteStore, rangeOf } from '../../src/state/byte-store.ts'
import { randomOf, SEED } from '../record/random.ts'

export interface ByteStoreCase {
  readonly name: string
  open(): Promise<ByteStore>
  dispose(): void
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

export async function putAll(store: ByteStore, rows: Record<string, string>): Promise<void> {
  const batch = store.newBatch()
  for (const [key, value] of Object.entries(rows)) {
    batch.put(rangeOf(bytes(key)), rangeOf(bytes(value)))
  }
  await store.write(batch)
}

export async function rowsOf(
  store: ByteStore,
  range: Parameters<ByteStore['scan']>[0] = {},
): Promise<string[]> {
  const rows: ByteRow[] = []
  for await (const chunk of store.scan(range)) rows.push(...chunk)
  return rows.map(({ key, value }) => `${key.toString('latin1')}=${value.toString('latin1')}`)
}

export function byteStoreContract({ name, open, dispose }: ByteStoreCase): void {
  describe(`a byte store: ${name}`, () => {
    let store: ByteStore

    beforeEach(async () => {
      store = await open()
    })
    afterEach(async () => {
      await store.close()
      dispose()
    })

    const read = async (...keys: string[]): Promise<(string | null)[]> =>
      (await store.getMany(keys.map(bytes))).map((value) => value?.toString('latin1') ?? null)

    it('answers each key in the order asked, and null where there is none', async () => {
      await putAll(store, { a: '1', b: '2' })
      expect(await read('b', 'x', 'a', 'b')).toEqual(['2', null, '1', '2'])
      expect(await read()).toEqual([])
    })

    it('tells an empty value and a missing one apart, and takes an empty key', async () => {
      await putAll(store, { '': 'empty key', e: '' })
      expect(await read('', 'e', 'f')).toEqual(['empty key', '', null])
    })

    it('reads more keys than fit one native read', async () => {
      const rows = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, `v${i}`]))
      await putAll(store, rows)
      expect(await read(...Object.keys(rows), 'none')).toEqual([...Object.values(rows), null])
    })

    it('lets the last operation on a key win, and range deletes come first', async () => {
      await putAll(store, { a: 'old', b: 'old', c: 'old' })
      const batch = store.newBatch()
      batch.put(rangeOf(bytes('b')), rangeOf(bytes('1')))
      batch.put(rangeOf(bytes('a')), rangeOf(bytes('1')))
      batch.put(rangeOf(bytes('b')), rangeOf(bytes('2')))
      batch.delete(rangeOf(bytes('a')))
      batch.deleteRange(bytes('a'), bytes('z'))
      await store.write(batch)
      expect(await rowsOf(store)).toEqual(['b=2'])
    })

    it('removes a range without its end, and nothing when the range is empty', async () => {
      await putAll(store, { a: '1', b: '2', c: '3', d: '4' })
      const batch = store.newBatch()
      batch.deleteRange(bytes('b'), bytes('d'))
      batch.deleteRange(bytes('d'), bytes('a'))
      batch.deleteRange(bytes('a'), bytes('a'))
      await store.write(batch)
      expect(await rowsOf(store)).toEqual(['a=1', 'd=4'])
      await store.compact(bytes('a'), bytes('d'))
      expect(await rowsOf(store)).toEqual(['a=1', 'd=4'])
    })

    it('applies batches in the order of their writes, without awaiting between', async () => {
      const writes: Promise<void>[] = []
      for (let round = 0; round < 50; round++) {
        const batch = store.newBatch()
        for (let key = 0; key < 20; key++) {
          batch.put(rangeOf(bytes(`k${key}`)), rangeOf(bytes(`${round}`)))
        }
        writes.push(store.write(batch))
      }
      await Promise.all(writes)
      expect(new Set(await read(...Array.from({ length: 20 }, (_, key) => `k${key}`)))).toEqual(
        new Set(['49']),
      )
    })

    it(`loads more rows than go in one piece, between the writes around it (SEED=${SEED})`, async () => {
      const random = randomOf(SEED)
      const model = new Map<string, string>()
      const settled: Promise<void>[] = []
      for (const method of ['write', 'load', 'load', 'write'] as const) {
        const batch = store.newBatch()
        if (settled.length === 2) {
          batch.deleteRange(bytes('k1'), bytes('k2'))
          for (const key of model.keys()) if (key >= 'k1' && key < 'k2') model.delete(key)
        }
        for (let row = 0; row < 5000; row++) {
          const key = `k${Math.floor(random() * 4000)}`
          const value = `${settled.length}.${row}`
          if (row % 7 === 0) batch.delete(rangeOf(bytes(key)))
          else batch.put(rangeOf(bytes(key)), rangeOf(bytes(value)))
          if (row % 7 === 0) model.delete(key)
          else model.set(key, value)
        }
        settled.push(store[method](batch))
      }
      await Promise.all(settled)
      const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => `${k}=${v}`)
      expect(await rowsOf(store)).toEqual(sorted)
      await store.load(store.newBatch())
    })

    it('copies what a batch is given, and reuses no batch that is in flight', async () => {
      const value = bytes('mine')
      const first = store.newBatch()
      first.put(rangeOf(bytes('a')), rangeOf(value))
      value.fill(0)
      const written = store.write(first)
      const second = store.newBatch()
      second.put(rangeOf(bytes('b')), rangeOf(bytes('yours')))
      await Promise.all([written, store.write(second)])
      expect(await rowsOf(store)).toEqual(['a=mine', 'b=yours'])
    })

    it('refuses keys that are not buffers instead of storing what lies in memory', async () => {
      const wrong = [undefined, 'text', 3] as unknown as Buffer[]
      for (const key of wrong) await expect(store.getMany([key])).rejects.toThrow(/Buffer/)
      const batch = store.newBatch()
      const undefinedRange = undefined as unknown as ReturnType<typeof rangeOf>
      expect(() => batch.put(rangeOf(bytes('a')), undefinedRange)).toThrow()
      expect(() => batch.deleteRange(undefined as unknown as Buffer, bytes('a'))).toThrow(/buffer/)
    })

    it('scans ranges both ways, with a limit, in unsigned byte order', async () => {
      await putAll(store, { a: '1', '\x7f': '2', '\x80': '3', '\xff': '4', '\xff\x00': '5' })
      const all = ['a=1', '\x7f=2', '\x80=3', '\xff=4', '\xff\x00=5']
      expect(await rowsOf(store)).toEqual(all)
      expect(await rowsOf(store, { reverse: true })).toEqual(all.toReversed())
      expect(await rowsOf(store, { from: bytes('\x7f'), to: bytes('\xff') })).toEqual(
        all.slice(1, 3),
      )
      expect(await rowsOf(store, { limit: 2 })).toEqual(all.slice(0, 2))
      expect(await rowsOf(store, { limit: 2, reverse: true })).toEqual(all.toReversed().slice(0, 2))
      expect(await rowsOf(store, { limit: 0 })).toEqual([])
      expect(await rowsOf(store, { from: bytes('b'), to: bytes('b') })).toEqual([])
    })

    it('scans as of its start while rows are written', async () => {
      const rows = Object.fromEntries(
        Array.from({ length: 3000 }, (_, i) => [`k${String(i).padStart(5, '0')}`, 'before']),
      )
      await putAll(store, rows)
      const seen: string[] = []
      for await (const chunk of store.scan({})) {
        if (seen.length === 0) {
          await putAll(store, { k02999: 'after', k99999: 'new' })
        }
        seen.push(...chunk.map(({ value }) => value.toString()))
      }
      expect(seen).toHaveLength(3000)
      expect(new Set(seen)).toEqual(new Set(['before']))
    })

    it('scans what was written before it, though that is still under way', async () => {
      const rows = Array.from({ length: 2000 }, (_, i) => [`k${i}`, 'x'.repeat(100)])
      const written = putAll(store, Object.fromEntries(rows))
      expect(await rowsOf(store)).toHaveLength(2000)
      await written
    })

    it('stops a scan that its reader leaves', async () => {
      await putAll(store, { a: '1', b: '2' })
      for await (const _ of store.scan({})) break
      await store.close()
    })

    it('closes with an open scan and reads in flight; the scan says so instead of ending short', async () => {
      const rows = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'v']))
      await putAll(store, rows)
      const scan = store.scan({})[Symbol.asyncIterator]()
      expect((await scan.next()).done).toBe(false)
      const reads = Array.from({ length: 40 }, (_, i) => read(`k${i}`))
      const write = putAll(store, { late: 'kept' })
      await store.close()
      expect((await Promise.all(reads)).flat()).toEqual(Array(40).fill('v'))
      await write
      await expect(scan.next()).rejects.toMatchObject({ code: 'streams-state-invalid' })
      await expect(read('a')).rejects.toMatchObject({ code: 'streams-state-invalid' })
      await expect(putAll(store, { a: '1' })).rejects.toMatchObject({
        code: 'streams-state-invalid',
      })
    })

    it('closes twice', async () => {
      await Promise.all([store.close(), store.close()])
      await store.close()
    })

    it(`agrees with a sorted map over random batches (SEED=${SEED})`, async () => {
      const random = randomOf(SEED)
      const pick = (below: number): number => Math.floor(random() * below)
      const key = (): string =>
        `${String.fromCharCode(0, pick(3))}${'x'.repeat(pick(4))}${String.fromCharCode(pick(256), pick(256))}`
      const model = new Map<string, string>()
      for (let round = 0; round < 60; round++) {
        const batch = store.newBatch()
        if (pick(4) === 0) {
          const [from, to] = [key(), key()]
          batch.deleteRange(bytes(from), bytes(to))
          for (const known of model.keys()) if (known >= from && known < to) model.delete(known)
        }
        for (let operation = pick(200); operation > 0; operation--) {
          const at = key()
          if (pick(4) === 0) {
            batch.delete(rangeOf(bytes(at)))
            model.delete(at)
          } else {
            const value = `${round}.${operation}`
            batch.put(rangeOf(bytes(at)), rangeOf(bytes(value)))
            model.set(at, value)
          }
        }
        await store.write(batch)
        const keys = Array.from({ length: 20 }, key)
        expect(await read(...keys)).toEqual(keys.map((one) => model.get(one) ?? null))
      }
      const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => `${k}=${v}`)
      expect(await rowsOf(store)).toEqual(sorted)
    })
  })
}
