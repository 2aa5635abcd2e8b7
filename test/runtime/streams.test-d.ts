/** Types of applications: options, handlers, state. */
import {
  type DeadLetter,
  deadLetter,
  type EmbeddedLog,
  type StateComparison,
  Streams,
  type StreamsMetrics,
  type StreamsState,
  type Topology,
} from 'millrace'
import { expectTypeOf, test } from 'vitest'

declare const app: Streams
declare const topology: Topology
declare const log: EmbeddedLog

test('an application starts, runs and stops', () => {
  expectTypeOf(app.start()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(app.close()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(app.finished).toEqualTypeOf<Promise<void>>()
  expectTypeOf(app.state).toEqualTypeOf<StreamsState>()
  expectTypeOf(app.metrics()).toEqualTypeOf<StreamsMetrics>()
  expectTypeOf(app.stateComparison()).toEqualTypeOf<StateComparison | null>()
  expectTypeOf(app.onStateChange((state) => state === 'running')).toEqualTypeOf<() => void>()
  // @ts-expect-error no such state
  app.onStateChange((state) => state === 'paused')
})

test('options are of their types', () => {
  const options = { applicationId: 'app', log }
  expectTypeOf(new Streams(topology, { ...options, maxTaskIdle: 'never' })).toEqualTypeOf<Streams>()
  // @ts-expect-error exactly once, or at least once
  new Streams(topology, { ...options, guarantee: 'at-most-once' })
  // @ts-expect-error no log
  new Streams(topology, { applicationId: 'app' })
  // @ts-expect-error a duration or never
  new Streams(topology, { ...options, maxTaskIdle: 'always' })
})

test('handlers choose', () => {
  expectTypeOf(deadLetter('failed')).toEqualTypeOf<DeadLetter>()
  const options = { applicationId: 'app', log }
  new Streams(topology, {
    ...options,
    onProcessingError: (record, place, error) => {
      expectTypeOf(record?.value).toEqualTypeOf<unknown>()
      expectTypeOf(place.node).toEqualTypeOf<string>()
      expectTypeOf(error).toEqualTypeOf<unknown>()
      return deadLetter('failed')
    },
    onDrop: (record) => {
      expectTypeOf(record.timestamp).toEqualTypeOf<number>()
      return 'skip'
    },
  })
  // @ts-expect-error what is left out cannot fail
  new Streams(topology, { ...options, onDrop: 'fail' })
  // @ts-expect-error no such choice
  new Streams(topology, { ...options, onProcessingError: 'retry' })
})
