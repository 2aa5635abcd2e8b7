/**
 * The file-system door: every file the log and the runtime touch is opened here.
 *
 * Reads, writes and metadata are synchronous: they go to the page cache, and a promise costs more
 * than they do. Only `sync` (fsync) waits for a device, so only it is asynchronous.
 * `NodeFileSystem` is the machine's; `MemoryFileSystem` (memory-file-system.ts) is the same
 * contract in memory, with injectable faults. Both pass `test/contract/file-system.ts`.
 *
 * Invariants:
 * - `write` writes all bytes or throws; what a failed write left behind is unspecified, as on disk.
 * - After `sync` resolved, the file's bytes survive the loss of power.
 */
export interface FileSystem {
  /** Opens for reading and writing, creating the file when absent. */
  open(path: string): FileHandle
  exists(path: string): boolean
  /** Names in a directory, sorted; empty when the directory does not exist. */
  list(directory: string): string[]
  makeDirectory(path: string): void
  rename(from: string, to: string): void
  removeFile(path: string): void
  removeDirectory(path: string): void
  /** The whole file, or null when it does not exist. */
  readFile(path: string): Buffer | null
  /** Replaces a small file atomically: temporary file, sync, rename, sync of the directory. */
  replaceFile(path: string, bytes: Uint8Array): void
  /** Takes the lock file or throws StreamsError 'log-locked' naming holder and folder. */
  lock(path: string): FileLock
}

export interface FileHandle {
  readonly path: string
  size(): number
  /** Reads up to `length` bytes at `position` into `target` at `offset`; returns how many. */
  read(target: Buffer, offset: number, length: number, position: number): number
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): void
  truncate(size: number): void
  sync(): Promise<void>
  /** Synchronous sync, for recovery and close. */
  syncNow(): void
  close(): void
}

export interface FileLock {
  release(): void
}
