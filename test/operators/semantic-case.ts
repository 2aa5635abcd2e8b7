/**
 * A semantic case is text: a line for each thing that happens, what goes in, what must come out.
 *
 *   clicks a:x@5 {trace=1}, clicks b:y@6  =>  counts a:1@5 {trace=1}, counts b:1@6
 *
 * A record is `topic key:value@timestamp {header=value ...}`; `_` is null, a windowed key
 * `a[0,10)`. Records of one line are there together and are committed together. A line without
 * output ends in `=> nothing`.
 *
 * Each case runs in every way of `WAYS` and must give its one answer in all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Guarantee, type Serde, StreamsBuilder, type Topology, type Windowed } from 'millrace'
import {
  type TestOutput,
  type TestRecord,
  TopologyTestDriver,
  type TopologyTestDriverOptions,
} from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { COMMIT_STEPS, type CommitStep } from '../../src/runtime/commit.ts'

interface Way {
  readonly name: string
  readonly partitions: number
  readonly guarantee: Guarantee
  readonly storage?: 'memory' | 'rocksdb'
  readonly restarts?: boolean
  /** The steps after which the commits of lines crash, in turn; null: none. */
  readonly crashes?: readonly (CommitStep | null)[]
}

const ONCE = { guarantee: 'exactly-once' } as const
const AT_LEAST = { guarantee: 'at-least-once' } as const

const WAYS: readonly Way[] = [
  ...[1, 2, 3].map((partitions) => ({ name: `${partitions} partitions`, partitions, ...ONCE })),
  ...[1, 3].map((partitions) => ({
    name: `restarted at every line, ${partitions} partitions`,
    partitions,
    restarts: true,
    ...ONCE,
  })),
  ...COMMIT_STEPS.map((step, index) => ({
    name: `every commit crashed after '${step}'`,
    partitions: 1 + (index % 3),
    crashes: [step],
    ...ONCE,
  })),
  { name: 'at-least-once, restarted at every line', partitions: 2, restarts: true, ...AT_LEAST },
  {
    name: 'on RocksDB, some commits crashed',
    partitions: 2,
    storage: 'rocksdb',
    crashes: [null, 'end', null, null, 'save', null, 'offsets', null],
    ...ONCE,
  },
]

export interface SemanticCase {
  readonly program: (builder: StreamsBuilder) => void
  readonly lines: string
  /** What is left out and counted, as `reason node count`. */
  readonly dropped?: readonly string[]
  /** Only with one partition: for answers that depend on records of other keys. */
  readonly onePartition?: boolean
}

/** Registers a case: a test for each way of running it. */
export function semanticCase(name: string, one: SemanticCase): void {
  describe(name, () => {
    for (const way of WAYS) {
      if (one.onePartition && way.partitions > 1) continue
      test(way.name, () => runCase(one, way))
    }
  })
}

async function runCase(one: SemanticCase, way: Way): Promise<void> {
  const { partitions, guarantee, storage = 'memory' } = way
  const builder = new StreamsBuilder()
  one.program(builder)
  const topology = builder.build()
  const stateDirectory =
    storage === 'rocksdb' ? mkdtempSync(join(tmpdir(), 'millrace-semantics-')) : 'memory'
  const options: TopologyTestDriverOptions = { partitions, guarantee, storage, stateDirectory }
  const driver = await TopologyTestDriver.open(topology, options)
  try {
    const expected = parse(one.lines)
    const actual = await runLines(driver, topology, expected, way)
    expect(actual.join('\n')).toBe(expected.map((line) => show(line.input, line.output)).join('\n'))
    // A record that is processed again after a crash is left out again, and counted again.
    if (way.crashes === undefined) {
      const dropped = driver
        .metrics()
        .dropped.map(({ reason, node, count }) => `${reason} ${node} ${count}`)
      expect(dropped.sort()).toEqual([...(one.dropped ?? [])].sort())
    }
  } finally {
    await driver.close()
    if (storage === 'rocksdb') rmSync(stateDirectory, { recursive: true, force: true })
  }
}

interface Line {
  readonly input: readonly string[]
  readonly output: readonly string[]
}

function parse(text: string): Line[] {
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [input = '', output = ''] = line.split('=>')
      return { input: records(input), output: records(output) }
    })
}

function records(text: string): string[] {
  if (text.trim() === 'nothing') return []
  return text.split(/, (?=\S+ \S+@)/).map((record) => record.trim().replace(/\s+/g, ' '))
}

/** Records of different keys may leave in any order when they are in different partitions. */
function show(input: readonly string[], output: readonly string[]): string {
  return `${input.join(', ')}  =>  ${output.length === 0 ? 'nothing' : output.join(', ')}`
}

async function runLines(
  driver: TopologyTestDriver,
  topology: Topology,
  lines: readonly Line[],
  { crashes, restarts, partitions }: Way,
): Promise<string[]> {
  const outputs = outputsOf(driver, topology)
  const shown: string[] = []
  for (const [index, { input, output }] of lines.entries()) {
    const step = crashes?.[index % crashes.length] ?? null
    if (step !== null) driver.crashAfter(step)
    for (const record of input) await write(driver, topology, record)
    await driver.run()
    const read: string[] = []
    for (const [topic, testOutput] of outputs) {
      for (const record of await testOutput.readAll()) read.push(`${topic} ${showRecord(record)}`)
    }
    shown.push(show(input, partitions > 1 ? inOrderOf(output, read) : read))
    if (restarts) await driver.restart()
  }
  return shown
}

/** The records read, those that are expected in the order they are expected in. */
function inOrderOf(expected: readonly string[], read: readonly string[]): string[] {
  const place = (record: string): number => {
    const index = expected.indexOf(record)
    return index < 0 ? expected.length : index
  }
  return [...read].sort((a, b) => place(a) - place(b))
}

function outputsOf(
  driver: TopologyTestDriver,
  topology: Topology,
): Map<string, TestOutput<unknown, unknown>> {
  const outputs = new Map<string, TestOutput<unknown, unknown>>()
  const owned = new Set(topology.repartitionTopics.map(({ name }) => name))
  for (const node of topology.nodes) {
    if (node.kind !== 'sink' || typeof node.topic !== 'string' || owned.has(node.topic)) continue
    outputs.set(
      node.topic,
      driver.output(node.topic, { key: node.keySerde, value: node.valueSerde }),
    )
  }
  return outputs
}

async function write(
  driver: TopologyTestDriver,
  topology: Topology,
  record: string,
): Promise<void> {
  const [, topic = '', key, value = '', timestamp, headers] =
    /^(\S+) (\S*?):(\S*)@(\d+)(?: \{(.*)\})?$/.exec(record) ?? []
  const globals = topology.globals.map(({ source }) => source)
  for (const node of [...topology.nodes, ...globals]) {
    if (node.kind !== 'source' || !node.topics.includes(topic)) continue
    const serdes = { key: node.keySerde, value: node.valueSerde }
    return driver.input(topic, serdes).write({
      key: key === '_' ? null : key,
      value: value === '_' ? null : parseValue(value, node.valueSerde),
      timestamp: Number(timestamp),
      headers: (headers ?? '')
        .split(' ')
        .filter((header) => header !== '')
        .map((header) => header.split('='))
        .map(([name = '', text = '']) => ({ key: name, value: Buffer.from(text) })),
    })
  }
  throw new RangeError(`No source reads the topic of '${record}'`)
}

function parseValue(value: string, serde: Serde<unknown>): unknown {
  if (serde.name === 'text') return value
  return serde.name === 'row' ? { n: Number(value) } : Number(value)
}

function showRecord({ key, value, timestamp, headers }: TestRecord<unknown, unknown>): string {
  const named = headers.map(
    (one) => `${one.key}=${one.value === null ? '_' : Buffer.from(one.value)}`,
  )
  const braced = named.length === 0 ? '' : ` {${named.join(' ')}}`
  return `${showKey(key)}:${showValue(value)}@${timestamp}${braced}`
}

function showKey(key: unknown): string {
  if (typeof key !== 'object' || key === null) return showValue(key)
  const { key: inner, start, end } = key as Windowed<unknown>
  return `${showValue(inner)}[${start},${end})`
}

function showValue(value: unknown): string {
  if (value === null) return '_'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
