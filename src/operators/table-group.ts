/**
 * Grouping of a table: each change goes to the group of the row before, to be subtracted, and to
 * that of the row after, to be added.
 *
 * Journey: a table's change -> [re-key] -> repartition topic -> aggregate, whose fold this file makes.
 *
 * Invariants:
 * - The row before leaves first, so that a group never has a row twice.
 * - When both rows are of one group they leave as one change, folded in one step: nobody sees the
 *   group without either.
 *
 * Follows KTableRepartitionMap, KTableAggregate and KTableReduce.
 */
import { ByteWriter } from '../record/byte-writer.ts'
import type { Serde } from '../record/serde.ts'
import { when } from '../record/when.ts'
import type { Change, Processor, ProcessorContext } from '../topology/processor.ts'
import type { Fold } from './emission.ts'

/** The group and value of a row; null, or a null half, leaves the row out. */
export type RowSelector<K, V, KOut, VOut> = (
  key: K,
  value: V,
) => readonly [KOut | null, VOut | null] | null

/** A new re-keying processor for each task. `keySerde` tells equal groups. */
export function regroupChanges<K, V, KOut, VOut>(
  selector: RowSelector<K, V, KOut, VOut>,
  keySerde: Serde<KOut>,
): () => Processor<K, Change<V>, KOut, Change<VOut>> {
  return () => {
    const areEqual = equalityOf(keySerde)
    let context: ProcessorContext<KOut, Change<VOut>>

    function select(key: K, value: V | null): readonly [KOut, VOut] | null {
      const selected = value === null ? null : selector(key, value)
      if (selected === null || selected[0] === null || selected[1] === null) return null
      return selected as readonly [KOut, VOut]
    }

    return {
      init(processorContext) {
        context = processorContext
      },

      process({ key, value, timestamp, headers }) {
        // The past of a row is in no group; Kafka does not count it as dropped either.
        if (value.outOfOrder === true) return
        const after = select(key, value.after)
        const before = select(key, value.before)
        const send = (group: KOut, change: Change<VOut>) =>
          context.forward({ key: group, value: change, timestamp, headers })
        if (before === null) {
          return after === null ? undefined : send(after[0], { before: null, after: after[1] })
        }
        if (after === null) return send(before[0], { before: before[1], after: null })
        if (areEqual(before[0], after[0])) {
          return send(after[0], { before: before[1], after: after[1] })
        }
        return when(send(before[0], { before: before[1], after: null }), () =>
          send(after[0], { before: null, after: after[1] }),
        )
      },
    }
  }
}

/** Groups are one when their bytes are. */
function equalityOf<K>(serde: Serde<K>): (one: K, other: K) => boolean {
  const left = new ByteWriter()
  const right = new ByteWriter()
  return (one, other) => {
    if (one === other) return true
    if (serde.primitive === true) return false
    serde.write(one, left.reset())
    serde.write(other, right.reset())
    return left.bytes.compare(right.bytes, 0, right.end, 0, left.end) === 0
  }
}

/** How the rows of a group become its result. */
export interface GroupFold<K, V, A> {
  /** What a group begins with when its first row is added; `first` is that row. */
  initial(first: V): A
  /** Null where the first row itself is the result. */
  add(key: K, value: V, aggregate: A): A | null
  subtract(key: K, value: V, aggregate: A): A | null
  /** True for a reduction: the first row is the result as it is. */
  readonly startsWithRow: boolean
}

/** The fold of changes: subtracts the row before, then adds the row after. */
export function foldChanges<K, V, A>(group: GroupFold<K, V, A>): Fold<K, Change<V>, A> {
  return (key, { before, after }, stored) => {
    const rest = before === null || stored === null ? stored : group.subtract(key, before, stored)
    if (after === null) return rest
    if (rest !== null) return group.add(key, after, rest)
    const initial = group.initial(after)
    return group.startsWithRow ? initial : group.add(key, after, initial)
  }
}
