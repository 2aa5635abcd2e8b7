/** Restore: a table of 16-byte keys and 100-byte values; its store is what is restored. */
import { bytes, StreamsBuilder } from 'millrace'
import type { Topology } from '../../src/topology/topology.ts'

export const RESTORE_INPUT = 'restore-in'

export function restoreTopology(): Topology {
  const builder = new StreamsBuilder()

  builder.stream(RESTORE_INPUT, { key: bytes, value: bytes }).toTable({ store: 'store' })

  return builder.build()
}
