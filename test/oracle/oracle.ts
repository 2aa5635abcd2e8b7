/**
 * Asks Kafka Streams for the answers of cases, by way of the Java program beside this file: one
 * process for all questions of a run, since most of the time of a short one is the JVM's start.
 *
 * Answers come in the order of the questions.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Case, PublishedAnswer } from '../conformance/case.ts'

const PROGRAM = fileURLToPath(new URL('oracle', import.meta.url))

export interface QuestionOptions {
  /** Also says whether the answer depends on the choice between equal times. */
  readonly ties?: boolean
  readonly store?: 'rocksdb' | 'memory'
}

interface Waiting {
  resolve(answer: PublishedAnswer): void
  reject(error: Error): void
}

export class Oracle {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiting: Waiting[] = []
  readonly #ended: Promise<unknown>

  constructor() {
    this.#child = spawn(PROGRAM, ['serve'], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#ended = once(this.#child, 'close')
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#waiting.shift()?.resolve(JSON.parse(line) as PublishedAnswer)
    })
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('close', (status) => this.#fail(new Error(`the oracle ended with ${status}`)))
  }

  ask(one: Case, options: QuestionOptions = {}): Promise<PublishedAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ case: one, ...options })}\n`)
    })
  }

  async close(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
