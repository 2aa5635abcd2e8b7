/**
 * The RocksDB door: the one file that knows the binding, and covers what it leaves open.
 *
 * Journey: misses, saves, restore batches and queries of a task end here.
 *
 * What the binding does not do, and this file does:
 * - Order writes: batches in flight overtake each other, so one is in flight per database.
 * - Check types: anything but a Buffer is stored as random memory, so keys and values are Buffers by
 *   construction (slices of the batch's arena) or by assertion.
 * - Keep bytes: a Buffer is read while its write is in flight, so an arena is reused only after.
 * - Close: it waits for ever for a live batch or iterator, so all are tracked and destroyed, and it
 *   does not flush, so `close` does.
 * - Leave room: all work runs on libuv's four threads, so the process keeps one of them free.
 * - Reclaim: deleted ranges keep their space until they are compacted, so now and then they are.
 * - Batch: an awaited get costs 50 us, one of 256 costs 7, so there is no single get.
 * - Convert: it reads four properties of every operation, and calls a getter for one of them; the
 *   operations here have plain ones. A load goes in pieces that stay in the processor's caches.
 */
import assert from 'node:assert'
import type RocksDB from 'rocksdb-native'
import type {
  NativeIterator,
  NativeOperation,
  NativeReadBatch,
  NativeWriteBatch,
} from 'rocksdb-native'
import { StreamsError } from '../errors.ts'
import type { FileSystem } from '../file-system.ts'
import type { ByteRow, ByteStore, ScanRange } from './byte-store.ts'
import { SCAN_CHUNK_ROWS } from './byte-store.ts'
import { InFlightGate } from './in-flight-gate.ts'
import { STORE_PREFIX_BYTES, WriteBatch } from './write-batch.ts'

export interface RocksDBOptions {
  /** The folder of this database; made when it is absent. */
  readonly directory: string
  readonly fileSystem: Pick<FileSystem, 'makeDirectory' | 'removeDirectory'>
  /** How many databases share this process's memory for write buffers. Default 1. */
  readonly databases?: number
}

/** Keys of one native read: fewer cost more each, more make the others wait (measured). */
const READ_BATCH_KEYS = 256
/** Rows of one native write of a load: twice as many are converted a fifth slower (measured). */
const LOAD_PIECE_ROWS = 1024
/** Write buffers of all databases together; the native block caches (32 MB each) come on top. */
const WRITE_BUFFERS_BYTES = 128 * 1024 * 1024
/** Below it files get small and are rewritten ten times (measured at 8 MB under full load). */
const WRITE_BUFFER_MIN_BYTES = 4 * 1024 * 1024
/** Above it insertion slows down: the buffer outgrows the processor's caches. */
const WRITE_BUFFER_MAX_BYTES = 32 * 1024 * 1024
const WRITE_BUFFERS_PER_DATABASE = 4
/** Batches kept for reuse: one in flight and one being filled. */
const IDLE_BATCHES_MAX = 2
const BACKGROUND_JOBS = 2
/** Open scans per database; further ones wait. More at once make all of them slower (measured). */
const ITERATORS_MAX = 64
/** Compacting costs 0.1 s a time (measured on 100 k rows): once in so many range deletes. */
const COMPACT_AFTER_RANGE_DELETES = 64

const NO_BYTES: Buffer = Buffer.alloc(0)
const REMEDY = 'delete the folder; it is restored from the changelog'

/** Shared by all databases of this thread: 2 reads, 3 operations of libuv's 4 threads. */
const gate = new InFlightGate({ reads: 2, total: 3 })

/**
 * Opens the database in a folder, and makes it when it is not there.
 *
 * @throws StreamsError 'state-locked' when another process or task has it open, 'state-corrupt'
 * when its files cannot be read as a database, 'state-storage-failed' when the disk or the binding
 * fails.
 */
export async function openRocksDB(options: RocksDBOptions): Promise<ByteStore> {
  const { directory, fileSystem, databases = 1 } = options
  const Database = await loadBinding(directory)
  fileSystem.makeDirectory(directory)
  const database = new Database(directory, {
    writeBufferSize: Math.min(
      WRITE_BUFFER_MAX_BYTES,
      Math.max(WRITE_BUFFER_MIN_BYTES, Math.floor(WRITE_BUFFERS_BYTES / databases)),
    ),
    maxWriteBufferNumber: WRITE_BUFFERS_PER_DATABASE,
    maxBackgroundJobs: BACKGROUND_JOBS,
  })
  try {
    await database.ready()
  } catch (error) {
    throw openError(error, directory)
  }
  return new RocksDBStore(database, options)
}

/** What the binding makes of a put or a delete, with the type as a plain property. */
class Operation implements NativeOperation {
  readonly type: number
  readonly columnFamily: object
  readonly key: Uint8Array
  readonly value: Uint8Array | null

  constructor(like: NativeOperation, key: Uint8Array, value: Uint8Array | null) {
    this.type = like.type
    this.columnFamily = like.columnFamily
    this.key = key
    this.value = value
  }
}

class RocksDBStore implements ByteStore {
  readonly location: string
  readonly #database: RocksDB
  readonly #fileSystem: RocksDBOptions['fileSystem']
  readonly #writer: NativeWriteBatch
  readonly #put: NativeOperation
  readonly #delete: NativeOperation
  readonly #idleReaders: NativeReadBatch[] = []
  readonly #idleBatches: WriteBatch[] = []
  readonly #iterators = new Set<NativeIterator>()
  readonly #waitingScans: (() => void)[] = []
  /** Per store prefix, where its deleted ranges start and end. */
  readonly #deletedRanges = new Map<number, { from: Buffer; to: Buffer }>()
  #rangeDeletes = 0
  #operations = 0
  #onIdle: (() => void) | null = null
  #writing: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(database: RocksDB, options: RocksDBOptions) {
    this.location = options.directory
    this.#database = database
    this.#fileSystem = options.fileSystem
    this.#writer = database.write({ capacity: LOAD_PIECE_ROWS })
    const [put, remove] = modelOperations(database)
    this.#put = new Operation(put, NO_BYTES, NO_BYTES)
    this.#delete = new Operation(remove, NO_BYTES, null)
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | null)[]> {
    for (const key of keys) assert(Buffer.isBuffer(key), 'a key of a byte store is a Buffer')
    if (keys.length <= READ_BATCH_KEYS) return this.#read(keys)
    const reads: Promise<(Buffer | null)[]>[] = []
    for (let start = 0; start < keys.length; start += READ_BATCH_KEYS) {
      reads.push(this.#read(keys.slice(start, start + READ_BATCH_KEYS)))
    }
    return (await Promise.all(reads)).flat()
  }

  newBatch(): WriteBatch {
    return this.#idleBatches.pop() ?? new WriteBatch()
  }

  write(batch: WriteBatch): Promise<void> {
    return this.#queue(batch, Number.POSITIVE_INFINITY)
  }

  load(batch: WriteBatch): Promise<void> {
    return this.#queue(batch, LOAD_PIECE_ROWS)
  }

  async *scan(range: ScanRange): AsyncIterable<ByteRow[]> {
    const limit = range.limit ?? Number.POSITIVE_INFINITY
    if (limit <= 0) return
    // Its store no longer counts as unsaved what was handed over to be written.
    await this.#writing
    const iterator = await this.#iterate(range, limit)
    try {
      const rows = iterator[Symbol.asyncIterator]()
      for (;;) {
        const chunk = await this.#pull(rows)
        if (chunk.length > 0) yield chunk
        if (chunk.length < SCAN_CHUNK_ROWS) return
      }
    } finally {
      iterator.destroy()
    }
  }

  async compact(from: Buffer, to: Buffer): Promise<void> {
    await this.#run(() => this.#database.compactRange(from, to))
  }

  async flush(): Promise<void> {
    await this.#run(() => this.#database.flush())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async destroy(): Promise<void> {
    await this.close()
    this.#fileSystem.removeDirectory(this.location)
  }

  async #read(keys: readonly Buffer[]): Promise<(Buffer | null)[]> {
    return this.#run(async () => {
      await gate.enterRead()
      const reader = this.#idleReaders.pop() ?? this.#database.read({ capacity: READ_BATCH_KEYS })
      try {
        const values = keys.map((key) => reader.get(key))
        // Its own promise would repeat the errors of the gets, so it asks for none.
        reader.tryFlush()
        return await allSettled(values)
      } finally {
        gate.leaveRead()
        this.#idleReaders.push(reader)
      }
    })
  }

  #queue(batch: WriteBatch, pieceRows: number): Promise<void> {
    const previous = this.#writing
    const written = this.#run(() => previous.then(() => this.#apply(batch, pieceRows)))
    // A failed one is passed on to all after it: their offsets stand for its rows too.
    this.#writing = written
    written.catch(() => {})
    return written
  }

  /** Pieces follow each other, so what was added last is written last. */
  async #apply(batch: WriteBatch, pieceRows: number): Promise<void> {
    const order = batch.sortedOrder()
    let start = 0
    do {
      const end = Math.min(batch.count, start + pieceRows)
      await gate.enterWrite()
      try {
        if (start === 0) this.#addRangeDeletes(batch)
        this.#addOperations(batch, order, { start, end })
        await this.#writer.flush()
      } finally {
        gate.leaveWrite()
      }
      start = end
    } while (start < batch.count)
    for (const range of batch.rangeDeletes) this.#rememberDeleted(range)
    if (this.#rangeDeletes >= COMPACT_AFTER_RANGE_DELETES) this.#reclaim()
    batch.reset()
    if (this.#idleBatches.length < IDLE_BATCHES_MAX) this.#idleBatches.push(batch)
  }

  #addRangeDeletes({ rangeDeletes }: WriteBatch): void {
    for (const { from, to } of rangeDeletes) this.#writer.tryDeleteRange(from, to)
  }

  #addOperations(
    batch: WriteBatch,
    order: Float64Array | null,
    { start, end }: { readonly start: number; readonly end: number },
  ): void {
    const operations = this.#writer._operations
    for (let index = start; index < end; index++) {
      const operation = order === null ? index : (order[index] as number)
      const value = batch.value(operation)
      const like = value === null ? this.#delete : this.#put
      operations.push(new Operation(like, batch.key(operation), value))
    }
    this.#writer._resize()
  }

  #rememberDeleted({ from, to }: { readonly from: Buffer; readonly to: Buffer }): void {
    this.#rangeDeletes++
    const prefix = from.length < STORE_PREFIX_BYTES ? 0 : from.readUInt16BE()
    const known = this.#deletedRanges.get(prefix)
    if (known === undefined) {
      this.#deletedRanges.set(prefix, { from, to })
      return
    }
    if (Buffer.compare(from, known.from) < 0) known.from = from
    if (Buffer.compare(to, known.to) > 0) known.to = to
  }

  /** In the background; a failure shows in the writes after it, and space comes back later. */
  #reclaim(): void {
    const ranges = [...this.#deletedRanges.values()]
    this.#deletedRanges.clear()
    this.#rangeDeletes = 0
    this.#run(async () => {
      for (const { from, to } of ranges) {
        if (this.#closing !== null) return
        await gate.enterWrite()
        try {
          await this.#database.compactRange(from, to)
        } finally {
          gate.leaveWrite()
        }
      }
    }).catch(() => {})
  }

  /** Counts the operation, so that `close` waits for it, and translates its error. */
  async #run<T>(operation: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    this.#operations++
    try {
      return await operation()
    } catch (error) {
      throw operationError(error, this.location)
    } finally {
      if (--this.#operations === 0) this.#onIdle?.()
    }
  }

  /** Opens an iterator, when not too many are open; it is known to `close` until it is destroyed. */
  async #iterate(range: ScanRange, limit: number): Promise<NativeIterator> {
    this.#assertOpen()
    while (this.#iterators.size >= ITERATORS_MAX) {
      await new Promise<void>((resolve) => {
        this.#waitingScans.push(resolve)
      })
      this.#assertOpen()
    }
    const iterator = this.#database.iterator({
      ...(range.from === undefined ? {} : { gte: range.from }),
      ...(range.to === undefined ? {} : { lt: range.to }),
      reverse: range.reverse ?? false,
      limit,
      // One more than expected: a read that fills the buffer costs a second one to see the end.
      capacity: Math.min(SCAN_CHUNK_ROWS, limit + 1),
    })
    this.#iterators.add(iterator)
    iterator.once('close', () => {
      this.#iterators.delete(iterator)
      this.#waitingScans.shift()?.()
    })
    // The error reaches the reader through the iteration.
    iterator.on('error', () => {})
    return iterator
  }

  /** The next rows of a scan: fewer than a chunk at its end. */
  async #pull(rows: AsyncIterator<ByteRow>): Promise<ByteRow[]> {
    this.#assertOpen()
    const chunk: ByteRow[] = []
    await gate.enterRead()
    try {
      while (chunk.length < SCAN_CHUNK_ROWS) {
        const next = await rows.next()
        if (next.done === true) break
        chunk.push(next.value)
      }
    } catch (error) {
      this.#assertOpen()
      throw operationError(error, this.location)
    } finally {
      gate.leaveRead()
    }
    // An iterator destroyed by `close` ends as if there were no more rows.
    this.#assertOpen()
    return chunk
  }

  #assertOpen(): void {
    if (this.#closing !== null) {
      throw new StreamsError('streams-state-invalid', 'the store was closed', {
        place: { file: this.location },
      })
    }
  }

  async #close(): Promise<void> {
    // Operations accepted before are waited for; none begins after `#closing` is set.
    if (this.#operations > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    for (const wake of this.#waitingScans.splice(0)) wake()
    await Promise.all([...this.#iterators].map(destroyIterator))
    // A failed flush loses nothing: the write-ahead log is replayed at the next open.
    await this.#database.flush().catch(() => {})
    this.#writer.destroy()
    for (const reader of this.#idleReaders) reader.destroy()
    await this.#database.close().catch((error: unknown) => {
      throw operationError(error, this.location)
    })
  }
}

/** A put and a delete as the binding makes them: they carry its numbers for both. */
function modelOperations(database: RocksDB): readonly [NativeOperation, NativeOperation] {
  const batch = database.write({ capacity: 2 })
  batch.tryPut(NO_BYTES, NO_BYTES)
  batch.tryDelete(NO_BYTES)
  const [put, remove] = batch._operations
  batch.destroy()
  assert(put !== undefined && remove !== undefined, 'the binding keeps its operations')
  return [put, remove]
}

function destroyIterator(iterator: NativeIterator): Promise<void> {
  return new Promise((resolve) => {
    iterator.once('close', resolve)
    iterator.destroy()
  })
}

/** All values, or the first error, but not before every get has settled. */
async function allSettled(gets: Promise<Buffer | null>[]): Promise<(Buffer | null)[]> {
  return Promise.all(gets).catch(async (error: unknown) => {
    await Promise.allSettled(gets)
    throw error
  })
}

async function loadBinding(directory: string): Promise<typeof RocksDB> {
  try {
    return (await import('rocksdb-native')).default
  } catch (cause) {
    throw new StreamsError(
      'state-storage-failed',
      'RocksDB cannot be loaded on this system (on Linux it needs glibc 2.34 and libatomic); ' +
        "install those, or give stores the storage 'memory'",
      { cause, place: { file: directory } },
    )
  }
}

function openError(error: unknown, directory: string): StreamsError {
  const text = errorText(error)
  if (/lock file|lock hold by/i.test(text)) {
    return new StreamsError(
      'state-locked',
      `the state folder ${directory} is in use by another process or application instance; ` +
        'stop that one, or give this one a folder of its own',
      { cause: error, place: { file: directory }, retriable: true },
    )
  }
  if (isStorageFailure(text)) return storageFailed(error, directory)
  return corrupt(error, directory)
}

function operationError(error: unknown, directory: string): unknown {
  if (
    error instanceof StreamsError ||
    (error instanceof Error && error.name === 'AssertionError')
  ) {
    return error
  }
  const text = errorText(error)
  if (/corruption|checksum|bad block|truncated block|no such file/i.test(text)) {
    return corrupt(error, directory)
  }
  return storageFailed(error, directory)
}

function corrupt(cause: unknown, directory: string): StreamsError {
  return new StreamsError(
    'state-corrupt',
    `the state folder ${directory} is damaged: ${errorText(cause)}; ${REMEDY}`,
    { cause, place: { file: directory } },
  )
}

function storageFailed(cause: unknown, directory: string): StreamsError {
  return new StreamsError(
    'state-storage-failed',
    `the state folder ${directory} cannot be read or written: ${errorText(cause)}; ` +
      `check the disk's space and permissions and start again, or ${REMEDY}`,
    { cause, place: { file: directory } },
  )
}

function isStorageFailure(text: string): boolean {
  return /ENOSPC|no space|permission denied|read-only|too many open files|not a directory/i.test(
    text,
  )
}

/** The messages of an error and its causes: the binding hides the system's behind its own. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error instanceof AggregateError ? error.errors.filter(Boolean).map(errorText) : []
  const cause = error.cause === undefined ? [] : [errorText(error.cause)]
  return [error.message, ...own.slice(0, 1), ...cause].join(': ')
}
