/**
 * Cogroup: several grouped streams folded into one result, each by a function of its own.
 *
 * Journey: grouped streams -> [cogroup] -> a fold for each, into one store -> where they meet -> KTable.
 *
 * Invariants:
 * - All inputs have one type of key and equal partition counts: a key's row has one owner.
 * - The inputs share the row, but in windows each has its own stream time, as in Kafka Streams: what
 *   is late for one is not for another. With `emit: 'close'`, which Kafka Streams does not have here,
 *   they share the time too: a window is final for all of them.
 */
import type { SessionFold } from '../operators/session-aggregate.ts'
import type { Windowed } from '../record/windowed.ts'
import { show } from '../topology/names.ts'
import {
  type AggregationOptions,
  addAggregation,
  addSessionAggregation,
  addWindowAggregation,
  type FoldedInput,
  foldOf,
  type WindowAggregationOptions,
} from './aggregation.ts'
import { checkFunction } from './arguments.ts'
import type { Place } from './graph.ts'
import { checkKeys } from './joins.ts'
import { KTable } from './k-table.ts'
import type { OptionsArgument, Present, ValueOption } from './serde-options.ts'
import type { SessionMergeOption } from './session-windowed-k-stream.ts'
import { type AlignedWindows, checkWindows, type SessionWindows } from './windows.ts'

/** A stream that is grouped: where its records come out. */
export interface GroupedInput<K, V> {
  /** Where its records stand in the program. @internal */
  readonly input: () => Place<K, V>
}

interface CogroupInput<K, A> {
  readonly open: () => Place<K, unknown>
  aggregator(key: K, value: unknown, aggregate: A): A
}

/**
 * Grouped streams that are folded into one result. Made by `KGroupedStream.cogroup`.
 *
 * A record without a key is left out, and counted; one without a value too, but for windows of time
 * and sessions, whose aggregator sees null.
 *
 * @see org.apache.kafka.streams.kstream.CogroupedKStream
 * @example
 * ```ts
 * clicks
 *   .groupByKey()
 *   .cogroup((_user, _click, sum: number) => sum + 1)
 *   .cogroup(orders.groupByKey(), (_user, order, sum) => sum + order.items)
 *   .aggregate(() => 0, { value: float64 })
 * ```
 */
export class CogroupedKStream<K, A> {
  readonly #inputs: readonly CogroupInput<K, A>[]

  /** @internal */
  constructor(inputs: readonly CogroupInput<K, A>[]) {
    this.#inputs = inputs
  }

  /**
   * Adds another grouped stream.
   *
   * @param grouped - has keys of the same type, and as many partitions
   * @param aggregator - takes key, value of that stream, and the result so far; gives the next one
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .cogroup((_user, _click, seen: string) => `${seen}c`)
   *   .cogroup(orders.groupByKey(), (_user, _order, seen) => `${seen}o`)
   *   .aggregate(() => '')
   * ```
   */
  cogroup<V>(
    grouped: GroupedInput<K, V>,
    aggregator: (key: K, value: Present<V>, aggregate: A) => A,
  ): CogroupedKStream<K, A> {
    if (typeof grouped?.input !== 'function') {
      throw new TypeError(
        `grouped of cogroup(...) is ${show(grouped)}; pass a grouped stream, such as orders.groupByKey()`,
      )
    }
    checkFunction(aggregator, 'cogroup(...)', 'aggregator', '(key, value, sum) => sum + value')
    const added = {
      open: grouped.input,
      aggregator: aggregator as CogroupInput<K, A>['aggregator'],
    }
    return new CogroupedKStream([...this.#inputs, added])
  }

  /**
   * Folds the records of all inputs into one result for each key.
   *
   * @param initializer - makes the result a key begins with, whichever input comes first
   * @param options - `value` (serde of the result, required unless it is text), `name`, `store`, `emit`
   * @example
   * ```ts
   * clicks.groupByKey().cogroup((_user, _click, sum: number) => sum + 1).aggregate(() => 0, { value: int64 })
   * ```
   */
  aggregate(
    initializer: () => A,
    ...[options]: OptionsArgument<AggregationOptions & ValueOption<A, never>>
  ): KTable<K, A, 'key' | 'value'> {
    const { place, call } = meetingPlace(this.#inputs)
    const inputs = foldsOf(this.#inputs, initializer, call)
    const { fold } = inputs[0] as (typeof inputs)[0]
    const plan = { verb: 'aggregate', call, options, fold, known: null, inputs }
    const table = addAggregation<K, unknown, A>(place, plan)
    return new KTable(table.place, table.rows)
  }

  /**
   * Cuts the groups into sessions: each key has one result per session.
   *
   * @param windows - `session(...)`
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .cogroup((_user, _click, sum: number) => sum + 1)
   *   .windowedBy(session('30m'))
   *   .aggregate(() => 0, { merge: (_user, one, other) => one + other, value: int64 })
   * ```
   */
  windowedBy(windows: SessionWindows): SessionWindowedCogroupedKStream<K, A>
  /**
   * Cuts the groups into windows of time: each key has one result per window.
   *
   * @param windows - `tumbling(...)`, `hopping(...)`, `sliding(...)`, `unlimited(...)` or
   * `customWindows(...)`
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .cogroup((_user, _click, sum: number) => sum + 1)
   *   .windowedBy(tumbling('1h'))
   *   .aggregate(() => 0, { value: int64 })
   * ```
   */
  windowedBy(windows: AlignedWindows): TimeWindowedCogroupedKStream<K, A>
  windowedBy(
    windows: SessionWindows | AlignedWindows,
  ): SessionWindowedCogroupedKStream<K, A> | TimeWindowedCogroupedKStream<K, A> {
    checkWindows(windows, 'windowedBy(...)')
    return 'gapMs' in windows
      ? new SessionWindowedCogroupedKStream(this.#inputs, windows)
      : new TimeWindowedCogroupedKStream(this.#inputs, windows)
  }
}

/**
 * Cogrouped streams with a result for each key and window. Made by `CogroupedKStream.windowedBy`.
 *
 * @see org.apache.kafka.streams.kstream.TimeWindowedCogroupedKStream
 */
export class TimeWindowedCogroupedKStream<K, A> {
  readonly #inputs: readonly CogroupInput<K, A>[]
  readonly #windows: AlignedWindows

  /** @internal */
  constructor(inputs: readonly CogroupInput<K, A>[], windows: AlignedWindows) {
    this.#inputs = inputs
    this.#windows = windows
  }

  /**
   * Folds the records of all inputs into one result for each key and window.
   *
   * With `emit: 'close'` all inputs have one time, the latest of any: what it has passed is final, and late
   * for each of them. Otherwise a record is late by the time of its own input, as in Kafka Streams.
   *
   * @param initializer - makes the result a window begins with
   * @param options - `value` (serde of the result, required unless it is text), `name`, `store`, `emit`,
   * `idle`
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .cogroup((_user, _click, seen: string) => `${seen}c`)
   *   .cogroup(orders.groupByKey(), (_user, _order, seen) => `${seen}o`)
   *   .windowedBy(tumbling('1h', { grace: '1m' }))
   *   .aggregate(() => '', { emit: 'close' })
   * ```
   */
  aggregate(
    initializer: () => A,
    ...[options]: OptionsArgument<WindowAggregationOptions & ValueOption<A, never>>
  ): KTable<Windowed<K>, A, 'key' | 'value'> {
    const { place, call } = meetingPlace(this.#inputs)
    const inputs = foldsOf(this.#inputs, initializer, call)
    const { fold } = inputs[0] as (typeof inputs)[0]
    const plan = { verb: 'aggregate', call, options, fold, known: null, inputs }
    const table = addWindowAggregation<K, unknown, A>(place, this.#windows, plan)
    return new KTable(table.place, table.rows)
  }
}

/**
 * Cogrouped streams with a result for each key and session. Made by `CogroupedKStream.windowedBy`.
 *
 * @see org.apache.kafka.streams.kstream.SessionWindowedCogroupedKStream
 */
export class SessionWindowedCogroupedKStream<K, A> {
  readonly #inputs: readonly CogroupInput<K, A>[]
  readonly #windows: SessionWindows

  /** @internal */
  constructor(inputs: readonly CogroupInput<K, A>[], windows: SessionWindows) {
    this.#inputs = inputs
    this.#windows = windows
  }

  /**
   * Folds the records of all inputs into one result for each key and session.
   *
   * @param initializer - makes the result a session begins with; sessions that meet are merged into it
   * @param options - `merge` (makes one result of two), `value` (serde of the result, required unless
   * it is text), `name`, `store`, `emit`, `idle`; of `emit: 'close'` what is said of windows of time
   * @example
   * ```ts
   * clicks
   *   .groupByKey()
   *   .cogroup((_user, _click, seen: string) => `${seen}c`)
   *   .cogroup(orders.groupByKey(), (_user, _order, seen) => `${seen}o`)
   *   .windowedBy(session('30m'))
   *   .aggregate(() => '', { merge: (_user, one, other) => one + other })
   * ```
   */
  aggregate(
    initializer: () => A,
    options: WindowAggregationOptions & ValueOption<A, never> & SessionMergeOption<K, A>,
  ): KTable<Windowed<K>, A, 'key' | 'value'> {
    const { place, call } = meetingPlace(this.#inputs)
    const merger = options?.merge
    checkFunction(merger, call, 'option merge', '(key, one, other) => one + other')
    const merge = (key: K, one: A | null, other: A): A => merger(key, one ?? initializer(), other)
    const inputs = foldsOf(this.#inputs, initializer, call).map(
      ({ node, fold }): FoldedInput<SessionFold<K, unknown, A>> => ({
        node,
        fold: { initial: initializer, add: fold, merge },
      }),
    )
    const { fold } = inputs[0] as (typeof inputs)[0]
    const moreOptions = ['merge']
    const plan = { verb: 'aggregate', call, options, fold, known: null, moreOptions, inputs }
    const table = addSessionAggregation<K, unknown, A>(place, this.#windows, plan)
    return new KTable(table.place, table.rows)
  }
}

/** Where the inputs meet: at the place of the first, with the topics of all. */
function meetingPlace<K, A>(
  inputs: readonly CogroupInput<K, A>[],
): { place: Place<K, unknown>; call: string } {
  const places = inputs.map(({ open }) => open())
  const first = places[0] as Place<K, unknown>
  const call = `aggregate(...) of a cogroup on '${first.lineage}'`
  for (const place of places) {
    if (place.graph !== first.graph) {
      throw new TypeError(
        `${call} has an input of another StreamsBuilder; build all inputs with one`,
      )
    }
    checkKeys(first.key, place.key, call)
  }
  const topics = [...new Set(places.flatMap((place) => place.topics))]
  return { place: { ...first, topics }, call }
}

function foldsOf<K, A>(inputs: readonly CogroupInput<K, A>[], initializer: () => A, call: string) {
  return inputs.map(({ open, aggregator }) => ({
    node: open().node,
    fold: foldOf<K, unknown, A>(initializer, aggregator, call),
  }))
}
