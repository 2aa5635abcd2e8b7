/**
 * Compares an answer with Kafka Streams'.
 *
 * Not compared: texts of errors, headers of dead letters but for the place of the record, what
 * `storeSensitive` exempts, order between different topics within one input entry (an answer has
 * them by name).
 */
import { isDeepStrictEqual } from 'node:util'
import { ANSWER_PARTS, type Answer, type AnswerPart, type PublishedAnswer } from './case.ts'

export interface Difference {
  readonly part: AnswerPart
  readonly expected: unknown
  readonly actual: unknown
}

export function differencesOf(
  expected: PublishedAnswer,
  actual: Answer,
  exempt: readonly string[],
): Difference[] {
  return ANSWER_PARTS.filter((part) => !exempt.includes(part))
    .map((part) => ({
      part,
      expected: comparable(expected, part),
      actual: comparable(actual, part),
    }))
    .filter((pair) => !isDeepStrictEqual(pair.expected, pair.actual))
}

/** Headers of dead letters that say the same in every language. */
const DEAD_LETTER_HEADERS: readonly string[] = ['topic', 'partition', 'offset']

function isComparable(header: string): boolean {
  const name = /^__streams\.errors\.(.*)$/.exec(header)?.[1]
  return name === undefined || DEAD_LETTER_HEADERS.includes(name)
}

function comparable(answer: Answer, part: AnswerPart): unknown {
  if (part === 'output') {
    return answer.output.map((row) => ({
      ...row,
      headers: row.headers.filter(([name]) => isComparable(name)),
    }))
  }
  if (part !== 'reads') return answer[part]
  return answer.reads?.map(({ at, result, error }) =>
    error === undefined ? { at, result } : { at, error: true },
  )
}

/** The first place where two parts differ, as one line: `output[3]: expected ..., got ...`. */
export function firstDifference({ part, expected, actual }: Difference): string {
  return describe(part, expected, actual)
}

function describe(path: string, expected: unknown, actual: unknown): string {
  if (isRows(expected) && isRows(actual)) {
    const length = Math.max(expected.length, actual.length)
    for (let index = 0; index < length; index++) {
      const [one, other] = [expected[index], actual[index]]
      if (!isDeepStrictEqual(one, other)) {
        const counts =
          expected.length === actual.length
            ? ''
            : ` (${expected.length} rows, got ${actual.length})`
        return `${path}[${index}]: expected ${show(one)}, got ${show(other)}${counts}`
      }
    }
  }
  if (isRecord(expected) && isRecord(actual)) {
    for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const [one, other] = [expected[name], actual[name]]
      if (!isDeepStrictEqual(one, other)) return describe(`${path}.${name}`, one, other)
    }
  }
  return `${path}: expected ${show(expected)}, got ${show(actual)}`
}

function isRows(value: unknown): value is unknown[] {
  return Array.isArray(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const SHOWN_MAX = 400

function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text
}
