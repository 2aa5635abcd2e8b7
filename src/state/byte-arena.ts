/**
 * Byte arena: blocks of bytes in one growing buffer, given out and taken back.
 *
 * Journey: byte tables keep their rows here, where the garbage collector has nothing to do with them.
 *
 * A block has the length that its content is rounded up to: to 16 bytes up to 256, from there on to
 * an eighth of the power of two below, so that at most an eighth is lost. Blocks given back wait in
 * a list for each of these lengths; the first four bytes of a free block say where the next one is.
 *
 * Invariants:
 * - A block begins at a multiple of 16.
 * - `bytes` is replaced when the arena grows: it is never kept over an `allocate`.
 */
const UNIT_BYTES = 16
const UNIT_SHIFT = 4
/** Up to here, 2 to the 8th, lengths go in units; beyond, in eighths of a power of two. */
const FINE_BITS = 8
const FINE_BYTES = 1 << FINE_BITS
const FINE_CLASSES = FINE_BYTES / UNIT_BYTES
const EIGHTHS_BITS = 3
const NONE = -1

export class ByteArena {
  bytes: Buffer
  /** Bytes of the blocks that are given out. */
  usedBytes = 0
  #ints: Int32Array
  #end = 0
  /** Of each length class, the unit where its first free block begins. */
  readonly #free: number[] = []

  constructor(capacity = 4096) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.#ints = intsOf(this.bytes)
  }

  /** Where a block for so many bytes begins; none are needed for none. */
  allocate(length: number): number {
    if (length === 0) return 0
    const rounded = roundedLength(length)
    this.usedBytes += rounded
    const index = classOf(rounded)
    const unit = this.#free[index] ?? NONE
    if (unit !== NONE) {
      this.#free[index] = this.#ints[unit * (UNIT_BYTES / 4)] as number
      return unit * UNIT_BYTES
    }
    const start = this.#end
    this.#end = start + rounded
    if (this.#end > this.bytes.length) this.#grow()
    return start
  }

  /** Takes the block back that was given out for so many bytes. */
  free(start: number, length: number): void {
    if (length === 0) return
    const rounded = roundedLength(length)
    this.usedBytes -= rounded
    const index = classOf(rounded)
    while (this.#free.length <= index) this.#free.push(NONE)
    this.#ints[start / 4] = this.#free[index] as number
    this.#free[index] = start / UNIT_BYTES
  }

  #grow(): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#end, this.bytes.length * 2))
    this.bytes.copy(grown)
    this.bytes = grown
    this.#ints = intsOf(grown)
  }
}

/** The bytes a block has that is given out for so many. */
export function roundedLength(length: number): number {
  if (length <= FINE_BYTES) return (length + UNIT_BYTES - 1) & -UNIT_BYTES
  const step = 2 ** (powerBelow(length) - EIGHTHS_BITS)
  return Math.ceil(length / step) * step
}

/** Whether blocks for so many bytes have the same length. */
export function fitsAlike(length: number, other: number): boolean {
  return roundedLength(length) === roundedLength(other)
}

function classOf(rounded: number): number {
  if (rounded <= FINE_BYTES) return (rounded >>> UNIT_SHIFT) - 1
  const power = powerBelow(rounded)
  const eighths = rounded / 2 ** (power - EIGHTHS_BITS) - 8
  return FINE_CLASSES + (power - FINE_BITS) * 8 + eighths - 1
}

/** The largest power of two, as its exponent, that is below a length. */
function powerBelow(length: number): number {
  return 31 - Math.clz32(length - 1)
}

function intsOf(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
}
