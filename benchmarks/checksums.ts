/**
 * The sums over an output topic that tell right answers from wrong ones.
 *
 * Where every output record is a result they are added up; where the last value of a key is the
 * answer, a value replaces what an earlier one of its key added.
 */
import type { Expected } from './generator/files.ts'

export interface Checksums {
  /** Output records; meaningful only where every record is a result. */
  readonly results: number
  /** Different keys; meaningful only where the last value of a key counts. */
  readonly keys: number
  readonly sum: number
  readonly sum2: number
}

/** @throws Error naming the first sum that is not the expected one */
export function requireRightAnswers(
  engine: string,
  workload: string,
  sums: Checksums,
  expected: Expected,
): void {
  for (const name of ['results', 'keys', 'sum', 'sum2'] as const) {
    const right = expected[name]
    if (right === undefined || right === sums[name]) continue
    throw new Error(
      `${engine} gave a wrong answer to ${workload}: ${name} is ${sums[name]}, must be ${right}`,
    )
  }
}

/** Adds output records up. */
export class Summation {
  readonly #upserts: boolean
  readonly #last = new Map<string, readonly number[]>()
  #results = 0
  #sum = 0
  #sum2 = 0

  constructor(upserts: boolean) {
    this.#upserts = upserts
  }

  /** `numbers` is null for a tombstone. */
  add(key: string, numbers: readonly number[] | null): void {
    this.#results++
    if (this.#upserts) {
      const before = this.#last.get(key)
      if (before !== undefined) this.#count(before, -1)
      if (numbers === null) this.#last.delete(key)
      else this.#last.set(key, numbers)
    }
    if (numbers !== null) this.#count(numbers, 1)
  }

  checksums(): Checksums {
    return { results: this.#results, keys: this.#last.size, sum: this.#sum, sum2: this.#sum2 }
  }

  #count(numbers: readonly number[], sign: number): void {
    this.#sum += sign * (numbers[0] ?? 0)
    this.#sum2 += sign * (numbers[1] ?? 0)
  }
}
