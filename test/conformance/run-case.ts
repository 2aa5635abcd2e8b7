/**
 * Runs a conformance case on the test driver, straight or with restarts and crashes, and says how
 * its answer differs from Kafka Streams'.
 *
 * Journey: pair of case and answer -> program -> TopologyTestDriver -> [answer] -> differences.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { bytes, int64, type Serde, type Topology, text } from 'millrace'
import {
  type TestOutput,
  TopologyTestDriver,
  type TopologyTestDriverOptions,
} from 'millrace/testing'
import { COMMIT_STEPS, type CommitStep } from '../../src/runtime/commit.ts'
import {
  type Answer,
  type Case,
  type Entry,
  type Key,
  type OutputRow,
  type Pair,
  type Query,
  type Read,
  type StoreRows,
  Unsupported,
  type Value,
} from './case.ts'
import { type Difference, differencesOf } from './compare.ts'
import { type ProgramWithDefects, withDefects } from './kafka-defects.ts'
import { buildProgram, type Program, type SinkSerde } from './program.ts'
import { allRows, query, type StoreToRead } from './read-store.ts'
import { CORRUPT, keyBytes, keySerde, valueBytes, valueSerde } from './serdes.ts'

export type { Difference } from './compare.ts'

export type Verdict =
  | { readonly outcome: 'same' }
  | {
      readonly outcome: 'different'
      readonly differences: readonly Difference[]
      /** What ended our run, when something did. */
      readonly error?: string | undefined
    }
  /** It differs, and with Kafka Streams' defects on purpose it would not: see kafka-defects.ts. */
  | { readonly outcome: 'defect'; readonly differences: readonly Difference[] }
  | { readonly outcome: 'unsupported'; readonly reason: string }
  | { readonly outcome: 'not-comparable'; readonly reason: string }

/** How a case is run; the answer must not depend on it. */
export interface RunOptions
  extends Pick<TopologyTestDriverOptions, 'guarantee' | 'storage' | 'stateDirectory'> {
  /** Closes and restarts the application after every so many records. */
  readonly restartEvery?: number
  /** Crashes the commit of every record, after one step of it and then the next. */
  readonly crashes?: boolean
  /** Runs the program with the defects of Kafka Streams: see kafka-defects.ts. */
  readonly withDefects?: boolean
}

/** An answer of ours, with the error that ended it. */
interface OwnAnswer extends Answer {
  readonly error?: string
}

/** Runs a pair's case and says how its answer differs. */
export async function checkPair(pair: Pair, options: RunOptions = {}): Promise<Verdict> {
  const { answer } = pair
  if (answer.tieSensitive === true) {
    return { outcome: 'not-comparable', reason: 'depends on the choice between equal timestamps' }
  }
  const exempt = answer.storeSensitive ?? []
  let actual: OwnAnswer
  try {
    const topics = new Set(answer.output.map(({ topic }) => topic))
    actual = await runCase(pair.case, topics, options)
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error
    return { outcome: 'unsupported', reason: error.message }
  }
  const differences = differencesOf(answer, actual, exempt)
  if (differences.length === 0) return { outcome: 'same' }
  if (options.withDefects !== true && (await isDefect(pair, actual, exempt))) {
    return { outcome: 'defect', differences }
  }
  return { outcome: 'different', differences, error: actual.error }
}

/** True when a run with the defects gives Kafka Streams' answer, and a straight one without gives ours. */
async function isDefect(pair: Pair, ours: Answer, exempt: readonly string[]): Promise<boolean> {
  const { answer } = pair
  const topics = new Set(answer.output.map(({ topic }) => topic))
  const defective = await runCase(pair.case, topics, { withDefects: true })
  if (differencesOf(answer, defective, exempt).length > 0) return false
  const straight = await runCase(pair.case, topics)
  return differencesOf({ ...straight, error: null }, ours, exempt).length === 0
}

/** A case's answer. `topics` are there before it starts, for sinks that choose their topic. */
export async function runCase(
  one: Case,
  topics: ReadonlySet<string>,
  options: RunOptions = {},
): Promise<OwnAnswer> {
  const { guarantee, storage, stateDirectory } = options
  const directory = stateDirectory === undefined ? undefined : join(stateDirectory, one.id)
  let program: Program & Partial<ProgramWithDefects>
  let driver: TopologyTestDriver
  let written: Set<string>
  try {
    program = buildProgram(one, options.withDefects)
    if (options.withDefects === true) program = { ...program, ...withDefects(one, program) }
    written = new Set([...program.sinks.keys(), ...topics])
    driver = await TopologyTestDriver.open(program.topology, {
      ...(guarantee === undefined ? {} : { guarantee }),
      ...(storage === undefined ? {} : { storage }),
      ...(directory === undefined ? {} : { stateDirectory: directory }),
      partitions: onePartition([...written, ...inputTopics(one)], program.topology),
      ...program.handlers,
      singleTask: true,
      applicationId: 'oracle',
      maxTaskIdle: Number(one.config?.maxTaskIdleMs ?? 0),
      now: Number(one.config?.startWallClockMs ?? 0),
    })
  } catch (error) {
    if (error instanceof Unsupported) throw error
    return { output: [], stores: {}, dropped: 0, errorAt: 'build', error: textOfError(error) }
  }
  program.clock.now = () => driver.clock.now()
  try {
    return await new CaseRun(driver, program, written, options).run(one.input)
  } finally {
    await driver.close()
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  }
}

/** Topics that exist before the start, one partition each; not those the application owns. */
function onePartition(topics: readonly string[], topology: Topology): Record<string, number> {
  const owned = new Set(topology.repartitionTopics.map(({ name }) => name))
  return Object.fromEntries(topics.filter((name) => !owned.has(name)).map((name) => [name, 1]))
}

/** Input topics that only a pattern of the program reads. */
function inputTopics({ program, input }: Case): string[] {
  const patterns = program.flatMap(({ pattern }) =>
    typeof pattern === 'string' ? [new RegExp(`^(?:${pattern})$`, 'u')] : [],
  )
  return input.flatMap(({ topic }) =>
    topic !== undefined && patterns.some((pattern) => pattern.test(topic)) ? [topic] : [],
  )
}

class CaseRun {
  readonly #driver: TopologyTestDriver
  readonly #program: Program & Partial<ProgramWithDefects>
  readonly #options: RunOptions
  readonly #outputs: ReadonlyMap<string, TestOutput<Key, Value>>
  readonly #rows: OutputRow[] = []
  readonly #reads: Read[] = []

  constructor(
    driver: TopologyTestDriver,
    program: Program & Partial<ProgramWithDefects>,
    topics: Iterable<string>,
    options: RunOptions,
  ) {
    this.#driver = driver
    this.#program = program
    this.#options = options
    this.#outputs = new Map(
      [...topics].sort().map((topic) => {
        if (topic === program.deadLetterTopic) return [topic, driver.output(topic, LENIENT)]
        const value = SINK_SERDES[program.sinks.get(topic) ?? 'case']
        return [topic, driver.output(topic, { key: keySerde, value })]
      }),
    )
  }

  async run(input: readonly Entry[]): Promise<OwnAnswer> {
    for (const [at, entry] of input.entries()) {
      try {
        if (entry.query === undefined) await this.#feed(entry, at)
        else this.#reads.push(await this.#read(at, entry.query))
        await this.#restart(at)
      } catch (error) {
        if (error instanceof Unsupported) throw error
        return { ...this.#answer({}), errorAt: at, error: textOfError(error) }
      }
      await this.#collect(at, entry.topic)
    }
    return this.#answer(await this.#stores())
  }

  #answer(stores: Record<string, StoreRows>): Answer {
    const reads = this.#reads.length === 0 ? {} : { reads: this.#reads }
    return { output: this.#rows, stores, dropped: this.#dropped(), ...reads }
  }

  async #feed(entry: Entry, at: number): Promise<void> {
    const { topic, key = null, value = null, ts = 0, headers = [] } = entry
    if (this.#options.crashes) {
      this.#driver.crashAfter(COMMIT_STEPS[at % COMMIT_STEPS.length] as CommitStep)
    }
    if (entry.advanceWallClockMs !== undefined) {
      await this.#driver.advanceWallClock(entry.advanceWallClockMs)
      return
    }
    await this.#driver.input(topic as string, { key: bytes, value: bytes }).pipe({
      key: entry.corruptKey ? CORRUPT : keyBytes(key),
      value: entry.corruptValue ? CORRUPT : valueBytes(value),
      timestamp: ts,
      headers: headers.map(([name, text]) => ({
        key: name,
        value: text === null ? null : Buffer.from(text),
      })),
    })
  }

  /** A read of a bounded store counts as a use of the row, and is committed as a running one would. */
  async #read(at: number, asked: Query): Promise<Read> {
    try {
      const result = await query(this.#store(asked.store), asked)
      await this.#driver.run()
      return { at, result }
    } catch (error) {
      if (error instanceof Unsupported) throw error
      return { at, error: textOfError(error) }
    }
  }

  /** Every other restart loses the state's folder too: all comes from the changelogs then. */
  async #restart(at: number): Promise<void> {
    const { restartEvery = 0 } = this.#options
    if (restartEvery === 0 || (at + 1) % restartEvery !== 0) return
    await this.#driver.restart({ losesState: ((at + 1) / restartEvery) % 2 === 0 })
  }

  /** Takes what the entry caused; not the record itself, where a topic is input and output at once. */
  async #collect(at: number, fedTopic: string | undefined): Promise<void> {
    for (const [topic, output] of this.#outputs) {
      if (topic === fedTopic) await output.read()
      for (const { key, value, timestamp: ts, headers } of await output.readAll()) {
        const pairs = headers.map(
          (header) =>
            [
              header.key,
              header.value === null ? null : Buffer.from(header.value).toString(),
            ] as const,
        )
        this.#rows.push({ at, topic, key, value, ts, headers: pairs })
      }
    }
  }

  async #stores(): Promise<Record<string, StoreRows>> {
    const stores: Record<string, StoreRows> = {}
    for (const name of this.#program.stores.keys()) {
      stores[name] = await allRows(this.#store(name))
    }
    return stores
  }

  #store(name: string): StoreToRead {
    const { stores, topology } = this.#program
    const store = this.#driver.store(name)
    return {
      store: this.#program.shown?.(name, store as object) ?? store,
      kind: stores.get(name) ?? 'key-value',
      definition: topology.stores.find((one) => one.name === name),
      byTime: this.#program.closing.has(name),
    }
  }

  /** Kafka's filter before a repartition topic does not count the null keys it leaves out. */
  #dropped(): number {
    const counts = this.#driver.metrics().dropped
    const silent = silentFilters(this.#program.topology, new Set(counts.map(({ node }) => node)))
    return counts.reduce((sum, { node, count }) => sum + (silent.has(node) ? 0 : count), 0)
  }
}

/** What a join has in front of a repartition topic of its own, or nothing between but the sink. */
const OF_JOIN = /-(?:left|right)-repartition-(?:filter|sink)$/

/**
 * The filters of null keys whose counts are Kafka's too: not those of a stream that a join takes with
 * its null keys. All joins of one stream share a topic there, and those that take none drop them behind it.
 *
 * @param dropping the nodes that dropped records
 */
function silentFilters({ nodes }: Topology, dropping: ReadonlySet<string>): ReadonlySet<string> {
  const filters = nodes.filter(({ name }) => name.endsWith('-repartition-filter'))
  const shared = new Set(
    nodes.flatMap((node) =>
      node.kind !== 'source' && OF_JOIN.test(node.name) && !dropping.has(node.name)
        ? node.upstream
        : [],
    ),
  )
  const silent = filters.filter(
    (node) =>
      !(OF_JOIN.test(node.name) && node.kind === 'processor' && shared.has(node.upstream[0] ?? '')),
  )
  return new Set(silent.map(({ name }) => name))
}

const SINK_SERDES: Readonly<Record<SinkSerde, Serde<Value>>> = {
  case: valueSerde,
  string: text as Serde<unknown> as Serde<Value>,
  long: int64 as Serde<unknown> as Serde<Value>,
}

/** Dead letters may be bytes that no serde reads. */
const LENIENT = { key: lenient(keySerde), value: lenient(valueSerde) }

function lenient<T>(serde: Serde<T>): Serde<T> {
  return {
    ...serde,
    write: (value, output) => serde.write(value, output),
    read(bytes, start, end) {
      try {
        return serde.read(bytes, start, end)
      } catch {
        return '(corrupt)' as T
      }
    },
  }
}

function textOfError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
