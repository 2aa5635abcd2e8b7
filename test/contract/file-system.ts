/**
 * What every file system must do. Run over NodeFileSystem and MemoryFileSystem.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import type { FileSystem } from '../../src/file-system.ts'

export interface FileSystemCase {
  readonly name: string
  /** A file system and an empty directory in it. */
  create(): { fileSystem: FileSystem; directory: string }
  dispose(directory: string): void
}

export function fileSystemContract({ name, create, dispose }: FileSystemCase): void {
  describe(`a file system: ${name}`, () => {
    let fileSystem: FileSystem
    let directory: string

    beforeEach(() => {
      const created = create()
      fileSystem = created.fileSystem
      directory = created.directory
    })
    afterEach(() => dispose(directory))

    it('creates a file on open and reads back what was written at a position', () => {
      const handle = fileSystem.open(`${directory}/a`)
      handle.write(Buffer.from('hello'), 0)
      handle.write(Buffer.from('J'), 0)
      handle.write(Buffer.from('world'), 6)
      expect(handle.size()).toBe(11)
      const target = Buffer.alloc(20, 0x2e)
      expect(handle.read(target, 1, 11, 0)).toBe(11)
      expect(target.toString('latin1')).toBe('.Jello\0world........')
      handle.close()
    })

    it('reads fewer bytes at the end and none after it', () => {
      const handle = fileSystem.open(`${directory}/a`)
      handle.write(Buffer.from('abc'), 0)
      const target = Buffer.alloc(8)
      expect(handle.read(target, 0, 8, 1)).toBe(2)
      expect(handle.read(target, 0, 8, 3)).toBe(0)
      expect(handle.read(target, 0, 8, 99)).toBe(0)
      handle.close()
    })

    it('keeps the bytes for a later handle', async () => {
      const first = fileSystem.open(`${directory}/a`)
      first.write(Buffer.from('kept'), 0)
      await first.sync()
      first.syncNow()
      first.close()
      const second = fileSystem.open(`${directory}/a`)
      expect(second.size()).toBe(4)
      second.close()
      expect(fileSystem.readFile(`${directory}/a`)?.toString()).toBe('kept')
    })

    it('truncates and appends after that', () => {
      const handle = fileSystem.open(`${directory}/a`)
      handle.write(Buffer.from('abcdef'), 0)
      handle.truncate(2)
      handle.write(Buffer.from('X'), 2)
      handle.close()
      expect(fileSystem.readFile(`${directory}/a`)?.toString()).toBe('abX')
    })

    it('lists names sorted, and nothing for a directory that is absent', () => {
      for (const file of ['b', 'a', 'c']) fileSystem.open(`${directory}/${file}`).close()
      fileSystem.makeDirectory(`${directory}/d/e`)
      expect(fileSystem.list(directory)).toEqual(['a', 'b', 'c', 'd'])
      expect(fileSystem.list(`${directory}/d`)).toEqual(['e'])
      expect(fileSystem.list(`${directory}/absent`)).toEqual([])
    })

    it('renames, removes and tells what exists', () => {
      fileSystem.open(`${directory}/a`).close()
      fileSystem.rename(`${directory}/a`, `${directory}/b`)
      expect(fileSystem.exists(`${directory}/a`)).toBe(false)
      expect(fileSystem.exists(`${directory}/b`)).toBe(true)
      fileSystem.removeFile(`${directory}/b`)
      fileSystem.removeFile(`${directory}/b`)
      expect(fileSystem.exists(`${directory}/b`)).toBe(false)
      expect(fileSystem.readFile(`${directory}/b`)).toBeNull()
    })

    it('removes a directory with all it holds', () => {
      fileSystem.makeDirectory(`${directory}/d/e`)
      fileSystem.open(`${directory}/d/e/f`).close()
      fileSystem.removeDirectory(`${directory}/d`)
      expect(fileSystem.exists(`${directory}/d`)).toBe(false)
      expect(fileSystem.list(directory)).toEqual([])
    })

    it('replaces a file as a whole', () => {
      fileSystem.replaceFile(`${directory}/a`, Buffer.from('a longer first version'))
      fileSystem.replaceFile(`${directory}/a`, Buffer.from('second'))
      expect(fileSystem.readFile(`${directory}/a`)?.toString()).toBe('second')
      expect(fileSystem.list(directory)).toEqual(['a'])
    })

    it('fails to open a file in a directory that is absent', () => {
      expect(() => fileSystem.open(`${directory}/absent/a`)).toThrow(/ENOENT/)
    })

    it('gives a lock to one holder at a time and names it to the others', () => {
      const lock = fileSystem.lock(`${directory}/.lock`)
      let thrown: unknown
      try {
        fileSystem.lock(`${directory}/.lock`)
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBeInstanceOf(StreamsError)
      expect((thrown as StreamsError).code).toBe('log-locked')
      expect((thrown as StreamsError).message).toContain(`${directory} `)
      expect((thrown as StreamsError).message).toContain(`process ${process.pid}`)
      lock.release()
      fileSystem.lock(`${directory}/.lock`).release()
    })
  })
}
