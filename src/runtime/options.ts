/**
 * The options of an application, with their defaults, checked once.
 */
import type { LogClient } from '../client/client.ts'
import { type Clock, systemClock } from '../clock.ts'
import { type Duration, milliseconds } from '../duration.ts'
import type { FileSystem } from '../file-system.ts'
import { NodeFileSystem } from '../node-file-system.ts'
import type { StorageKind } from '../state/store.ts'
import { checkHandlers, type HandlerOptions, type Handlers } from './handlers.ts'

/** What a crash may do to results: nothing, or processing some records again. */
export type Guarantee = 'exactly-once' | 'at-least-once'

/** How an application runs. Durations are milliseconds or text such as `'100ms'`, `'5m'`. */
export interface StreamsOptions extends HandlerOptions {
  /**
   * Names the application on the log: its committed offsets, its transactions, and the prefix of
   * its internal topics. Letters, digits, `.`, `_` and `-`.
   */
  readonly applicationId: string
  /** Where the topics are: `embedded(...)`. Shared with producers and consumers of the process. */
  readonly log: LogClient
  /**
   * `'exactly-once'` (default): results, state and positions change in one transaction.
   * `'at-least-once'`: after a crash some records are processed again.
   */
  readonly guarantee?: Guarantee
  /** Longest time between commits; default 100 ms. Results become visible with them. */
  readonly commitInterval?: Duration
  /**
   * How often committed rows are written to RocksDB; default 1 s. After a crash as much is
   * replayed from the changelog.
   */
  readonly saveInterval?: Duration
  /** Folder for state stores; default `./state`. A folder for each application lies in it. */
  readonly stateDirectory?: string
  /** `'end'`: process what is there at start, commit and stop. Default: go on. */
  readonly until?: 'end'
  /** Memory for rows of state stores, all tasks together, in bytes; default 64 MiB. */
  readonly storeBytes?: number
  /**
   * Which time closes windows and makes records late. `'aligned'`: the lowest that the upstream
   * partitions have passed, so that a backlog is windowed as it would have been live.
   * `'kafka'` (default): the largest that the operator has seen, as in Kafka Streams.
   *
   * @see docs/time-and-windows.md
   */
  readonly time?: 'aligned' | 'kafka'
  /**
   * In aligned time: how long a partition may be without records before it holds no window open any
   * more; default 5 s of wall-clock time.
   */
  readonly idleTimeout?: Duration
  /**
   * How long a task that has records of some partitions waits for those that have none, by the wall
   * clock: so that records of several topics are taken by their times, and a row of a table is there when
   * the record comes that asks for it. Default 0: only for what the log is known to have. `'never'`:
   * not for that either.
   *
   * @see max.task.idle.ms of Kafka Streams, KIP-695
   */
  readonly maxTaskIdle?: Duration | 'never'
  /** Where all stores lie, whatever the topology says of each; default: as the topology says. */
  readonly storage?: StorageKind
  /**
   * How long the log keeps a transaction open for a process that died, before it aborts it;
   * default 60 s. A restart with the same application id does not wait for it.
   */
  readonly transactionTimeout?: Duration
  /** Close on SIGINT and SIGTERM; default true. */
  readonly handleSignals?: boolean
  readonly clock?: Clock
  /** Where the folders of state stores are made; RocksDB itself always writes to the machine's disk. */
  readonly fileSystem?: FileSystem
}

export interface CheckedOptions {
  readonly applicationId: string
  readonly log: LogClient
  readonly guarantee: Guarantee
  readonly commitIntervalMs: number
  readonly saveIntervalMs: number
  readonly stateDirectory: string
  readonly untilEnd: boolean
  readonly storeBytes: number
  readonly storage: StorageKind | null
  readonly isTimeAligned: boolean
  readonly idleTimeoutMs: number
  /** -1: never. */
  readonly maxTaskIdleMs: number
  readonly transactionTimeoutMs: number
  readonly handleSignals: boolean
  readonly clock: Clock
  readonly fileSystem: FileSystem
  readonly handlers: Handlers
}

const KNOWN: Readonly<Record<keyof StreamsOptions, true>> = {
  applicationId: true,
  log: true,
  guarantee: true,
  commitInterval: true,
  saveInterval: true,
  stateDirectory: true,
  until: true,
  storeBytes: true,
  storage: true,
  time: true,
  idleTimeout: true,
  maxTaskIdle: true,
  transactionTimeout: true,
  handleSignals: true,
  clock: true,
  fileSystem: true,
  onDeserializationError: true,
  onProcessingError: true,
  onProductionError: true,
  onDrop: true,
}

const STORE_BYTES = 64 * 1024 * 1024

/** @throws TypeError or RangeError naming the option, its value and what to write */
export function checkOptions(options: StreamsOptions): CheckedOptions {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(KNOWN, name)) continue
    throw new TypeError(`No option '${name}'; there are ${Object.keys(KNOWN).join(', ')}`)
  }
  const { applicationId, log, until, storeBytes = STORE_BYTES } = options
  if (typeof applicationId !== 'string' || !/^[A-Za-z0-9._-]{1,100}$/.test(applicationId)) {
    throw new TypeError(
      `applicationId is ${JSON.stringify(applicationId)}; use 1 to 100 letters, digits, '.', '_' and '-'`,
    )
  }
  if (typeof log?.produce !== 'function') {
    throw new TypeError(
      "log is missing; pass a log client such as embedded({ directory: './data' })",
    )
  }
  if (until !== undefined && until !== 'end') {
    throw new TypeError(`until is ${JSON.stringify(until)}; write 'end', or leave it out to go on`)
  }
  if (!Number.isSafeInteger(storeBytes) || storeBytes < 0) {
    throw new RangeError(`storeBytes is ${storeBytes}; write a whole number of bytes`)
  }
  return {
    applicationId,
    log,
    guarantee: oneOf('guarantee', options.guarantee ?? 'exactly-once', [
      'exactly-once',
      'at-least-once',
    ]),
    commitIntervalMs: milliseconds(options.commitInterval ?? 100, 'commitInterval'),
    saveIntervalMs: milliseconds(options.saveInterval ?? 1000, 'saveInterval'),
    stateDirectory: options.stateDirectory ?? './state',
    untilEnd: until === 'end',
    storeBytes,
    storage:
      options.storage === undefined
        ? null
        : oneOf<StorageKind>('storage', options.storage, ['rocksdb', 'memory']),
    isTimeAligned:
      oneOf<'aligned' | 'kafka'>('time', options.time ?? 'kafka', ['aligned', 'kafka']) ===
      'aligned',
    idleTimeoutMs: milliseconds(options.idleTimeout ?? 5000, 'idleTimeout'),
    maxTaskIdleMs:
      options.maxTaskIdle === 'never' ? -1 : milliseconds(options.maxTaskIdle ?? 0, 'maxTaskIdle'),
    transactionTimeoutMs: milliseconds(options.transactionTimeout ?? 60_000, 'transactionTimeout'),
    handleSignals: options.handleSignals ?? true,
    clock: options.clock ?? systemClock,
    fileSystem: options.fileSystem ?? new NodeFileSystem(),
    handlers: checkHandlers(options),
  }
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  const listed = allowed.map((one) => `'${one}'`).join(' or ')
  throw new TypeError(`${name} is ${JSON.stringify(value)}; write ${listed}`)
}
