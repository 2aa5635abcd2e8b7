/**
 * Task state: everything one task remembers, in one database: its stores side by side, a catalogue
 * of them, and how far into its changelog each of them is.
 *
 * Journey: the task opens it, restores each store from `changelogOffset`, and at commit drains the
 * stores' changes to the log and, now and then, saves them here.
 *
 * Database keys, by their first two bytes: 0 = the catalogue (`f` format, `s` + name: a store, `o` +
 * name: its changelog offset), n = rows of store n, 0x8000 | n = its stored times.
 *
 * Invariants:
 * - Rows and the changelog offset they stand for are written in one batch, after the log committed
 *   the records: whatever a crash leaves, restoring from that offset makes it whole.
 * - A store keeps its number for the life of the folder, whatever stores come and go.
 */
import assert from 'node:assert'
import { join } from 'node:path'
import { StreamsError } from '../errors.ts'
import type { FileSystem } from '../file-system.ts'
import { type ByteStore, rangeOf } from './byte-store.ts'
import { openEncodedStore } from './encoded-store.ts'
import { openJoinStore } from './join-store.ts'
import { openKeyValueStore } from './key-value-store.ts'
import { openLruStore } from './lru-store.ts'
import { MemoryByteStore } from './memory-byte-store.ts'
import { RestoreWriter } from './restore-writer.ts'
import { openRocksDB } from './rocksdb.ts'
import { openSessionStore } from './session-store.ts'
import { openSlidingStore } from './sliding-store.ts'
import type { StateStore, StorageKind, StoreDefinition, VersionedStoreDefinition } from './store.ts'
import { factsOf, INCOMPATIBLE_REMEDY, incompatibility, type StoreFacts } from './store-facts.ts'
import type { StoreMemory } from './store-memory.ts'
import type { TimeLimit } from './store-options.ts'
import { openSubscriptionStore } from './subscription-store.ts'
import { openSuppressStore } from './suppress-store.ts'
import { openTimeOrderedStore } from './time-ordered-store.ts'
import { openVersionedStore, type VersionedStoreOptions } from './versioned-store.ts'
import { openWindowStore } from './window-store.ts'
import type { WriteBatch } from './write-batch.ts'

export interface TaskStateOptions {
  readonly definitions: readonly StoreDefinition[]
  /** The task's own folder; made when a store needs it. */
  readonly directory: string
  readonly fileSystem: Pick<FileSystem, 'makeDirectory' | 'removeDirectory'>
  /** Memory for the buffered rows of the stores. */
  readonly memory: StoreMemory
  /** How many tasks' databases share this process's write buffers. Default 1. */
  readonly databases?: number
  /** In aligned time: what keeps the time of stores back. Default: nothing does. */
  readonly timeLimit?: TimeLimit | null
}

interface CatalogueEntry extends StoreFacts {
  readonly number: number
}

interface OpenStore {
  readonly definition: StoreDefinition
  readonly bytes: ByteStore
  readonly store: StateStore
}

/** Changed when rows written by an older version could not be read. */
const FORMAT = '1'
const FORMAT_KEY = catalogueKey('f', '')
const DATABASE_FOLDER = 'rocksdb'
const STORE_NUMBER_MAX = 0x7fff

export class TaskState {
  /** The task's folder. */
  readonly location: string
  readonly #databases: ReadonlyMap<StorageKind, ByteStore>
  readonly #memory: StoreMemory
  readonly #stores = new Map<string, OpenStore>()
  readonly #offsets = new Map<string, number>()
  /** Saves whose write is in flight. */
  #saving = 0

  private constructor(
    { directory, memory }: TaskStateOptions,
    databases: ReadonlyMap<StorageKind, ByteStore>,
  ) {
    this.location = directory
    this.#memory = memory
    this.#databases = databases
  }

  /**
   * Opens the folder and every store.
   *
   * @throws StreamsError 'state-locked', 'state-corrupt', 'state-storage-failed', or
   * 'state-incompatible' when a store of that name was written as another
   */
  static async open(options: TaskStateOptions): Promise<TaskState> {
    const databases = new Map<StorageKind, ByteStore>()
    const state = new TaskState(options, databases)
    try {
      for (const definition of options.definitions) {
        const { storage } = definition
        if (!databases.has(storage)) databases.set(storage, await openDatabase(storage, options))
      }
      for (const [storage, bytes] of databases) await state.#openStores(storage, bytes, options)
      return state
    } catch (error) {
      await state.close()
      throw error
    }
  }

  /** A store by its name. The caller knows its kind from the topology. */
  store<S extends StateStore>(name: string): S {
    return this.#open(name).store as S
  }

  stores(): StateStore[] {
    return [...this.#stores.values()].map(({ store }) => store)
  }

  /** Where a restore of this store begins; null: at the start of its changelog. */
  changelogOffset(name: string): number | null {
    return this.#offsets.get(name) ?? null
  }

  /** Takes the changelog records of a store from `changelogOffset` on. */
  restore(name: string): RestoreWriter {
    const { store, bytes } = this.#open(name)
    return new RestoreWriter({
      store,
      bytes,
      writeOffset: (batch, offset) => this.#writeOffset(name, offset, batch),
    })
  }

  /** Writes what the stores drained, waits for it, and lets go of what exceeds their memory. */
  async save(offsets: ReadonlyMap<string, number>): Promise<void> {
    await this.write(offsets)
    this.evict()
  }

  /**
   * Writes what the stores drained, and the changelog offsets it corresponds to, in one batch. Call it
   * after the log committed the drained records, with nothing put in between; rows may be put again
   * while it is written. After an error the task must be closed: its stores hold rows as saved that
   * are not.
   *
   * @param offsets by store, the changelog offset that follows its last drained record
   */
  async write(offsets: ReadonlyMap<string, number>): Promise<void> {
    const writes: Promise<void>[] = []
    for (const bytes of this.#databases.values()) {
      const batch = bytes.newBatch()
      for (const [name, open] of this.#stores) {
        if (open.bytes !== bytes) continue
        open.store.save(batch)
        const offset = offsets.get(name)
        if (offset !== undefined) this.#writeOffset(name, offset, batch)
      }
      if (!batch.isEmpty) writes.push(bytes.write(batch))
    }
    this.#saving++
    try {
      await Promise.all(writes)
    } finally {
      this.#saving--
    }
  }

  /**
   * Lets go of clean rows beyond the stores' memory. Call it when a `write` is done, and no record is
   * being processed. While one is under way it does nothing: the byte store would still answer with
   * the rows before.
   */
  evict(): void {
    if (this.#saving > 0) return
    for (const { store } of this.#stores.values()) store.evict()
  }

  async close(): Promise<void> {
    this.#closeStores()
    await Promise.all([...this.#databases.values()].map((bytes) => bytes.close()))
  }

  /** Closes and deletes everything; a later open restores from the start of the changelogs. */
  async destroy(): Promise<void> {
    this.#closeStores()
    await Promise.all([...this.#databases.values()].map((bytes) => bytes.destroy()))
  }

  #closeStores(): void {
    for (const { store } of this.#stores.values()) {
      this.#memory.remove(store)
      store.close()
    }
  }

  #open(name: string): OpenStore {
    const open = this.#stores.get(name)
    assert(open !== undefined, `the task has no store ${name}`)
    return open
  }

  async #openStores(
    storage: StorageKind,
    bytes: ByteStore,
    options: TaskStateOptions,
  ): Promise<void> {
    const catalogue = await this.#readCatalogue(bytes)
    const batch = bytes.newBatch()
    batch.put(rangeOf(FORMAT_KEY), rangeOf(Buffer.from(FORMAT)))
    for (const definition of options.definitions) {
      if (definition.storage !== storage) continue
      const known = catalogue.get(definition.name)
      const entry = known ?? newEntry(definition, catalogue)
      if (known === undefined) writeEntry(definition.name, entry, batch)
      assertCompatible(definition, entry, bytes.location)
      catalogue.set(definition.name, entry)
      const { memory, timeLimit = null } = options
      const place = { number: entry.number, bytes, memory, timeLimit }
      const historyNumber =
        definition.kind === 'versioned' ? numberOfHistory(definition, catalogue, batch) : 0
      const store = await openStore(definition, { ...place, historyNumber })
      this.#stores.set(definition.name, { definition, bytes, store })
      memory.add(store)
    }
    await bytes.write(batch)
  }

  async #readCatalogue(bytes: ByteStore): Promise<Map<string, CatalogueEntry>> {
    const catalogue = new Map<string, CatalogueEntry>()
    const range = { from: Buffer.of(0, 0), to: Buffer.of(0, 1) }
    for await (const chunk of bytes.scan(range)) {
      for (const { key, value } of chunk) {
        const name = key.utf8Slice(3, key.length)
        const kind = String.fromCharCode(key[2] as number)
        if (kind === 'f') assertFormat(value.toString(), bytes.location)
        else if (kind === 'o') this.#offsets.set(name, Number(value.readBigInt64BE()))
        else if (kind === 's') catalogue.set(name, JSON.parse(value.toString()) as CatalogueEntry)
      }
    }
    return catalogue
  }

  #writeOffset(name: string, offset: number, batch: WriteBatch): void {
    assert(Number.isSafeInteger(offset) && offset >= 0, 'a changelog offset is a safe integer')
    batch.output.writeBytes(catalogueKey('o', name))
    batch.endKey()
    batch.output.writeInt64(offset)
    batch.endPut()
    this.#offsets.set(name, offset)
  }
}

function catalogueKey(kind: 'f' | 's' | 'o', name: string): Buffer {
  return Buffer.from(`\0\0${kind}${name}`)
}

async function openDatabase(storage: StorageKind, options: TaskStateOptions): Promise<ByteStore> {
  if (storage === 'memory') return new MemoryByteStore(`memory of ${options.directory}`)
  return openRocksDB({
    directory: join(options.directory, DATABASE_FOLDER),
    fileSystem: options.fileSystem,
    ...(options.databases === undefined ? {} : { databases: options.databases }),
  })
}

function openStore(
  definition: StoreDefinition,
  place: Omit<VersionedStoreOptions, 'definition'>,
): Promise<StateStore> {
  switch (definition.kind) {
    case 'key-value':
      if (definition.maxEntries !== undefined) return openLruStore({ definition, ...place })
      return definition.keepsBytes === true
        ? openEncodedStore({ definition, ...place })
        : openKeyValueStore({ definition, ...place })
    case 'window':
      return openWindowStore({ definition, ...place })
    case 'join':
      return openJoinStore({ definition, ...place })
    case 'versioned':
      return openVersionedStore({ definition, ...place })
    case 'time-ordered':
      return openTimeOrderedStore({ definition, ...place })
    case 'suppress':
      return openSuppressStore({ definition, ...place })
    case 'session':
      return openSessionStore({ definition, ...place })
    case 'sliding':
      return openSlidingStore({ definition, ...place })
    case 'subscription':
      return openSubscriptionStore({ definition, ...place })
  }
}

function newEntry(
  definition: StoreDefinition,
  catalogue: ReadonlyMap<string, CatalogueEntry>,
): CatalogueEntry {
  let number = 0
  for (const entry of catalogue.values()) number = Math.max(number, entry.number)
  assert(number < STORE_NUMBER_MAX, 'a task folder has room for 32767 stores')
  return { number: number + 1, ...factsOf(definition) }
}

/** A versioned store is two in the database: its history has a number of its own. */
function numberOfHistory(
  definition: VersionedStoreDefinition,
  catalogue: Map<string, CatalogueEntry>,
  batch: WriteBatch,
): number {
  const name = `${definition.name}/history`
  const known = catalogue.get(name)
  if (known !== undefined) return known.number
  const entry = newEntry(definition, catalogue)
  writeEntry(name, entry, batch)
  catalogue.set(name, entry)
  return entry.number
}

function writeEntry(name: string, entry: CatalogueEntry, batch: WriteBatch): void {
  batch.put(rangeOf(catalogueKey('s', name)), rangeOf(Buffer.from(JSON.stringify(entry))))
}

function assertCompatible(
  definition: StoreDefinition,
  entry: CatalogueEntry,
  location: string,
): void {
  const reason = incompatibility(entry, factsOf(definition))
  if (reason === null) return
  throw new StreamsError(
    'state-incompatible',
    `The rows of store '${definition.name}' cannot be used: ${reason}. ${INCOMPATIBLE_REMEDY}`,
    { place: { store: definition.name, file: location } },
  )
}

function assertFormat(stored: string, location: string): void {
  if (stored === FORMAT) return
  throw new StreamsError(
    'state-incompatible',
    `the state was written in format ${stored}, and this version reads format ${FORMAT}; delete ` +
      'the folder; it is restored from the changelog',
    { place: { file: location } },
  )
}
