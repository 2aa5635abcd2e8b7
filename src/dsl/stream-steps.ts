/**
 * Stream steps: the verbs on a stream that take one record at a time, and make any number of it. The
 * verbs that bring records together or lead elsewhere are in `k-stream.ts`.
 *
 * Journey: KStream -> [one more step] -> KStream.
 *
 * Invariants:
 * - A verb changes no stream: it adds one node to the program and gives a new stream.
 * - Functions of a value only take the value first, `(value, key)`; all others take `(key, value)`.
 * - Each is given the record's time, headers and place as its last argument, a `RecordContext`.
 */
import * as waiting from '../operators/async.ts'
import type { AsyncAttempt } from '../operators/async-call.ts'
import * as operators from '../operators/transform.ts'
import type { PromiseOrValue } from '../record/record.ts'
import type { RecordContext } from '../topology/processor.ts'
import { checkFunction, checkOptions } from './arguments.ts'
import { type AsyncOptions, type AsyncVerb, addAsync } from './async-step.ts'
import { extend, type Place } from './graph.ts'
import type { KStream } from './k-stream.ts'
import type { NameOptions } from './k-table.ts'
import {
  addProcess,
  type ProcessOptions,
  type ProcessorSource,
  type ProcessStep,
} from './process.ts'
import type { StreamTraits } from './serde-options.ts'

/** A stream as far as records are taken one at a time. */
export class StreamSteps<K, V, Has extends StreamTraits = never> {
  /** @internal */
  readonly place: Place<K, V, Has>

  /** @internal */
  constructor(place: Place<K, V>) {
    this.place = Object.freeze(place) as Place<K, V, Has>
  }

  /**
   * Keeps the records for which the predicate holds. A type guard narrows the value.
   *
   * @param predicate - sees records without key or value too
   * @example
   * ```ts
   * hits.filter((_key, hit) => hit.status >= 500)
   * ```
   */
  filter<Narrow extends V>(
    predicate: (key: K, value: V, context: RecordContext) => value is Narrow,
    options?: NameOptions,
  ): KStream<K, Narrow, Has>
  filter(
    predicate: (key: K, value: V, context: RecordContext) => boolean,
    options?: NameOptions,
  ): KStream<K, V, Has>
  filter(
    predicate: (key: K, value: V, context: RecordContext) => boolean,
    options?: NameOptions,
  ): KStream<K, V, Has> {
    return this.#step('filter', options, {
      argument: 'predicate',
      given: predicate,
      example: '(key, value) => value !== null',
      create: operators.filter(predicate),
      keepsKey: true,
      keepsValue: true,
    })
  }

  /**
   * Leaves out the records for which the predicate holds.
   *
   * @example
   * ```ts
   * hits.filterNot((_key, hit) => hit.agent.includes('bot'))
   * ```
   */
  filterNot(
    predicate: (key: K, value: V, context: RecordContext) => boolean,
    options?: NameOptions,
  ): KStream<K, V, Has> {
    return this.#step('filterNot', options, {
      argument: 'predicate',
      given: predicate,
      example: '(key, value) => value === null',
      create: operators.filterNot(predicate),
      keepsKey: true,
      keepsValue: true,
    })
  }

  /**
   * Makes one record of each: a new key and a new value. A stateful verb below repartitions; use
   * `mapValues` where the key stays.
   *
   * @param mapper - gives `[key, value]`
   * @example
   * ```ts
   * orders.map((_id, order) => [order.customer, order.amount])
   * ```
   */
  map<KOut, VOut>(
    mapper: (key: K, value: V, context: RecordContext) => readonly [KOut, VOut],
    options?: NameOptions,
  ): KStream<KOut, VOut> {
    return this.#step('map', options, {
      argument: 'mapper',
      given: mapper,
      example: '(key, value) => [key, value]',
      create: operators.map(mapper),
      keepsKey: false,
      keepsValue: false,
    })
  }

  /**
   * Makes a new value of each; the key stays, and with it the partition.
   *
   * @param mapper - takes the value, which may be null where the type says so, then the key and, as
   * every function of a verb, the record's context: its time, its headers, where it was read
   * @example
   * ```ts
   * lines.mapValues((line) => line.length)
   * lines.mapValues((line, key, { timestamp, headers, metadata }) => ({
   *   line,
   *   at: timestamp,
   *   from: `${metadata?.topic}-${metadata?.partition}@${metadata?.offset}`,
   *   trace: headers.find((header) => header.key === 'trace')?.value,
   * }))
   * ```
   */
  mapValues<VOut>(
    mapper: (value: V, key: K, context: RecordContext) => VOut,
    options?: NameOptions,
  ): KStream<K, VOut, Exclude<Has, 'value'>> {
    return this.#step('mapValues', options, {
      argument: 'mapper',
      given: mapper,
      example: '(value, key) => value',
      create: operators.mapValues(mapper),
      keepsKey: true,
      keepsValue: false,
    })
  }

  /**
   * Makes any number of records of each, with new keys and values. They leave in order, with the
   * timestamp and the headers of the record they came from.
   *
   * @param mapper - gives an array, or anything to iterate, of `[key, value]`
   * @example
   * ```ts
   * orders.flatMap((id, order) => order.lines.map((line) => [line.product, { id, ...line }]))
   * ```
   */
  flatMap<KOut, VOut>(
    mapper: (key: K, value: V, context: RecordContext) => Iterable<readonly [KOut, VOut]>,
    options?: NameOptions,
  ): KStream<KOut, VOut> {
    return this.#step('flatMap', options, {
      argument: 'mapper',
      given: mapper,
      example: '(key, value) => [[key, value]]',
      create: operators.flatMap(mapper),
      keepsKey: false,
      keepsValue: false,
    })
  }

  /**
   * Makes any number of values of each; the key stays, and with it the partition.
   *
   * @param mapper - takes the value, then the key; gives an array, or anything to iterate
   * @example
   * ```ts
   * lines.flatMapValues((line) => line.split(' '))
   * ```
   */
  flatMapValues<VOut>(
    mapper: (value: V, key: K, context: RecordContext) => Iterable<VOut>,
    options?: NameOptions,
  ): KStream<K, VOut, Exclude<Has, 'value'>> {
    return this.#step('flatMapValues', options, {
      argument: 'mapper',
      given: mapper,
      example: '(value, key) => [value]',
      create: operators.flatMapValues(mapper),
      keepsKey: true,
      keepsValue: false,
    })
  }

  /**
   * Gives each record a new key. A stateful verb below repartitions.
   *
   * @example
   * ```ts
   * clicks.selectKey((_key, click) => click.user)
   * ```
   */
  selectKey<KOut>(
    selector: (key: K, value: V, context: RecordContext) => KOut,
    options?: NameOptions,
  ): KStream<KOut, V, Extract<Has, 'value'>> {
    return this.#step('selectKey', options, {
      argument: 'selector',
      given: selector,
      example: '(key, value) => value.id',
      create: operators.selectKey(selector),
      keepsKey: false,
      keepsValue: true,
    })
  }

  /**
   * Calls a function for each record and hands the record on as it is. After a restart a record
   * may be seen again: what the function does outside is not part of exactly-once.
   *
   * @example
   * ```ts
   * hits.peek((key, hit) => console.log(key, hit.path))
   * ```
   */
  peek(
    action: (key: K, value: V, context: RecordContext) => void,
    options?: NameOptions,
  ): KStream<K, V, Has> {
    return this.#step('peek', options, {
      argument: 'action',
      given: action,
      example: '(key, value) => console.log(key, value)',
      create: operators.peek(action),
      keepsKey: true,
      keepsValue: true,
    })
  }

  /**
   * Calls a function for each record; the stream ends here. An async function is waited for before
   * the next record. After a restart a record may be seen again.
   *
   * @example
   * ```ts
   * alerts.foreach((_key, alert) => console.warn(alert.text))
   * ```
   */
  foreach(action: (key: K, value: V, context: RecordContext) => void, options?: NameOptions): void {
    this.#step('foreach', options, {
      argument: 'action',
      given: action,
      example: '(key, value) => console.log(key, value)',
      create: operators.foreach(action),
      keepsKey: true,
      keepsValue: true,
    })
  }

  /**
   * Makes a new value of each by asking something outside, for many records at once; the key stays.
   * Exactly-once holds for the stream; outside, a call may be made again after a restart.
   *
   * A commit waits for the calls in flight. A call that fails for good is a processing error: see
   * the option `onProcessingError` of `Streams`.
   *
   * @param mapper - takes the value, the key, and the attempt with its `signal`
   * @param options - `concurrency`, `ordered`, `timeout`, `retry`, `name`
   * @see AsyncOptions
   * @example
   * ```ts
   * orders.mapValuesAsync(async (order, _key, { signal }) => (await fetch(order.url, { signal })).json(), {
   *   concurrency: 50,
   *   timeout: '2s',
   *   retry: { attempts: 3, backoff: '100ms' },
   * })
   * ```
   */
  mapValuesAsync<VOut>(
    mapper: (value: V, key: K, attempt: AsyncAttempt) => PromiseOrValue<VOut>,
    options?: AsyncOptions,
  ): KStream<K, VOut, Exclude<Has, 'value'>> {
    return this.#async('mapValuesAsync', options, {
      argument: 'mapper',
      given: mapper,
      example: 'async (value, key) => value',
      keepsKey: true,
      create: (settings) => waiting.mapValuesAsync(mapper, settings),
    })
  }

  /**
   * As `mapValuesAsync`, with any number of records of each, and new keys.
   *
   * @param mapper - gives a promise of `[key, value]` pairs
   * @example
   * ```ts
   * orders.flatMapAsync(async (_id, order) => [[order.customer, order.amount]], { ordered: false })
   * ```
   */
  flatMapAsync<KOut, VOut>(
    mapper: (
      key: K,
      value: V,
      attempt: AsyncAttempt,
    ) => PromiseOrValue<Iterable<readonly [KOut, VOut]>>,
    options?: AsyncOptions,
  ): KStream<KOut, VOut> {
    return this.#async('flatMapAsync', options, {
      argument: 'mapper',
      given: mapper,
      example: 'async (key, value) => [[key, value]]',
      keepsKey: false,
      create: (settings) => waiting.flatMapAsync(mapper, settings),
    })
  }

  /**
   * Calls an asynchronous function for many records at once; the stream ends here. Each call has
   * succeeded, or failed for good, before the offset of its record is committed: at least once.
   *
   * @example
   * ```ts
   * alerts.foreachAsync(async (_key, alert) => { await fetch(alert.hook) }, { concurrency: 8 })
   * ```
   */
  foreachAsync(
    action: (key: K, value: V, attempt: AsyncAttempt) => PromiseOrValue<void>,
    options?: AsyncOptions,
  ): void {
    this.#async('foreachAsync', options, {
      argument: 'action',
      given: action,
      example: 'async (key, value) => { ... }',
      keepsKey: true,
      create: (settings) => waiting.foreachAsync(action, settings),
    })
  }

  #async<KOut, VOut, HasOut extends StreamTraits>(
    verb: AsyncVerb['verb'],
    options: AsyncOptions | undefined,
    step: Omit<AsyncVerb, 'verb'>,
  ): KStream<KOut, VOut, HasOut> {
    const place = this.place as Place<unknown, unknown>
    return this.place.graph.openStream(addAsync(place, options, { verb, ...step }))
  }

  /**
   * Hands each record to a processor of one's own, which may keep state in stores, see headers and
   * metadata, and schedule punctuation. Keys may change: a stateful verb below repartitions.
   *
   * @param processor - `() => Processor`, or `{ create, stores }` with definitions of its stores
   * @throws TypeError when a store is not there, or the function makes no new processor each time
   * @see org.apache.kafka.streams.processor.api.Processor
   * @example
   * ```ts
   * const totals = keyValueStore({ name: 'totals', key: text, value: int64 })
   * orders.process({ stores: [totals], create: () => ({ process(order) {} }) })
   * ```
   */
  process<KOut, VOut>(
    processor: ProcessorSource<K, V, KOut, VOut>,
    options?: ProcessOptions,
  ): KStream<KOut, VOut> {
    return this.#process('process', processor, options)
  }

  /**
   * As `process`, with a processor that forwards only the key of its record: nothing repartitions.
   *
   * @see org.apache.kafka.streams.processor.api.FixedKeyProcessor
   * @example
   * ```ts
   * clicks.processValues(() => ({ process: (click) => console.log(click.headers) }))
   * ```
   */
  processValues<VOut>(
    processor: ProcessorSource<K, V, K, VOut>,
    options?: ProcessOptions,
  ): KStream<K, VOut, Exclude<Has, 'value'>> {
    return this.#process('processValues', processor, options)
  }

  #process<KOut, VOut, HasOut extends StreamTraits>(
    verb: ProcessStep['verb'],
    processor: ProcessorSource<K, V, KOut, VOut>,
    options: ProcessOptions | undefined,
  ): KStream<KOut, VOut, HasOut> {
    const call = callOf(verb, this.place)
    const step = { verb, call, options, fixedKey: verb === 'processValues' }
    return this.place.graph.openStream(addProcess(this.place, processor, step))
  }

  /** A verb of one function: checks it and adds its node. */
  #step<KOut, VOut, HasOut extends StreamTraits>(
    verb: string,
    options: NameOptions | undefined,
    step: StreamStep,
  ): KStream<KOut, VOut, HasOut> {
    const call = callOf(verb, this.place)
    checkFunction(step.given, call, step.argument, step.example)
    checkOptions(options, call, ['name'])
    const { create, keepsKey, keepsValue } = step
    const plan = { verb, name: options?.name, create, keepsKey, keepsValue }
    return this.place.graph.openStream(extend(this.place, plan))
  }
}

/** What a verb of one function is made of. */
interface StreamStep {
  readonly argument: string
  readonly given: unknown
  /** What could be passed, as an error shows it. */
  readonly example: string
  readonly create: () => unknown
  readonly keepsKey: boolean
  readonly keepsValue: boolean
}

function callOf(verb: string, { lineage }: Place<unknown, unknown>): string {
  return `${verb}(...) on '${lineage}'`
}
