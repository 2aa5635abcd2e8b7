/**
 * A message of Kafka's protocol: declared once for all its versions, written and read in any.
 *
 * Journey: client -> [message] -> bytes -> broker; and back.
 *
 * Invariants:
 * - Pure: bytes in, values out. No header, no size before the message, no connection.
 * - The codec of a version is put together at its first use and kept.
 */
import {
  type Codec,
  type Fields,
  type ReadFields,
  structType,
  type WrittenFields,
} from './fields.ts'
import { MessageReader } from './message-reader.ts'
import { MessageWriter } from './message-writer.ts'

/** First and last version, both included. */
export type VersionRange = readonly [min: number, max: number]

export interface MessageDeclaration<F extends Fields> {
  /** Number of the API (https://kafka.apache.org/protocol#protocol_api_keys); headers have none. */
  readonly key?: number
  readonly versions: VersionRange
  /** First version in the compact form with tagged fields (KIP-482); left out when there is none. */
  readonly flexible?: number
  readonly fields: F
}

/** Room for most requests; a writer grows. */
const CAPACITY = 256

export class Message<F extends Fields> {
  readonly name: string
  readonly versions: VersionRange
  readonly flexible: number
  readonly fields: F
  readonly #codecs: Codec<unknown>[] = []

  constructor(name: string, { versions, flexible = Infinity, fields }: MessageDeclaration<F>) {
    this.name = name
    this.versions = versions
    this.flexible = flexible
    this.fields = fields
  }

  /**
   * The message as bytes of its own.
   *
   * @param capacity - the size to begin with, bytes; worth giving when it will be large
   * @throws StreamsError 'protocol-version-unsupported' when a value has no place in that version
   * @throws RangeError when a number or a string does not fit its field
   */
  encode(value: WrittenFields<F>, version: number, capacity: number = CAPACITY): Buffer {
    const writer = new MessageWriter(capacity)
    this.write(writer, value, version)
    return writer.take()
  }

  write(writer: MessageWriter, value: WrittenFields<F>, version: number): void {
    this.#codec(version).write(writer, value)
  }

  /**
   * The message at a position. Bytes after it are left alone; bytes fields are views.
   *
   * @throws StreamsError 'protocol-message-invalid'
   */
  decode(bytes: Buffer, version: number, position = 0): ReadFields<F> {
    return this.read(new MessageReader(bytes, position), version)
  }

  read(reader: MessageReader, version: number): ReadFields<F> {
    return this.#codec(version).read(reader) as ReadFields<F>
  }

  #codec(version: number): Codec<unknown> {
    const known = this.#codecs[version]
    if (known !== undefined) return known
    const [min, max] = this.versions
    if (!Number.isInteger(version) || version < min || version > max) {
      throw new RangeError(`${this.name} has versions ${min} to ${max}, not ${version}`)
    }
    const layout = { version, flexible: version >= this.flexible }
    const codec = structType(this.fields).codec(layout, { name: this.name, nullable: false })
    this.#codecs[version] = codec as Codec<unknown>
    return codec as Codec<unknown>
  }
}
