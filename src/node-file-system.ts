/**
 * The machine's file system: the only file that imports `node:fs`.
 *
 * Invariants:
 * - A handle that created its file also syncs the directory on its first sync: without that the
 *   bytes would survive a loss of power, but not the name.
 * - A lock file always holds a complete holder: it is written aside and linked into place, which
 *   fails when the name exists (on file systems without links it is created exclusively).
 * - The lock ends with its process, however that ended: a holder that is not alive (no such pid, a
 *   zombie, or another process with the same pid but a later start or boot) is replaced.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { StreamsError } from './errors.ts'
import type { FileHandle, FileLock, FileSystem } from './file-system.ts'

/** Contenders that meet over a dead holder try again at most this often. */
const LOCK_ATTEMPTS = 10

export class NodeFileSystem implements FileSystem {
  open(path: string): FileHandle {
    try {
      const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL
      return new NodeFileHandle(path, fs.openSync(path, flags, 0o644), true)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      return new NodeFileHandle(path, fs.openSync(path, fs.constants.O_RDWR), false)
    }
  }

  exists(path: string): boolean {
    return fs.existsSync(path)
  }

  list(directory: string): string[] {
    try {
      return fs.readdirSync(directory).sort()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  }

  makeDirectory(path: string): void {
    const first = fs.mkdirSync(path, { recursive: true })
    if (first !== undefined) syncDirectory(dirname(first))
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to)
  }

  removeFile(path: string): void {
    fs.rmSync(path, { force: true })
  }

  removeDirectory(path: string): void {
    fs.rmSync(path, { recursive: true, force: true })
  }

  readFile(path: string): Buffer | null {
    try {
      return fs.readFileSync(path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    const temporary = `${path}.tmp`
    const descriptor = fs.openSync(temporary, 'w', 0o644)
    try {
      writeAll(descriptor, bytes, 0)
      fs.fsyncSync(descriptor)
    } finally {
      fs.closeSync(descriptor)
    }
    fs.renameSync(temporary, path)
    syncDirectory(dirname(path))
  }

  lock(path: string): FileLock {
    const mine = describeProcess(process.pid)
    for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
      if (createExclusively(path, mine)) return { release: () => releaseLock(path, mine) }
      const found = readTextOrNull(path)
      if (found === null) continue
      if (isAlive(found)) throw lockedError(path, found)
      replaceDeadHolder(path, found)
    }
    throw lockedError(path, readTextOrNull(path) ?? '')
  }
}

class NodeFileHandle implements FileHandle {
  readonly path: string
  #descriptor: number
  #directoryUnsynced: boolean
  #syncsUnderWay = 0
  #closing = false

  constructor(path: string, descriptor: number, created: boolean) {
    this.path = path
    this.#descriptor = descriptor
    this.#directoryUnsynced = created
  }

  size(): number {
    return fs.fstatSync(this.#descriptor).size
  }

  read(target: Buffer, offset: number, length: number, position: number): number {
    let total = 0
    while (total < length) {
      const count = fs.readSync(
        this.#descriptor,
        target,
        offset + total,
        length - total,
        position + total,
      )
      if (count === 0) break
      total += count
    }
    return total
  }

  write(bytes: Uint8Array, position: number): void {
    writeAll(this.#descriptor, bytes, position)
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#descriptor, size)
  }

  async sync(): Promise<void> {
    this.#syncsUnderWay += 1
    try {
      await new Promise<void>((resolve, reject) => {
        fs.fsync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)))
      })
      this.#syncName()
    } finally {
      this.#syncsUnderWay -= 1
      if (this.#closing) this.close()
    }
  }

  syncNow(): void {
    fs.fsyncSync(this.#descriptor)
    this.#syncName()
  }

  /** A descriptor may be given out again once closed, so a sync under way is waited for. */
  close(): void {
    this.#closing = true
    if (this.#descriptor === -1 || this.#syncsUnderWay > 0) return
    fs.closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  #syncName(): void {
    if (!this.#directoryUnsynced) return
    syncDirectory(dirname(this.path))
    this.#directoryUnsynced = false
  }
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  let written = fs.writeSync(descriptor, bytes, 0, bytes.length, position)
  while (written < bytes.length) {
    const count = fs.writeSync(
      descriptor,
      bytes,
      written,
      bytes.length - written,
      position + written,
    )
    if (count === 0) throw new Error(`write of ${bytes.length} bytes stopped after ${written}`)
    written += count
  }
}

/** Directories cannot be opened on every platform; where they cannot, names sync by themselves. */
function syncDirectory(path: string): void {
  let descriptor: number
  try {
    descriptor = fs.openSync(path, 'r')
  } catch {
    return
  }
  try {
    fs.fsyncSync(descriptor)
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'EPERM' && code !== 'EINVAL' && code !== 'EISDIR') throw error
  } finally {
    fs.closeSync(descriptor)
  }
}

function createExclusively(path: string, content: string): boolean {
  const aside = `${path}.${process.pid}-${process.hrtime.bigint()}`
  fs.writeFileSync(aside, content, { flag: 'wx' })
  try {
    fs.linkSync(aside, path)
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
  } finally {
    fs.rmSync(aside, { force: true })
  }
  try {
    fs.writeFileSync(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Moves a dead holder's file away. When another contender was faster, what was moved is that
 * contender's lock, and it is put back.
 */
function replaceDeadHolder(path: string, dead: string): void {
  const aside = `${path}.${process.pid}-dead`
  try {
    fs.renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (readTextOrNull(aside) !== dead) putBack(aside, path)
  fs.rmSync(aside, { force: true })
}

function putBack(aside: string, path: string): void {
  try {
    fs.linkSync(aside, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function releaseLock(path: string, mine: string): void {
  if (readTextOrNull(path) === mine) fs.rmSync(path, { force: true })
}

/** `pid <start of the process> <boot>`: a later process with the same pid differs in the rest. */
function describeProcess(pid: number): string {
  return `${pid} ${startOf(pid) ?? '-'} ${bootOf()}\n`
}

function isAlive(holder: string): boolean {
  const [pidText = '', start = '-', boot = '-'] = holder.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  if (boot !== bootOf()) return false
  if (start !== '-') return startOf(pid) === start
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** Start time in clock ticks from /proc (field 22), or null when there is none or it is a zombie. */
function startOf(pid: number): string | null {
  const stat = readTextOrNull(`/proc/${pid}/stat`)
  if (stat === null) return null
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  return state === 'Z' || state === 'X' ? null : (fields[19] ?? null)
}

function bootOf(): string {
  return readTextOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? '-'
}

function lockedError(path: string, holder: string): StreamsError {
  const pid = holder.trim().split(' ')[0] ?? ''
  return new StreamsError(
    'log-locked',
    `the folder ${dirname(path)} is in use by process ${pid === '' ? 'unknown' : pid}`,
    { place: { file: path } },
  )
}

function readTextOrNull(path: string): string | null {
  try {
    return fs.readFileSync(path, 'latin1')
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR') return null
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
