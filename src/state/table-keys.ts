/**
 * What a store's tables are keyed by: the key itself when its serde is primitive, so that a look-up
 * allocates nothing; otherwise the key's bytes as latin1 text, one character a byte.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { Serde } from '../record/serde.ts'

export type TableKey = unknown

export class TableKeys<K> {
  readonly isPrimitive: boolean
  readonly #serde: Serde<K>
  readonly #scratch = new ByteWriter()

  constructor(serde: Serde<K>) {
    this.#serde = serde
    this.isPrimitive = serde.primitive === true
  }

  of(key: K): TableKey {
    if (this.isPrimitive) return key
    const output = this.#scratch.reset()
    this.#serde.write(key, output)
    return output.bytes.latin1Slice(0, output.end)
  }
}
