/**
 * Random cases: a program of any of the format's ops that Kafka Streams accepts, and input for it.
 *
 * Journey: seed -> [random case] -> oracle and our runner -> differences.
 *
 * What is never generated, because Kafka Streams answers from details of Java or of its driver:
 * record caches, bounds in bytes, several cogrouped inputs that are repartitioned, a left join with
 * grace (it ends at a null key), several schedules of one clock (whose order is that of a heap), a
 * suppression that is to stop below a handler that goes on, idling of tasks (whose partitions are in
 * the order of a hash), offsets of topics under a pattern.
 */
import type { Case, Entry } from '../../conformance/case.ts'
import { AGGREGATION_VERBS } from './aggregations.ts'
import { randomInput } from './input.ts'
import { PROCESSOR_VERBS } from './processors.ts'
import { withQueries } from './queries.ts'
import { Random } from './random.ts'
import { onStream, STREAM_VERBS } from './streams.ts'
import { TABLE_VERBS } from './tables.ts'
import { ProgramWriter, type Verb } from './writer.ts'

const VERBS = Object.values({
  ...STREAM_VERBS,
  ...TABLE_VERBS,
  ...AGGREGATION_VERBS,
  ...PROCESSOR_VERBS,
})

const TOPICS = ['ta', 'tb', 'tc', 'td'] as const

export function randomCase(seed: number): Case {
  const random = new Random(seed)
  const fails = random.chance(0.04)
  const goesOn = fails || random.chance(0.1)
  const writer = new ProgramWriter(random, { mayStop: !goesOn })
  const topics = TOPICS.slice(0, 1 + random.below(TOPICS.length))
  while (writer.topics.length < topics.length) addSource(writer, topics)
  for (let count = 1 + random.below(10); count > 0; count--) {
    randomVerb(random)(writer)
    if (fails && count === 1) onStream(writer, 'mapValues', { fn: 'throwIf:hello' })
  }
  addSinks(writer)
  const { steps, stores } = writer
  const isCorrupt = random.chance(0.03)
  const input = randomInput(random, writer.topics)
  const corrupted = isCorrupt ? withCorrupt(random, input) : input
  return {
    id: `seed-${seed}`,
    title: [...new Set(steps.map(({ op }) => op))].join(', '),
    config: {
      ...(goesOn ? { processingHandler: 'continue' } : {}),
      ...(isCorrupt ? { deserializationHandler: 'continue' } : {}),
      ...(random.chance(0.1) ? { startWallClockMs: 500 } : {}),
    },
    program: steps,
    input: random.chance(0.25) ? withQueries(random, corrupted, stores) : corrupted,
  }
}

function randomVerb(random: Random): Verb {
  let left = random.next() * VERBS.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, verb] of VERBS) {
    left -= weight
    if (left < 0) return verb
  }
  throw new RangeError('the weights of the verbs have no sum')
}

/** A source of the next topic; sometimes of the next two. */
function addSource(writer: ProgramWriter, topics: readonly string[]): void {
  const { random } = writer
  const topic = topics[writer.topics.length] as string
  const next = topics[writer.topics.length + 1]
  const isFirst = writer.made.length === 0
  writer.topics.push(topic)
  const kind = random.weighted({ stream: 5, table: 3, versioned: 1, globalTable: 1 })
  const time = timestamps(random)
  if (kind === 'stream' || (isFirst && kind === 'globalTable')) {
    let from: Readonly<Record<string, unknown>> = { topic }
    if (next !== undefined && random.chance(0.2)) {
      writer.topics.push(next)
      from = random.chance(0.8) ? { topics: [topic, next] } : { pattern: `${topic}|${next}` }
    }
    const id = writer.add('stream', { ...from, ...time })
    writer.make({ id, kind: 'stream', key: 'plain', original: !('pattern' in from) })
  } else if (kind === 'globalTable') {
    const store = writer.store('key-value', { isGlobal: true })
    writer.make({
      id: writer.add('globalTable', { topic, ...store }),
      kind: 'global',
      key: 'plain',
    })
  } else if (kind === 'versioned') {
    const store = writer.versionedStore()
    const { historyMs } = store
    const id = writer.add('table', { topic, ...time, ...store })
    writer.make({ id, kind: 'table', key: 'plain', historyMs })
  } else {
    const id = writer.add('table', { topic, ...time, ...writer.store('key-value') })
    writer.make({ id, kind: 'table', key: 'plain' })
  }
}

function timestamps(random: Random): { readonly extractor?: string } {
  if (random.chance(0.08)) return { extractor: 'value' }
  if (!random.chance(0.04)) return {}
  return { extractor: random.pick(['recordOrPartitionTime', 'partitionTime', 'wallClock']) }
}

function withCorrupt(random: Random, input: readonly Entry[]): Entry[] {
  return input.map((entry) => {
    if (entry.topic === undefined || !random.chance(0.1)) return entry
    return random.chance(0.7) ? { ...entry, corruptValue: true } : { ...entry, corruptKey: true }
  })
}

/** Everything that nothing else stands on goes to a topic, and some of the rest. */
function addSinks(writer: ProgramWriter): void {
  const { random } = writer
  let sinks = 0
  for (const { id, kind } of [...writer.made]) {
    if (kind === 'global' || (writer.isUsed(id) && !random.chance(0.2))) continue
    const from = kind === 'table' ? writer.add('toStream', { from: id }) : id
    sinks++
    const to = random.chance(0.05) ? { topicFrom: `const:out${sinks}` } : { topic: `out${sinks}` }
    writer.add('to', { from, ...to })
  }
}
