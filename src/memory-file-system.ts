/**
 * A file system in memory with the faults of a real one: for tests, and for logs that need not
 * outlive the process.
 *
 * Faults: short and failing writes, a full disk, failing syncs, flipped bits, and the loss of power
 * (`crash`), after which a file holds what was synced plus, if asked, a prefix of what came later.
 *
 * Invariants:
 * - Each file knows its durable state as an undo list: pure appends add nothing to it but the
 *   durable size, so a log costs no copy.
 * - Names (rename, remove, new directories) are durable at once; a new file's name with its first
 *   sync.
 */
import { StreamsError } from './errors.ts'
import type { FileHandle, FileLock, FileSystem } from './file-system.ts'

export interface MemoryFileSystemOptions {
  /** The disk is full when all files together would exceed this. Default: no bound. */
  readonly capacityBytes?: number
}

export interface CrashOptions {
  /**
   * Which share of the bytes appended since the last sync survives, drawn for each file from
   * `random` in [0, 1). Default: none.
   */
  readonly random?: () => number
}

interface WriteFault {
  readonly suffix: string
  readonly writtenBytes: number
}

export class MemoryFileSystem implements FileSystem {
  capacityBytes: number
  readonly #files = new Map<string, MemoryFile>()
  readonly #directories = new Set<string>()
  readonly #locks = new Set<string>()
  #writeFault: WriteFault | null = null
  #syncFault: string | null = null

  constructor(options: MemoryFileSystemOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  }

  /** The next write to a file whose path ends so writes this many bytes and fails. */
  failNextWrite(suffix = '', writtenBytes = 0): void {
    this.#writeFault = { suffix, writtenBytes }
  }

  /** The next sync of a file whose path ends so fails, and what it would have synced is not. */
  failNextSync(suffix = ''): void {
    this.#syncFault = suffix
  }

  flipBit(path: string, position: number, bit: number): void {
    const file = this.#files.get(path)
    if (file === undefined || position >= file.size) throw new RangeError(`no byte ${position}`)
    file.bytes[position] = (file.bytes[position] as number) ^ (1 << bit)
  }

  /** The power is lost: locks are free, files as durable as they were, handles dead. */
  crash(options: CrashOptions = {}): void {
    this.#locks.clear()
    for (const [path, file] of this.#files) {
      const survivor = file.afterCrash(options.random)
      if (survivor === null) this.#files.delete(path)
      else this.#files.set(path, survivor)
    }
  }

  open(path: string): FileHandle {
    let file = this.#files.get(path)
    if (file === undefined) {
      this.#requireParent(path)
      file = new MemoryFile(false)
      this.#files.set(path, file)
    }
    return new MemoryFileHandle(this, path, file)
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path)
  }

  list(directory: string): string[] {
    const prefix = `${directory}/`
    const names = new Set<string>()
    for (const path of [...this.#files.keys(), ...this.#directories]) {
      if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0] as string)
    }
    return [...names].sort()
  }

  makeDirectory(path: string): void {
    for (let end = path.indexOf('/', 1); end !== -1; end = path.indexOf('/', end + 1)) {
      this.#directories.add(path.slice(0, end))
    }
    this.#directories.add(path)
  }

  rename(from: string, to: string): void {
    const file = this.#files.get(from)
    if (file === undefined) throw systemError('ENOENT', `no such file: ${from}`)
    this.#requireParent(to)
    this.#files.delete(from)
    this.#files.set(to, file)
  }

  removeFile(path: string): void {
    this.#files.delete(path)
  }

  removeDirectory(path: string): void {
    const prefix = `${path}/`
    this.#directories.delete(path)
    for (const name of [...this.#directories]) {
      if (name.startsWith(prefix)) this.#directories.delete(name)
    }
    for (const name of [...this.#files.keys()]) {
      if (name.startsWith(prefix)) this.#files.delete(name)
    }
  }

  readFile(path: string): Buffer | null {
    const file = this.#files.get(path)
    return file === undefined ? null : Buffer.from(file.bytes.subarray(0, file.size))
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    this.#requireParent(path)
    const file = new MemoryFile(true)
    this.writeTo(file, path, bytes, 0)
    this.syncFile(file, path)
    this.#files.set(path, file)
  }

  lock(path: string): FileLock {
    if (this.#locks.has(path)) {
      const folder = path.slice(0, path.lastIndexOf('/'))
      const message = `the folder ${folder} is in use by process ${process.pid}`
      throw new StreamsError('log-locked', message, { place: { file: path } })
    }
    this.#locks.add(path)
    return { release: () => void this.#locks.delete(path) }
  }

  /** Writes with the faults that are armed. @internal */
  writeTo(file: MemoryFile, path: string, bytes: Uint8Array, position: number): void {
    const fault = this.#writeFault
    if (fault !== null && path.endsWith(fault.suffix)) {
      this.#writeFault = null
      file.write(bytes.subarray(0, fault.writtenBytes), position)
      throw systemError('EIO', `write failed after ${fault.writtenBytes} bytes: ${path}`)
    }
    const growth = Math.max(0, position + bytes.length - file.size)
    if (this.capacityBytes !== Number.POSITIVE_INFINITY) {
      const room = this.capacityBytes - this.#usedBytes()
      if (growth > room) {
        file.write(bytes.subarray(0, Math.max(0, bytes.length - growth + room)), position)
        throw systemError('ENOSPC', `no space left: ${path}`)
      }
    }
    file.write(bytes, position)
  }

  /** Syncs with the faults that are armed. @internal */
  syncFile(file: MemoryFile, path: string): void {
    if (this.#syncFault !== null && path.endsWith(this.#syncFault)) {
      this.#syncFault = null
      throw systemError('EIO', `sync failed: ${path}`)
    }
    file.sync()
  }

  #usedBytes(): number {
    let used = 0
    for (const file of this.#files.values()) used += file.size
    return used
  }

  #requireParent(path: string): void {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent !== '' && !this.#directories.has(parent)) {
      throw systemError('ENOENT', `no such directory: ${parent}`)
    }
  }
}

class MemoryFile {
  bytes: Buffer = Buffer.alloc(0)
  size = 0
  #named: boolean
  /** The size that was synced and not cut since; bytes below it are durable but for `#undo`. */
  #durableSize = 0
  #undo: { readonly position: number; readonly bytes: Buffer }[] = []

  constructor(named: boolean) {
    this.#named = named
  }

  write(source: Uint8Array, position: number): void {
    const end = position + source.length
    this.#remember(position, Math.min(end, this.size))
    if (end > this.bytes.length) this.#grow(end)
    if (position > this.size) this.bytes.fill(0, this.size, position)
    this.bytes.set(source, position)
    this.size = Math.max(this.size, end)
  }

  truncate(size: number): void {
    this.#remember(size, this.size)
    if (size > this.bytes.length) this.#grow(size)
    if (size > this.size) this.bytes.fill(0, this.size, size)
    this.size = size
  }

  sync(): void {
    this.#named = true
    this.#durableSize = this.size
    this.#undo = []
  }

  afterCrash(random: (() => number) | undefined): MemoryFile | null {
    if (!this.#named && (random === undefined || random() < 0.5)) return null
    const appended = Math.max(0, this.size - this.#durableSize)
    const kept = random === undefined ? 0 : Math.floor(random() * (appended + 1))
    const file = new MemoryFile(true)
    file.bytes = Buffer.alloc(this.#durableSize + kept)
    this.bytes.copy(file.bytes, 0, 0, Math.min(this.size, file.bytes.length))
    for (const step of this.#undo.toReversed()) step.bytes.copy(file.bytes, step.position)
    file.size = file.bytes.length
    file.sync()
    return file
  }

  /** Keeps durable bytes that are about to change. */
  #remember(start: number, end: number): void {
    const last = Math.min(end, this.#durableSize)
    if (start < last) {
      this.#undo.push({ position: start, bytes: Buffer.from(this.bytes.subarray(start, last)) })
    }
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2, 1024))
    this.bytes.copy(grown, 0, 0, this.size)
    this.bytes = grown
  }
}

class MemoryFileHandle implements FileHandle {
  readonly path: string
  readonly #fileSystem: MemoryFileSystem
  readonly #file: MemoryFile
  #closed = false

  constructor(fileSystem: MemoryFileSystem, path: string, file: MemoryFile) {
    this.#fileSystem = fileSystem
    this.path = path
    this.#file = file
  }

  size(): number {
    return this.#open().size
  }

  read(target: Buffer, offset: number, length: number, position: number): number {
    const file = this.#open()
    const end = Math.min(position + length, file.size)
    return end <= position ? 0 : file.bytes.copy(target, offset, position, end)
  }

  write(bytes: Uint8Array, position: number): void {
    this.#fileSystem.writeTo(this.#open(), this.path, bytes, position)
  }

  truncate(size: number): void {
    this.#open().truncate(size)
  }

  async sync(): Promise<void> {
    this.syncNow()
  }

  syncNow(): void {
    this.#fileSystem.syncFile(this.#open(), this.path)
  }

  close(): void {
    this.#closed = true
  }

  #open(): MemoryFile {
    if (this.#closed) throw systemError('EBADF', `file is closed: ${this.path}`)
    return this.#file
  }
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
