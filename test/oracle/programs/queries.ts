/** Queries of named stores between the records of a random case. */
import type { Entry, Query } from '../../conformance/case.ts'
import { KEYS } from './input.ts'
import type { Random } from './random.ts'
import type { NamedStore, StoreKind } from './writer.ts'

type Bounds = (random: Random, time: number) => Omit<Query, 'store' | 'type'>

const none: Bounds = () => ({})
const key: Bounds = (random) => ({ key: random.pick(KEYS) })
const keys: Bounds = (random) => {
  const [from = null, to = null] = [random.pick(KEYS), random.pick(KEYS)].sort()
  return random.pick([{}, { from }, { to }, { from, to }])
}
const times: Bounds = (random, time) => ({
  fromMs: Math.max(0, time - random.pick([0, 10, 100, 1000])),
  toMs: time + random.pick([0, 10, 100]),
})
const start: Bounds = (random, time) => ({ fromMs: Math.max(0, time - random.below(30)) })

function all(...bounds: readonly Bounds[]): Bounds {
  return (random, time) => Object.assign({}, ...bounds.map((one) => one(random, time)))
}

const QUERIES: Readonly<Record<StoreKind, Readonly<Record<string, Bounds>>>> = {
  'key-value': {
    get: key,
    range: keys,
    reverseRange: keys,
    all: none,
    reverseAll: none,
    prefixScan: (random) => ({ prefix: random.pick(['k', 'a', 'k1']) }),
  },
  window: {
    get: all(key, start),
    fetch: all(key, times),
    backwardFetch: all(key, times),
    fetchRange: all(keys, times),
    fetchAll: times,
    backwardFetchAll: times,
    all: none,
    backwardAll: none,
  },
  session: {
    fetch: key,
    backwardFetch: key,
    fetchRange: keys,
    findSessions: all(key, times),
    backwardFindSessions: all(key, times),
  },
  versioned: {
    get: key,
    asOf: all(key, (random, time) => ({ asOfMs: Math.max(0, time - random.pick([0, 5, 30, 90])) })),
    versions: all(key, times, (random) => ({ descending: random.chance(0.5) })),
  },
}

/** The input with some queries put between its entries. */
export function withQueries(
  random: Random,
  input: readonly Entry[],
  stores: readonly NamedStore[],
): Entry[] {
  if (stores.length === 0) return [...input]
  const entries: Entry[] = []
  let time = 0
  for (const entry of input) {
    entries.push(entry)
    time = Math.max(time, entry.ts ?? 0)
    if (random.chance(0.1)) entries.push({ query: randomQuery(random, random.pick(stores), time) })
  }
  return entries
}

function randomQuery(random: Random, { name, kind }: NamedStore, time: number): Query {
  const type = random.pick(Object.keys(QUERIES[kind]))
  return { store: name, type, ...QUERIES[kind][type]?.(random, time) }
}
