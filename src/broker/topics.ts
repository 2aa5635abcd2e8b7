/**
 * Which topics there are: made, found, altered, grown and deleted here.
 *
 * Journey: admin calls -> [topics] -> metadata file and partition folders; every produce and fetch
 * looks its partition up here.
 *
 * Steps of a creation: 1. folders and logs, 2. the metadata file (from here the topic exists).
 * Steps of a deletion: 1. the metadata file, naming the folders as deleted, 2. the folders.
 * A crash in between leaves folders that the next open removes or takes over empty.
 */
import { randomUUID } from 'node:crypto'
import type { LogConfig } from '../log/log-config.ts'
import type { Metadata, TopicMetadata } from './metadata.ts'
import type { Partition, TopicPartition } from './partition.ts'
import { Refusal, refusalOf } from './refusal.ts'
import { isInternalTopic } from './state-topic.ts'
import {
  checkConfig,
  checkPartitionCount,
  checkTopicName,
  effectiveConfig,
  type TopicConfig,
} from './topic-config.ts'

export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  readonly config?: TopicConfig
}

export interface Topic {
  readonly metadata: TopicMetadata
  readonly partitions: readonly Partition[]
}

/** What the topics need of the folder they live in. */
export interface TopicStorage {
  readonly defaults: TopicConfig
  configOf(topic: TopicMetadata): LogConfig
  openPartition(topic: TopicMetadata, partition: number): Partition
  removeFolder(name: string): void
}

export const folderOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

export class Topics {
  readonly #metadata: Metadata
  readonly #storage: TopicStorage
  readonly #topics = new Map<string, Topic>()

  constructor(metadata: Metadata, storage: TopicStorage) {
    this.#metadata = metadata
    this.#storage = storage
  }

  /** Opens (and recovers) every partition of every topic. */
  open(): void {
    for (const folder of this.#metadata.deletedFolders) this.#storage.removeFolder(folder)
    for (const metadata of this.#metadata.topics.values()) this.#openTopic(metadata, 0)
  }

  create(topics: readonly NewTopic[]): (Refusal | null)[] {
    const created: TopicMetadata[] = []
    const results = topics.map((topic) => {
      try {
        created.push(this.#prepare(topic))
        return null
      } catch (error) {
        this.#metadata.topics.delete(this.#topics.has(topic.topic) ? '' : topic.topic)
        return refusalOf(error)
      }
    })
    if (created.length > 0) this.#save()
    return results
  }

  addPartitions(name: string, count: number): void {
    const topic = this.existing(name)
    checkPartitionCount(name, count, topic.partitions.length)
    const metadata = { ...topic.metadata, partitions: count }
    this.#metadata.topics.set(name, metadata)
    this.#openTopic(metadata, topic.partitions.length)
    this.#save()
  }

  /** @returns the partitions that are gone; their logs are deleted */
  delete(name: string): readonly Partition[] {
    const { partitions, metadata } = this.existing(name)
    this.#metadata.topics.delete(name)
    try {
      this.#save(partitions.map(folderOf))
    } catch (error) {
      this.#metadata.topics.set(name, metadata)
      throw error
    }
    this.#topics.delete(name)
    for (const partition of partitions) {
      partition.retire()
      partition.log.delete()
    }
    return partitions
  }

  /** `null` takes an entry back to its default. */
  alterConfig(name: string, changes: Readonly<Record<string, string | null>>): void {
    const topic = this.existing(name)
    const config: Record<string, string> = { ...topic.metadata.config }
    for (const [entry, value] of Object.entries(changes)) {
      if (value === null) delete config[entry]
      else config[entry] = value
    }
    checkConfig(name, config)
    const metadata = { ...topic.metadata, config }
    this.#metadata.topics.set(name, metadata)
    this.#topics.set(name, { ...topic, metadata })
    this.#save()
    for (const partition of topic.partitions)
      partition.log.config = this.#storage.configOf(metadata)
  }

  describeConfig(name: string): TopicConfig {
    return effectiveConfig(this.existing(name).metadata.config, this.#storage.defaults)
  }

  find(name: string): Topic | null {
    return this.#topics.get(name) ?? null
  }

  /** @throws Refusal 'unknown-topic-or-partition' */
  existing(name: string): Topic {
    const topic = this.#topics.get(name)
    if (topic !== undefined) return topic
    throw new Refusal('unknown-topic-or-partition', 'There is no such topic; create it first', {
      topic: name,
    })
  }

  partition({ topic, partition }: TopicPartition): Partition | null {
    return this.#topics.get(topic)?.partitions[partition] ?? null
  }

  names(): string[] {
    return [...this.#topics.keys()].filter((name) => !isInternalTopic(name)).sort()
  }

  *partitions(): Iterable<Partition> {
    for (const topic of this.#topics.values()) yield* topic.partitions
  }

  #prepare({ topic, partitions, config = {} }: NewTopic): TopicMetadata {
    checkTopicName(topic)
    checkPartitionCount(topic, partitions)
    checkConfig(topic, config)
    if (this.#topics.has(topic)) {
      throw new Refusal('topic-already-exists', 'The topic exists already', { topic })
    }
    const metadata = { topic, id: randomUUID(), partitions, config }
    for (let partition = 0; partition < partitions; partition++) {
      // Left over by a creation that a crash cut off.
      this.#storage.removeFolder(folderOf({ topic, partition }))
    }
    this.#metadata.topics.set(topic, metadata)
    this.#openTopic(metadata, 0)
    return metadata
  }

  #openTopic(metadata: TopicMetadata, from: number): void {
    const partitions = [...(this.#topics.get(metadata.topic)?.partitions ?? [])]
    for (let partition = from; partition < metadata.partitions; partition++) {
      partitions.push(this.#storage.openPartition(metadata, partition))
    }
    this.#topics.set(metadata.topic, { metadata, partitions })
  }

  #save(deletedFolders: readonly string[] = []): void {
    this.#metadata.deletedFolders = deletedFolders
    try {
      this.#metadata.save()
    } catch (error) {
      throw refusalOf(error)
    }
  }
}
