/**
 * Definitions of stores for processors of users: `builder.addStateStore(...)`, or brought along
 * by a processor.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { Serde } from '../record/serde.ts'
import type {
  KeyValueStore,
  SessionStore,
  StateStore,
  StorageKind,
  TypedStore,
  WindowStore,
} from '../state/store.ts'
import { checkName, show } from '../topology/names.ts'
import { checkSerde, positiveMs } from './arguments.ts'
import { type BoundedStoreOption, checkMaxEntries } from './store-options.ts'

/** What every store of a processor is defined by. */
export interface ProcessorStoreOptions<K, V> {
  /** Name of the store; its changelog topic is `<application id>-<name>-changelog`. */
  readonly name: string
  /** Serde of the keys; rows are kept in the order of the bytes it writes. */
  readonly key: Serde<K>
  /** Serde of the values. */
  readonly value: Serde<V>
  /** Default `rocksdb`. A store in memory is restored from its changelog at every start. */
  readonly storage?: StorageKind | undefined
  /** Default true. Without a changelog a store begins empty on another machine. */
  readonly changelog?: boolean | undefined
}

/** A store of rows in windows. */
export interface ProcessorWindowStoreOptions<K, V> extends ProcessorStoreOptions<K, V> {
  /** Length of the windows. */
  readonly size: Duration
  /** How long after its start a window is kept; at least the size. */
  readonly retention: Duration
}

/** A store of sessions. */
export interface ProcessorSessionStoreOptions<K, V> extends ProcessorStoreOptions<K, V> {
  /** How long after its end a session is kept. */
  readonly retention: Duration
}

/** Sessions of a key lie in so many lists at most, each written whole when one of them changes. */
const SESSION_BUCKETS = 32
const SESSION_BUCKET_MIN_MS = 1_000

/** A store of one row per key. */
export interface ProcessorKeyValueStoreOptions<K, V>
  extends ProcessorStoreOptions<K, V>,
    BoundedStoreOption {}

const STORE_OPTIONS = ['name', 'key', 'value', 'storage', 'changelog']

/**
 * Defines a store of one row per key for processors; with `maxEntries` of the rows used last.
 *
 * @returns the definition, for `builder.addStateStore`, for a processor's `stores` and for
 * `context.store(definition)`, which knows its types
 * @throws TypeError or RangeError naming the option that is wrong
 * @see org.apache.kafka.streams.state.Stores#keyValueStoreBuilder, Stores#lruMap
 * @example
 * ```ts
 * const balances = keyValueStore({ name: 'balances', key: text, value: int64 })
 * orders.process({ stores: [balances], create: () => ({ process(order) {} }) })
 * ```
 */
export function keyValueStore<K, V>(
  options: ProcessorKeyValueStoreOptions<K, V>,
): TypedStore<KeyValueStore<K, V>> {
  const call = 'keyValueStore(...)'
  const basics = processorStore(options, call, ['maxEntries'])
  const { maxEntries } = options
  checkMaxEntries(maxEntries, `option maxEntries of ${call}`)
  return define<KeyValueStore<K, V>>({
    kind: 'key-value',
    ...basics,
    keepsBefore: false,
    ...(maxEntries === undefined ? {} : { maxEntries }),
  })
}

/**
 * Defines a store of one row per key and window start for processors.
 *
 * @returns the definition, for `builder.addStateStore`, for a processor's `stores` and for
 * `context.store(definition)`, which knows its types
 * @throws TypeError or RangeError naming the option that is wrong
 * @see org.apache.kafka.streams.state.Stores#windowStoreBuilder
 * @example
 * ```ts
 * const seen = windowStore({ name: 'seen', key: text, value: int64, size: '1m', retention: '1h' })
 * clicks.process({ stores: [seen], create: () => ({ process(click) {} }) })
 * ```
 */
export function windowStore<K, V>(
  options: ProcessorWindowStoreOptions<K, V>,
): TypedStore<WindowStore<K, V>> {
  const call = 'windowStore(...)'
  const basics = processorStore(options, call, ['size', 'retention'])
  const windowSizeMs = positiveMs(options.size, `size of ${call}`)
  const retentionMs = milliseconds(options.retention, `retention of ${call}`)
  if (retentionMs < windowSizeMs) {
    throw new RangeError(
      `retention of ${call} is ${retentionMs} ms; a window is kept at least as long as it is, ${windowSizeMs} ms`,
    )
  }
  return define<WindowStore<K, V>>({
    kind: 'window',
    ...basics,
    keepsBefore: false,
    retentionMs,
    windowSizeMs,
    times: { size: windowSizeMs },
  })
}

/**
 * Defines a store of sessions for processors: a value for each key, start and end.
 *
 * @returns the definition, for `builder.addStateStore`, for a processor's `stores` and for
 * `context.store(definition)`, which knows its types
 * @throws TypeError or RangeError naming the option that is wrong
 * @see org.apache.kafka.streams.state.Stores#sessionStoreBuilder
 * @example
 * ```ts
 * const visits = sessionStore({ name: 'visits', key: text, value: int64, retention: '1d' })
 * clicks.process({ stores: [visits], create: () => ({ process(click) {} }) })
 * ```
 */
export function sessionStore<K, V>(
  options: ProcessorSessionStoreOptions<K, V>,
): TypedStore<SessionStore<K, V>> {
  const call = 'sessionStore(...)'
  const basics = processorStore(options, call, ['retention'])
  const retentionMs = positiveMs(options.retention, `retention of ${call}`)
  const bucketMs = Math.max(SESSION_BUCKET_MIN_MS, Math.ceil(retentionMs / SESSION_BUCKETS))
  return define<SessionStore<K, V>>({
    kind: 'session',
    ...basics,
    keepsBefore: false,
    retentionMs,
    bucketMs,
  })
}

/** A definition as one of the store it opens: that is said by its type alone. */
export function define<S extends StateStore>(definition: TypedStore<S>): TypedStore<S> {
  return Object.freeze(definition)
}

/** What the definition of a processor's store of any kind begins with, checked. */
export function processorStore<K, V>(
  options: ProcessorStoreOptions<K, V>,
  call: string,
  more: readonly string[] = [],
): {
  readonly name: string
  readonly keySerde: Serde<unknown>
  readonly valueSerde: Serde<unknown>
  readonly storage: StorageKind
  readonly changelog: boolean
} {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `options of ${call} is ${show(options)}; pass { name: 'my-store', key: text, value: json() }`,
    )
  }
  for (const option of Object.keys(options)) {
    if ([...STORE_OPTIONS, ...more].includes(option)) continue
    const allowed = [...STORE_OPTIONS, ...more].join(', ')
    throw new TypeError(`${call} has no option '${option}'; its options are ${allowed}`)
  }
  const { key, value, storage = 'rocksdb', changelog = true } = options
  const name = checkName(options.name, `name of ${call}`)
  checkSerde(key, call, 'key')
  checkSerde(value, call, 'value')
  if (storage !== 'rocksdb' && storage !== 'memory') {
    throw new TypeError(`option storage of ${call} is ${show(storage)}; pass 'rocksdb' or 'memory'`)
  }
  if (typeof changelog !== 'boolean') {
    throw new TypeError(`option changelog of ${call} is ${show(changelog)}; pass true or false`)
  }
  return {
    name,
    keySerde: key as Serde<unknown>,
    valueSerde: value as Serde<unknown>,
    storage,
    changelog,
  }
}
