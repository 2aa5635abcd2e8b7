/**
 * Windowed keys go to the partition of the key inside: all windows of a key stay together, and
 * with other topics that have the key.
 *
 * @see org.apache.kafka.streams.kstream.internals.WindowedStreamPartitioner
 */
import { ByteWriter } from '../record/byte-writer.ts'
import { keyPartition } from '../record/murmur2.ts'
import type { Serde } from '../record/serde.ts'
import type { Partitioner } from '../topology/topology.ts'

/** The partitioner of windowed keys, or null for other serdes: the log's own partitioner is right. */
export function windowedPartitioner<K>(serde: Serde<K>): Partitioner<K, unknown> | null {
  const { unpartitionedBytes = 0 } = serde
  if (unpartitionedBytes === 0) return null
  const writer = new ByteWriter()
  return ({ key }, partitions) => {
    if (partitions === 1 || key === null) return 0
    writer.reset()
    serde.write(key, writer)
    return keyPartition(writer.bytes, 0, writer.end - unpartitionedBytes, partitions)
  }
}
