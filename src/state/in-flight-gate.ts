/**
 * The in-flight gate: how many native operations may run at once.
 *
 * Journey: every read and write of `rocksdb.ts` passes it. RocksDB works on libuv's four threads,
 * which the log's `fsync` needs too; unbounded reads made a `stat` wait 98 ms instead of 0.1.
 *
 * Invariants: waiting reads go first, and can never keep the writes out (`reads < total`).
 */
export class InFlightGate {
  readonly #readsMax: number
  readonly #totalMax: number
  readonly #waitingReads: (() => void)[] = []
  readonly #waitingWrites: (() => void)[] = []
  #reads = 0
  #writes = 0

  constructor(limits: { readonly reads: number; readonly total: number }) {
    this.#readsMax = limits.reads
    this.#totalMax = limits.total
  }

  /** Undefined when it may start now. */
  enterRead(): Promise<void> | undefined {
    if (this.#mayRead()) {
      this.#reads++
      return undefined
    }
    return new Promise((resolve) => {
      this.#waitingReads.push(resolve)
    })
  }

  leaveRead(): void {
    this.#reads--
    this.#admit()
  }

  enterWrite(): Promise<void> | undefined {
    if (this.#reads + this.#writes < this.#totalMax) {
      this.#writes++
      return undefined
    }
    return new Promise((resolve) => {
      this.#waitingWrites.push(resolve)
    })
  }

  leaveWrite(): void {
    this.#writes--
    this.#admit()
  }

  #mayRead(): boolean {
    return this.#reads < this.#readsMax && this.#reads + this.#writes < this.#totalMax
  }

  #admit(): void {
    while (this.#waitingReads.length > 0 && this.#mayRead()) {
      this.#reads++
      this.#waitingReads.shift()?.()
    }
    while (this.#waitingWrites.length > 0 && this.#reads + this.#writes < this.#totalMax) {
      this.#writes++
      this.#waitingWrites.shift()?.()
    }
  }
}
