/**
 * Sink: writes what reaches it to a topic.
 *
 * Journey: operators -> [sink] -> output -> log.
 *
 * Invariants:
 * - The record's timestamp and headers go along.
 * - A key or value that comes from the source untouched, with the serde it was read with, is
 *   written as the bytes that came in. Which of the two may be is known before the first record.
 */
import { StreamsError } from '../errors.ts'
import { ByteWriter } from '../record/byte-writer.ts'
import { keyPartition } from '../record/murmur2.ts'
import type { ByteRange, PromiseOrValue, StreamRecord } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { text } from '../record/serdes.ts'
import { inOrder } from '../record/when.ts'
import type { DropReason, Processor, RecordMetadata } from '../topology/processor.ts'
import { RecordView } from '../topology/record-view.ts'
import type { Partitioner, SinkNode } from '../topology/topology.ts'
import type { Metrics } from './metrics.ts'
import type { Output, PartitionOutput } from './output.ts'
import type { QueuedRecord } from './record-queue.ts'

/** What a sink needs of the task it stands in. */
export interface SinkSurroundings {
  readonly output: Output
  readonly metrics: Metrics
  /** The source record being processed, null outside of processing. */
  current(): QueuedRecord | null
  /** Where it was read. */
  metadata(): RecordMetadata | null
  /** The topic's name on the log and its partition count; throws when it does not exist. */
  resolveTopic(topic: string): { readonly topic: string; readonly partitions: number }
  /** Counts and reports a record that goes nowhere. */
  drop(reason: DropReason, node: string, record: StreamRecord<unknown, unknown>): void
  readonly reusesKey: boolean
  readonly reusesValue: boolean
}

/** A record of more is in a batch of its own, and is compared with what its topic takes. */
const LARGE_RECORD_BYTES = 64 * 1024
/** More than a batch adds to the key and the value of its one record. */
const BATCH_OVERHEAD_BYTES = 128

/** Where the records of one topic go, by partition. */
interface Target {
  readonly partitions: readonly PartitionOutput[]
  nextWithoutKey: number
}

/** The processor that stands for a sink node in one task. */
export function sink(node: SinkNode, around: SinkSurroundings): Processor {
  const { output, metrics } = around
  const keys = new ByteWriter()
  const values = new ByteWriter()
  const reusedKey = emptyRange()
  const reusedValue = emptyRange()
  /** A text that is key and value both is encoded once: words that are counted, ids. */
  const sharesText = isText(node.keySerde) && isText(node.valueSerde)
  const targets = new Map<string, Target>()
  const seen = new RecordView(() => around.metadata())
  let fixed: Target | null = null

  function targetOf(name: string): Target {
    const known = targets.get(name)
    if (known !== undefined) return known
    const { topic, partitions } = around.resolveTopic(name)
    const target = {
      partitions: Array.from({ length: partitions }, (_, partition) =>
        output.partition(topic, partition),
      ),
      nextWithoutKey: 0,
    }
    targets.set(name, target)
    return target
  }

  function keyBytes(record: StreamRecord<unknown, unknown>): ByteRange | null {
    if (record.key === null || record.key === undefined) return null
    const current = around.reusesKey ? around.current() : null
    if (current === null) return serialize(node.keySerde, record.key, keys, 'key')
    reusedKey.bytes = current.bytes
    reusedKey.start = current.keyStart
    reusedKey.end = current.keyEnd
    return reusedKey
  }

  function valueBytes(record: StreamRecord<unknown, unknown>): ByteRange | null {
    if (record.value === null || record.value === undefined) return null
    const current = around.reusesValue ? around.current() : null
    if (current === null) return serialize(node.valueSerde, record.value, values, 'value')
    reusedValue.bytes = current.bytes
    reusedValue.start = current.valueStart
    reusedValue.end = current.valueEnd
    return reusedValue
  }

  function serialize(
    serde: Serde<unknown>,
    value: unknown,
    writer: ByteWriter,
    part: 'key' | 'value',
  ): ByteWriter {
    try {
      serde.write(value, writer.reset())
      return writer
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StreamsError(
        'serialization-failed',
        `The ${part} cannot be written as ${serde.name}: ${reason}. Give '${node.name}' the serde of what reaches it`,
        { cause },
      )
    }
  }

  function defaultPartition(key: ByteRange | null, target: Target): number {
    const count = target.partitions.length
    if (key === null) {
      target.nextWithoutKey = (target.nextWithoutKey + 1) % count
      return target.nextWithoutKey
    }
    const end = key.end - (node.keySerde.unpartitionedBytes ?? 0)
    return keyPartition(key.bytes, key.start, end, count)
  }

  /** What the user's partitioner chose: null leaves the choice to the default. */
  function chosenPartitions(
    record: StreamRecord<unknown, unknown>,
    partitioner: Partitioner<unknown, unknown>,
    count: number,
  ): number | readonly number[] | null {
    seen.record = record
    const chosen = partitioner(record, count, seen)
    if (chosen === null) return null
    if (typeof chosen === 'number') return checked(chosen, count)
    if (!Array.isArray(chosen)) return checked(Number.NaN, count)
    return chosen.map((one: number) => checked(one, count))
  }

  function checked(partition: number, count: number): number {
    if (Number.isInteger(partition) && partition >= 0 && partition < count) return partition
    throw new RangeError(
      `the partitioner of '${node.name}' returned ${String(partition)}; return a whole number from 0 to ${count - 1}`,
    )
  }

  function sendTo(
    target: Target,
    partition: number,
    key: ByteRange | null,
    record: StreamRecord<unknown, unknown>,
  ): PromiseOrValue<void> {
    const value = sharesText && record.value === record.key ? key : valueBytes(record)
    const size = lengthOf(key) + lengthOf(value)
    if (size > LARGE_RECORD_BYTES) return sendLarge(target, partition, record, size)
    metrics.recordsProduced++
    const { timestamp, headers } = record
    return output.send(target.partitions[partition]!, key, value, timestamp, headers)
  }

  /** Refuses here what the log would refuse at the commit, with all that is in one batch with it. */
  async function sendLarge(
    target: Target,
    partition: number,
    record: StreamRecord<unknown, unknown>,
    size: number,
  ): Promise<void> {
    const to = target.partitions[partition]!
    const bytesMax = await output.batchBytesMax(to.topic)
    if (size + BATCH_OVERHEAD_BYTES > bytesMax) {
      throw new StreamsError(
        'record-too-large',
        `A record of ${size} bytes is larger than '${to.topic}' takes (${bytesMax}). Raise max.message.bytes of the topic`,
      )
    }
    metrics.recordsProduced++
    const { timestamp, headers } = record
    await output.send(to, keyBytes(record), valueBytes(record), timestamp, headers)
  }

  return {
    passesOn: true,

    process(record): PromiseOrValue<void> {
      const name = node.topic
      let target = fixed
      if (target === null) {
        seen.record = record
        target = targetOf(typeof name === 'string' ? name : name(record, seen))
        if (typeof name === 'string') fixed = target
      }
      const key = keyBytes(record)
      const { partitioner } = node
      if (partitioner === null) return sendTo(target, defaultPartition(key, target), key, record)
      const chosen = chosenPartitions(record, partitioner, target.partitions.length)
      if (typeof chosen === 'number') return sendTo(target, chosen, key, record)
      if (chosen === null) return sendTo(target, defaultPartition(key, target), key, record)
      if (chosen.length === 0) return around.drop('no-partition', node.name, record)
      const to = target
      return inOrder(chosen, (partition) => sendTo(to, partition, keyBytes(record), record))
    },
  }
}

/** True for the text serde, also where it is narrowed to say what to pass instead of it. */
function isText(serde: Serde<unknown>): boolean {
  return serde.read === (text as Serde<unknown>).read
}

function lengthOf(range: ByteRange | null): number {
  return range === null ? 0 : range.end - range.start
}

function emptyRange(): { bytes: Buffer; start: number; end: number } {
  return { bytes: Buffer.alloc(0), start: 0, end: 0 }
}
