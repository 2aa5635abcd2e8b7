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

/** A look into a store; which of the options count depends on its kind and on `type`. */
export interface Query {
  readonly store: string
  readonly type: string
  readonly key?: string | null
  readonly from?: string | null
  readonly to?: string | null
  readonly prefix?: string
  readonly fromMs?: number
  readonly toMs?: number
  readonly asOfMs?: number
  readonly descending?: boolean
}

/** A record to pipe, or a move of the wall clock, or a query. */
export interface Entry {
  readonly topic?: string
  readonly key?: string | null
  readonly value?: Value
  readonly ts?: number
  readonly headers?: readonly (readonly [string, string | null])[]
  readonly corruptKey?: boolean
  readonly corruptValue?: boolean
  readonly advanceWallClockMs?: number
  readonly query?: Query
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

export type StoreRow = readonly [Key, Value, number | null]
/** Rows of a store: key, value, timestamp; by key bytes, then window start. */
export type StoreRows = readonly StoreRow[]

/** The answer of a query, by the number of its input entry. */
export interface Read {
  readonly at: number
  readonly result?: unknown
  /** Set when the query failed; texts are not compared. */
  readonly error?: string
}

export interface Answer {
  readonly output: readonly OutputRow[]
  readonly stores: Readonly<Record<string, StoreRows>>
  readonly dropped: number
  readonly reads?: readonly Read[]
  readonly errorAt?: number | 'build' | 'close'
}

/** The parts of an answer that are compared. */
export const ANSWER_PARTS = ['errorAt', 'output', 'reads', 'stores', 'dropped'] as const
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
