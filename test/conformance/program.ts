/**
 * Translates the steps of a case into the public DSL.
 *
 * Journey: case -> [program] -> topology -> run-case. Each step is one call of one verb; a step this
 * library has no verb for yet throws `Unsupported`.
 *
 * A case has one type of keys and one of values throughout, so streams and tables here are typed by
 * these two alone, and every verb that writes bytes is given both serdes.
 */
import {
  hopping,
  int64,
  KGroupedStream,
  KStream,
  KTable,
  StreamsBuilder,
  type StreamTraits,
  type TableTraits,
  type TimestampExtractor,
  TimeWindowedKStream,
  type Topology,
  text,
  tumbling,
} from 'millrace'
import { type Case, type Key, type Step, Unsupported, type Value } from './case.ts'
import {
  keyFunction,
  listFunction,
  type Predicate,
  pairFunction,
  predicate,
  valueFunction,
} from './functions.ts'
import { keySerde, valueSerde } from './serdes.ts'

type Stream = KStream<Key, Value, StreamTraits>
type Table = KTable<Exclude<Key, null>, Value, TableTraits>
type Grouped = KGroupedStream<Key, Value, 'key' | 'value'>
type Windowed = TimeWindowedKStream<Key, Value, 'key' | 'value'>
/** What a step made, to be looked up by its id. Verbs give narrower types, which a case cannot know. */
type Made = Stream | Table | Grouped | Windowed

/** How the values of a topic are read back, where a step does not write them with the case's serde. */
export type SinkSerde = 'case' | 'string' | 'long'

export type StoreKind = 'key-value' | 'window'

export interface Program {
  readonly topology: Topology
  /** Topics written by a fixed name, with the serde of their values. */
  readonly sinks: ReadonlyMap<string, SinkSerde>
  /** Stores that the case names, by kind. */
  readonly stores: ReadonlyMap<string, StoreKind>
}

/** Options of steps that change nothing a case can show, or that Kafka alone has. */
const IGNORED = new Set(['id', 'op', 'from', 'with', 'partitions', 'logging'])
const CONFIG_IGNORED = new Set(['optimize', 'guarantee', 'store', 'startWallClockMs', 'extractor'])
const CONFIG_DEFAULTS: Readonly<Record<string, unknown>> = {
  cacheMaxBytes: 0,
  processingHandler: 'fail',
  deserializationHandler: 'fail',
  productionHandler: 'fail',
  maxTaskIdleMs: 0,
  emitIntervalMs: 0,
  storeFormat: 'DEFAULT',
  requireNames: false,
}

export function buildProgram({ config = {}, program }: Case): Program {
  for (const [name, value] of Object.entries(config)) {
    if (CONFIG_IGNORED.has(name) || CONFIG_DEFAULTS[name] === value) continue
    throw new Unsupported(`config ${name}: ${JSON.stringify(value)}`)
  }
  const writer = new ProgramWriter(config)
  for (const step of program) writer.add(step)
  return writer.finish()
}

class ProgramWriter {
  readonly #config: Readonly<Record<string, unknown>>
  readonly #builder = new StreamsBuilder()
  readonly #made = new Map<string, Made>()
  readonly #sinks = new Map<string, SinkSerde>()
  readonly #stores = new Map<string, StoreKind>()
  readonly #extractors = new Map<string, TimestampExtractor<Key, Value>>()

  constructor(config: Readonly<Record<string, unknown>>) {
    this.#config = config
  }

  finish(): Program {
    return { topology: this.#builder.build(), sinks: this.#sinks, stores: this.#stores }
  }

  add(step: Step): void {
    const made = this.#make(new Options(step))
    if (made === null) return
    if (made instanceof Map) {
      for (const [branch, stream] of made) this.#made.set(`${step.id}.${branch}`, stream as Made)
    } else {
      this.#made.set(step.id, made as Made)
    }
  }

  #make(step: Options): object | null {
    const { op } = step
    if (op === 'stream') return this.#source(step)
    if (op === 'table') return this.#table(step)
    const from = this.#from(step.from)
    if (from instanceof KStream) return this.#onStream(from, step)
    if (from instanceof KGroupedStream) return this.#onGrouped(from, step)
    if (from instanceof TimeWindowedKStream) return this.#onWindowed(from, step)
    if (op === 'toStream') return this.#toStream(from, step)
    throw new Unsupported(`${op} of a table`)
  }

  #from(id: string | undefined): Made {
    const made = this.#made.get(id ?? '')
    if (made === undefined) throw new Unsupported(`a step from '${id}'`)
    return made
  }

  #source(step: Options): object {
    const topic = step.take('topic') ?? step.take('topics')
    if (topic === undefined) throw new Unsupported('a source by pattern')
    const options = { ...this.#sourceOptions(step), key: keySerde, value: valueSerde }
    const name = step.optional<string>('name')
    step.done()
    return this.#builder.stream<Key, Value>(topic as string | string[], { ...options, name })
  }

  #sourceOptions(step: Options) {
    const extractor = step.optional<string>('extractor') ?? this.#config.extractor ?? 'record'
    const offsetReset = step.optional<'earliest' | 'latest'>('reset')
    return { timestamp: this.#extractor(String(extractor)), offsetReset }
  }

  /** One function for each name: sources that share a topic must agree. */
  #extractor(name: string): TimestampExtractor<Key, Value> | undefined {
    if (name === 'record') return undefined
    let extractor = this.#extractors.get(name)
    if (extractor === undefined) {
      extractor = EXTRACTORS[name]
      if (extractor === undefined) throw new Unsupported(`extractor ${name}`)
      this.#extractors.set(name, extractor)
    }
    return extractor
  }

  #table(step: Options): object {
    const topic = step.take('topic') as string
    const options = { ...this.#sourceOptions(step), key: keySerde, value: valueSerde }
    const name = step.optional<string>('name')
    const store = this.#store(step, 'key-value')
    step.done()
    return this.#builder.table<Key, Value>(topic, { ...options, name, store })
  }

  #store(step: Options, kind: StoreKind) {
    const name = step.optional<string>('store')
    const type = step.optional<string>('storeType') ?? 'rocksdb'
    const caching = step.optional<boolean>('caching')
    const retention = step.optional<number>('retentionMs')
    if (type !== 'rocksdb' && type !== 'memory') throw new Unsupported(`store type ${type}`)
    if (caching === true) throw new Unsupported('caching')
    if (name !== undefined) this.#stores.set(name, kind)
    return { name, storage: type, ...(retention === undefined ? {} : { retention }) } as const
  }

  #onStream(stream: Stream, step: Options): object | null {
    const name = step.optional<string>('name')
    const named = { name }
    const serdes = { key: keySerde, value: valueSerde }
    switch (step.op) {
      case 'filter':
        return stream.filter(step.function(predicate, 'predicate'), step.done(named))
      case 'filterNot':
        return stream.filterNot(step.function(predicate, 'predicate'), step.done(named))
      case 'map': {
        const key = step.function(keyFunction, 'key', 'key')
        const value = step.function(valueFunction, 'value', 'identity')
        const nullPairIf = step.optional<string>('nullPairIf')
        const isNullPair =
          nullPairIf === undefined ? () => false : predicate(`valueIs:${nullPairIf}`)
        const mapper = (k: Key, v: Value): readonly [Key, Value] =>
          isNullPair(k, v) ? (null as never) : [key(k, v), value(k, v)]
        return stream.map(mapper, step.done(named))
      }
      case 'mapValues': {
        const fn = step.function(valueFunction, 'fn')
        return stream.mapValues((value, key) => fn(key, value), step.done(named))
      }
      case 'flatMap': {
        const fn = step.function(listFunction, 'fn')
        const key = step.function(keyFunction, 'key', 'key')
        return stream.flatMap(
          (k, v) => fn(v).map((element) => [key(k, element), element] as const),
          step.done(named),
        )
      }
      case 'flatMapValues':
        return stream.flatMapValues(step.function(listFunction, 'fn'), step.done(named))
      case 'selectKey':
        return stream.selectKey(step.function(keyFunction, 'key'), step.done(named))
      case 'merge':
        return stream.merge(this.#stream(step), step.done(named))
      case 'split':
        return this.#split(stream, step, name)
      case 'repartition':
        return stream.repartition(step.done({ ...serdes, name }))
      case 'to':
        this.#to(stream, step, name)
        return null
      case 'toTable': {
        const store = this.#store(step, 'key-value')
        return stream.toTable(step.done({ ...serdes, name, store }))
      }
      case 'groupByKey':
        return stream.groupByKey(step.done({ ...serdes, name }))
      case 'groupBy': {
        const key = step.function(keyFunction, 'key')
        return stream.groupBy(key, step.done({ ...serdes, name }))
      }
      case 'join':
      case 'leftJoin':
        return this.#join(stream, step, name)
    }
    throw new Unsupported(`${step.op} of a stream`)
  }

  #split(stream: Stream, step: Options, name: string | undefined): Map<string, Stream> {
    const branches: Record<string, Predicate> = {}
    for (const branch of step.take('branches') as { name: string; predicate: string }[]) {
      branches[branch.name] = predicate(branch.predicate)
    }
    const rest = step.optional<string>('default')
    const streams = stream.split(branches, step.done({ name, default: rest }))
    return new Map(Object.entries(streams as Record<string, Stream>))
  }

  #to(stream: Stream, step: Options, name: string | undefined): void {
    const topicFrom = step.optional<string>('topicFrom')
    const kind = step.optional<SinkSerde>('valueSerde') ?? 'case'
    const value = { case: valueSerde, string: text, long: int64 }[kind] as typeof valueSerde
    const serdes = { key: keySerde, value, name }
    if (topicFrom === undefined) {
      const topic = step.take('topic') as string
      this.#sinks.set(topic, kind)
      stream.to(topic, step.done(serdes))
    } else {
      const choose = keyFunction(topicFrom)
      stream.to((record) => choose(record.key, record.value) as string, step.done(serdes))
    }
  }

  #join(stream: Stream, step: Options, name: string | undefined): object {
    const other = this.#from(step.with)
    const fn = step.function(pairFunction, 'joiner')
    const joiner = (value: Value, row: Value, key: Key): Value => fn(value, row, key)
    const options = { key: keySerde, value: valueSerde, name }
    const left = step.op === 'leftJoin'
    if (other instanceof KTable) {
      step.done()
      return left ? stream.leftJoin(other, joiner, options) : stream.join(other, joiner, options)
    }
    if (!(other instanceof KStream) || left) throw new Unsupported(`${step.op} of two streams`)
    const window = {
      before: (step.optional<number>('beforeMs') ?? 0) as number,
      after: (step.optional<number>('afterMs') ?? 0) as number,
      grace: (step.optional<number>('graceMs') ?? 0) as number,
      store: step.optional<string>('store'),
    }
    step.done()
    return stream.join(other, joiner, { ...options, otherValue: valueSerde, ...window })
  }

  #stream(step: Options): Stream {
    const other = this.#from(step.with)
    if (!(other instanceof KStream)) throw new Unsupported(`${step.op} with a table`)
    return other
  }

  #onGrouped(grouped: Grouped, step: Options): object {
    if (step.op === 'windowedBy') {
      const type = step.take('type')
      if (type !== 'tumbling' && type !== 'hopping') throw new Unsupported(`${type} windows`)
      const size = step.take('sizeMs') as number
      const grace = step.optional<number>('graceMs') ?? 0
      const advance = step.optional<number>('advanceMs')
      step.done()
      return grouped.windowedBy(
        type === 'tumbling' || advance === undefined
          ? tumbling(size, { grace })
          : hopping(size, { advance, grace }),
      )
    }
    return this.#aggregation(grouped, step, 'key-value')
  }

  #onWindowed(windowed: Windowed, step: Options): object {
    return this.#aggregation(windowed, step, 'window')
  }

  #aggregation(input: Grouped | Windowed, step: Options, kind: StoreKind): object {
    const name = step.optional<string>('name')
    const store = this.#store(step, kind)
    const options = { name, store, emit: 'updates' } as const
    if (step.op === 'count') return input.count(step.done(options))
    const withValue = { ...options, value: valueSerde }
    if (step.op === 'reduce') {
      const fn = step.function(pairFunction, 'reducer')
      const reducer = (aggregate: Value, value: Value): never => fn(aggregate, value, null) as never
      return input.reduce(reducer, step.done(withValue))
    }
    if (step.op === 'aggregate') {
      const fn = step.function(pairFunction, 'aggregator')
      const init = step.take('init') as Value
      return input.aggregate<Value>(
        () => init,
        (key: Key, value: Value, aggregate: Value) => fn(aggregate, value, key),
        step.done(withValue),
      )
    }
    throw new Unsupported(`${step.op} of a grouped stream`)
  }

  #toStream(table: Table, step: Options): object {
    const name = step.optional<string>('name')
    const key = step.optional<string>('key')
    const stream = table.toStream(step.done({ name }))
    return key === undefined ? stream : stream.selectKey(keyFunction(key))
  }
}

/** The options of a step, taken one by one, so that none is overlooked. */
class Options {
  readonly #step: Step
  readonly #taken = new Set<string>(IGNORED)

  constructor(step: Step) {
    this.#step = step
  }

  get op(): string {
    return this.#step.op
  }

  get from(): string | undefined {
    return this.#step.from
  }

  get with(): string | undefined {
    return this.#step.with
  }

  take(name: string): unknown {
    this.#taken.add(name)
    return this.#step[name]
  }

  optional<T>(name: string): T | undefined {
    return this.take(name) as T | undefined
  }

  function<F>(find: (specification: unknown) => F, name: string, fallback?: string): F {
    return find(this.take(name) ?? fallback)
  }

  /** Refuses options that nobody took; hands `options` through, so that a call may end with it. */
  done(): undefined
  done<T>(options: T): T
  done<T>(options?: T): T | undefined {
    const left = Object.keys(this.#step).filter((name) => !this.#taken.has(name))
    if (left.length > 0) throw new Unsupported(`${this.op} with ${left.join(', ')}`)
    return options
  }
}

const EXTRACTORS: Readonly<Record<string, TimestampExtractor<Key, Value>>> = {
  recordOrSkip: ({ timestamp }) => timestamp,
  recordOrPartitionTime: ({ timestamp }, partitionTime) =>
    timestamp < 0 ? partitionTime : timestamp,
  value: ({ value, timestamp }) => {
    if (typeof value === 'number') return value
    return value !== null && /^-?[0-9]{1,15}$/.test(value) ? Number(value) : timestamp
  },
  partitionTime: (_record, partitionTime) => partitionTime,
}
