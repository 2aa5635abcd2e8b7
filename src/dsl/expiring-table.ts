/**
 * Tables with a time to live, as nodes and stores.
 *
 * Journey: table(..., { ttl }) or toTable({ ttl }) -> [expiring table] -> one node, the store of the
 * rows, and `<store>-expiry`, the index of the rows by time.
 */
import { type Duration, milliseconds } from '../duration.ts'
import { expiringTable, expiryBucketMs, expiryRetentionMs } from '../operators/expiring-table.ts'
import { boolean } from '../record/serdes.ts'
import { positiveMs } from './arguments.ts'
import type { Place, StoreDraft } from './graph.ts'

/** Option of tables whose rows live for a time. */
export interface TimeToLiveOption {
  /**
   * How long a row lives after its last change, in stream time of the task: then it is deleted, and the
   * deletion handed on, at most a hundredth of this time later. A record that is that old already
   * is dropped as late. Default: rows stay until they are deleted.
   */
  readonly ttl?: Duration | undefined
}

/** Milliseconds of option `ttl`; undefined: rows stay. */
export function timeToLive(
  ttl: Duration | undefined,
  isVersioned: boolean,
  call: string,
): number | undefined {
  if (ttl === undefined) return undefined
  if (!isVersioned) return positiveMs(ttl, `option ttl of ${call}`)
  throw new TypeError(
    `${call} has option ttl ${milliseconds(ttl, `option ttl of ${call}`)} ms and a versioned store, which keeps rows by its history; leave one of the two out`,
  )
}

/** Adds the node of a table with a time to live, and the index of its rows. */
export function addExpiringTable<K, V>(
  { graph, node, key }: Place<K, V>,
  rows: StoreDraft,
  { name, ttlMs, call }: { readonly name: string; readonly ttlMs: number; readonly call: string },
): void {
  const { definition } = rows
  rows.kept = true
  const index = graph.addStore({
    kind: 'window',
    name: graph.storeNames.derive(`${definition.name}-expiry`, call),
    storage: definition.storage,
    changelog: definition.changelog,
    keySerde: key as AnySerde,
    valueSerde: boolean as AnySerde,
    keepsBefore: false,
    retentionMs: expiryRetentionMs(ttlMs),
    windowSizeMs: expiryBucketMs(ttlMs),
    times: { ttl: ttlMs },
  })
  const stores = { store: definition.name, index: index.definition.name }
  graph.addProcessor(name, [node], {
    create: expiringTable<K, V>({ ...stores, ttlMs }),
    stores: [rows, index],
    // A record also causes deletions under other keys than its own.
    keepsKey: false,
  })
}

type AnySerde = StoreDraft['definition']['keySerde']
