/**
 * A query's view of a store: the rows of the byte store with the buffer's unsaved rows over them.
 *
 * Invariant: a row is seen as it was when the query began, or newer (committed and saved while the
 * query went on), never older; in the order of the database keys, each once.
 */
import { StreamsError } from '../errors.ts'
import type { ByteStore } from './byte-store.ts'

/** A row that differs from the byte store's; null value: it is deleted. */
export interface UnsavedRow {
  readonly key: Buffer
  readonly row: Buffer | null
}

export interface MergedRange {
  readonly from: Buffer
  readonly to: Buffer
  readonly reverse: boolean
}

/** Rows as stored (timestamp and value bytes) with their database keys. */
export async function* mergedScan(
  bytes: ByteStore,
  unsaved: readonly UnsavedRow[],
  range: MergedRange,
): AsyncIterable<{ readonly key: Buffer; readonly row: Buffer }> {
  const direction = range.reverse ? -1 : 1
  const over = unsaved
    .filter(({ key }) => Buffer.compare(key, range.from) >= 0 && Buffer.compare(key, range.to) < 0)
    .sort((a, b) => direction * Buffer.compare(a.key, b.key))
  let next = 0
  for await (const chunk of bytes.scan(range)) {
    for (const { key, value } of chunk) {
      let order = -1
      for (; next < over.length; next++) {
        const { key: overKey, row } = over[next] as UnsavedRow
        order = direction * Buffer.compare(key, overKey)
        if (order <= 0) break
        if (row !== null) yield { key: overKey, row }
      }
      // The buffer's row of this very key comes with the next step of the loop above.
      if (order === 0 && next < over.length) continue
      yield { key, row: value }
    }
  }
  for (; next < over.length; next++) {
    const { key, row } = over[next] as UnsavedRow
    if (row !== null) yield { key, row }
  }
}

/** What a query of a closed store is told. */
export function storeClosed(name: string): StreamsError {
  return new StreamsError('streams-state-invalid', 'the store was closed', {
    place: { store: name },
  })
}
