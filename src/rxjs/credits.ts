/**
 * Credits: how many more records may be handed out before those who took them say they are done.
 *
 * Journey: consumer -> [credits] -> subscriber, whose `done` gives them back.
 *
 * Invariant: never more than `max` records are handed out and not done.
 */
import type { Observable, Subscription } from 'rxjs'

export class Credits {
  readonly #max: number
  readonly #returns: Subscription
  #out = 0
  #wake: (() => void) | null = null
  #closed = false

  /** @param onError told when `done` fails: nothing would ever be done then */
  constructor(max: number, done: Observable<unknown>, onError: (error: unknown) => void) {
    this.#max = max
    this.#returns = done.subscribe({
      next: () => {
        this.#out = Math.max(0, this.#out - 1)
        this.#look()
      },
      error: onError,
    })
  }

  take(): void {
    this.#out++
  }

  get hasRoom(): boolean {
    return this.#out < this.#max
  }

  /** Resolves when one more may be handed out, or at `close`. */
  async untilRoom(): Promise<void> {
    while (!this.hasRoom && !this.#closed) await this.#change()
  }

  /** Resolves when all that was handed out is done, or at `close`. */
  async untilDone(): Promise<void> {
    while (this.#out > 0 && !this.#closed) await this.#change()
  }

  close(): void {
    this.#closed = true
    this.#returns.unsubscribe()
    this.#look()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #look(): void {
    this.#wake?.()
    this.#wake = null
  }
}
