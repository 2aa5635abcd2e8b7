/**
 * Unmatched records of a left or outer stream join: where they wait until no match can come any
 * more, and how they leave then, joined with null.
 *
 * Journey: window join -> [unmatched] -> time-ordered store; a record that moves stream time on
 * takes out those whose windows closed by it. Both sides of the join share the store.
 *
 * Invariants:
 * - A record leaves alone when stream time has passed its window and the grace, unless a match came
 *   before; with its own time, and with the headers of the record that moved time on.
 * - What leaves together does so by time, the right side first, then by key bytes, then arrival.
 * - A record whose window has passed when it comes leaves at once, although grace has not passed: a
 *   match may still follow it (KAFKA-19536).
 *
 * Follows KStreamKStreamJoin.emitNonJoinedOuterRecords to the letter, its notes included: the time of
 * the last row looked at, and when to look again. Before stream time has passed the first by this
 * side's window nothing is looked at, so a row may wait longer than it has to. The notes are kept
 * with the rows, so that a restart does not change when they leave.
 */
import type { PromiseOrValue, RecordHeaders, StreamRecord } from '../record/record.ts'
import { inOrder, when } from '../record/when.ts'
import type { ParkedPlace, ParkedSide, TimeOrderedStore } from '../state/store.ts'
import type { ObservedTime, ProcessorContext } from '../topology/processor.ts'

export interface UnmatchedOptions<K, R> {
  readonly store: string
  readonly side: ParkedSide
  /** True when records of this side leave alone; false for the right side of a left join. */
  readonly keepsOwn: boolean
  /** How long after their own time rows of each side may find a match. */
  readonly waitMs: Readonly<Record<ParkedSide, number>>
  readonly graceMs: number
  /** Rows are looked for only when the wall clock has moved on by this much; 0: always. */
  readonly emitIntervalMs: number
  /** After so long without a record of either side windows close by the clock; null: never. */
  readonly idleMs: number | null
  /** The result of a row of either side without a match. */
  readonly alone: (side: ParkedSide, value: unknown, key: K) => R
}

export interface Unmatched<K, V> {
  readonly keepsOwn: boolean
  /** A row of the other side found its match. */
  matched(key: K, timestamp: number): PromiseOrValue<void>
  /** Takes a record that found none: it waits, or leaves by `alone` when its window has passed. */
  park(
    record: StreamRecord<K, V>,
    alone: (record: StreamRecord<K, V>) => PromiseOrValue<void>,
  ): PromiseOrValue<void>
  /** Sends the rows whose windows have closed, with the headers of the record that moved time on. */
  close(headers: RecordHeaders): PromiseOrValue<void>
}

/** The first note when there is nothing to look at. */
const NOTHING_WAITS = Number.MAX_SAFE_INTEGER

export function openUnmatched<K, V, R>(
  options: UnmatchedOptions<K, R>,
  operator: {
    readonly context: ProcessorContext<K, R>
    readonly time: ObservedTime
    readonly afterMs: number
  },
): Unmatched<K, V> {
  const { side, keepsOwn, waitMs, graceMs, emitIntervalMs } = options
  const { context, time, afterMs } = operator
  const store = context.store<TimeOrderedStore<K, V>>(options.store)
  const otherSide = side === 'left' ? 'right' : 'left'
  const from = (): number => store.notes?.[0] ?? NOTHING_WAITS
  const nextLook = (): number => store.notes?.[1] ?? 0

  function send(
    { side, key, time: timestamp }: ParkedPlace<K>,
    values: readonly { readonly value: V }[],
    headers: RecordHeaders,
  ): PromiseOrValue<void> {
    return inOrder(values, ({ value }) =>
      context.forward({ key, value: options.alone(side, value, key), timestamp, headers }),
    )
  }

  return {
    keepsOwn,

    matched: (key, timestamp) => store.remove(timestamp, otherSide, key),

    park(record, alone) {
      if (!keepsOwn) return
      const { key, value, timestamp, headers } = record
      if (Math.max(0, timestamp + afterMs) < time.max) return alone(record)
      store.setNotes(Math.min(from(), timestamp), nextLook())
      return store.add({ time: timestamp, side, key }, value, headers)
    },

    close(headers) {
      const now = time.max
      // With nothing to look at the first look still starts the interval (an overflow, in Kafka).
      const isEmpty = from() === NOTHING_WAITS && afterMs + graceMs > 0
      if (!isEmpty && from() + afterMs + graceMs >= now) return
      if (isEmpty && emitIntervalMs === 0) return
      if (context.now() < nextLook()) return
      const next = emitIntervalMs === 0 ? 0 : context.now() + emitIntervalMs
      const isOpen = { left: false, right: false }
      let note = NOTHING_WAITS
      const visited = store.visit(Number.MAX_SAFE_INTEGER, (place, read) => {
        note = place.time
        if (isOpen.left && isOpen.right) return 'stop'
        if (place.time + waitMs[place.side] + graceMs >= now) {
          isOpen[place.side] = true
          return 'keep'
        }
        const sent = send(place, read(), headers)
        return sent instanceof Promise ? sent.then(() => 'remove') : 'remove'
      })
      return when(visited, () => {
        store.setNotes(note, next)
      })
    },
  }
}
