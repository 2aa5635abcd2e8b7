/**
 * Option `store` of the verbs that keep state, and the definitions made of it.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { StorageKind } from '../state/store.ts'
import { checkName, show } from '../topology/names.ts'
import type { Graph } from './graph.ts'

/** Where and how a verb keeps its rows. */
export interface StoreOptions {
  /**
   * Name of the store, under which it is queried; its changelog topic is `<name>-changelog`.
   * Default: the lineage of the operator.
   */
  readonly name?: string | undefined
  /** Default `rocksdb`. A store in memory is restored from its changelog at every start. */
  readonly storage?: StorageKind | undefined
  /** Default true. Without a changelog a store begins empty on another machine. */
  readonly changelog?: boolean | undefined
}

/** How many rows a store keeps. */
export interface BoundedStoreOption {
  /**
   * Keeps so many rows of each partition at most, in memory: the row that was put or read longest ago is
   * forgotten when there is one more, and not sent as deleted. Default: all rows are kept.
   */
  readonly maxEntries?: number | undefined
}

/** A store of windows also keeps them for a time. */
export interface WindowStoreOptions extends StoreOptions {
  /**
   * How long a window is kept for queries, from its start, or a session, from its end. Default, and
   * least: size + grace; for sessions gap + grace; for sliding windows twice the difference + grace.
   */
  readonly retention?: Duration | undefined
}

/** What the definition of a store of any kind begins with. */
export interface StoreBasics {
  readonly name: string
  readonly storage: StorageKind
  readonly changelog: boolean
  readonly maxEntries?: number
}

const STORE_OPTIONS = ['name', 'storage', 'changelog']
const WINDOW_STORE_OPTIONS = [...STORE_OPTIONS, 'retention']

/** Checks option `store`, a name or an object. */
export function readStoreOptions(
  store: string | WindowStoreOptions | undefined,
  call: string,
  keepsWindows = false,
): WindowStoreOptions {
  const allowed = keepsWindows ? WINDOW_STORE_OPTIONS : STORE_OPTIONS
  if (store === undefined) return {}
  if (typeof store === 'string') return { name: checkName(store, `option store of ${call}`) }
  if (typeof store !== 'object' || store === null) {
    throw new TypeError(
      `option store of ${call} is ${show(store)}; pass a name or { name, storage }`,
    )
  }
  for (const [option, value] of Object.entries(store)) {
    if (!allowed.includes(option)) {
      throw new TypeError(
        `option store of ${call} has no '${option}'; it has ${allowed.join(', ')}`,
      )
    }
    if (value === undefined) continue
    if (option === 'name') checkName(value, `store name of ${call}`)
    if (option === 'storage' && value !== 'rocksdb' && value !== 'memory') {
      throw new TypeError(`store storage of ${call} is ${show(value)}; pass 'rocksdb' or 'memory'`)
    }
    if (option === 'changelog' && typeof value !== 'boolean') {
      throw new TypeError(`store changelog of ${call} is ${show(value)}; pass true or false`)
    }
  }
  return store
}

/** Checks option `maxEntries`; undefined: all rows are kept. */
export function checkMaxEntries(maxEntries: unknown, call: string): void {
  if (maxEntries === undefined) return
  if (Number.isSafeInteger(maxEntries) && (maxEntries as number) > 0) return
  throw new RangeError(`${call} is ${show(maxEntries)}; pass a whole number above zero`)
}

/** Takes the store's name, the user's or a derived one. */
export function storeBasics(
  graph: Graph,
  { name, storage = 'rocksdb', changelog = true, maxEntries }: StoreOptions & BoundedStoreOption,
  lineage: string,
  call: string,
): StoreBasics {
  const taken =
    name === undefined ? graph.storeNames.derive(lineage, call) : graph.storeNames.take(name, call)
  const basics = { name: taken, storage, changelog }
  return maxEntries === undefined ? basics : { ...basics, maxEntries }
}

/** How long windows are kept: what the user says, if it is enough; `sum` says what for. */
export function retentionOf(
  { retention }: WindowStoreOptions,
  leastMs: number,
  call: string,
  sum = 'size + grace',
): number {
  if (retention === undefined) return leastMs
  const retentionMs = milliseconds(retention, `store retention of ${call}`)
  if (retentionMs < leastMs) {
    throw new RangeError(
      `store retention of ${call} is ${retentionMs} ms; windows are needed for ${leastMs} ms (${sum}), so keep them at least that long`,
    )
  }
  return retentionMs
}
