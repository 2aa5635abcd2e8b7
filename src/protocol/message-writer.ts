/** Writes the primitives of Kafka's messages into a buffer that grows. */
import { ByteWriter } from '../record/byte-writer.ts'
import { UUID_BYTES } from './message-reader.ts'

/** Tagged fields are small: a leader and its epoch, a few endpoints. */
const SIZED_BYTES = 64

export class MessageWriter extends ByteWriter {
  writeInt8(value: number): void {
    const position = this.reserve(1)
    this.end = this.bytes.writeInt8(value, position)
  }

  writeUint16(value: number): void {
    const position = this.reserve(2)
    this.end = this.bytes.writeUInt16BE(value, position)
  }

  /** An unsigned variable-length integer: groups of seven bits, lowest first. */
  writeUvarint(value: number): void {
    let position = this.reserve(5)
    let rest = value
    while (rest > 127) {
      this.bytes[position++] = (rest & 127) | 128
      rest = Math.floor(rest / 128)
    }
    this.bytes[position++] = rest
    this.end = position
  }

  /** The text form of 16 bytes that Kafka's tools print, as the bytes. */
  writeUuid(text: string): void {
    const bytes = Buffer.from(text, 'base64url')
    if (bytes.length !== UUID_BYTES) throw new RangeError(`'${text}' is not a topic id`)
    this.writeBytes(bytes)
  }

  /** What `write` writes, with its size before it. */
  writeSized(write: (inner: MessageWriter) => void): void {
    const inner = new MessageWriter(SIZED_BYTES)
    write(inner)
    this.writeUvarint(inner.end)
    this.writeBytes(inner.take())
  }

  /** The written bytes themselves; this writer must not be used again. */
  take(): Buffer {
    return this.bytes.subarray(0, this.end)
  }
}
