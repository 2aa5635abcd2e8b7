/**
 * A serde turns values into bytes and back. The built-in ones are in serdes.ts.
 *
 * A serde never sees null: a null key or value is absent bytes, and passes by. `nullable` says so
 * in the type. Writing goes into a reused buffer and reading is from a range of a larger one, so
 * that neither allocates; `custom` wraps a pair of ordinary functions.
 */
import type { ByteWriter } from './byte-writer.ts'

/** How values become bytes and back. */
export interface Serde<T> {
  /** Shown in errors and in `describe()`. */
  readonly name: string
  /**
   * True when a value is a string, number or boolean whose equality by `Map` is equality of bytes;
   * stores then use the value itself as the key of their tables. Default false.
   */
  readonly primitive?: boolean
  /** How many of the last bytes do not choose the partition: 8 for a windowed key. Default 0. */
  readonly unpartitionedBytes?: number
  /** Appends the bytes of `value` to `output`. */
  write(value: T, output: ByteWriter): void
  /** Reads the value that lies in `bytes` from `start` to `end`. The range may be reused after the call. */
  read(bytes: Buffer, start: number, end: number): T
}
