/**
 * Faults of a cluster: three brokers, an idempotent producer that writes without pause, and an
 * application, exactly once, that counts what it writes. Meanwhile one broker after the other is
 * stopped, killed (-9) or frozen, and comes back. Then all is read again:
 *
 * - each record that was acknowledged is in the log once, none twice, in the order of its key;
 * - of each key the application has put out 1, 2, 3 ... up to the number of its records: nothing
 *   lost, nothing twice, whatever ended in between.
 *
 *   npm run campaign:kafka-faults -- [--rounds 3] [--seed N]
 *
 * A round is one fault of each kind. Needs Java and Maven.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { int64, kafka, type Log, Streams, StreamsBuilder, type Topology, text } from 'millrace'
import { readTopic } from '../../examples/read-topic.ts'
import { whyNoJava } from '../java/dump-log-segments.ts'
import { TestCluster } from '../kafka/cluster.ts'
import { randomOf } from '../record/random.ts'

const NUMBERS = 'numbers'
const COUNTS = 'counts'
const APPLICATION_ID = 'kafka-faults'
const PARTITIONS = 6
const KEYS = 20
const RECORDS_PER_SEND = 200
const PAUSE_MS = 10
/** Between two faults: the cluster is whole again, and work goes on. */
const CALM_MS = 3000
/** Longer than a request may take: it is given up, and its connection with it. */
const FROZEN_MS = 14_000

const FAULTS = ['stop', 'kill', 'freeze'] as const
type Fault = (typeof FAULTS)[number]

function counting(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(NUMBERS, { key: text, value: int64 })
    .groupByKey()
    .count({ store: 'per-key', emit: 'updates' })
    .toStream()
    .to(COUNTS)
  return builder.build()
}

/** Writes until `stop`, each key's records numbered from 1 on; the last one acknowledged of each. */
async function write(log: Log, stop: AbortSignal): Promise<Map<string, number>> {
  const acknowledged = new Map<string, number>()
  const next = new Map<string, number>()
  await using producer = log.producer({ key: text, value: int64, deliveryTimeout: '5m' })
  for (let at = 0; !stop.aborted; ) {
    const records = Array.from({ length: RECORDS_PER_SEND }, () => {
      const key = `key-${at++ % KEYS}`
      const value = (next.get(key) ?? 0) + 1
      next.set(key, value)
      return { topic: NUMBERS, key, value }
    })
    await producer.sendMany(records)
    for (const { key, value } of records) acknowledged.set(key, value)
    await wait(PAUSE_MS)
  }
  return acknowledged
}

/** Runs the application, anew whenever it fails, until `stop`; how often it failed. */
async function runApplication(
  brokers: readonly string[],
  options: { readonly state: string; readonly stop: AbortSignal; readonly until?: 'end' },
): Promise<string[]> {
  const failures: string[] = []
  for (;;) {
    await using log = kafka({ brokers })
    const app = new Streams(counting(), {
      applicationId: APPLICATION_ID,
      log,
      stateDirectory: options.state,
      handleSignals: false,
      ...(options.until === undefined ? {} : { until: options.until }),
    })
    const close = (): void => void app.close()
    try {
      await app.start()
      options.stop.addEventListener('abort', close)
      if (options.stop.aborted) close()
      await app.finished
      return failures
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    } finally {
      options.stop.removeEventListener('abort', close)
      await app.close().catch(() => {})
    }
  }
}

async function cause(fault: Fault, cluster: TestCluster, id: number): Promise<void> {
  if (fault === 'freeze') {
    cluster.freeze(id, true)
    await wait(FROZEN_MS)
    cluster.freeze(id, false)
    return
  }
  await cluster.stopNode(id, fault === 'stop' ? 'SIGTERM' : 'SIGKILL')
  await wait(CALM_MS)
  await cluster.startNode(id)
}

/** Every record of the topic by key, in the order of the log. */
async function valuesOf(log: Log, topic: string): Promise<Map<string, number[]>> {
  const values = new Map<string, number[]>()
  await readTopic<string, number>(log, topic, { key: text, value: int64 }, ({ key, value }) => {
    const known = values.get(key)
    if (known === undefined) values.set(key, [value])
    else known.push(value)
  })
  return values
}

/** What is wrong with the numbers of a key, which should be 1 to `count`. */
function problemsOf(
  topic: string,
  found: ReadonlyMap<string, number[]>,
  count: (key: string) => number,
) {
  const problems: string[] = []
  for (let index = 0; index < KEYS; index++) {
    const key = `key-${index}`
    const values = found.get(key) ?? []
    const wrong = values.findIndex((value, at) => value !== at + 1)
    if (wrong >= 0) problems.push(`${topic} ${key}: ${values[wrong]} follows ${values[wrong - 1]}`)
    if (values.length !== count(key)) {
      problems.push(`${topic} ${key}: ${values.length} records, expected ${count(key)}`)
    }
  }
  return problems
}

async function runFaults(rounds: number, seed: number): Promise<void> {
  const random = randomOf(seed)
  const state = mkdtempSync(join(tmpdir(), 'millrace-kafka-faults-'))
  await using cluster = await TestCluster.start({ nodes: 3 })
  const brokers = cluster.brokers()
  await using log = kafka({ brokers })
  try {
    await log.admin.createTopics(
      [NUMBERS, COUNTS].map((topic) => ({ topic, partitions: PARTITIONS, replication: 3 })),
    )
    const stop = new AbortController()
    const writing = write(log, stop.signal)
    const running = runApplication(brokers, { state, stop: stop.signal })
    const order = Array.from({ length: rounds }, () => FAULTS).flat()
    for (const fault of order) {
      await wait(CALM_MS)
      const id = 1 + Math.floor(random() * 3)
      const began = performance.now()
      await cause(fault, cluster, id)
      const { retries, failures } = log.counts
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      console.log(`${fault} of node ${id}, ${seconds} s; ${failures} failures, ${retries} retries`)
    }
    await wait(CALM_MS)
    stop.abort()
    const written = await writing
    const failures = await running
    failures.push(
      ...(await runApplication(brokers, {
        state,
        stop: new AbortController().signal,
        until: 'end',
      })),
    )
    for (const failure of failures)
      console.log(`the application failed and was started again: ${failure}`)
    const acknowledged = (key: string): number => written.get(key) ?? 0
    const problems = [
      ...problemsOf(NUMBERS, await valuesOf(log, NUMBERS), acknowledged),
      ...problemsOf(COUNTS, await valuesOf(log, COUNTS), acknowledged),
    ]
    const total = [...written.values()].reduce((sum, count) => sum + count, 0)
    console.log(
      `${total} records, ${order.length} faults, ${failures.length} restarts of the application: ` +
        `${problems.length} problems`,
    )
    for (const problem of problems) console.log(`  ${problem}`)
    if (problems.length > 0 || total === 0) process.exitCode = 1
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '3' }, seed: { type: 'string' } },
  })
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
  const reason = whyNoJava()
  if (reason !== null) console.log(`campaign:kafka-faults is SKIPPED: ${reason}`)
  else {
    console.log(`npm run campaign:kafka-faults -- --rounds ${values.rounds} --seed ${seed}`)
    await runFaults(Number(values.rounds), seed)
  }
}
