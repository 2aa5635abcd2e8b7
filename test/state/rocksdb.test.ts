import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../../src/node-file-system.ts'
import { type ByteStore, rangeOf } from '../../src/state/byte-store.ts'
import { openRocksDB } from '../../src/state/rocksdb.ts'
import { byteStoreContract, putAll, rowsOf } from '../contract/byte-store.ts'
import { randomOf, SEED } from '../record/random.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

const KILLS = Number(process.env.KILLS ?? 5)
const fileSystem = new NodeFileSystem()
let folder: TemporaryFolder

const open = (): Promise<ByteStore> => openRocksDB({ directory: folder.path, fileSystem })

byteStoreContract({
  name: 'RocksDB',
  open() {
    folder = temporaryFolder()
    return open()
  },
  dispose: () => folder.remove(),
})

describe('RocksDB', () => {
  beforeEach(() => {
    folder = temporaryFolder()
  })
  afterEach(() => folder.remove())

  it('has its rows again after a close', async () => {
    const first = await open()
    await putAll(first, { a: '1', b: '2' })
    await first.close()
    const second = await open()
    expect(await rowsOf(second)).toEqual(['a=1', 'b=2'])
    await second.close()
  })

  it('leaves nothing in the write-ahead log at a close', async () => {
    const store = await open()
    await putAll(store, { a: '1' })
    await store.close()
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.sst'))).toHaveLength(1)
  })

  it('says who may have the folder when it is open already, and how to go on', async () => {
    const store = await open()
    await expect(open()).rejects.toMatchObject({
      code: 'state-locked',
      message: expect.stringMatching(/in use by another process.*folder of its own/),
      place: { file: folder.path },
    })
    await putAll(store, { a: '1' })
    await store.close()
    await (await open()).close()
  })

  it('says which folder is damaged and that it may be deleted, when it cannot be opened', async () => {
    await (await open()).close()
    writeFileSync(join(folder.path, 'CURRENT'), 'nonsense')
    await expect(open()).rejects.toMatchObject({
      code: 'state-corrupt',
      message: expect.stringContaining('delete the folder; it is restored from the changelog'),
      place: { file: folder.path },
    })
  })

  it('says so too when a block turns out damaged at a read or a scan', async () => {
    const first = await open()
    await putAll(first, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, 'v'])))
    await first.close()
    const table = readdirSync(folder.path).find((name) => name.endsWith('.sst')) as string
    const content = readFileSync(join(folder.path, table))
    content.fill(0x55, 100, 200)
    writeFileSync(join(folder.path, table), content)
    const second = await open()
    const keys = Array.from({ length: 500 }, (_, i) => Buffer.from(`k${i}`))
    const damaged = { code: 'state-corrupt', message: expect.stringContaining(folder.path) }
    await expect(second.getMany(keys)).rejects.toMatchObject(damaged)
    await expect(rowsOf(second)).rejects.toMatchObject(damaged)
    await second.close()
  })

  it('says that the storage failed when the folder cannot be made a database', async () => {
    const file = join(folder.path, 'file')
    writeFileSync(file, '')
    const failing = openRocksDB({
      directory: file,
      fileSystem: { makeDirectory() {}, removeDirectory() {} },
    })
    await expect(failing).rejects.toMatchObject({ code: 'state-storage-failed' })
  })

  it('is locked for other processes too, until its own has ended', async () => {
    const script = fileURLToPath(new URL('./rocksdb-crash-child.ts', import.meta.url))
    const child = spawn(process.execPath, ['--no-warnings', script, folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await expect(open()).rejects.toMatchObject({ code: 'state-locked', retriable: true })
    child.stdout.resume()
    child.kill('SIGKILL')
    await once(child, 'close')
    await (await open()).close()
  })

  it('gives back the space of deleted ranges after a while', async () => {
    const store = await open()
    const value = randomBytes(1000).toString('latin1')
    const key = (i: number): string => `\0\x01${String(i).padStart(6, '0')}`
    await putAll(store, Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [key(i), value])))
    await store.flush()
    for (let i = 0; i < 64; i++) {
      const batch = store.newBatch()
      batch.deleteRange(Buffer.from(key(0), 'latin1'), Buffer.from(key((i + 1) * 50), 'latin1'))
      await store.write(batch)
    }
    await store.close()
    const sizes = readdirSync(folder.path)
      .filter((name) => name.endsWith('.sst'))
      .map((name) => statSync(join(folder.path, name)).size)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_500_000)
    const reopened = await open()
    expect(await rowsOf(reopened)).toHaveLength(800)
    await reopened.close()
  })

  it('lets scans beyond the bound wait, and ends those that wait at a close', async () => {
    const store = await open()
    await putAll(store, Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, 'v'])))
    const scans = Array.from({ length: 66 }, () => store.scan({})[Symbol.asyncIterator]())
    const first = scans.map((scan) => scan.next())
    await Promise.all(first.slice(0, 64))
    await scans[0]?.return?.()
    expect((await first[64])?.done).toBe(false)
    const waiting = expect(first[65]).rejects.toMatchObject({ code: 'streams-state-invalid' })
    await store.close()
    await waiting
  })

  it('writes nothing after a batch that failed: its offset would stand for rows that are not there', async () => {
    const store = await open()
    const failing = store.newBatch()
    failing.put(rangeOf(Buffer.from('a')), rangeOf(Buffer.from('1')))
    failing.sortedOrder = () => {
      throw new Error('the disk is full')
    }
    const failed = store.write(failing)
    const after = [putAll(store, { b: '2' }), store.load(store.newBatch())]
    await expect(failed).rejects.toThrow(/disk is full/)
    for (const write of after) await expect(write).rejects.toThrow(/disk is full/)
    await expect(putAll(store, { c: '3' })).rejects.toThrow(/disk is full/)
    await store.close()
    const reopened = await open()
    expect(await rowsOf(reopened)).toEqual([])
    await reopened.close()
  })

  it('destroys the folder', async () => {
    const store = await open()
    await putAll(store, { a: '1' })
    await store.destroy()
    expect(fileSystem.exists(folder.path)).toBe(false)
  })

  it(`loses and tears no acknowledged batch when it is killed, ${KILLS} times (SEED=${SEED})`, async () => {
    const random = randomOf(SEED)
    for (let kill = 0; kill < KILLS; kill++) {
      const acknowledged = await runUntilKilled(20 + random() * 150)
      const store = await open()
      const rows = await rowsOf(store)
      const values = new Set(rows.map((row) => row.split('=')[1]))
      expect(rows).toHaveLength(200)
      expect(values.size).toBe(1)
      expect(Number([...values][0])).toBeGreaterThanOrEqual(acknowledged)
      await store.close()
    }
  })
})

/** Kills the child so long after its first batch; the number of the last batch it had acknowledged. */
async function runUntilKilled(delayMs: number): Promise<number> {
  const script = fileURLToPath(new URL('./rocksdb-crash-child.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', script, folder.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const closed = once(child, 'close')
  await once(child.stdout, 'data')
  await wait(delayMs)
  child.kill('SIGKILL')
  await closed
  // The last line may be cut off.
  return Number(output.split('\n').at(-2))
}
