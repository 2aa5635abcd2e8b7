/**
 * Time mark: what a task says, in each partition of its repartition topics, of the time it has passed.
 *
 * Journey: commit of the writer -> repartition topic -> the reader's queue -> aligned time.
 *
 *   key null, value null, header `millrace-time`: `<task id>;<time>;<0 | 1: idle>`
 *
 * Invariant: what a mark says is true of all that its writer wrote before it.
 */
import type { RecordHeaders } from '../record/record.ts'

const MARK_HEADER = 'millrace-time'

/** What a writer of a repartition topic says of its time. */
export interface TimeMark {
  readonly writer: string
  /** -1 before its first record. */
  readonly time: number
  readonly isIdle: boolean
}

export function encodeMark({ writer, time, isIdle }: TimeMark): RecordHeaders {
  return [{ key: MARK_HEADER, value: Buffer.from(`${writer};${time};${isIdle ? 1 : 0}`) }]
}

/** The mark in the headers of a record without key and value; null when it is another record. */
export function decodeMark(headers: RecordHeaders): TimeMark | null {
  const [header] = headers
  if (header?.key !== MARK_HEADER || header.value === null) return null
  const [writer, time, idle] = Buffer.from(header.value).toString().split(';')
  const ms = Number(time)
  if (writer === undefined || !Number.isSafeInteger(ms)) return null
  return { writer, time: ms, isIdle: idle === '1' }
}
