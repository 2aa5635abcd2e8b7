/**
 * Store facts: what must stay as it is for the rows of a store to be read again, and what is wrong
 * when it does not.
 *
 * Journey: the catalogue of a task's database and the description on the log keep them; a start
 * compares them with the topology it was given.
 *
 * Invariant: what is not written down, by an older version, is unknown and taken to be the same.
 */
import type { StoreDefinition, StoreTimes } from './store.ts'

export interface StoreFacts {
  /** How rows lie: the kind of the definition, but for stores that are bounded. */
  readonly kind: StoreDefinition['kind'] | 'lru'
  /** Names of the serdes. */
  readonly key: string
  readonly value: string
  readonly times?: StoreTimes
  /** Width of the buckets that rows lie in, where they do. */
  readonly bucketMs?: number
}

/** What a user does about rows that cannot be used. */
export const INCOMPATIBLE_REMEDY =
  'Change it back, give it another name (it then begins without rows), or use another application id'

/** What a store of this definition is written as. */
export function factsOf(definition: StoreDefinition): StoreFacts {
  const { keySerde, valueSerde } = definition
  const isBounded = definition.kind === 'key-value' && definition.maxEntries !== undefined
  const kind = isBounded ? 'lru' : definition.kind
  const facts = { kind, key: keySerde.name, value: valueSerde.name } as const
  if (definition.kind === 'versioned') return { ...facts, times: { history: definition.historyMs } }
  const times = 'times' in definition && definition.times !== undefined ? definition.times : null
  return {
    ...facts,
    ...(times === null ? {} : { times }),
    ...('bucketMs' in definition ? { bucketMs: definition.bucketMs } : {}),
  }
}

/** Why rows of a store written as `before` cannot be those of a store as it is now; null: they can. */
export function incompatibility(before: StoreFacts, now: StoreFacts): string | null {
  const asBefore = `${before.kind} of ${before.key} and ${before.value}`
  const asNow = `${now.kind} of ${now.key} and ${now.value}`
  if (asBefore !== asNow) return `it was written as ${asBefore} and is now declared as ${asNow}`
  for (const [name, ms] of Object.entries(now.times ?? {})) {
    const was = before.times?.[name]
    if (was === undefined || was === ms) continue
    return `its ${name} was ${was} ms and is now ${ms} ms, under which its rows are wrong`
  }
  const { bucketMs } = before
  if (bucketMs === undefined || bucketMs === now.bucketMs) return null
  return `its rows lie in buckets of ${bucketMs} ms and would now be looked for in buckets of ${now.bucketMs} ms, as its retention asks`
}
