/**
 * What stands before every message, after the four bytes of its size.
 *
 * The version of the header follows from that of the message: 2 and 1 when the message is flexible,
 * else 1 and 0. The response to ApiVersions always has header 0, so that a client can read it before
 * it knows the broker (KIP-511).
 */
import { int16, int32, string } from './fields.ts'
import { Message } from './message.ts'
import type { MessageReader } from './message-reader.ts'

export const RequestHeader = new Message('RequestHeader', {
  versions: [1, 2],
  flexible: 2,
  fields: {
    requestApiKey: int16(),
    requestApiVersion: int16(),
    correlationId: int32(),
    clientId: string({ nullable: true, neverCompact: true }),
  },
})

export const ResponseHeader = new Message('ResponseHeader', {
  versions: [0, 1],
  flexible: 1,
  fields: { correlationId: int32() },
})

/** Moves over the tagged fields with which a flexible header ends; none is defined so far. */
export function skipHeaderTags(reader: MessageReader): void {
  for (let count = reader.uvarint(); count > 0; count--) {
    reader.uvarint()
    reader.take(reader.uvarint())
  }
}
