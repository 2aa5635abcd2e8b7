/**
 * Send gate: what makes senders wait: a bound on the bytes that are under way, and others before them.
 *
 * Journey: `Producer.send` -> [send gate] -> batches. A send passes at once while there is room and
 * nobody waits.
 *
 * Invariants:
 * - Sends that have to wait go on one after another, in the order they came.
 * - Who waits for room is asked again whenever some becomes free.
 */
export class SendGate {
  /** Bytes in batches that are not acknowledged yet. */
  bytes = 0
  readonly #bytesMax: number
  #gate: Promise<unknown> | null = null
  #waiting: (() => void)[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** True when a send need not wait. */
  get isOpen(): boolean {
    return this.#gate === null && this.hasRoom
  }

  get hasRoom(): boolean {
    return this.bytes < this.#bytesMax
  }

  /** True while somebody waits for room. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0
  }

  /** Runs work when all work before it is done. */
  pass(work: () => Promise<void>): Promise<void> {
    const before = this.#gate ?? Promise.resolve()
    const mine = before.then(work)
    const gate = mine
      .catch(() => {})
      .then(() => {
        if (this.#gate === gate) this.#gate = null
      })
    this.#gate = gate
    return mine
  }

  /** Resolves when no work waits any more. */
  async passed(): Promise<void> {
    while (this.#gate !== null) await this.#gate
  }

  /** Resolves when some bytes have become free. */
  someFreed(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  free(bytes: number): void {
    this.bytes -= bytes
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const proceed of waiting) proceed()
  }
}
