/**
 * Database keys for one batched read, written into one arena.
 *
 * Journey: a store lists the rows it misses, the byte store reads them.
 */
import { ByteWriter } from '../record/byte-writer.ts'

const KEY_BYTES_GUESS = 32

export class KeyList {
  readonly output: ByteWriter
  readonly #ends: number[] = []

  constructor(expected = 1) {
    this.output = new ByteWriter(expected * KEY_BYTES_GUESS)
  }

  get length(): number {
    return this.#ends.length
  }

  /** Everything written to `output` since the last call is one key. */
  endKey(): void {
    this.#ends.push(this.output.end)
  }

  /** The keys; the list must not be written after. */
  keys(): Buffer[] {
    let start = 0
    return this.#ends.map((end) => {
      const key = this.output.bytes.subarray(start, end)
      start = end
      return key
    })
  }
}
