/**
 * Where a fetch goes on: read off the headers of the batches it brought, without opening them.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  LAST_OFFSET_DELTA_AT,
  LENGTH_PREFIX_BYTES,
} from './batch-format.ts'
import { readInt64 } from './byte-writer.ts'

/** The offset after the last whole batch in `buffers`; `position` when there is none. */
export function nextOffset(buffers: readonly Buffer[], position: number): number {
  let next = position
  for (const bytes of buffers) {
    let start = 0
    while (start + BATCH_HEADER_BYTES <= bytes.length) {
      const end = start + LENGTH_PREFIX_BYTES + bytes.readInt32BE(start + BATCH_LENGTH_AT)
      if (end > bytes.length || end <= start) break
      next = readInt64(bytes, start) + bytes.readInt32BE(start + LAST_OFFSET_DELTA_AT) + 1
      start = end
    }
  }
  return Math.max(next, position)
}
