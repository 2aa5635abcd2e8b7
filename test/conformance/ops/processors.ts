/**
 * The processors of cases: `process` and `processValues`.
 *
 * What a processor counts is kept in a store of its own, which no case names, so that the answer is
 * the same however often the application is restarted.
 */
import {
  type KeyValueStore,
  KStream,
  keyValueStore,
  type Processor,
  type ProcessorContext,
  type PunctuationType,
  type RecordHeader,
  type StoreDefinition,
  type StreamRecord,
} from 'millrace'
import { type Key, Unsupported, type Value } from '../case.ts'
import { textOf } from '../functions.ts'
import {
  type Context,
  type Options,
  on,
  type Result,
  SERDES,
  type Stream,
  type Translation,
} from './translation.ts'

type CaseRecord = StreamRecord<Key, Value>
type CaseContext = ProcessorContext<Key, Value>
type Rows = KeyValueStore<Key, Value>

/** What one processor of a case does; `tick` is its punctuation. */
interface Behaviour {
  process(record: CaseRecord, context: CaseContext): void | Promise<void>
  tick?(timestamp: number, context: CaseContext, cancel: () => void): void | Promise<void>
}

interface Plan {
  readonly behaviour: Behaviour
  readonly stores: readonly StoreDefinition[]
  /** Stores of other steps. */
  readonly connected: readonly string[]
}

export const processors: readonly Translation[] = on(KStream, ['process', 'processValues'], process)

function process(stream: Stream, step: Options, context: Context): Result {
  const { behaviour, stores, connected } = PROCESSORS[String(step.take('processor'))]?.(
    step,
    context,
  ) ?? {
    behaviour: unknown(step),
    stores: [],
    connected: [],
  }
  const clock: PunctuationType =
    step.optional<string>('clock') === 'wallClock' ? 'wall-clock' : 'stream-time'
  const everyMs = step.optional<number>('everyMs')
  const create = (): Processor<Key, Value, Key, Value> => {
    let given: CaseContext
    return {
      init(init) {
        given = init
        const tick = behaviour.tick?.bind(behaviour)
        if (everyMs === undefined || tick === undefined) return
        const cancel = given.schedule(everyMs, clock, (timestamp) => tick(timestamp, given, cancel))
      },
      process: (record) => behaviour.process(record, given),
    }
  }
  const one = create()
  const same = step.optional<boolean>('sameInstance') === true
  const source = { create: same ? () => one : create, stores }
  const options = step.done({ ...step.named(), stores: connected })
  return step.op === 'process'
    ? stream.process(source, options)
    : stream.processValues(source, options)
}

function unknown(step: Options): never {
  throw new Unsupported(`processor ${String(step.take('processor'))}`)
}

const NO_HEADERS: readonly RecordHeader[] = []

/** The store of a case's processor, with plain values, and a way to it. */
function rowsOf(
  step: Options,
  context: Context,
): [store: StoreDefinition, (at: CaseContext) => Rows] {
  const { name, storage } = context.store(step, 'plain')
  const store = keyValueStore<Key, Value>({ name: name ?? `${step.id}-store`, ...SERDES, storage })
  return [store, (at) => at.store(store)]
}

function stateless(process: Behaviour['process']): Plan {
  return { behaviour: { process }, stores: [], connected: [] }
}

async function valueIn(rows: Rows, key: Key): Promise<Value> {
  return (await rows.get(key))?.value ?? null
}

async function allOf(rows: Rows): Promise<[Key, Value][]> {
  const all: [Key, Value][] = []
  for await (const { key, value } of rows.range()) all.push([key, value])
  return all
}

/** Punctuations that send `<time>#<how many so far>`. */
function tick(step: Options, once: boolean): Plan {
  const clock = step.take('clock') === 'wallClock' ? 'wall' : 'stream'
  const throwAt = step.optional<number>('throwAt')
  const counts = keyValueStore<Key, Value>({ name: `${step.id}-ticks`, ...SERDES })
  const behaviour: Behaviour = {
    process: (record, context) => context.forward(record),
    async tick(timestamp, context, cancel) {
      const rows = context.store(counts)
      const count = Number((await valueIn(rows, clock)) ?? 0) + 1
      if (once && count > 1) return cancel()
      rows.put(clock, count, timestamp)
      if (count === throwAt) throw new Error(`boom: ${count}`)
      const value = `${timestamp}#${count}`
      await context.forward({ key: clock, value, timestamp, headers: NO_HEADERS })
      if (once) cancel()
    },
  }
  return { behaviour, stores: [counts], connected: [] }
}

/** The record with these headers: the one its siblings see too when `inPlace`. */
function withHeaders(
  record: CaseRecord,
  headers: readonly RecordHeader[],
  inPlace: boolean,
): CaseRecord {
  return inPlace ? Object.assign(record, { headers }) : { ...record, headers }
}

const PROCESSORS: Readonly<Record<string, (step: Options, context: Context) => Plan>> = {
  tick: (step) => tick(step, false),
  tickOnce: (step) => tick(step, true),
  forwardNothing: () => stateless(() => undefined),
  throwIf(step) {
    const text = step.take('text')
    return stateless((record, context) => {
      if (textOf(record.value) === text) throw new Error(`boom: ${text}`)
      return context.forward(record)
    })
  },
  streamTime: () =>
    stateless((record, context) =>
      context.forward({ ...record, value: `${context.streamTime()}/${context.now()}` }),
    ),
  metadata(step) {
    const clock = step.take('clock') === 'wallClock' ? 'wall' : 'stream'
    const behaviour: Behaviour = {
      process(record, context) {
        const { topic = '', partition, offset } = context.metadata() ?? {}
        const own = `${context.applicationId}-`
        const name = topic.startsWith(own) ? `oracle-${topic.slice(own.length)}` : topic
        const place = `${name}/${partition}/${offset}@${record.timestamp}`
        return context.forward({ ...record, value: `${place}=${textOf(record.value)}` })
      },
      tick(timestamp, context) {
        const value = context.metadata() === null ? 'none' : 'metadata'
        return context.forward({ key: clock, value, timestamp, headers: NO_HEADERS })
      },
    }
    return { behaviour, stores: [], connected: [] }
  },
  setHeader(step, { hasDefects }) {
    const key = String(step.take('header'))
    const inPlace = hasDefects && step.op === 'process'
    return stateless((record, context) => {
      const headers = [{ key, value: Buffer.from(textOf(record.value)) }]
      return context.forward(withHeaders(record, headers, inPlace))
    })
  },
  addHeader(step, { hasDefects }) {
    const key = String(step.take('header'))
    const inPlace = hasDefects && step.op === 'process'
    return stateless((record, context) => {
      const header = { key, value: Buffer.from(textOf(record.value)) }
      return context.forward(withHeaders(record, [...record.headers, header], inPlace))
    })
  },
  shiftTimestamp(step) {
    const byMs = Number(step.take('byMs'))
    return stateless((record, context) =>
      context.forward({ ...record, timestamp: record.timestamp + byMs }),
    )
  },
  repeat(step) {
    const times = Number(step.take('times'))
    return stateless(async (record, context) => {
      for (let count = 0; count < times; count++) {
        await context.forward({ ...record, value: `${textOf(record.value)}#${count}` })
      }
    })
  },
  route: () => stateless((record, context) => context.forward(record, textOf(record.value))),
  requestCommit: () =>
    stateless((record, context) => {
      context.requestCommit()
      return context.forward(record)
    }),
  lookup(step) {
    const store = String(step.take('lookupStore'))
    const isGlobal = step.optional<boolean>('globalLookup') === true
    const plan = stateless(async (record, context) => {
      const { key, value } = record
      const rows = context.store<Rows>(store)
      const found = key === null ? null : await valueIn(rows, key)
      await context.forward({ ...record, value: `${textOf(value)}~${textOf(found)}` })
    })
    return { ...plan, connected: isGlobal ? [] : [store] }
  },
  deduplicate(step, context) {
    const [store, rowsIn] = rowsOf(step, context)
    const behaviour: Behaviour = {
      async process(record, context) {
        const { key, value, timestamp } = record
        const rows = rowsIn(context)
        if (key !== null) {
          if ((await valueIn(rows, key)) === value) return
          rows.put(key, value, timestamp)
        }
        await context.forward(record)
      },
    }
    return { behaviour, stores: [store], connected: [] }
  },
  deduplicateFor(step, context) {
    const ttlMs = Number(step.take('ttlMs'))
    const [store, rowsIn] = rowsOf(step, context)
    const behaviour: Behaviour = {
      async process(record, context) {
        const { key, timestamp } = record
        const rows = rowsIn(context)
        if (key !== null) {
          const stored = await valueIn(rows, key)
          if (stored !== null && timestamp - Number(stored) < ttlMs) return
          rows.put(key, timestamp, timestamp)
        }
        await context.forward(record)
      },
    }
    return { behaviour, stores: [store], connected: [] }
  },
  previous(step, context) {
    const [store, rowsIn] = rowsOf(step, context)
    const behaviour: Behaviour = {
      async process(record, context) {
        const { key, value, timestamp } = record
        if (key === null) return
        const rows = rowsIn(context)
        const prior = await valueIn(rows, key)
        rows.put(key, value, timestamp)
        await context.forward({ ...record, value: `${textOf(prior)}>${textOf(value)}` })
      },
    }
    return { behaviour, stores: [store], connected: [] }
  },
  countAndPunctuate(step, context) {
    const [store, rowsIn] = rowsOf(step, context)
    const behaviour: Behaviour = {
      async process({ key, timestamp }, context) {
        if (key === null) return
        const rows = rowsIn(context)
        rows.put(key, Number((await valueIn(rows, key)) ?? 0) + 1, timestamp)
      },
      async tick(timestamp, context) {
        for (const [key, value] of await allOf(rowsIn(context))) {
          await context.forward({ key, value, timestamp, headers: NO_HEADERS })
        }
      },
    }
    return { behaviour, stores: [store], connected: [] }
  },
  buffer(step, context) {
    const [store, rowsIn] = rowsOf(step, context)
    const behaviour: Behaviour = {
      process({ key, value, timestamp }, context) {
        if (key !== null) rowsIn(context).put(key, value, timestamp)
      },
      async tick(timestamp, context) {
        const rows = rowsIn(context)
        for (const [key, value] of await allOf(rows)) {
          await context.forward({ key, value, timestamp, headers: NO_HEADERS })
          rows.put(key, null, timestamp)
        }
      },
    }
    return { behaviour, stores: [store], connected: [] }
  },
  expire(step, context) {
    const ttlMs = Number(step.take('ttlMs'))
    const [store, rowsIn] = rowsOf(step, context)
    const behaviour: Behaviour = {
      process(record, context) {
        const { key, value, timestamp } = record
        if (key !== null) rowsIn(context).put(key, value === null ? null : timestamp, timestamp)
        return context.forward(record)
      },
      async tick(timestamp, context) {
        const rows = rowsIn(context)
        for (const [key, stored] of await allOf(rows)) {
          if (Number(stored) > timestamp - ttlMs) continue
          rows.put(key, null, timestamp)
          await context.forward({ key, value: null, timestamp, headers: NO_HEADERS })
        }
      },
    }
    return { behaviour, stores: [store], connected: [] }
  },
}
