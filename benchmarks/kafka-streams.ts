/**
 * The peer: Kafka Streams and its broker, driven through the scripts of `peers/kafka-streams/`.
 *
 * Journey: build once -> start the broker on a free loopback port -> load a workload's records ->
 * measure and check, in turn with our runs -> stop the broker by its process id.
 *
 * Invariant: a run whose checksums, drained flag or committed offsets are not right is an error,
 * never a figure.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Checksums, requireRightAnswers } from './checksums.ts'
import {
  type Engine,
  type EngineOptions,
  LATENCY_RATE,
  latencySeconds,
  restoreKeys,
} from './engine.ts'
import type { Figures, Guarantee } from './figures.ts'
import { ensureWorkload } from './generator/files.ts'
import { isLogName, isTopologyName, type TopologyName } from './names.ts'
import { type Running, run, runForJson, start } from './processes.ts'
import { WORKLOADS } from './workloads/index.ts'

const PEER = join(import.meta.dirname, 'peers', 'kafka-streams')
const BUILT = join(PEER, 'target', 'lib', 'kafka-streams-peer-1.0.0.jar')
/** What the build makes last: without it a build was interrupted. */
const BUILT_LAST = join(PEER, 'target', 'testlib', 'hamcrest-3.0.jar')
const JAVA_VERSION_MIN = 17
/** The broker's controller listens this far above its port (see the script `broker`). */
const CONTROLLER_PORT_STEP = 1000

interface RunLine {
  readonly records: number
  readonly seconds: number
  readonly records_s: number
  readonly cpu_s_per_m: number
  readonly broker_cpu_s_per_m: number
  readonly to_running_s: number
  readonly peak_rss_mib: number
  readonly broker_rss_mib: number
  readonly other_busy_cores: number
  readonly dropped: number
  readonly drained: boolean
  readonly uncommitted: number
}

interface RestoreLine {
  readonly records: number
  readonly restore_s: number
  readonly records_s: number
  readonly cpu_s_per_m: number
  readonly broker_cpu_s_per_m: number
  readonly start_to_running_s: number
  readonly peak_rss_mib: number
}

interface LatencyLine {
  readonly measured: number
  readonly sent: number
  readonly received: number
  readonly p50_ms: number
  readonly p95_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  readonly app_cpu_share: number
  readonly broker_cpu_share: number
  readonly seconds: number
  readonly failed: boolean
}

/** Builds the peer if need be and starts its broker. */
export async function startKafkaStreams(options: EngineOptions): Promise<Engine> {
  await build(options.say)
  const port = await freePort()
  const directory = join(options.directory, 'kafka')
  const brokerDirectory = join(directory, 'broker')
  const stop = async (): Promise<void> => {
    await script('broker', 'stop', '--dir', brokerDirectory)
  }
  try {
    await script('broker', 'start', '--port', String(port), '--dir', brokerDirectory)
    const brokerPid = (await readFile(join(brokerDirectory, 'node1.pid'), 'utf8')).trim()
    const place = { bootstrap: `127.0.0.1:${port}`, state: join(directory, 'state'), brokerPid }
    return { ...kafkaStreams(options, place), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Place {
  readonly bootstrap: string
  readonly state: string
  readonly brokerPid: string
}

function kafkaStreams(options: EngineOptions, place: Place): Omit<Engine, 'stop'> {
  const loaded = new Set<string>()
  let applications = 0
  /** A name of its own for each run: what a group committed outlives its run by a session timeout. */
  const nextApplication = (what: string): string => `peer-${what}-${++applications}`
  const atBroker = ['--bootstrap', place.bootstrap]
  const app = [...atBroker, '--state', place.state]
  const measured = [...app, '--threads', '1', '--broker-pid', place.brokerPid]

  return {
    // Kafka Streams drops most lines of weblog-grace10, and which ones depends on its fetches.
    measures: ({ name }) => !isLogName(name) && name !== 'weblog-grace10',

    async prepare({ name }) {
      if (!isTopologyName(name) || loaded.has(name)) return
      ensureWorkload(options.dataDirectory, name, options.scale)
      const data = ['--workload', name, '--data', options.dataDirectory]
      await script('peer', 'load', ...data, ...atBroker)
      loaded.add(name)
    },

    measure({ name, guarantee }) {
      if (name === 'restore') return measureRestore(guarantee!)
      if (name === 'latency') return measureLatency(guarantee!)
      if (!isTopologyName(name)) throw new Error(`Kafka Streams has no benchmark ${name}`)
      return measureTopology(name, guarantee!)
    },
  }

  /** The commit interval that was asked for, or that the workload needs; else the library's own. */
  function commitInterval(workload: TopologyName | null, guarantee: Guarantee): readonly string[] {
    const needed = workload === null ? undefined : WORKLOADS[workload].atLeastOnceCommitMs
    const ms = options.commitIntervalMs ?? (guarantee === 'at-least-once' ? needed : undefined)
    return ms === undefined ? [] : ['--config', `commit.interval.ms=${ms}`]
  }

  async function measureTopology(workload: TopologyName, guarantee: Guarantee): Promise<Figures> {
    const appId = nextApplication(workload)
    const what = ['--workload', workload, '--guarantee', short(guarantee), '--app', appId]
    const commits = commitInterval(workload, guarantee)
    const line = await peerJson<RunLine>('run', ...what, ...commits, ...measured)
    const isWhole = line.dropped === 0 || WORKLOADS[workload].dropsStale === true
    if (!line.drained || line.uncommitted !== 0 || !isWhole) {
      throw new Error(`Kafka Streams did not finish ${workload}: ${JSON.stringify(line)}`)
    }
    const check = ['check', '--workload', workload, '--app', appId, '--delete', 'yes']
    const sums = await peerJson<Checksums>(...check, ...atBroker)
    const expected = ensureWorkload(options.dataDirectory, workload, options.scale)
    requireRightAnswers('Kafka Streams', workload, sums, expected)
    return {
      engine: 'kafka-streams',
      workload,
      guarantee,
      records: line.records,
      seconds: line.seconds,
      recordsPerSecond: line.records_s,
      cpuSecondsPerMillion: line.cpu_s_per_m,
      brokerCpuSecondsPerMillion: line.broker_cpu_s_per_m,
      peakMemoryMiB: line.peak_rss_mib,
      brokerMemoryMiB: line.broker_rss_mib,
      startSeconds: line.to_running_s,
      otherBusyCores: line.other_busy_cores,
      latency: null,
    }
  }

  async function measureRestore(guarantee: Guarantee): Promise<Figures> {
    const keys = restoreKeys(options.scale)
    const commits = commitInterval(null, guarantee)
    const of = ['--guarantee', short(guarantee), ...commits, ...measured]
    await script('peer', 'restore-build', ...of, '--keys', String(keys))
    const line = await peerJson<RestoreLine>('restore-again', ...of)
    if (line.records < keys) {
      throw new Error(`Kafka Streams restored ${line.records} of ${keys} keys`)
    }
    return {
      engine: 'kafka-streams',
      workload: 'restore',
      guarantee,
      records: line.records,
      seconds: line.restore_s,
      recordsPerSecond: line.records_s,
      cpuSecondsPerMillion: line.cpu_s_per_m,
      brokerCpuSecondsPerMillion: line.broker_cpu_s_per_m,
      peakMemoryMiB: line.peak_rss_mib,
      brokerMemoryMiB: await memoryMiB(place.brokerPid, 'VmRSS'),
      startSeconds: line.start_to_running_s,
      otherBusyCores: 0,
      latency: null,
    }
  }

  async function measureLatency(guarantee: Guarantee): Promise<Figures> {
    const seconds = latencySeconds(options.scale)
    const named = ['--guarantee', short(guarantee), '--app', nextApplication('latency')]
    const commits = commitInterval(null, guarantee)
    const pipeline = await startLatencyApp([...named, ...commits, ...app])
    const pids = ['--app-pid', String(pipeline.pid), '--broker-pid', place.brokerPid]
    const rate = ['--rate', String(LATENCY_RATE), '--seconds', String(seconds.measured)]
    const drive = [...rate, '--warmup', String(seconds.warmUp), ...pids]
    try {
      const line = await peerJson<LatencyLine>('latency-drive', ...drive, ...atBroker)
      if (line.failed || line.received !== line.sent) {
        throw new Error(`Kafka Streams lost results: ${JSON.stringify(line)}`)
      }
      return {
        engine: 'kafka-streams',
        workload: 'latency',
        guarantee,
        records: line.measured,
        seconds: line.seconds,
        recordsPerSecond: line.measured / line.seconds,
        cpuSecondsPerMillion: (line.app_cpu_share * 1e6) / LATENCY_RATE,
        brokerCpuSecondsPerMillion: (line.broker_cpu_share * 1e6) / LATENCY_RATE,
        peakMemoryMiB: await memoryMiB(String(pipeline.pid), 'VmHWM'),
        brokerMemoryMiB: await memoryMiB(place.brokerPid, 'VmRSS'),
        startSeconds: pipeline.startSeconds,
        otherBusyCores: 0,
        latency: { p50: line.p50_ms, p95: line.p95_ms, p99: line.p99_ms, max: line.max_ms },
      }
    } finally {
      pipeline.stop()
      await pipeline.output
    }
  }
}

/** The latency pipeline in a process of its own; resolves once it says RUNNING. */
async function startLatencyApp(
  args: readonly string[],
): Promise<Running & { readonly startSeconds: number }> {
  const began = performance.now()
  const running = Promise.withResolvers<void>()
  const app = start(join(PEER, 'peer'), ['latency-app', ...args], {
    onLine: (line) => line === 'RUNNING' && running.resolve(),
  })
  app.output.catch(running.reject)
  await running.promise
  return { ...app, startSeconds: (performance.now() - began) / 1000 }
}

async function build(say: (text: string) => void): Promise<void> {
  requireTool('java', ['-version'], `Java ${JAVA_VERSION_MIN} or later (a JDK)`, javaVersion)
  if (existsSync(BUILT_LAST) && statSync(BUILT).mtimeMs > sourcesMtimeMs()) return
  requireTool('mvn', ['-version'], 'Apache Maven 3.6 or later', () => true)
  say('building the Kafka Streams peer with Maven (once; downloads its libraries)')
  await run('mvn', ['-q', '-B', '-f', join(PEER, 'pom.xml'), 'package'])
}

/** When a file that the build reads last changed. */
function sourcesMtimeMs(): number {
  const sources = readdirSync(join(PEER, 'src'), { recursive: true, encoding: 'utf8' })
  const files = ['pom.xml', ...sources.map((name) => join('src', name))]
  return Math.max(...files.map((name) => statSync(join(PEER, name)).mtimeMs))
}

function requireTool(
  tool: string,
  args: readonly string[],
  what: string,
  good: (text: string) => boolean,
): void {
  let text: string
  try {
    text = execFileSync('bash', ['-c', `${tool} ${args.join(' ')} 2>&1`], { encoding: 'utf8' })
  } catch {
    text = ''
  }
  if (text !== '' && good(text)) return
  throw new Error(
    `--peer kafka-streams needs ${what}: install it so that \`${tool}\` is on the PATH. ` +
      'Without --peer the benchmarks run on Node.js alone.',
  )
}

function javaVersion(text: string): boolean {
  return Number(/version "(\d+)/.exec(text)?.[1] ?? 0) >= JAVA_VERSION_MIN
}

function short(guarantee: Guarantee): 'eos' | 'alos' {
  return guarantee === 'exactly-once' ? 'eos' : 'alos'
}

function peerJson<T>(...args: string[]): Promise<T> {
  return runForJson<T>(join(PEER, 'peer'), args)
}

function script(name: 'broker' | 'peer', ...args: string[]): Promise<string> {
  return run(join(PEER, name), args)
}

async function memoryMiB(pid: string, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024
}

/** A port that is free, and whose controller port is free too. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = await listenOnce(0)
    if (port === null || port + CONTROLLER_PORT_STEP > 65535) continue
    if ((await listenOnce(port + CONTROLLER_PORT_STEP)) !== null) return port
  }
}

function listenOnce(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? null) : null))
    })
  })
}
