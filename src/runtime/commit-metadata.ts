/**
 * What a task's stream time was when it committed, as text in the metadata of its offsets (Kafka
 * allows 4 KiB): the partition's time, and the observed time of each operator. Restored at start,
 * so that a record is late or not whether or not the process was stopped.
 *
 *   1;<partition time>;<operator>=<time>;...
 *
 * Invariant: text of another version or shape is as good as none; it never fails a start.
 */
import type { ObservedTime } from '../topology/processor.ts'

export interface TaskTime {
  /** -1 when unknown. */
  readonly partitionTime: number
  readonly observed: Readonly<Record<string, number>>
}

export function encodeTaskTime(
  partitionTime: number,
  observed: ReadonlyMap<string, ObservedTime>,
): string {
  const times = [...observed].map(([name, { max }]) => `;${name}=${max}`)
  return `1;${partitionTime}${times.join('')}`
}

export function decodeTaskTime(text: string): TaskTime {
  const [version, partitionTime, ...times] = text.split(';')
  if (version !== '1') return { partitionTime: -1, observed: {} }
  const observed: Record<string, number> = {}
  for (const entry of times) {
    const equals = entry.lastIndexOf('=')
    observed[entry.slice(0, equals)] = wholeNumber(entry.slice(equals + 1))
  }
  return { partitionTime: wholeNumber(partitionTime ?? ''), observed }
}

/** -1 for what is no time. */
function wholeNumber(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1
  return Number.isSafeInteger(value) ? value : -1
}
