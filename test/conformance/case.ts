/**
 * The format of conformance cases: a program as steps, its input, and what Kafka Streams answered.
 *
 * One line of a `.jsonl` file is a `Pair`. Only what this runner reads is declared; a step's options
 * depend on its `op` and are read by `program.ts`.
 */

/** A key of a case: text, or text in a window once the program has made windows of it. */
export type Key = string | WindowedKey | null
/** A value of a case. */
export type Value = string | number | null

export interface WindowedKey {
  readonly key: string | null
  readonly start: number
  readonly end: number
}

export interface Step {
  readonly id: string
  readonly op: string
  readonly from?: string
  readonly with?: string
  readonly [option: string]: unknown
}

/** A record to pipe, or a move of the wall clock, or (not answered yet) a query. */
export interface Entry {
  readonly topic?: string
  readonly key?: string | null
  readonly value?: Value
  readonly ts?: number
  readonly headers?: readonly (readonly [string, string | null])[]
  readonly corruptKey?: boolean
  readonly corruptValue?: boolean
  readonly advanceWallClockMs?: number
  readonly query?: unknown
}

export interface Case {
  readonly id: string
  readonly title: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly program: readonly Step[]
  readonly input: readonly Entry[]
}

export interface OutputRow {
  readonly at: number
  readonly topic: string
  readonly key: Key
  readonly value: Value
  readonly ts: number
  readonly headers: readonly (readonly [string, string | null])[]
}

/** Rows of a store: key, value, timestamp; by key bytes, then window start. */
export type StoreRows = readonly (readonly [Key, Value, number | null])[]

export interface Answer {
  readonly output: readonly OutputRow[]
  readonly stores: Readonly<Record<string, StoreRows>>
  readonly dropped: number
  readonly errorAt?: number | 'build' | 'close'
}

/** The parts of an answer that are compared. */
export const ANSWER_PARTS = ['errorAt', 'output', 'stores', 'dropped'] as const
export type AnswerPart = (typeof ANSWER_PARTS)[number]

/** Kafka Streams' answer, with the parts of it that depend on its kind of store. */
export interface PublishedAnswer extends Answer {
  readonly error: string | null
  readonly tieSensitive?: boolean
  readonly storeSensitive?: readonly string[]
}

export interface Pair {
  readonly case: Case
  readonly answer: PublishedAnswer
}

/** A case uses what this library, or this runner, does not have. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported'
}
