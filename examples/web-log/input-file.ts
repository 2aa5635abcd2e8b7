/**
 * The log file as it is read: from a position, to its end, and on when it grows, is rotated
 * (another file takes its name) or truncated (the same file starts again).
 *
 * Journey: [file] -> lines -> `access-log`.
 *
 * Invariants:
 * - A position means something only together with the bytes before it. `Bookmark` carries a
 *   fingerprint of them, so a file that was replaced or rewritten is never read from the middle.
 * - A rotated file is read to its end before the one that took its name is begun.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** How far a file was read, and how to know it again. */
export interface Bookmark {
  readonly inode: number
  readonly position: number
  /** Of the first and the last `FINGERPRINT_BYTES` before `position`. */
  readonly fingerprint: string
}

export type Change = 'none' | 'grown' | 'rotated' | 'truncated'

/** One read, and so one transaction of ingest: some 5,000 lines. */
export const CHUNK_BYTES: number = 1024 * 1024

/** Some lines on either side; two logs that agree on both have the same beginning. */
const FINGERPRINT_BYTES = 1024

export class InputFile {
  readonly path: string
  readonly inode: number
  /** The next byte to read. */
  position: number
  readonly #handle: FileHandle
  /** What was read up to a position that was bookmarked, to notice a rewritten file. */
  #bookmark: Bookmark

  private constructor(path: string, handle: FileHandle, bookmark: Bookmark) {
    this.path = path
    this.inode = bookmark.inode
    this.position = bookmark.position
    this.#handle = handle
    this.#bookmark = bookmark
  }

  /** Opens the file at its beginning; null when there is none (yet, after a rotation). */
  static async open(path: string): Promise<InputFile | null> {
    const handle = await openIfThere(path)
    if (handle === null) return null
    const inode = (await handle.stat()).ino
    return new InputFile(path, handle, { inode, position: 0, fingerprint: await digest(handle, 0) })
  }

  /**
   * Opens the file that a bookmark was made in: the one at `path`, or, when that was rotated, the
   * one in the same folder it was renamed to. null when it is gone or was rewritten.
   */
  static async reopen(path: string, bookmark: Bookmark): Promise<InputFile | null> {
    for (const candidate of await candidates(path, bookmark.inode)) {
      const handle = await openIfThere(candidate)
      if (handle === null) continue
      if ((await digest(handle, bookmark.position)) === bookmark.fingerprint) {
        const inode = (await handle.stat()).ino
        return new InputFile(path, handle, { ...bookmark, inode })
      }
      await handle.close()
    }
    return null
  }

  /** The next bytes, at most `CHUNK_BYTES`; null at the end of what is there now. */
  async read(): Promise<Buffer | null> {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    const { bytesRead } = await this.#handle.read(chunk, 0, CHUNK_BYTES, this.position)
    if (bytesRead === 0) return null
    this.position += bytesRead
    return chunk.subarray(0, bytesRead)
  }

  /** Marks how far the lines of this file were taken. */
  async bookmark(position: number): Promise<Bookmark> {
    const fingerprint = await digest(this.#handle, position)
    this.#bookmark = { inode: this.inode, position, fingerprint }
    return this.#bookmark
  }

  /** What happened to the file since its end was reached. */
  async change(): Promise<Change> {
    // The name first: once another file is written under it, this one was written to the end.
    const named = await stat(this.path).catch(ignoreMissing)
    const size = await this.size()
    if (size < this.position) return 'truncated'
    if (size > this.position) return (await this.#isRewritten()) ? 'truncated' : 'grown'
    const another = named !== null && named.ino !== this.inode && named.size > 0
    return another ? 'rotated' : 'none'
  }

  /** True when the bytes up to the bookmark are no longer the ones that were read. */
  async #isRewritten(): Promise<boolean> {
    const { position, fingerprint } = this.#bookmark
    return (await digest(this.#handle, position)) !== fingerprint
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

async function candidates(path: string, inode: number): Promise<string[]> {
  const folder = dirname(path)
  const others: string[] = []
  for (const name of await readdir(folder)) {
    const other = join(folder, name)
    const found = await stat(other).catch(ignoreMissing)
    if (found?.isFile() && found.ino === inode && other !== path) others.push(other)
  }
  return [path, ...others]
}

/** Of the bytes before `position`; empty when the file is shorter than that. */
async function digest(handle: FileHandle, position: number): Promise<string> {
  if ((await handle.stat()).size < position) return ''
  const length = Math.min(position, FINGERPRINT_BYTES)
  const bytes = Buffer.alloc(2 * length)
  await handle.read(bytes, 0, length, 0)
  await handle.read(bytes, length, length, position - length)
  return createHash('sha256').update(bytes).digest('hex')
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  return open(path, 'r').catch(ignoreMissing)
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
