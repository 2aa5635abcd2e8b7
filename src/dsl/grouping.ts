/**
 * Grouping: from where a stream stands to where its records are together by key.
 */
import type { Serde } from '../record/serde.ts'
import type { Place } from './graph.ts'
import { repartitionThrough } from './repartition.ts'
import { type Present, type SerdeOptions, serdeFor } from './serde-options.ts'
import type { GroupOptions } from './stream-options.ts'

export interface GroupingPlan<K, V> {
  /** Names the repartition topic, if the user does not. */
  readonly lineage: () => string
  readonly call: string
  readonly options: (GroupOptions & SerdeOptions<K, V>) | undefined
}

/**
 * Where the grouped records come out: one place, made at the first call, so that all that is made
 * of one grouping shares one repartition topic, and a grouping alone makes none.
 */
export function grouping<K, V, Has>(
  place: Place<K, V>,
  plan: GroupingPlan<K, V>,
): () => Place<Present<K>, V, Has> {
  const { call, options } = plan
  let input: Place<Present<K>, V> | undefined
  return () => {
    input ??= groupedPlace()
    return input as Place<Present<K>, V, Has>
  }

  function groupedPlace(): Place<Present<K>, V> {
    const key = serdeFor(options?.key, place.key, call, 'key') as Serde<Present<K>>
    const name = options?.name
    if (!place.rekeyed) {
      const value = options?.value ?? place.value
      return { ...place, lineage: name ?? place.lineage, key, value }
    }
    return repartitionThrough<Present<K>, V>(place, {
      name: name ?? plan.lineage(),
      call,
      key,
      value: serdeFor(options?.value, place.value, call, 'value'),
      partitions: options?.partitions,
    })
  }
}
