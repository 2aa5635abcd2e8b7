/**
 * Topic configuration under Kafka's names, checked when a topic is made or altered.
 *
 * Invariants: an unknown name or an impossible value never reaches a log; a name that is known but
 * without effect in a log of one replica is kept and described, as programs made for Kafka set it.
 *
 * @see https://kafka.apache.org/documentation/#topicconfigs
 */
import {
  type CleanupPolicy,
  DEFAULT_LOG_CONFIG,
  type FlushPolicy,
  type LogConfig,
} from '../log/log-config.ts'
import { COMPRESSIONS } from '../record/compression.ts'
import { Refusal } from './refusal.ts'

export type TopicConfig = Readonly<Record<string, string>>

type Check = (value: string) => string | null

const INT32_MAX = 0x7fff_ffff

const within =
  (min: number, max: number = Number.MAX_SAFE_INTEGER): Check =>
  (value) => {
    const number = Number(value)
    if (/^-?\d+$/.test(value) && number >= min && number <= max) return null
    return `a whole number from ${min} to ${max}`
  }

const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value) ? null : `one of ${values.join(', ')}`

const ratio: Check = (value) =>
  Number(value) >= 0 && Number(value) <= 1 ? null : 'a number from 0 to 1'

const policies: Check = (value) =>
  ['delete', 'compact', 'compact,delete', 'delete,compact'].includes(value.replaceAll(' ', ''))
    ? null
    : 'delete, compact or compact,delete'

const anything: Check = () => null

const TWO_WEEKS_MS = 14 * 24 * 3_600_000

interface Entry {
  readonly fallback: string
  readonly check: Check
}

/** Known names, what is taken when they are not set, and what they may be. */
const ENTRIES: Readonly<Record<string, Entry>> = {
  'cleanup.policy': { fallback: 'delete', check: policies },
  'compression.type': {
    fallback: 'producer',
    check: oneOf('producer', 'uncompressed', ...COMPRESSIONS),
  },
  'delete.retention.ms': { fallback: String(24 * 3_600_000), check: within(0) },
  'file.delete.delay.ms': { fallback: '60000', check: within(0) },
  'flush.messages': { fallback: String(Number.MAX_SAFE_INTEGER), check: within(1) },
  'flush.ms': { fallback: String(Number.MAX_SAFE_INTEGER), check: within(0) },
  'index.interval.bytes': { fallback: '4096', check: within(0, INT32_MAX) },
  'max.compaction.lag.ms': { fallback: String(Number.MAX_SAFE_INTEGER), check: within(1) },
  'max.message.bytes': { fallback: String(1024 * 1024 + 12), check: within(0, INT32_MAX) },
  'message.timestamp.after.max.ms': { fallback: '3600000', check: within(0) },
  'message.timestamp.before.max.ms': {
    fallback: String(Number.MAX_SAFE_INTEGER),
    check: within(0),
  },
  'message.timestamp.type': { fallback: 'CreateTime', check: oneOf('CreateTime', 'LogAppendTime') },
  'min.cleanable.dirty.ratio': { fallback: '0.5', check: ratio },
  'min.compaction.lag.ms': { fallback: '0', check: within(0) },
  'min.insync.replicas': { fallback: '1', check: within(1, INT32_MAX) },
  preallocate: { fallback: 'false', check: oneOf('true', 'false') },
  'retention.bytes': { fallback: '-1', check: within(-1) },
  'retention.ms': { fallback: String(TWO_WEEKS_MS), check: within(-1) },
  'segment.bytes': { fallback: String(1024 * 1024 * 1024), check: within(14, INT32_MAX) },
  'segment.index.bytes': { fallback: String(10 * 1024 * 1024), check: within(4, INT32_MAX) },
  'segment.jitter.ms': { fallback: '0', check: within(0) },
  'segment.ms': { fallback: String(7 * 24 * 3_600_000), check: within(1) },
  'unclean.leader.election.enable': { fallback: 'false', check: oneOf('true', 'false') },
  'follower.replication.throttled.replicas': { fallback: '', check: anything },
  'leader.replication.throttled.replicas': { fallback: '', check: anything },
}

/** Everything in force: what was set, over the defaults of the log, over Kafka's. */
export function effectiveConfig(set: TopicConfig, defaults: TopicConfig): TopicConfig {
  const config: Record<string, string> = {}
  for (const [name, { fallback }] of Object.entries(ENTRIES)) {
    config[name] = set[name] ?? defaults[name] ?? fallback
  }
  return config
}

/** @throws Refusal 'invalid-config' naming the entry and what it may be */
export function checkConfig(topic: string, config: TopicConfig): void {
  for (const [name, value] of Object.entries(config)) {
    const entry = ENTRIES[name]
    const expected =
      entry === undefined ? `one of ${Object.keys(ENTRIES).join(', ')}` : entry.check(value)
    if (expected === null) continue
    const what =
      entry === undefined ? `There is no topic configuration ${name}` : `${name} is ${value}`
    throw new Refusal('invalid-config', `${what}; use ${expected}`, { topic })
  }
}

/** @throws Refusal 'invalid-topic' */
export function checkTopicName(topic: string): void {
  const legal = /^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..'
  if (legal) return
  throw new Refusal(
    'invalid-topic',
    `The topic name ${JSON.stringify(topic)} is not legal; use 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'`,
    { topic },
  )
}

/** @throws Refusal 'invalid-partitions' */
export function checkPartitionCount(topic: string, count: number, existing = 0): void {
  if (Number.isSafeInteger(count) && count > existing && count <= PARTITIONS_MAX) return
  const range = `a whole number from ${existing + 1} to ${PARTITIONS_MAX}`
  throw new Refusal(
    'invalid-partitions',
    `A partition count of ${count} is not possible; use ${range}`,
    {
      topic,
    },
  )
}

/** Three open files and some buffers each: far above what one process can use in parallel. */
const PARTITIONS_MAX = 10_000

/** The part of a topic's configuration that its logs act on. */
export function logConfigOf(
  set: TopicConfig,
  defaults: TopicConfig,
  flush: FlushPolicy,
): LogConfig {
  const config = effectiveConfig(set, defaults)
  const number = (name: string): number => Number(config[name])
  return {
    ...DEFAULT_LOG_CONFIG,
    segmentBytes: number('segment.bytes'),
    segmentMs: number('segment.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    timestampType: config['message.timestamp.type'] === 'LogAppendTime' ? 'append' : 'create',
    cleanupPolicy: cleanupPolicyOf(config['cleanup.policy'] as string),
    flush,
  }
}

function cleanupPolicyOf(value: string): CleanupPolicy {
  if (value.includes(',')) return 'compact,delete'
  return value.trim() === 'compact' ? 'compact' : 'delete'
}
