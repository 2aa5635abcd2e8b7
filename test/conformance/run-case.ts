/**
 * Runs a conformance case on the test driver and compares its answer with Kafka Streams'.
 *
 * Journey: pair of case and answer -> program -> TopologyTestDriver -> [answer] -> differences.
 *
 * Not compared: texts of errors, what `storeSensitive` exempts, and cases that are `tieSensitive`.
 */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { bytes, int64, type Serde, text } from 'millrace'
import {
  type TestOutput,
  TopologyTestDriver,
  type TopologyTestDriverOptions,
} from 'millrace/testing'
import { COMMIT_STEPS, type CommitStep } from '../../src/runtime/commit.ts'
import type { KeyValueStore, StoreEntry, WindowStore } from '../../src/state/store.ts'
import {
  ANSWER_PARTS,
  type Answer,
  type AnswerPart,
  type Case,
  type Entry,
  type Key,
  type OutputRow,
  type Pair,
  type StoreRows,
  Unsupported,
  type Value,
} from './case.ts'
import { buildProgram, type Program, type SinkSerde } from './program.ts'
import { CORRUPT, keyBytes, keySerde, valueBytes, valueSerde } from './serdes.ts'

export interface Difference {
  readonly part: AnswerPart
  readonly expected: unknown
  readonly actual: unknown
}

export type Verdict =
  | { readonly outcome: 'same' }
  | { readonly outcome: 'different'; readonly differences: readonly Difference[] }
  | { readonly outcome: 'unsupported' | 'not-comparable'; readonly reason: string }

/** How a case is run; the answer must not depend on it. */
export interface RunOptions
  extends Pick<TopologyTestDriverOptions, 'guarantee' | 'storage' | 'stateDirectory'> {
  /** Closes and restarts the application after every record. */
  readonly restarts?: boolean
  /** Crashes the commit of every record, after one step of it and then the next. */
  readonly crashes?: boolean
}

/** Records processed again after a crash are counted again when they are left out. */
const CRASH_EXEMPT = ['dropped']

/** Runs a pair's case and says how its answer differs. */
export async function checkPair(pair: Pair, options: RunOptions = {}): Promise<Verdict> {
  const { answer } = pair
  if (answer.tieSensitive === true) {
    return { outcome: 'not-comparable', reason: 'depends on the choice between equal timestamps' }
  }
  let actual: Answer
  try {
    const topics = new Set(answer.output.map(({ topic }) => topic))
    actual = await runCase(pair.case, topics, options)
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error
    return { outcome: 'unsupported', reason: error.message }
  }
  const exempt = [...(answer.storeSensitive ?? []), ...(options.crashes ? CRASH_EXEMPT : [])]
  const differences = ANSWER_PARTS.filter((part) => !exempt.includes(part))
    .map((part) => ({ part, expected: answer[part], actual: actual[part] }))
    .filter(({ expected, actual }) => !isDeepStrictEqual(expected, actual))
  return differences.length === 0 ? { outcome: 'same' } : { outcome: 'different', differences }
}

/** A case's answer. `topics` are there before it starts, for sinks that choose their topic. */
export async function runCase(
  one: Case,
  topics: ReadonlySet<string>,
  options: RunOptions = {},
): Promise<Answer> {
  let program: Program
  try {
    program = buildProgram(one)
  } catch (error) {
    if (error instanceof Unsupported) throw error
    return failed('build')
  }
  const written = new Set([...program.sinks.keys(), ...topics])
  const { guarantee, storage, stateDirectory } = options
  const driver = await TopologyTestDriver.open(program.topology, {
    ...(guarantee === undefined ? {} : { guarantee }),
    ...(storage === undefined ? {} : { storage }),
    ...(stateDirectory === undefined ? {} : { stateDirectory: join(stateDirectory, one.id) }),
    partitions: Object.fromEntries([...written].map((topic) => [topic, 1])),
    singleTask: true,
    applicationId: 'oracle',
    now: Number(one.config?.startWallClockMs ?? 0),
  })
  try {
    return await new CaseRun(driver, program, written, options).run(one.input)
  } finally {
    await driver.close()
  }
}

function failed(errorAt: number | 'build'): Answer {
  return { output: [], stores: {}, dropped: 0, errorAt }
}

class CaseRun {
  readonly #driver: TopologyTestDriver
  readonly #program: Program
  readonly #options: RunOptions
  readonly #outputs: ReadonlyMap<string, TestOutput<Key, Value>>
  readonly #rows: OutputRow[] = []

  constructor(
    driver: TopologyTestDriver,
    program: Program,
    topics: Iterable<string>,
    options: RunOptions,
  ) {
    this.#driver = driver
    this.#program = program
    this.#options = options
    this.#outputs = new Map(
      [...topics].sort().map((topic) => {
        const value = SINK_SERDES[program.sinks.get(topic) ?? 'case']
        return [topic, driver.output(topic, { key: keySerde, value })]
      }),
    )
  }

  async run(input: readonly Entry[]): Promise<Answer> {
    for (const [at, entry] of input.entries()) {
      if (this.#options.crashes)
        this.#driver.crashAfter(COMMIT_STEPS[at % COMMIT_STEPS.length] as CommitStep)
      try {
        await this.#feed(entry)
        if (this.#options.restarts) await this.#driver.restart()
      } catch (error) {
        if (error instanceof Unsupported) throw error
        return { ...failed(at), output: this.#rows, dropped: this.#dropped() }
      }
      await this.#collect(at, entry.topic)
    }
    return { output: this.#rows, stores: await this.#stores(), dropped: this.#dropped() }
  }

  async #feed(entry: Entry): Promise<void> {
    const { topic, key = null, value = null, ts, headers = [] } = entry
    if (entry.query !== undefined) throw new Unsupported('queries')
    if (entry.advanceWallClockMs !== undefined) {
      await this.#driver.advanceWallClock(entry.advanceWallClockMs)
    } else {
      await this.#driver.input(topic as string, { key: bytes, value: bytes }).pipe({
        key: entry.corruptKey ? CORRUPT : keyBytes(key),
        value: entry.corruptValue ? CORRUPT : valueBytes(value),
        timestamp: ts as number,
        headers: headers.map(([name, text]) => ({
          key: name,
          value: text === null ? null : Buffer.from(text),
        })),
      })
    }
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
    for (const [name, kind] of this.#program.stores) {
      stores[name] =
        kind === 'window'
          ? await windowRows(this.#driver.store(name), this.#windowSize(name))
          : (await entriesOf(this.#driver.store<KeyValueStore<Key, Value>>(name).range())).map(row)
    }
    return stores
  }

  #windowSize(name: string): number {
    const store = this.#program.topology.stores.find((one) => one.name === name)
    return store?.kind === 'window' ? store.windowSizeMs : 0
  }

  /** Kafka's filter before a repartition topic does not count the null keys it leaves out. */
  #dropped(): number {
    return this.#driver
      .metrics()
      .dropped.filter(({ node }) => !node.endsWith('-repartition-filter'))
      .reduce((sum, { count }) => sum + count, 0)
  }
}

const SINK_SERDES: Readonly<Record<SinkSerde, Serde<Value>>> = {
  case: valueSerde,
  string: text as Serde<unknown> as Serde<Value>,
  long: int64 as Serde<unknown> as Serde<Value>,
}

async function entriesOf<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

function row({ key, value, timestamp }: StoreEntry<Key, Value>): [Key, Value, number] {
  return [key, value, timestamp]
}

/** Rows by the bytes of their keys, then by window. */
async function windowRows(store: WindowStore<string, Value>, size: number): Promise<StoreRows> {
  const entries = await entriesOf(store.fetchAll())
  return entries
    .map(({ key, value, timestamp, windowStart: start }) => ({ key, value, timestamp, start }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.start - b.start)
    .map(({ key, value, timestamp, start }) => [
      { key, start, end: start + size },
      value,
      timestamp,
    ])
}
