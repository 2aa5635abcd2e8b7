/**
 * What `KTable.suppress` takes: until when rows are held back, and how many at most.
 *
 * Journey: KTable.suppress -> [suppressed] -> one node, one store of what is held back; another of
 * what was sent, when something below looks rows up.
 */
import { type Duration, milliseconds } from '../duration.ts'
import { suppress } from '../operators/suppress.ts'
import type { Serde } from '../record/serde.ts'
import type { Windowed } from '../record/windowed.ts'
import { show } from '../topology/names.ts'
import type { ProcessorNode } from '../topology/topology.ts'
import { checkOptions, positiveMs } from './arguments.ts'
import type { Place, StoreDraft, WindowClose } from './graph.ts'
import { serdeFor } from './serde-options.ts'
import { readStoreOptions, type StoreOptions, storeBasics } from './store-options.ts'
import { storedView, type TableParts, type TableView } from './table-view.ts'

/** How much is held back at most, and what happens with more. */
export interface SuppressBounds<WhenFull extends 'emit' | 'stop' = 'emit' | 'stop'> {
  /** Rows held back in one task. Default: no bound. */
  readonly maxRecords?: number | undefined
  /** Bytes of keys, values and headers held back in one task, and 48 for each row. Default: no bound. */
  readonly maxBytes?: number | undefined
  /** `emit`: the first rows leave early; `stop`: the application fails with 'suppress-buffer-full'. */
  readonly whenFull?: WhenFull | undefined
  /**
   * After so long without a change, by the wall clock, time goes on as the clock does, so that what is
   * held back leaves although nothing comes. Default: only changes move time, as in Kafka Streams.
   */
  readonly idle?: Duration | undefined
}

/** Made by `untilTimeLimit`. */
export interface UntilTimeLimit {
  readonly until: 'limit'
  readonly limitMs: number
  readonly maxRecords: number
  readonly maxBytes: number
  readonly idleMs: number | null
  readonly whenFull: 'emit' | 'stop'
}

/** Made by `untilWindowCloses`. */
export interface UntilWindowCloses {
  readonly until: 'closes'
  readonly maxRecords: number
  readonly maxBytes: number
  readonly idleMs: number | null
  readonly whenFull: 'stop'
}

/** What a table with keys of type `K` can be suppressed by: only windows close. */
export type Suppressed<K> = [K] extends [Windowed<unknown>]
  ? UntilWindowCloses | UntilTimeLimit
  : UntilTimeLimit

/** Options of `suppress`. */
export interface SuppressOptions {
  /** Name of the operator. Default: its lineage. */
  readonly name?: string | undefined
  /** The store of what is held back. Default: named by its lineage, with a changelog. */
  readonly store?: string | StoreOptions | undefined
}

/**
 * Holds each window back until it closes, and sends its final row, once.
 *
 * A window closes when the largest timestamp that came to the suppression passes its end by the
 * grace. Rows of one window, and windows that close together, leave by end, then key. A window
 * whose row was deleted is not sent.
 *
 * @param options - `maxRecords`, `maxBytes`: more than that fails with 'suppress-buffer-full',
 * since a result that leaves early would not be final
 * @see org.apache.kafka.streams.kstream.Suppressed#untilWindowCloses
 * @example
 * ```ts
 * hits
 *   .groupByKey()
 *   .windowedBy(tumbling('1m', { grace: '10s' }))
 *   .count()
 *   .suppress(untilWindowCloses())
 *   .toStream()
 *   .to('hits-per-minute')
 * ```
 */
export function untilWindowCloses(options: SuppressBounds<'stop'> = {}): UntilWindowCloses {
  const bounds = readBounds(options, 'untilWindowCloses(...)', 'stop')
  if (bounds.whenFull !== 'stop') {
    throw new TypeError(
      `option whenFull of untilWindowCloses(...) is '${bounds.whenFull}', which would send results that are not final; pass 'stop', or use untilTimeLimit`,
    )
  }
  return Object.freeze({ until: 'closes', ...bounds, whenFull: 'stop' })
}

/**
 * Holds each row back for a time after its first change, and then sends the last one: a row that
 * changes often leaves once in that time.
 *
 * The time is stream time: the timestamp of the first change that is held back, against the largest
 * one that came. Deletions are held back and sent like other changes.
 *
 * @param limit - how long; 0 sends each change at once
 * @param options - `maxRecords`, `maxBytes`, and `whenFull`: `'emit'` (default) sends the first rows
 * early, `'stop'` fails with 'suppress-buffer-full'
 * @see org.apache.kafka.streams.kstream.Suppressed#untilTimeLimit
 * @example
 * ```ts
 * words.groupByKey().count().suppress(untilTimeLimit('10s', { maxRecords: 10_000 })).toStream().to('counts')
 * ```
 */
export function untilTimeLimit(limit: Duration, options: SuppressBounds = {}): UntilTimeLimit {
  const limitMs = milliseconds(limit, 'limit of untilTimeLimit(...)')
  return Object.freeze({
    until: 'limit',
    limitMs,
    ...readBounds(options, 'untilTimeLimit(...)', 'emit'),
  })
}

function readBounds(options: SuppressBounds, call: string, fallback: 'emit' | 'stop') {
  checkOptions(options, call, ['maxRecords', 'maxBytes', 'whenFull', 'idle'])
  const { whenFull = fallback, idle } = options
  if (whenFull !== 'emit' && whenFull !== 'stop') {
    throw new TypeError(`option whenFull of ${call} is ${show(whenFull)}; pass 'emit' or 'stop'`)
  }
  return {
    maxRecords: bound(options.maxRecords, 'maxRecords', call),
    maxBytes: bound(options.maxBytes, 'maxBytes', call),
    idleMs: idle === undefined ? null : positiveMs(idle, `option idle of ${call}`),
    whenFull,
  }
}

function bound(value: number | undefined, option: string, call: string): number {
  if (value === undefined) return Number.POSITIVE_INFINITY
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(
      `option ${option} of ${call} is ${show(value)}; pass a whole number from 0`,
    )
  }
  return value
}

/** Adds the suppression of a table. */
export function addSuppression<K, V>(
  { place, view }: TableParts<K, V>,
  suppressed: UntilWindowCloses | UntilTimeLimit,
  options: SuppressOptions & { readonly value?: Serde<unknown> | undefined } = {},
): TableParts<K, V> {
  const { graph, lineage } = place
  const call = `suppress(...) on '${lineage}'`
  checkSuppressed(suppressed, call)
  checkOptions(options, call, ['name', 'store', 'value'])
  if ((view.historyMs ?? null) !== null) {
    throw new TypeError(
      `${call} is of a versioned table, whose changes may be older than its rows; leave out option history of the store above, or suppress an aggregation or a join of it`,
    )
  }
  const { until, maxRecords: recordsMax, maxBytes: bytesMax, whenFull, idleMs } = suppressed
  const value = serdeFor(options.value as Serde<V> | undefined, place.value, call, 'value')
  // So that a filter above holds nothing back that was not there (KTableSuppressProcessorSupplier).
  if (view.filtered === true) view.keepBefore()
  const { delayMs, endInclusive } = dueOf(place, suppressed, call)
  const store = readStoreOptions(options.store, call)
  const name = graph.name(store.name ?? lineage, 'suppress', options.name)
  const basics = storeBasics(graph, store, name, call)
  const keySerde = serdeFor(undefined, place.key, call, 'key') as Serde<unknown>
  const serdes = { keySerde, valueSerde: value as Serde<unknown> }
  const countsBytes = bytesMax !== Number.POSITIVE_INFINITY
  graph.addStore({ kind: 'suppress', ...basics, ...serdes, countsBytes })
  const sent =
    until === 'closes'
      ? null
      : graph.addStore(
          {
            kind: 'key-value',
            ...basics,
            name: graph.storeNames.derive(`${basics.name}-sent`, call),
            ...serdes,
            keepsBefore: false,
          },
          false,
        )
  graph.add(() => {
    const sentRows = sent?.kept === true ? sent.definition.name : null
    const stores = sentRows === null ? [basics.name] : [basics.name, sentRows]
    const plan = {
      store: basics.name,
      sentRows,
      until,
      delayMs,
      recordsMax,
      bytesMax,
      whenFull,
      idleMs,
      endInclusive,
    }
    return {
      kind: 'processor',
      name,
      upstream: [place.node],
      stores,
      create: suppress<K, V>(plan) as ProcessorNode['create'],
      // What leaves is mostly not what came in.
      keepsKey: false,
      keepsValue: false,
    }
  })
  const lineageBelow = options.name ?? store.name ?? name
  return {
    place: { ...place, node: name, lineage: lineageBelow, value },
    view: sent === null ? finalView(view) : sentView(sent),
  }
}

/** Of final rows there is none before; who looks them up sees the windows as they are. */
function finalView<K, V>(above: TableView<K, V>): TableView<K, V> {
  return { store: null, keepBefore: () => true, lookUp: (call) => above.lookUp(call) }
}

/** The rows that were sent, kept for whoever asks: a filter below knows the row before at any price. */
function sentView<K, V>(sent: StoreDraft): TableView<K, V> {
  const view = storedView<K, V>(sent)
  return { ...view, keepBefore: () => view.keepBefore() }
}

function checkSuppressed(suppressed: unknown, call: string): void {
  const { until } = (suppressed ?? {}) as { until?: unknown }
  if (until === 'closes' || until === 'limit') return
  throw new TypeError(
    `argument of ${call} is ${show(suppressed)}; pass untilWindowCloses() or untilTimeLimit('10s')`,
  )
}

/** When what is held back is due: how long after its time, or after the end of its window. */
function dueOf<K, V>(
  { windowClose }: Place<K, V>,
  suppressed: UntilWindowCloses | UntilTimeLimit,
  call: string,
): WindowClose {
  if (suppressed.until === 'limit') return { delayMs: suppressed.limitMs, endInclusive: false }
  if (windowClose !== undefined) return windowClose
  throw new TypeError(
    `${call} is to wait until windows close, but the rows of this table have no windows; add windowedBy(...) above, or use untilTimeLimit`,
  )
}
