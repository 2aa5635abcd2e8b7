/**
 * Changes as bytes, for the repartition topic of a grouped table.
 *
 *   both rows     length of after (4), after, before, 2
 *   after alone   after, 1
 *   before alone  before, 0
 *
 * The form of Kafka's ChangedSerializer (KIP-904).
 */
import { StreamsError } from '../errors.ts'
import type { Serde } from '../record/serde.ts'
import type { Change } from '../topology/processor.ts'

const BEFORE = 0
const AFTER = 1
const BOTH = 2
const LENGTH_BYTES = 4

/** A serde of changes of rows that `serde` writes. At least one of the two rows is there. */
export function changeSerde<V>(serde: Serde<V>): Serde<Change<V>> {
  const name = `change(${serde.name})`
  return {
    name,

    write({ before, after }, output) {
      if (before !== null && after !== null) {
        const lengthAt = output.reserve(LENGTH_BYTES)
        output.end = lengthAt + LENGTH_BYTES
        serde.write(after, output)
        output.bytes.writeUInt32BE(output.end - lengthAt - LENGTH_BYTES, lengthAt)
        serde.write(before, output)
        output.writeUint8(BOTH)
      } else if (after !== null) {
        serde.write(after, output)
        output.writeUint8(AFTER)
      } else if (before !== null) {
        serde.write(before, output)
        output.writeUint8(BEFORE)
      } else {
        throw new TypeError('a change without a row before and a row after')
      }
    },

    read(bytes, start, end) {
      const last = end - 1
      const kind = last < start ? -1 : bytes[last]
      if (kind === AFTER) return { before: null, after: serde.read(bytes, start, last) }
      if (kind === BEFORE) return { before: serde.read(bytes, start, last), after: null }
      const from = start + LENGTH_BYTES
      const middle = kind === BOTH && from <= last ? from + bytes.readUInt32BE(start) : last + 1
      if (middle > last) {
        throw new StreamsError('deserialization-failed', `${name} cannot read these bytes`)
      }
      return {
        before: serde.read(bytes, middle, last),
        after: serde.read(bytes, from, middle),
      }
    },
  }
}
