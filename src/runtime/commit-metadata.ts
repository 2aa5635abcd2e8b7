/**
 * What a task's stream time was when it committed, as text in the metadata of its offsets (Kafka
 * allows 4 KiB): the partition's time, and the observed time of each operator. Restored at start,
 * so that a record is late or not whether or not the process was stopped.
 *
 *   1;<partition time>;<operator>=<time>;...;*=<time>
 *
 * Invariants:
 * - Text of another version or shape is as good as none; it never fails a start.
 * - It never outgrows what a log takes. Operators that do not fit are `*`, with the smallest of their
 *   times: after a restart they may take a record that was late, and never drop one that was not.
 *   Those that send windows as they close come first: their time says what was sent.
 */
import type { ObservedTime } from '../topology/processor.ts'

export interface TaskTime {
  /** -1 when unknown. */
  readonly partitionTime: number
  readonly observed: Readonly<Record<string, number>>
  /** Of every operator that is not among `observed`. */
  readonly others: number
}

/** Kafka's default of offset.metadata.max.bytes; names are ASCII. */
const METADATA_BYTES_MAX = 4096
const OTHERS = '*'
const OTHERS_BYTES = `;${OTHERS}=${Number.MAX_SAFE_INTEGER}`.length

export function encodeTaskTime(
  partitionTime: number,
  observed: ReadonlyMap<string, ObservedTime>,
): string {
  let text = `1;${partitionTime}`
  let others = Number.POSITIVE_INFINITY
  const closing = [...observed].filter(([, { closes }]) => closes === true)
  const rest = [...observed].filter(([, { closes }]) => closes !== true)
  for (const [name, { max }] of [...closing, ...rest]) {
    const entry = `;${name}=${max}`
    if (text.length + entry.length + OTHERS_BYTES <= METADATA_BYTES_MAX) text += entry
    else others = Math.min(others, max)
  }
  return others === Number.POSITIVE_INFINITY ? text : `${text};${OTHERS}=${others}`
}

export function decodeTaskTime(text: string): TaskTime {
  const [version, partitionTime, ...times] = text.split(';')
  if (version !== '1') return { partitionTime: -1, observed: {}, others: -1 }
  const observed: Record<string, number> = {}
  let others = -1
  for (const entry of times) {
    const equals = entry.lastIndexOf('=')
    const name = entry.slice(0, equals)
    const time = wholeNumber(entry.slice(equals + 1))
    if (name === OTHERS) others = time
    else observed[name] = time
  }
  return { partitionTime: wholeNumber(partitionTime ?? ''), observed, others }
}

/** -1 for what is no time. */
function wholeNumber(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1
  return Number.isSafeInteger(value) ? value : -1
}
