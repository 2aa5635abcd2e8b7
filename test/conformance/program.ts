/**
 * Translates the steps of a case into the public DSL.
 *
 * Journey: case -> [program] -> topology -> run-case. Each step is one call of one verb, translated
 * by a file of `ops/`; a step this library has no verb for throws `Unsupported`.
 */
import {
  deadLetter,
  type ErrorChoice,
  type HandlerOptions,
  StreamsBuilder,
  type TimestampExtractor,
  type Topology,
} from 'millrace'
import { type Case, type Key, type Step, Unsupported, type Value } from './case.ts'
import { TRANSLATIONS } from './ops/index.ts'
import {
  type CaseEmission,
  type Context,
  Options,
  type SinkSerde,
  type SourceOptionsOfCase,
  type StoreKind,
  type StoreOptionsOfCase,
} from './ops/translation.ts'

import { HeldRows } from './suppression-defects.ts'

export type { SinkSerde, StoreKind } from './ops/translation.ts'

export interface Program {
  /** Set by whoever runs the program, before its first record. */
  readonly clock: { now: () => number }
  readonly handlers: HandlerOptions
  readonly topology: Topology
  /** Topics written by a fixed name, with the serde of their values. */
  readonly sinks: ReadonlyMap<string, SinkSerde>
  /** Stores that the case names, by kind. */
  readonly stores: ReadonlyMap<string, StoreKind>
  /** Of a program with defects: what its suppressions hold back, by node. */
  readonly held: ReadonlyMap<string, HeldRows>
  /** Those of windows that are sent when they close. */
  readonly closing: ReadonlySet<string>
  /** Where records that fail go, when the case says so. */
  readonly deadLetterTopic: string | null
}

/** What is translated, here or where the case is run, or has no meaning: see docs/differences.md. */
const CONFIG_KNOWN = new Set([
  'cacheMaxBytes',
  'deadLetterTopic',
  'deserializationHandler',
  'emitIntervalMs',
  'extractor',
  'guarantee',
  'maxTaskIdleMs',
  'optimize',
  'processingHandler',
  'productionHandler',
  'requireNames',
  'startWallClockMs',
  'store',
  'storeFormat',
])

/** @param hasDefects see `Context` */
export function buildProgram({ config = {}, program }: Case, hasDefects = false): Program {
  for (const [name, value] of Object.entries(config)) {
    if (CONFIG_KNOWN.has(name)) continue
    throw new Unsupported(`config ${name}: ${JSON.stringify(value)}`)
  }
  const writer = new ProgramWriter(config, hasDefects)
  for (const step of program) writer.add(step)
  return writer.finish()
}

/** The error handlers of a case, as options of the driver. */
function handlersOf(config: Readonly<Record<string, unknown>>): HandlerOptions {
  const topic = config.deadLetterTopic
  const onContinue = typeof topic === 'string' ? deadLetter(topic) : 'skip'
  const handlers: Record<string, ErrorChoice> = {}
  for (const [name, option] of HANDLERS) {
    if (config[name] === 'continue') handlers[option] = onContinue
  }
  return handlers
}

const HANDLERS = [
  ['processingHandler', 'onProcessingError'],
  ['deserializationHandler', 'onDeserializationError'],
  ['productionHandler', 'onProductionError'],
] as const

class ProgramWriter implements Context {
  readonly config: Readonly<Record<string, unknown>>
  readonly hasDefects: boolean
  readonly builder: StreamsBuilder
  readonly clock: { now: () => number } = { now: () => 0 }
  readonly #made = new Map<string, object>()
  readonly #sinks = new Map<string, SinkSerde>()
  readonly #stores = new Map<string, StoreKind>()
  readonly #extractors = new Map<string, TimestampExtractor<Key, Value>>()
  readonly #onClose = new Set<string>()
  readonly #closing = new Set<string>()
  readonly #held = new Map<string, HeldRows>()
  readonly #wallClock = (): number => this.now()

  constructor(config: Readonly<Record<string, unknown>>, hasDefects: boolean) {
    this.config = config
    this.hasDefects = hasDefects
    this.builder = new StreamsBuilder({ requireNames: config.requireNames === true })
  }

  finish(): Program {
    return {
      clock: this.clock,
      handlers: handlersOf(this.config),
      topology: this.builder.build(),
      sinks: this.#sinks,
      stores: this.#stores,
      closing: this.#closing,
      held: this.#held,
      deadLetterTopic: (this.config.deadLetterTopic ?? null) as string | null,
    }
  }

  add(step: Step): void {
    const from = this.#find(step.from)
    const other = this.#find(step.with)
    const translation = TRANSLATIONS.find(
      ({ op, accepts }) =>
        op === step.op &&
        (accepts === undefined ? from === undefined : from !== undefined && accepts(from, other)),
    )
    if (translation === undefined) throw new Unsupported(describeOp(step.op, from, other))
    const options = new Options(step)
    const made = translation.translate(options, this, from as object, other)
    if (made === null) return
    if (made instanceof Map) {
      for (const [branch, stream] of made) this.#made.set(`${step.id}.${branch}`, stream)
    } else {
      this.#made.set(step.id, made)
    }
  }

  #find(id: string | undefined): object | undefined {
    if (id === undefined) return undefined
    const made = this.#made.get(id)
    if (made === undefined) throw new Unsupported(`a step from '${id}'`)
    return made
  }

  holdsBack(node: string): HeldRows {
    const held = new HeldRows()
    this.#held.set(node, held)
    return held
  }

  sink(topic: string, serde: SinkSerde): void {
    this.#sinks.set(topic, serde)
  }

  store(step: Options, kind: StoreKind): StoreOptionsOfCase {
    const name = step.optional<string>('store')
    const type = step.optional<string>('storeType') ?? 'rocksdb'
    const retention = step.optional<number>('retentionMs')
    const history = step.optional<number>('historyMs')
    if (type === 'versioned' && history !== undefined) {
      if (name !== undefined) this.#stores.set(name, 'versioned')
      return { name, storage: 'rocksdb', history }
    }
    const maxEntries = step.optional<number>('maxEntries')
    if (type === 'lru' && maxEntries !== undefined) {
      if (name !== undefined) this.#stores.set(name, kind)
      return { name, storage: 'memory', maxEntries }
    }
    if (name !== undefined && this.#onClose.has(step.from ?? '')) this.#closing.add(name)
    if (type !== 'rocksdb' && type !== 'memory') throw new Unsupported(`store type ${type}`)
    if (name !== undefined) this.#stores.set(name, kind)
    return { name, storage: type, ...(retention === undefined ? {} : { retention }) }
  }

  source(step: Options): SourceOptionsOfCase {
    const extractor = step.optional<string>('extractor') ?? this.config.extractor ?? 'record'
    const offsetReset = step.optional<'earliest' | 'latest'>('reset')
    return { timestamp: this.#extractor(String(extractor)), offsetReset }
  }

  emission(step: Options): CaseEmission | 'close' {
    const caching = step.optional<boolean>('caching') ?? true
    if (this.#onClose.has(step.from ?? '')) return 'close'
    return caching && Number(this.config.cacheMaxBytes ?? 0) > 0 ? 'commit' : 'updates'
  }

  now(): number {
    return this.clock.now()
  }

  emitOnClose(id: string): void {
    this.#onClose.add(id)
  }

  /** One function for each name: sources that share a topic must agree. */
  #extractor(name: string): TimestampExtractor<Key, Value> | undefined {
    if (name === 'record') return undefined
    if (name === 'wallClock') return this.#wallClock
    let extractor = this.#extractors.get(name)
    if (extractor === undefined) {
      extractor = EXTRACTORS[name]
      if (extractor === undefined) throw new Unsupported(`extractor ${name}`)
      this.#extractors.set(name, extractor)
    }
    return extractor
  }
}

/** `join of KTable with KTable`. */
function describeOp(op: string, from: object | undefined, other: object | undefined): string {
  const of = from === undefined ? '' : ` of ${from.constructor.name}`
  return `${op}${of}${other === undefined ? '' : ` with ${other.constructor.name}`}`
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
