/** Types of the test tools. */
import { int64, type KeyValueStore, type StreamsMetrics, type Topology, text } from 'millrace'
import {
  TestClock,
  type TestInput,
  type TestOutput,
  type TestRecord,
  TopologyTestDriver,
} from 'millrace/testing'
import { expectTypeOf, test } from 'vitest'

declare const topology: Topology
declare const driver: TopologyTestDriver
declare const input: TestInput<string, string>
declare const output: TestOutput<string, number>

test('a driver is opened, told of time and closed', () => {
  expectTypeOf(TopologyTestDriver.open(topology)).toEqualTypeOf<Promise<TopologyTestDriver>>()
  expectTypeOf(driver.run()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(driver.advanceWallClock(1000)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(driver.restart({ losesState: true })).toEqualTypeOf<Promise<void>>()
  expectTypeOf(driver.crashAfter('end')).toEqualTypeOf<void>()
  expectTypeOf(driver.close()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(driver.metrics()).toEqualTypeOf<StreamsMetrics>()
  expectTypeOf(driver.streamTime).toEqualTypeOf<number>()
  // @ts-expect-error no step of a commit
  driver.crashAfter('halfway')
  // @ts-expect-error a number, or a number for each topic
  TopologyTestDriver.open(topology, { partitions: '3' })
})

test('inputs and outputs have the types of their serdes', () => {
  expectTypeOf(driver.input('in', { key: text, value: text })).toEqualTypeOf<
    TestInput<string, string>
  >()
  expectTypeOf(driver.output('out', { key: text, value: int64 })).toEqualTypeOf<
    TestOutput<string, number>
  >()
  expectTypeOf(driver.store<KeyValueStore<string, number>>('counts')).toEqualTypeOf<
    KeyValueStore<string, number>
  >()
})

test('an input takes records of its types, with what is left out', () => {
  expectTypeOf(input.pipe({ key: 'k', value: 'v', timestamp: 1 })).toEqualTypeOf<Promise<void>>()
  expectTypeOf(input.pipeAll([{ value: 'v' }, { key: 'k', value: null }])).toEqualTypeOf<
    Promise<void>
  >()
  expectTypeOf(input.write({})).toEqualTypeOf<Promise<void>>()
  // @ts-expect-error a value of another type
  input.pipe({ value: 1 })
})

test('an output gives records of its types', () => {
  expectTypeOf(output.read()).toEqualTypeOf<Promise<TestRecord<string, number> | null>>()
  expectTypeOf(output.readAll()).toEqualTypeOf<Promise<TestRecord<string, number>[]>>()
  expectTypeOf(output.readTable()).toEqualTypeOf<Promise<Map<string | null, number>>>()
})

test('a clock is moved on', () => {
  expectTypeOf(new TestClock(0).advance(10)).toEqualTypeOf<void>()
})
