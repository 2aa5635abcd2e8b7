/**
 * Random cases: a program of any of the format's ops that Kafka Streams accepts, and input for it.
 *
 * Journey: seed -> [generate] -> oracle and our runner -> differences.
 *
 * What is never generated, because Kafka Streams answers from details of Java or of its driver:
 * record caches, functions that throw, bounds in bytes, several cogrouped inputs that are repartitioned.
 */
import type { Case, Step } from '../conformance/case.ts'
import { randomInput } from './generate-input.ts'
import { Random } from './random.ts'

/** What a step made, for later steps to stand on. */
interface Made {
  readonly id: string
  readonly kind: 'stream' | 'table' | 'global'
  /** `windowed`: the key is a window of a key. */
  readonly key: 'plain' | 'windowed'
  /** A windowed table that `suppress` may hold until its windows close. */
  readonly closes?: boolean
  /** A table with history, which a join with grace may look into. */
  readonly versioned?: boolean
  /** A stream whose key may have changed: what groups it repartitions. */
  readonly rekeyed?: boolean
}

const PREDICATES = [
  'all',
  'notNull',
  'even',
  'multipleOf:3',
  'moreThan:3',
  'contains:b',
  'keyStartsWith:k',
  'keyNotNull',
  'valueIs:a',
  'keepIfLongerThan:2',
]
const VALUE_FUNCTIONS = [
  'identity',
  'upper',
  'length',
  'firstChar',
  'append:!',
  'numberAdd:3',
  'numberTimes:2',
  'nullIfEven',
  'orElse:z',
  'withKey',
  'part:0',
  'toText',
  'toNumber',
]
const KEY_FUNCTIONS = [
  'key',
  'value',
  'firstChar',
  'part:1',
  'mod:3',
  'mod:2',
  'const:k1',
  'keyUnless:ab',
  'firstCharUnless:ab',
  'valueUnless:a',
]
const LIST_FUNCTIONS = ['splitWords', 'splitParts', 'chars', 'repeat:2', 'valueAndNull']
const JOINERS = ['concat:-', 'concat:+', 'sum', 'first', 'last', 'diff', 'nullIfEqual']
const AGGREGATORS = ['concat:+', 'sum', 'count', 'max', 'min', 'last']
const REDUCERS = ['sum', 'max', 'min', 'concat:,', 'last', 'first']
const SUBTRACTABLE = [
  { init: 0, adder: 'sum', subtractor: 'diff' },
  { init: '', adder: 'concat:+', subtractor: 'removeFirst:+' },
  { init: 0, adder: 'count', subtractor: 'uncount' },
]
const GRACES = [0, 0, 5, 10, 25, 300]

const VERBS = {
  filter: 3,
  filterNot: 1,
  map: 2,
  mapValues: 3,
  flatMap: 1,
  flatMapValues: 2,
  selectKey: 3,
  merge: 2,
  split: 1,
  repartition: 1,
  toTable: 2,
  groupStream: 6,
  groupTable: 3,
  cogroup: 2,
  windows: 8,
  joinStreams: 5,
  joinTable: 4,
  joinGlobal: 2,
  joinTables: 4,
  foreignKey: 3,
  filterTable: 2,
  mapTable: 2,
  suppress: 4,
  process: 4,
  toStream: 1,
}

export function randomCase(seed: number): Case {
  return new ProgramGenerator(seed).generate()
}

class ProgramGenerator {
  readonly #seed: number
  readonly #random: Random
  readonly #steps: Step[] = []
  readonly #made: Made[] = []
  readonly #topics: string[] = []
  readonly #used = new Set<string>()
  readonly #ordinals = new Map<string, number>()
  #stores = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new Random(seed)
  }

  generate(): Case {
    const random = this.#random
    const sources = 1 + random.below(3)
    for (const topic of ['ta', 'tb', 'tc'].slice(0, sources)) this.#source(topic)
    const verbs = 1 + random.below(7)
    for (let count = 0; count < verbs; count++) this.#verb()
    this.#sinks()
    const config: Record<string, unknown> = random.chance(0.1)
      ? { processingHandler: 'continue' }
      : {}
    const ops = [...new Set(this.#steps.map(({ op }) => op))].join(', ')
    return {
      id: `seed-${this.#seed}`,
      title: ops,
      config,
      program: this.#steps,
      input: randomInput(random, this.#topics),
    }
  }

  #add(op: string, options: Readonly<Record<string, unknown>>): string {
    const ordinal = (this.#ordinals.get(op) ?? 0) + 1
    this.#ordinals.set(op, ordinal)
    const id = `${op}${ordinal}`
    this.#steps.push({ id, op, ...options })
    for (const from of [options.from, options.with])
      if (typeof from === 'string') this.#used.add(from)
    return id
  }

  #make(made: Made): void {
    this.#made.push(made)
  }

  /** One of what there is of a kind, or null. */
  #one(fits: (made: Made) => boolean): Made | null {
    const fitting = this.#made.filter(fits)
    return fitting.length === 0 ? null : this.#random.pick(fitting)
  }

  #stream(): Made | null {
    return this.#one(({ kind, key }) => kind === 'stream' && key === 'plain')
  }

  #table(): Made | null {
    return this.#one(({ kind, key }) => kind === 'table' && key === 'plain')
  }

  #store(probability = 0.5): { store?: string } {
    if (!this.#random.chance(probability)) return {}
    this.#stores++
    return { store: `s${this.#stores}` }
  }

  #source(topic: string): void {
    const random = this.#random
    this.#topics.push(topic)
    const kind = random.weighted({ stream: 5, table: 3, versioned: 1, globalTable: 1 })
    const isFirst = this.#made.length === 0
    if (kind === 'stream' || (isFirst && kind === 'globalTable')) {
      const extractor = random.chance(0.1) ? { extractor: 'value' } : {}
      this.#make({ id: this.#add('stream', { topic, ...extractor }), kind: 'stream', key: 'plain' })
    } else if (kind === 'globalTable') {
      this.#make({ id: this.#add('globalTable', { topic }), kind: 'global', key: 'plain' })
    } else if (kind === 'versioned') {
      this.#stores++
      const store = {
        store: `s${this.#stores}`,
        storeType: 'versioned',
        historyMs: random.pick([0, 20, 50, 1000]),
      }
      this.#make({
        id: this.#add('table', { topic, ...store }),
        kind: 'table',
        key: 'plain',
        versioned: true,
      })
    } else {
      this.#make({
        id: this.#add('table', { topic, ...this.#store() }),
        kind: 'table',
        key: 'plain',
      })
    }
  }

  #verb(): void {
    this.#verbs[this.#random.weighted(VERBS)]()
  }

  readonly #verbs: Readonly<Record<keyof typeof VERBS, () => void>> = {
    filter: () => this.#onStream('filter', () => ({ predicate: this.#random.pick(PREDICATES) })),
    filterNot: () =>
      this.#onStream('filterNot', () => ({ predicate: this.#random.pick(PREDICATES) })),
    mapValues: () =>
      this.#onStream('mapValues', () => ({ fn: this.#random.pick(VALUE_FUNCTIONS) })),
    flatMapValues: () =>
      this.#onStream('flatMapValues', () => ({ fn: this.#random.pick(LIST_FUNCTIONS) })),
    map: () => this.#onStream('map', () => this.#keyAndValue(), true),
    flatMap: () => this.#onStream('flatMap', () => this.#keyAndList(), true),
    selectKey: () =>
      this.#onStream('selectKey', () => ({ key: this.#random.pick(KEY_FUNCTIONS) }), true),
    merge: () => this.#merge(),
    repartition: () => this.#onStream('repartition', () => ({}), false),
    split: () => this.#split(),
    toTable: () => this.#toTable(),
    groupStream: () => this.#aggregate(this.#grouped(), {}),
    windows: () => this.#windowed(this.#grouped()),
    cogroup: () => this.#cogroup(),
    groupTable: () => this.#groupTable(),
    joinStreams: () => this.#joinStreams(),
    joinTable: () => this.#joinTable(),
    joinGlobal: () => this.#joinGlobal(),
    joinTables: () => this.#joinTables(),
    foreignKey: () => this.#foreignKey(),
    filterTable: () =>
      this.#onTable(this.#random.pick(['filter', 'filterNot']), {
        predicate: this.#random.pick(PREDICATES),
      }),
    mapTable: () => this.#onTable('mapValues', { fn: this.#random.pick(VALUE_FUNCTIONS) }),
    suppress: () => this.#suppress(),
    process: () => this.#process(),
    toStream: () => this.#toStream(),
  }

  #keyAndValue(): Record<string, unknown> {
    const random = this.#random
    return { key: random.pick(KEY_FUNCTIONS), value: random.pick(VALUE_FUNCTIONS) }
  }

  #keyAndList(): Record<string, unknown> {
    const random = this.#random
    return { fn: random.pick(LIST_FUNCTIONS), key: random.pick(['key', 'value', 'firstChar']) }
  }

  #merge(): void {
    const from = this.#stream()
    const other = this.#stream()
    if (from === null || other === null) return
    const id = this.#add('merge', { from: from.id, with: other.id })
    const rekeyed = from.rekeyed === true || other.rekeyed === true
    this.#make({ id, kind: 'stream', key: 'plain', rekeyed })
  }

  #toTable(): void {
    const from = this.#stream()
    if (from === null) return
    const id = this.#add('toTable', { from: from.id, ...this.#store() })
    this.#make({ id, kind: 'table', key: 'plain' })
  }

  /** A step of a stream; `rekeyed` says whether keys may have changed, default as before. */
  #onStream(op: string, options: () => Record<string, unknown>, rekeyed?: boolean): void {
    const from = this.#stream()
    if (from === null) return
    const id = this.#add(op, { from: from.id, ...options() })
    this.#make({ id, kind: 'stream', key: 'plain', rekeyed: rekeyed ?? from.rekeyed ?? false })
  }

  #onTable(op: string, options: Record<string, unknown>): void {
    const from = this.#one(({ kind }) => kind === 'table')
    if (from === null) return
    const store = this.#store(0.3)
    const id = this.#add(op, { from: from.id, ...options, ...store })
    this.#make({ id, kind: 'table', key: from.key, closes: from.closes ?? false })
  }

  #split(): void {
    const from = this.#stream()
    if (from === null) return
    const branches = [{ name: 'b1', predicate: this.#random.pick(PREDICATES) }]
    const id = this.#add('split', { from: from.id, branches, default: 'rest' })
    const { rekeyed = false } = from
    for (const branch of ['b1', 'rest'])
      this.#make({ id: `${id}.${branch}`, kind: 'stream', key: 'plain', rekeyed })
  }

  /** A grouped stream's id, or null. */
  #grouped(mayRepartition = true): string | null {
    const from = mayRepartition
      ? this.#stream()
      : this.#one(({ kind, key, rekeyed }) => kind === 'stream' && key === 'plain' && !rekeyed)
    if (from === null) return null
    if (mayRepartition && this.#random.chance(0.5)) {
      return this.#add('groupBy', { from: from.id, key: this.#random.pick(KEY_FUNCTIONS) })
    }
    return this.#add('groupByKey', { from: from.id })
  }

  #aggregate(from: string | null, table: Partial<Made>, merges = false): void {
    if (from === null) return
    const random = this.#random
    const store = this.#store()
    let id: string
    switch (random.pick(['count', 'reduce', 'aggregate'] as const)) {
      case 'count':
        id = this.#add('count', { from, ...store })
        break
      case 'reduce':
        id = this.#add('reduce', { from, reducer: random.pick(REDUCERS), ...store })
        break
      case 'aggregate': {
        const merger = merges ? { merger: random.pick(['concat:&', 'sum']) } : {}
        const init = random.pick([0, 5, '', '0'])
        id = this.#add('aggregate', {
          from,
          init,
          aggregator: random.pick(AGGREGATORS),
          ...merger,
          ...store,
        })
      }
    }
    this.#make({ id, kind: 'table', key: 'plain', ...table })
  }

  #windows(from: string): { readonly id: string; readonly isSession: boolean } {
    const random = this.#random
    const grace = random.chance(0.7) ? { graceMs: random.pick(GRACES) } : {}
    const type = random.pick(['tumbling', 'hopping', 'sliding', 'session'] as const)
    const shape = {
      tumbling: { sizeMs: random.pick([1, 2, 10, 30, 100]) },
      hopping: random.pick([
        { sizeMs: 10, advanceMs: 5 },
        { sizeMs: 4, advanceMs: 1 },
        { sizeMs: 30, advanceMs: 7 },
        { sizeMs: 20, advanceMs: 20 },
      ]),
      sliding: { sizeMs: random.pick([1, 2, 10, 30]) },
      session: { gapMs: random.pick([0, 1, 5, 20, 50]) },
    }[type]
    const id = this.#add('windowedBy', { from, type, ...shape, ...grace })
    return { id, isSession: type === 'session' }
  }

  #windowed(grouped: string | null): void {
    if (grouped === null) return
    const { id, isSession } = this.#windows(grouped)
    if (this.#random.chance(0.25)) {
      const emitting = this.#add('emitStrategy', { from: id, strategy: 'onWindowClose' })
      this.#aggregate(emitting, { key: 'windowed' }, isSession)
      return
    }
    this.#aggregate(id, { key: 'windowed', closes: true }, isSession)
  }

  #cogroup(): void {
    const random = this.#random
    const first = this.#grouped()
    const second = this.#grouped(false)
    if (first === null) return
    let from = this.#add('cogroup', { from: first, aggregator: random.pick(AGGREGATORS) })
    if (second !== null) {
      from = this.#add('cogroup', { from, with: second, aggregator: random.pick(AGGREGATORS) })
    }
    const init = random.pick([0, ''])
    if (random.chance(0.5)) {
      const id = this.#add('aggregate', { from, init, ...this.#store() })
      this.#make({ id, kind: 'table', key: 'plain' })
      return
    }
    const { id: windowed, isSession } = this.#windows(from)
    const merger = isSession ? { merger: 'concat:&' } : {}
    const id = this.#add('aggregate', { from: windowed, init, ...merger, ...this.#store() })
    this.#make({ id, kind: 'table', key: 'windowed', closes: true })
  }

  #groupTable(): void {
    const random = this.#random
    const from = this.#one(({ kind }) => kind === 'table')
    if (from === null) return
    const key =
      from.key === 'plain'
        ? random.pick(['key', 'value', 'firstChar', 'mod:2', 'part:1', 'const:k1'])
        : random.pick(['innerKey', 'value', 'mod:2'])
    const value = random.chance(0.3) ? { value: random.pick(VALUE_FUNCTIONS) } : {}
    const grouped = this.#add('groupBy', { from: from.id, key, ...value })
    const store = this.#store()
    let id: string
    switch (random.pick(['count', 'reduce', 'aggregate'] as const)) {
      case 'count':
        id = this.#add('count', { from: grouped, ...store })
        break
      case 'reduce':
        id = this.#add('reduce', { from: grouped, adder: 'sum', subtractor: 'diff', ...store })
        break
      case 'aggregate':
        id = this.#add('aggregate', { from: grouped, ...random.pick(SUBTRACTABLE), ...store })
    }
    this.#make({ id, kind: 'table', key: 'plain' })
  }

  #joinStreams(): void {
    const random = this.#random
    const from = this.#stream()
    const other = this.#stream()
    if (from === null || other === null) return
    const op = random.pick(['join', 'leftJoin', 'outerJoin'])
    const window = {
      beforeMs: random.pick([0, 2, 20, 50]),
      afterMs: random.pick([0, 2, 20, 50]),
      graceMs: random.pick(GRACES),
    }
    const id = this.#add(op, {
      from: from.id,
      with: other.id,
      joiner: random.pick(JOINERS),
      ...window,
    })
    this.#make({ id, kind: 'stream', key: 'plain' })
  }

  #joinTable(): void {
    const random = this.#random
    const from = this.#stream()
    const other = this.#table()
    if (from === null || other === null) return
    const op = random.pick(['join', 'leftJoin'])
    const id = this.#add(op, { from: from.id, with: other.id, joiner: random.pick(JOINERS) })
    this.#make({ id, kind: 'stream', key: 'plain' })
  }

  #joinGlobal(): void {
    const random = this.#random
    const from = this.#stream()
    const other = this.#one(({ kind }) => kind === 'global')
    if (from === null || other === null) return
    const op = random.pick(['join', 'leftJoin'])
    const key = random.pick(KEY_FUNCTIONS)
    const id = this.#add(op, { from: from.id, with: other.id, joiner: random.pick(JOINERS), key })
    this.#make({ id, kind: 'stream', key: 'plain', rekeyed: from.rekeyed ?? false })
  }

  #joinTables(): void {
    const random = this.#random
    const from = this.#table()
    const other = this.#one(
      ({ kind, key, id }) => kind === 'table' && key === 'plain' && id !== from?.id,
    )
    if (from === null || other === null) return
    const op = random.pick(['join', 'leftJoin', 'outerJoin'])
    const id = this.#add(op, {
      from: from.id,
      with: other.id,
      joiner: random.pick(JOINERS),
      ...this.#store(),
    })
    this.#make({ id, kind: 'table', key: 'plain' })
  }

  #foreignKey(): void {
    const random = this.#random
    const from = this.#table()
    const other = this.#table()
    if (from === null || other === null) return
    const op = random.pick(['join', 'leftJoin'])
    const foreignKey = random.pick(['value', 'firstChar', 'part:1', 'valueUnless:a'])
    const id = this.#add(op, {
      from: from.id,
      with: other.id,
      foreignKey,
      joiner: random.pick(JOINERS),
      ...this.#store(),
    })
    this.#make({ id, kind: 'table', key: 'plain' })
  }

  #suppress(): void {
    const random = this.#random
    const from = this.#one(
      ({ kind, closes }) => kind === 'table' && (closes === true || random.chance(0.3)),
    )
    if (from === null) return
    if (from.closes === true && random.chance(0.7)) {
      const id = this.#add('suppress', { from: from.id, until: 'windowCloses' })
      this.#make({ id, kind: 'table', key: from.key })
      return
    }
    const bound = random.chance(0.3)
      ? { maxRecords: 1 + random.below(4), onFull: 'emitEarlyWhenFull' }
      : {}
    const limitMs = random.pick([0, 2, 10, 50])
    const id = this.#add('suppress', { from: from.id, until: 'timeLimit', limitMs, ...bound })
    this.#make({ id, kind: 'table', key: from.key })
  }

  #process(): void {
    const random = this.#random
    const op = random.pick(['process', 'processValues'])
    const processor = random.pick([
      'deduplicate',
      'deduplicateFor',
      'previous',
      'streamTime',
      'addHeader',
      'setHeader',
      'shiftTimestamp',
      'repeat',
      'tick',
      'countAndPunctuate',
      'buffer',
      'expire',
    ])
    const own = ['countAndPunctuate', 'buffer', 'expire', 'shiftTimestamp', 'tick', 'repeat']
    const from = this.#stream()
    if (from === null) return
    const options: Record<string, unknown> = { from: from.id, processor }
    if (
      [
        'deduplicate',
        'deduplicateFor',
        'previous',
        'countAndPunctuate',
        'buffer',
        'expire',
      ].includes(processor)
    ) {
      Object.assign(options, this.#store(1))
    }
    if (['tick', 'countAndPunctuate', 'buffer', 'expire'].includes(processor)) {
      options.everyMs = random.pick([5, 10, 30])
      if (random.chance(0.3)) options.clock = 'wallClock'
    }
    if (processor === 'deduplicateFor' || processor === 'expire')
      options.ttlMs = random.pick([5, 20, 100])
    if (processor === 'addHeader' || processor === 'setHeader') options.header = 'p'
    if (processor === 'shiftTimestamp') options.byMs = random.pick([-3, 0, 5, 40])
    if (processor === 'repeat') options.times = random.pick([1, 2])
    const verb = own.includes(processor) ? 'process' : op
    const id = this.#add(verb, options)
    const rekeyed = verb === 'process' ? true : (from.rekeyed ?? false)
    this.#make({ id, kind: 'stream', key: 'plain', rekeyed })
  }

  #toStream(): void {
    const from = this.#one(({ kind, key }) => kind === 'table' && key === 'plain')
    if (from === null) return
    this.#make({ id: this.#add('toStream', { from: from.id }), kind: 'stream', key: 'plain' })
  }

  /** Everything that nothing else stands on goes to a topic, and some of the rest. */
  #sinks(): void {
    let sinks = 0
    for (const { id, kind } of [...this.#made]) {
      if (kind === 'global' || (this.#used.has(id) && !this.#random.chance(0.2))) continue
      const from = kind === 'table' ? this.#add('toStream', { from: id }) : id
      sinks++
      this.#add('to', { from, topic: `out${sinks}` })
    }
  }
}
