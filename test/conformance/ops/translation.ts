/**
 * What every translation of a step is given, and what it gives.
 *
 * Journey: program.ts asks the registry (index.ts) for the first translation of a step's `op` that
 * accepts what the step stands on; the translation takes the step's options and calls one verb.
 *
 * A case has one type of keys and one of values throughout, so streams and tables here are typed by
 * these two alone, and every verb that writes bytes is given both serdes.
 */
import type {
  KGroupedStream,
  KGroupedTable,
  KStream,
  KTable,
  Serde,
  SessionWindowedKStream,
  StreamsBuilder,
  StreamTraits,
  TableTraits,
  TimestampExtractor,
  TimeWindowedKStream,
} from 'millrace'
import { type Key, type Step, Unsupported, type Value } from '../case.ts'
import { keySerde, valueSerde } from '../serdes.ts'
import type { HeldRows } from '../suppression-defects.ts'

export type Stream = KStream<Key, Value, StreamTraits>
export type Table = KTable<Exclude<Key, null>, Value, TableTraits>
export type Grouped = KGroupedStream<Key, Value, 'key' | 'value'>
export type GroupedTable = KGroupedTable<Key, Value>
export type Windowed = TimeWindowedKStream<Key, Value, 'key' | 'value'>
export type Sessions = SessionWindowedKStream<Key, Value, 'key' | 'value'>

/** How the values of a topic are read back, where a step does not write them with the case's serde. */
export type SinkSerde = 'case' | 'string' | 'long'

/** `plain`: of a processor, whose rows have no times in a case. */
/** `plain`: a processor's own rows, whose times Kafka does not keep. */
export type StoreKind = 'key-value' | 'plain' | 'window' | 'session' | 'versioned'

/** The serdes of cases, under the names of the options. */
export const SERDES: { readonly key: Serde<Key>; readonly value: Serde<Value> } = {
  key: keySerde,
  value: valueSerde,
}

/** What a step's verb returned: looked up by the step's id. Null: nothing follows. A map: branches. */
export type Result = object | ReadonlyMap<string, object> | null

/** One verb: `accepts` says of what, for an op that several kinds of things have. */
export interface Translation {
  readonly op: string
  /** What `from` (and `with`) must be. Absent: the op stands on nothing. */
  accepts?(from: object, other: object | undefined): boolean
  translate(step: Options, context: Context, from: object, other: object | undefined): Result
}

/** A translation of an op of one class. */
export function on<T extends object>(
  kind: abstract new (...args: never[]) => T,
  ops: string | readonly string[],
  translate: (from: T, step: Options, context: Context, other: object | undefined) => Result,
  accepts: (other: object | undefined) => boolean = () => true,
): Translation[] {
  return [ops].flat().map((op) => ({
    op,
    accepts: (from, other) => from instanceof kind && accepts(other),
    translate: (step, context, from, other) => translate(from as T, step, context, other),
  }))
}

/** How rows of aggregates and tables are sent: at each update unless the case has a cache. */
export type CaseEmission = 'updates' | 'commit'

/** What a translation may ask of the program being written. */
export interface Context {
  readonly builder: StreamsBuilder
  readonly config: Readonly<Record<string, unknown>>
  /** Notes a topic written by a fixed name, with the serde of its values. */
  sink(topic: string, serde: SinkSerde): void
  /** Takes the store options of a step; a store with a name is read at the end. */
  store(step: Options, kind: StoreKind): StoreOptionsOfCase
  /** Takes `extractor` and `reset` of a source. */
  source(step: Options): SourceOptionsOfCase
  /** How an aggregate, or a table, with these store options sends its rows. */
  emission(step: Options): CaseEmission | 'close'
  /**
   * True for a program with the defects of Kafka Streams: processors change the headers of a record
   * in place, and what comes to a suppression has the row before.
   */
  readonly hasDefects: boolean
  /** Of a program with defects: the rows that a node holds back. */
  holdsBack(node: string): HeldRows
  /** Wall-clock time of the driver that runs the program. */
  now(): number
  /** Notes for the aggregation above step `id` that it sends rows when windows close. */
  emitOnClose(id: string): void
}

export interface StoreOptionsOfCase {
  readonly name: string | undefined
  readonly storage: 'rocksdb' | 'memory'
  readonly retention?: number
  readonly history?: number
  readonly maxEntries?: number
}

export interface SourceOptionsOfCase {
  readonly timestamp: TimestampExtractor<Key, Value> | undefined
  readonly offsetReset: 'earliest' | 'latest' | undefined
}

/** Options of steps that change nothing a case can show, or that Kafka alone has. */
const IGNORED = ['id', 'op', 'from', 'with', 'logging']

/** The options of a step, taken one by one, so that none is overlooked. */
export class Options {
  readonly #step: Step
  readonly #taken = new Set<string>(IGNORED)

  constructor(step: Step) {
    this.#step = step
  }

  get id(): string {
    return this.#step.id
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

  has(name: string): boolean {
    return this.#step[name] !== undefined
  }

  take(name: string): unknown {
    this.#taken.add(name)
    return this.#step[name]
  }

  optional<T>(name: string): T | undefined {
    return this.take(name) as T | undefined
  }

  /** The step's name, as the option `name` of a verb. */
  named(): { readonly name: string | undefined } {
    return { name: this.optional<string>('name') }
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
