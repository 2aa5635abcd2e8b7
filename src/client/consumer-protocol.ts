/**
 * What members of a group tell each other through the coordinator, in Kafka's own envelope, so that
 * Kafka's tools can show it and a Kafka broker accepts it.
 *
 * ConsumerProtocolSubscription v0   int16 0, [string] topics, bytes userData
 * ConsumerProtocolAssignment v0     int16 0, [ string topic, [int32] partitions ], bytes userData
 *
 * `string` is int16 length and UTF-8, an array is int32 length and elements, `bytes` is int32
 * length (-1: null) and bytes.
 *
 * @see Kafka: ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { TopicPartition } from './client.ts'

const VERSION = 0

export interface Subscription {
  readonly topics: readonly string[]
  readonly userData: Uint8Array
}

export interface Assignment {
  readonly partitions: readonly TopicPartition[]
  readonly userData: Uint8Array
}

export function encodeSubscription({ topics, userData }: Subscription): Buffer {
  const output = new ByteWriter()
  output.writeInt16(VERSION)
  output.writeInt32(topics.length)
  for (const topic of topics) writeString(output, topic)
  writeBytes(output, userData)
  return output.copy()
}

export function decodeSubscription(bytes: Uint8Array): Subscription {
  const cursor = new Cursor(bytes)
  cursor.int16()
  const topics = cursor.list(() => cursor.string())
  return { topics, userData: cursor.bytes() }
}

export function encodeAssignment({ partitions, userData }: Assignment): Buffer {
  const output = new ByteWriter()
  output.writeInt16(VERSION)
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
  output.writeInt32(byTopic.size)
  for (const [topic, items] of byTopic) {
    writeString(output, topic)
    output.writeInt32(items.length)
    for (const { partition } of items) output.writeInt32(partition)
  }
  writeBytes(output, userData)
  return output.copy()
}

/** Empty bytes are an empty assignment: what a member gets that the leader did not name. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { partitions: [], userData: bytes }
  const cursor = new Cursor(bytes)
  cursor.int16()
  const partitions = cursor.list(() => {
    const topic = cursor.string()
    return cursor.list(() => ({ topic, partition: cursor.int32() }))
  })
  return { partitions: partitions.flat(), userData: cursor.bytes() }
}

function writeString(output: ByteWriter, text: string): void {
  const position = output.reserve(2)
  output.writeInt16(0)
  output.writeText(text)
  output.bytes.writeInt16BE(output.end - position - 2, position)
}

function writeBytes(output: ByteWriter, bytes: Uint8Array): void {
  output.writeInt32(bytes.length)
  output.writeBytes(bytes)
}

/** Reads with the checks of `Buffer`: bytes that end too early are a `RangeError`. */
class Cursor {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  int16(): number {
    this.#position += 2
    return this.#bytes.readInt16BE(this.#position - 2)
  }

  int32(): number {
    this.#position += 4
    return this.#bytes.readInt32BE(this.#position - 4)
  }

  string(): string {
    return this.#take(this.int16()).toString('utf8')
  }

  bytes(): Uint8Array {
    return this.#take(Math.max(0, this.int32()))
  }

  list<T>(read: () => T): T[] {
    const count = this.int32()
    const items: T[] = []
    for (let index = 0; index < count; index++) items.push(read())
    return items
  }

  #take(length: number): Buffer {
    const start = this.#position
    if (length < 0 || start + length > this.#bytes.length) {
      throw new RangeError(
        `a field of ${length} bytes ends beyond the ${this.#bytes.length} there are`,
      )
    }
    this.#position += length
    return this.#bytes.subarray(start, start + length)
  }
}
