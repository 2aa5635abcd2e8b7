import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryFileSystem } from '../src/memory-file-system.ts'
import { fileSystemContract } from './contract/file-system.ts'

fileSystemContract({
  name: 'in memory',
  create: () => {
    const fileSystem = new MemoryFileSystem()
    fileSystem.makeDirectory('/data')
    return { fileSystem, directory: '/data' }
  },
  dispose: () => {},
})

describe('the faults of a file system in memory', () => {
  let fileSystem: MemoryFileSystem

  beforeEach(() => {
    fileSystem = new MemoryFileSystem()
    fileSystem.makeDirectory('/data')
  })

  const text = (path: string) => fileSystem.readFile(path)?.toString('latin1') ?? null

  it('a short write leaves a part and fails once', () => {
    const handle = fileSystem.open('/data/a.log')
    fileSystem.failNextWrite('.log', 2)
    expect(() => handle.write(Buffer.from('abcd'), 0)).toThrow(/EIO/)
    expect(text('/data/a.log')).toBe('ab')
    handle.write(Buffer.from('abcd'), 0)
    expect(text('/data/a.log')).toBe('abcd')
  })

  it('a full disk takes what fits', () => {
    fileSystem.capacityBytes = 6
    const handle = fileSystem.open('/data/a')
    handle.write(Buffer.from('abcd'), 0)
    expect(() => handle.write(Buffer.from('efgh'), 4)).toThrow(/ENOSPC/)
    expect(text('/data/a')).toBe('abcdef')
    handle.write(Buffer.from('ABCDEF'), 0)
    expect(text('/data/a')).toBe('ABCDEF')
  })

  it('a failed sync makes nothing durable', async () => {
    const handle = fileSystem.open('/data/a')
    handle.write(Buffer.from('a'), 0)
    handle.syncNow()
    handle.write(Buffer.from('b'), 1)
    fileSystem.failNextSync()
    await expect(handle.sync()).rejects.toThrow(/EIO/)
    fileSystem.crash()
    expect(text('/data/a')).toBe('a')
  })

  it('the loss of power undoes appends, overwrites and truncations since the last sync', () => {
    const handle = fileSystem.open('/data/a')
    handle.write(Buffer.from('abcdef'), 0)
    handle.syncNow()
    handle.write(Buffer.from('XY'), 1)
    handle.truncate(2)
    handle.write(Buffer.from('Z'), 2)
    handle.write(Buffer.from('0123456789'), 3)
    fileSystem.open('/data/never-synced').write(Buffer.from('x'), 0)
    fileSystem.crash()
    expect(text('/data/a')).toBe('abcdef')
    expect(text('/data/never-synced')).toBeNull()
  })

  it('the loss of power can keep a prefix of what was appended', () => {
    const handle = fileSystem.open('/data/a')
    handle.write(Buffer.from('abc'), 0)
    handle.syncNow()
    handle.write(Buffer.from('0123'), 3)
    fileSystem.crash({ random: () => 0.5 })
    expect(text('/data/a')).toBe('abc01')
  })

  it('flips a bit', () => {
    fileSystem.open('/data/a').write(Buffer.from('a'), 0)
    fileSystem.flipBit('/data/a', 0, 1)
    expect(text('/data/a')).toBe('c')
  })
})
