/**
 * The process that the soak watches: a log folder, the web-log application at full speed on it, a
 * producer that keeps its input filled, and a read-committed consumer of its results, all in one
 * process, so that its resident memory is that of everything there is.
 *
 * Journey: soak.ts -> [soak-load.ts, a child process] -> samples over IPC, one a second.
 *
 * Invariants:
 * - The producer is at most `aheadBytes` ahead of the application: it is the application that runs
 *   at full speed, and the input never piles up.
 * - Nothing here grows with the length of the run.
 */
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { type Consumer, type EmbeddedLog, embedded, type Guarantee, Streams } from 'millrace'
import {
  ACCESS_LOG,
  PAGE_STATS,
  REJECTED,
  webLogTopology,
} from '../../examples/web-log/topology.ts'
import { SoakLines } from './soak-lines.ts'

export interface SoakLoad {
  readonly directory: string
  readonly runMs: number
  readonly windowMs: number
  readonly graceMs: number
  readonly guarantee: Guarantee
  readonly partitions: number
  /** `fast`: as fast as it can. `slow`: one record a millisecond, with a rest now and then. */
  readonly reader: 'fast' | 'slow'
  readonly storage: 'rocksdb' | 'memory'
  /** Memory for state rows: small, so that rows are evicted and read back. */
  readonly storeBytes: number
  readonly aheadBytes: number
  /** Collect garbage before each sample, so that it says what is alive; needs --expose-gc. */
  readonly collect: boolean
  readonly seed: number
}

export interface SoakSample {
  readonly seconds: number
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
  readonly storeBytes: number
  readonly queuedBytes: number
  readonly produced: number
  readonly consumed: number
  readonly changelogRecords: number
  readonly late: number
  readonly commits: number
  readonly streamTime: number
  /** Records of `page-stats` that the consumer has read, is behind, and lost to retention. */
  readonly read: number
  readonly lag: number
  readonly skipped: number
  /** Timers, sockets, requests: what would keep the process alive. */
  readonly resources: number
}

export type SoakMessage =
  | { readonly kind: 'sample'; readonly sample: SoakSample }
  | { readonly kind: 'done' }

/** What the slow reader does: so many records, then a rest of so long; and a longer one at times. */
const SLOW_RECORDS = 10
const SLOW_REST_MS = 10
const SLOW_PAUSE_EVERY = 20_000
const SLOW_PAUSE_MS = 5000

const LINES_PER_SEND = 2048
const LINE_BYTES = 180
const SAMPLE_MS = 1000
const SEGMENT_BYTES = 16 * 1024 * 1024
/** Per partition. The results keep far more than the memory tail: a slow reader reads files. */
const RETENTION_BYTES = { [ACCESS_LOG]: 64, [REJECTED]: 32, [PAGE_STATS]: 128 } as const

interface Progress {
  produced: number
  read: number
  skipped: number
  stopped: boolean
}

async function run(load: SoakLoad): Promise<void> {
  await using log = embedded({
    directory: join(load.directory, 'log'),
    segmentBytes: SEGMENT_BYTES,
  })
  await log.open()
  await createTopics(log, load.partitions)
  const app = new Streams(webLogTopology(load), {
    applicationId: 'soak',
    log,
    guarantee: load.guarantee,
    storeBytes: load.storeBytes,
    storage: load.storage,
    stateDirectory: join(load.directory, 'state'),
    handleSignals: false,
  })
  await app.start()
  const consumer = log.consumer({ topics: [PAGE_STATS], group: 'soak-reader' })
  const progress: Progress = { produced: 0, read: 0, skipped: 0, stopped: false }
  const failed = app.finished.then(() => {
    if (!progress.stopped) throw new Error('the application stopped by itself')
  })
  const work = Promise.all([
    produce(log, app, load, progress),
    read(consumer, load.reader, progress),
    sample(log, app, consumer, load, progress),
  ])
  await Promise.race([work, failed])
  await app.close()
  await app.finished
}

async function createTopics(log: EmbeddedLog, partitions: number): Promise<void> {
  const topics = Object.entries(RETENTION_BYTES).map(([topic, megabytes]) => ({
    topic,
    partitions,
    config: { 'retention.ms': '-1', 'retention.bytes': String(megabytes * 1024 * 1024) },
  }))
  for (const { error } of await log.admin.createTopics(topics)) if (error !== null) throw error
}

async function produce(
  log: EmbeddedLog,
  app: Streams,
  load: SoakLoad,
  progress: Progress,
): Promise<void> {
  await using producer = log.producer()
  const lines = new SoakLines(load.seed, load.graceMs)
  const aheadMax = Math.ceil(load.aheadBytes / LINE_BYTES)
  const key = Buffer.alloc(8)
  while (!progress.stopped) {
    while (progress.produced - app.metrics().recordsConsumed > aheadMax && !progress.stopped) {
      await wait(1)
    }
    await producer.sendMany(records(lines, load.partitions, key))
    progress.produced = lines.count
    await turn()
  }
}

function* records(lines: SoakLines, partitions: number, key: Buffer) {
  for (let index = 0; index < LINES_PER_SEND; index++) {
    const partition = lines.count % partitions
    key.writeBigInt64BE(BigInt(lines.count + 1))
    yield { topic: ACCESS_LOG, partition, key, value: lines.next() }
  }
}

async function read(
  consumer: Consumer,
  reader: SoakLoad['reader'],
  progress: Progress,
): Promise<void> {
  const next = new Map<number, number>()
  for await (const batch of consumer) {
    const first = batch.records[0]?.offset ?? batch.nextOffset
    // A marker of a transaction takes an offset; what retention takes is a whole segment.
    progress.skipped += Math.max(0, first - (next.get(batch.partition) ?? 0) - 1)
    next.set(batch.partition, batch.nextOffset)
    for (const _record of batch) {
      progress.read++
      if (progress.stopped) break
      if (reader === 'fast') continue
      if (progress.read % SLOW_RECORDS === 0) await wait(SLOW_REST_MS)
      if (progress.read % SLOW_PAUSE_EVERY === 0) await wait(SLOW_PAUSE_MS)
    }
    if (progress.stopped) break
    if (reader === 'fast') await turn()
  }
}

async function sample(
  log: EmbeddedLog,
  app: Streams,
  consumer: Consumer,
  load: SoakLoad,
  progress: Progress,
): Promise<void> {
  const started = performance.now()
  const places = Array.from({ length: load.partitions }, (_, partition) => ({
    topic: PAGE_STATS,
    partition,
    at: 'latest' as const,
  }))
  while (performance.now() - started < load.runMs) {
    await wait(SAMPLE_MS)
    if (load.collect) globalThis.gc?.()
    const ends = await log.listOffsets(places, 'read-committed')
    const lag = consumer.assignment.reduce((sum, { topic, partition }) => {
      const position = Math.max(0, consumer.position(topic, partition))
      return sum + (ends[partition]?.offset ?? 0) - position
    }, 0)
    const metrics = app.metrics()
    const late = metrics.dropped.filter(({ reason }) => reason === 'late')
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
    report({
      kind: 'sample',
      sample: {
        seconds: (performance.now() - started) / 1000,
        ...{ rss, heapUsed, external, arrayBuffers },
        storeBytes: metrics.storeBytes,
        queuedBytes: metrics.queuedBytes,
        produced: progress.produced,
        consumed: metrics.recordsConsumed,
        changelogRecords: metrics.changelogRecords,
        late: late.reduce((sum, { count }) => sum + count, 0),
        commits: metrics.commits,
        streamTime: metrics.streamTime,
        read: progress.read,
        lag,
        skipped: progress.skipped,
        resources: process.getActiveResourcesInfo().length,
      },
    })
  }
  progress.stopped = true
  await consumer.close()
}

function report(message: SoakMessage): void {
  process.send?.(message)
}

if (import.meta.main) {
  await run(JSON.parse(process.argv[2] as string) as SoakLoad)
  report({ kind: 'done' })
  process.disconnect()
}
