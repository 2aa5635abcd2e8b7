/**
 * Which partition a record goes to: Kafka's choice, so that other clients find it where they look.
 */
import type { Clock } from '../clock.ts'
import { keyPartition } from '../record/murmur2.ts'
import type { ByteRange } from '../record/record.ts'

/** Chooses 0 to `partitions - 1`. The key is a reused range: do not keep it. */
export type Partitioner = (
  record: { readonly topic: string; readonly key: ByteRange | null },
  partitions: number,
) => number

/** Records without a key stay on a partition for so many, which fills batches; then move on. */
const STICKY_RECORDS = 512

/** murmur2 of the key; records without one stay together for a while and then move on. */
export function stickyPartitioner(clock: Clock): Partitioner {
  const stays = new Map<string, { partition: number; left: number }>()
  return ({ topic, key }, partitions) => {
    if (key !== null) return keyPartition(key.bytes, key.start, key.end, partitions)
    let stay = stays.get(topic)
    if (stay === undefined) {
      stay = { partition: Math.floor(clock.random() * partitions), left: STICKY_RECORDS }
      stays.set(topic, stay)
    } else if (stay.left === 0) {
      stay.partition = (stay.partition + 1) % partitions
      stay.left = STICKY_RECORDS
    }
    stay.left--
    return stay.partition % partitions
  }
}
