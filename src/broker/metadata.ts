/**
 * `metadata.json` in the log folder: which topics exist, with which configuration, up to where
 * producer ids were given out, and whether the folder was closed in order. Small, and replaced
 * atomically as a whole.
 *
 * Invariants:
 * - A topic exists if and only if this file says so; its folders are made before it is named here,
 *   and deleted after it is no longer.
 * - `cleanShutdown` is true only while no process has the folder open and all logs are durable.
 * - A producer id below `nextProducerId` may be in use; one at or above it never was.
 */
import { randomUUID } from 'node:crypto'
import { StreamsError } from '../errors.ts'
import type { FileSystem } from '../file-system.ts'

const FORMAT_VERSION = 1
/** Producer ids are taken from the file in blocks (Kafka's size), so that a new one costs no fsync. */
const PRODUCER_ID_BLOCK = 1000

export interface TopicMetadata {
  readonly topic: string
  /** A topic created again under the same name is another topic. */
  readonly id: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

interface MetadataFile {
  readonly formatVersion: number
  readonly clusterId: string
  readonly cleanShutdown: boolean
  readonly nextProducerId: number
  readonly topics: readonly TopicMetadata[]
  /** Folders of deleted topics, until they are known to be gone. */
  readonly deletedFolders: readonly string[]
}

export class Metadata {
  readonly clusterId: string
  readonly topics: Map<string, TopicMetadata>
  deletedFolders: readonly string[]
  cleanShutdown: boolean
  readonly #fileSystem: FileSystem
  readonly #path: string
  #reservedProducerId: number
  #nextProducerId: number

  private constructor(fileSystem: FileSystem, path: string, file: MetadataFile) {
    this.#fileSystem = fileSystem
    this.#path = path
    this.clusterId = file.clusterId
    this.topics = new Map(file.topics.map((topic) => [topic.topic, topic]))
    this.deletedFolders = file.deletedFolders
    this.cleanShutdown = file.cleanShutdown
    this.#reservedProducerId = file.nextProducerId
    this.#nextProducerId = file.nextProducerId
  }

  static open(fileSystem: FileSystem, directory: string): Metadata {
    const path = `${directory}/metadata.json`
    const bytes = fileSystem.readFile(path)
    if (bytes !== null) return new Metadata(fileSystem, path, parse(path, bytes))
    const folder = fileSystem.list(directory).find((name) => /-\d+$/.test(name))
    if (folder !== undefined) throw unreadable(path, `it is missing, though there is ${folder}`)
    const metadata = new Metadata(fileSystem, path, {
      formatVersion: FORMAT_VERSION,
      clusterId: randomUUID(),
      cleanShutdown: true,
      nextProducerId: 0,
      topics: [],
      deletedFolders: [],
    })
    // Before any folder of a partition: a crash from here on leaves a log that opens.
    metadata.save()
    return metadata
  }

  save(): void {
    const file: MetadataFile = {
      formatVersion: FORMAT_VERSION,
      clusterId: this.clusterId,
      cleanShutdown: this.cleanShutdown,
      nextProducerId: this.#reservedProducerId,
      topics: [...this.topics.values()],
      deletedFolders: this.deletedFolders,
    }
    this.#fileSystem.replaceFile(this.#path, Buffer.from(`${JSON.stringify(file, null, 2)}\n`))
  }

  nextProducerId(): number {
    if (this.#nextProducerId === this.#reservedProducerId) {
      this.#reservedProducerId += PRODUCER_ID_BLOCK
      this.save()
    }
    return this.#nextProducerId++
  }
}

function parse(path: string, bytes: Buffer): MetadataFile {
  let file: MetadataFile
  try {
    file = JSON.parse(bytes.toString('utf8')) as MetadataFile
  } catch (error) {
    throw unreadable(path, 'it is not JSON', error)
  }
  if (file.formatVersion !== FORMAT_VERSION) {
    throw unreadable(path, `its format version is ${file.formatVersion}, not ${FORMAT_VERSION}`)
  }
  if (!Array.isArray(file.topics) || !Number.isSafeInteger(file.nextProducerId)) {
    throw unreadable(path, 'fields are missing')
  }
  return file
}

function unreadable(path: string, reason: string, cause?: unknown): StreamsError {
  return new StreamsError(
    'log-storage-failed',
    `The log's metadata cannot be read: ${reason}; restore the file from a copy`,
    { place: { file: path }, cause },
  )
}
