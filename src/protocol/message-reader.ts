/**
 * Reads the primitives of Kafka's messages from bytes that may say anything.
 *
 * Invariants:
 * - Nothing is read beyond `limit`, and no size is believed before the bytes for it are there.
 * - The only error is a `StreamsError` 'protocol-message-invalid'.
 * - Bytes fields are views of the buffer, not copies.
 */
import { StreamsError } from '../errors.ts'
import '../record/node-buffer.ts'

/** A length of 32 bits takes at most five groups of seven. */
const UVARINT_BYTES_MAX = 5
const UINT32_SIZE = 0x1_0000_0000
export const UUID_BYTES = 16

export class MessageReader {
  readonly bytes: Buffer
  position: number
  limit: number

  constructor(bytes: Buffer, position = 0, limit: number = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.limit = limit
  }

  get remaining(): number {
    return this.limit - this.position
  }

  /** Moves over `length` bytes and returns where they begin. */
  take(length: number): number {
    const start = this.position
    if (length < 0 || length > this.limit - start) {
      throw invalid(`${length} bytes are needed where ${this.limit - start} are left`)
    }
    this.position = start + length
    return start
  }

  int8(): number {
    return this.bytes.readInt8(this.take(1))
  }

  int16(): number {
    return this.bytes.readInt16BE(this.take(2))
  }

  uint16(): number {
    return this.bytes.readUInt16BE(this.take(2))
  }

  int32(): number {
    return this.bytes.readInt32BE(this.take(4))
  }

  /** A 64-bit integer; one beyond the safe integers is refused. */
  int64(): number {
    const start = this.take(8)
    const value = this.bytes.readInt32BE(start) * UINT32_SIZE + this.bytes.readUInt32BE(start + 4)
    if (!Number.isSafeInteger(value)) throw invalid('a 64-bit number is beyond the safe integers')
    return value
  }

  /** An unsigned variable-length integer of 32 bits. */
  uvarint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < UVARINT_BYTES_MAX; count++) {
      const byte = this.bytes[this.take(1)] as number
      value += (byte & 127) * scale
      if (byte < 128) {
        if (value >= UINT32_SIZE) throw invalid('a variable-length integer is beyond 32 bits')
        return value
      }
      scale *= 128
    }
    throw invalid(`a variable-length integer of more than ${UVARINT_BYTES_MAX} bytes`)
  }

  /** UTF-8 of a known length; malformed sequences become U+FFFD, as in Java. */
  text(length: number): string {
    const start = this.take(length)
    return this.bytes.utf8Slice(start, start + length)
  }

  view(length: number): Buffer {
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  uuid(): string {
    const start = this.take(UUID_BYTES)
    return this.bytes.toString('base64url', start, start + UUID_BYTES)
  }
}

export function invalid(message: string): StreamsError {
  return new StreamsError('protocol-message-invalid', `The message is malformed: ${message}`)
}
