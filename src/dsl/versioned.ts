/**
 * Option `store.history`: a table that knows what its rows were, so that a stream joins with the row
 * of a record's own time, and a late update changes the past and not the present.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { StoreDefinition, TypedStore, VersionedStore } from '../state/store.ts'
import { show } from '../topology/names.ts'
import type { Place, StoreDraft } from './graph.ts'
import {
  type BoundedStoreOption,
  checkMaxEntries,
  readStoreOptions,
  type StoreOptions,
  storeBasics,
} from './store-options.ts'
import { define, type ProcessorStoreOptions, processorStore } from './stores.ts'

/** The store of a table. */
export interface TableStoreOptions extends StoreOptions, BoundedStoreOption {
  /**
   * Makes the table versioned: how far back its rows are known, and how late an update may come, in
   * stream time. What is older is dropped, and counted. Default: only the latest rows are kept.
   */
  readonly history?: Duration | undefined
}

/** A store of what rows were. */
export interface ProcessorVersionedStoreOptions<K, V> extends ProcessorStoreOptions<K, V> {
  /** How far back rows are known, and how late a put may come. */
  readonly history: Duration
}

/** Checks option `store` of a table. */
export function readTableStoreOptions(
  store: string | TableStoreOptions | undefined,
  call: string,
): TableStoreOptions {
  if (typeof store !== 'object' || store === null) return readStoreOptions(store, call)
  const { history, maxEntries, ...rest } = store
  if (history !== undefined) milliseconds(history, `store history of ${call}`)
  checkMaxEntries(maxEntries, `store maxEntries of ${call}`)
  if (history !== undefined && maxEntries !== undefined) {
    throw new TypeError(
      `store of ${call} has history and maxEntries ${maxEntries}; what rows were is kept of all of them, so leave one out`,
    )
  }
  return { ...readStoreOptions(rest, call), history, maxEntries }
}

/** Adds the store of a table's rows; a versioned one is kept whether or not it is named. */
export function addRows(
  place: Place<unknown, unknown>,
  plan: {
    readonly store: TableStoreOptions
    readonly lineage: string
    readonly call: string
  },
): StoreDraft {
  const { graph } = place
  const { store, lineage, call } = plan
  const basics = {
    ...storeBasics(graph, store, lineage, call),
    keySerde: place.key as NonNullable<typeof place.key>,
    valueSerde: place.value as NonNullable<typeof place.value>,
  }
  if (store.history === undefined) {
    const kept = store.name !== undefined || store.maxEntries !== undefined
    return graph.addStore({ kind: 'key-value', ...basics, keepsBefore: false }, kept)
  }
  const historyMs = milliseconds(store.history, `store history of ${call}`)
  return graph.addStore({ kind: 'versioned', ...basics, historyMs })
}

/**
 * Defines a store of what rows were, for processors: `put` and `delete` at a time, `get` the latest,
 * `asOf` a time, `versions` in a range of times.
 *
 * @returns the definition, for `builder.addStateStore`, for a processor's `stores` and for
 * `context.store(definition)`, which knows its types
 * @throws TypeError or RangeError naming the option that is wrong
 * @see org.apache.kafka.streams.state.Stores#versionedKeyValueStoreBuilder, KIP-889
 * @example
 * ```ts
 * const prices = versionedStore({ name: 'prices', key: text, value: int64, history: '1h' })
 * orders.process({ stores: [prices], create: () => ({ process(order) {} }) })
 * ```
 */
export function versionedStore<K, V>(
  options: ProcessorVersionedStoreOptions<K, V>,
): TypedStore<VersionedStore<K, V>> {
  const call = 'versionedStore(...)'
  const basics = processorStore(options, call, ['history'])
  if (options.history === undefined) {
    throw new TypeError(`history of ${call} is ${show(undefined)}; say how far back, such as '1h'`)
  }
  const historyMs = milliseconds(options.history, `history of ${call}`)
  return define<VersionedStore<K, V>>({ kind: 'versioned', ...basics, historyMs })
}

/** How far back rows of a store are known; null when only the latest are. */
export function historyOf(definition: StoreDefinition | undefined): number | null {
  return definition?.kind === 'versioned' ? definition.historyMs : null
}
