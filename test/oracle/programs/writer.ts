/**
 * Writes the steps of a random program: what was made so far, and what a next step may stand on.
 *
 * Journey: random-case.ts -> verbs of streams.ts, tables.ts, aggregations.ts, processors.ts -> [writer]
 */
import type { Step } from '../../conformance/case.ts'
import type { Random } from './random.ts'

/** What a step made, for later steps to stand on. */
export interface Made {
  readonly id: string
  readonly kind: 'stream' | 'table' | 'global'
  /** `windowed`: the key is a window of a key. */
  readonly key: 'plain' | 'windowed'
  /** A windowed table that `suppress` may hold until its windows close. */
  readonly closes?: boolean
  /** How far back a versioned table is known, which a join with grace may look into. */
  readonly historyMs?: number | undefined
  /** A stream whose key may have changed: what groups it repartitions. */
  readonly rekeyed?: boolean
  /** A stream of records as they came from the topic, offset and all. */
  readonly original?: boolean
}

export type StoreKind = 'key-value' | 'window' | 'session' | 'versioned'

/** A store that has a name: it is part of the answer, and may be queried and looked into. */
export interface NamedStore {
  readonly name: string
  readonly kind: StoreKind
  readonly isGlobal: boolean
}

/** A verb adds steps, or none when there is nothing that it could stand on. */
export type Verb = (writer: ProgramWriter) => void

/** Verbs by name, with how often each is chosen. */
export type Verbs = Readonly<Record<string, readonly [weight: number, verb: Verb]>>

export class ProgramWriter {
  readonly random: Random
  readonly steps: Step[] = []
  readonly made: Made[] = []
  readonly topics: string[] = []
  readonly stores: NamedStore[] = []
  /** True when no handler goes on after an error, so that a bound that is to stop the run does. */
  readonly mayStop: boolean
  readonly #used = new Set<string>()
  readonly #ordinals = new Map<string, number>()
  #names = 0

  constructor(random: Random, { mayStop }: { readonly mayStop: boolean }) {
    this.random = random
    this.mayStop = mayStop
  }

  /** Adds a step, and gives its id. */
  add(op: string, options: Readonly<Record<string, unknown>>): string {
    const ordinal = (this.#ordinals.get(op) ?? 0) + 1
    this.#ordinals.set(op, ordinal)
    const id = `${op}${ordinal}`
    this.steps.push({ id, op, ...options })
    for (const from of [options.from, options.with])
      if (typeof from === 'string') this.#used.add(from)
    return id
  }

  make(made: Made): void {
    this.made.push(made)
  }

  /** True when some step stands on it. */
  isUsed(id: string): boolean {
    return this.#used.has(id)
  }

  /** One of what there is of a kind, or null. */
  one(fits: (made: Made) => boolean): Made | null {
    const fitting = this.made.filter(fits)
    return fitting.length === 0 ? null : this.random.pick(fitting)
  }

  stream(): Made | null {
    return this.one(({ kind, key }) => kind === 'stream' && key === 'plain')
  }

  table(): Made | null {
    return this.one(({ kind, key }) => kind === 'table' && key === 'plain')
  }

  /** Options of a store: mostly a name or none. */
  store(
    kind: StoreKind,
    { probability = 0.5, isGlobal = false } = {},
  ): Readonly<Record<string, unknown>> & { readonly store?: string } {
    if (!this.random.chance(probability)) return {}
    const store = this.storeName(kind, isGlobal)
    if (kind !== 'key-value' || isGlobal || this.random.chance(0.85)) return { store }
    return this.random.pick([
      { store, storeType: 'memory' },
      { store, storeType: 'lru', maxEntries: 1 + this.random.below(5) },
    ])
  }

  /** The name of a new store. */
  storeName(kind: StoreKind = 'key-value', isGlobal = false): string {
    this.#names++
    const name = `s${this.#names}`
    this.stores.push({ name, kind, isGlobal })
    return name
  }

  /** Options of the store of a table's rows, which may be versioned. */
  rows(
    probability = 0.5,
  ): Readonly<Record<string, unknown>> & { readonly historyMs?: number | undefined } {
    if (this.random.chance(probability / 5)) return this.versionedStore()
    return this.store('key-value', { probability })
  }

  /** Options of a versioned store. */
  versionedStore() {
    const historyMs = this.random.pick([0, 10, 20, 50, 1000])
    const store = this.store('versioned', { probability: 1 })
    return { ...store, storeType: 'versioned', historyMs }
  }
}
