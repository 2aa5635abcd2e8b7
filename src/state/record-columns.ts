/**
 * Record columns: the records of one bucket of a join store, by number, each property in an array.
 *
 * Journey: join store -> bucket -> [columns]: a list of a key is a chain of record numbers.
 *
 * A join keeps every record for the length of its window. As objects and arrays of their own they
 * were copied by each collection of the young generation until they were old, a fifth of the time
 * of a join (measured); numbers in typed arrays cost a collection nothing.
 *
 * Invariant: a number is of one chain, or free; a free one is given out again.
 */

/** Behind the last record of a chain. */
export const END = -1

export class RecordColumns<V> {
  times: Float64Array = new Float64Array(16)
  /** Where the bytes of a record lie, for its store to say in what. */
  positions: Int32Array = new Int32Array(16)
  /** The record after this one in its chain. */
  nexts: Int32Array = new Int32Array(16)
  readonly values: (V | undefined)[] = []
  #free = END

  /** A new record that ends its chain; the caller links it to the one before. */
  add(time: number, value: V, position: number): number {
    const record = this.#take()
    this.times[record] = time
    this.positions[record] = position
    this.nexts[record] = END
    this.values[record] = value
    return record
  }

  /** Lets go of all records of a chain. */
  release(first: number): void {
    for (let record = first; record !== END; ) {
      const next = this.nexts[record] as number
      this.values[record] = undefined
      this.nexts[record] = this.#free
      this.#free = record
      record = next
    }
  }

  #take(): number {
    const free = this.#free
    if (free !== END) {
      this.#free = this.nexts[free] as number
      return free
    }
    const record = this.values.length
    if (record === this.times.length) this.#grow(record * 2)
    return record
  }

  #grow(length: number): void {
    const { times, positions, nexts } = this
    this.times = new Float64Array(length)
    this.times.set(times)
    this.positions = new Int32Array(length)
    this.positions.set(positions)
    this.nexts = new Int32Array(length)
    this.nexts.set(nexts)
  }
}
