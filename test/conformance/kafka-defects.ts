/**
 * What Kafka Streams does wrong, done on purpose: a program with these defects gives its very answer.
 * A difference is explained by a topic of `docs/differences.md` when that is so, and by nothing less.
 *
 * Journey: a case that differs -> program -> [with defects] -> run again -> the same as the answer?
 *
 * - Windows lost: a window that is sent when it closes is read back from the store, where the record
 *   that closed it may already have expired it.
 * - A session of one moment counted again: for the second record of a time the row before is missing.
 * - A join at time 0: a window that ends before time 0 takes in that time.
 * - Headers changed in place: what `process` adds to a record's headers its siblings see, too.
 * - Sliding windows: sliding-defects.ts. Suppressions: suppression-defects.ts.
 */
import type { PromiseOrValue } from '../../src/record/record.ts'
import { when } from '../../src/record/when.ts'
import type {
  JoinStore,
  ReadOnlyWindowStore,
  StateStore,
  WindowStoreEntry,
} from '../../src/state/store.ts'
import type { Processor } from '../../src/topology/processor.ts'
import type { ProcessorNode, Topology } from '../../src/topology/topology.ts'
import type { Case, Key, Step, Value, WindowedKey } from './case.ts'
import type { Program } from './program.ts'
import { SlidingDefects } from './sliding-defects.ts'
import { type HeldRows, SuppressionWithDefects } from './suppression-defects.ts'
import { type AnyContext, type AnyRecord, type Drop, watched } from './watched.ts'

/** A store of windows, as far as writing goes; one of sessions is written with an end, too. */
interface WindowPuts extends StateStore {
  put(...row: [key: unknown, start: number, value: unknown, timestamp: number]): unknown
}

/** A windowed aggregation of a case, and its store here. */
interface Aggregation {
  readonly windows: Step
  readonly isOnClose: boolean
  readonly store: string
  readonly retentionMs: number
  /** The rows of sliding windows, of all inputs of a cogroup. */
  readonly sliding: SlidingDefects | null
  /** The largest start of a window written so far; of sessions the largest end. */
  maxStart: number
}

export interface ProgramWithDefects {
  readonly topology: Topology
  /** A store as Kafka Streams shows it. */
  shown(name: string, store: object): object
}

export function withDefects(
  { program }: Case,
  { topology, held }: Pick<Program, 'topology' | 'held'>,
): ProgramWithDefects {
  const aggregations = new Map(
    aggregationsOf(program, topology).map((aggregation) => [aggregation.store, aggregation]),
  )
  const joined = namesOf(topology, 'join')
  const nodes = topology.nodes.map((node) => {
    if (node.kind !== 'processor') return node
    const rows = held.get(node.name)
    if (rows !== undefined) return suppressing(node, rows)
    if (joined.includes(node.stores[0] ?? '')) return joiningAtZero(node)
    const aggregation = node.stores.map((name) => aggregations.get(name)).find(Boolean)
    return aggregation === undefined ? node : defective(node, aggregation)
  })
  return {
    topology: { ...topology, nodes },
    shown(name, store) {
      const aggregation = aggregations.get(name)
      if (aggregation?.isOnClose !== true || isSession(aggregation)) return store
      return withoutExpired(store as ReadOnlyWindowStore<string, Value>, aggregation)
    },
  }
}

function namesOf(topology: Topology, kind: string): string[] {
  return topology.stores.filter((store) => store.kind === kind).map(({ name }) => name)
}

/** Steps that aggregate in time windows, with their stores: both are in the order of the program. */
function aggregationsOf(program: readonly Step[], topology: Topology): Aggregation[] {
  const byId = new Map(program.map((step) => [step.id, step]))
  const stores = topology.stores.filter(({ kind }) => STORE_KINDS.includes(kind))
  const found: Aggregation[] = []
  for (const step of program) {
    if (!['count', 'reduce', 'aggregate'].includes(step.op)) continue
    const above = byId.get(step.from ?? '')
    const windows = above?.op === 'emitStrategy' ? byId.get(above.from ?? '') : above
    if (windows?.op !== 'windowedBy') continue
    const index = found.length
    const store = stores[index]?.name ?? ''
    const isOnClose = above?.strategy === 'onWindowClose'
    const retentionMs = Number(step.retentionMs ?? retentionOf(windows))
    const initial = step.op === 'count' ? 0 : ((step.init ?? null) as Value)
    const aggregation = { windows, isOnClose, store, retentionMs, maxStart: NOTHING_WRITTEN }
    const sliding = new SlidingDefects({
      differenceMs: Number(windows.sizeMs),
      initial,
      isExpired: (start) => isExpired(start, found[index] as Aggregation),
    })
    found.push({ ...aggregation, sliding: windows.type === 'sliding' ? sliding : null })
  }
  return found
}

const NOTHING_WRITTEN = Number.NEGATIVE_INFINITY
const STORE_KINDS = ['window', 'sliding', 'session']

function retentionOf({ type, sizeMs, gapMs, graceMs = 0 }: Step): number {
  if (type === 'session') return Number(gapMs) + Number(graceMs)
  return Number(sizeMs) * (type === 'sliding' ? 2 : 1) + Number(graceMs)
}

function isSession({ windows }: Aggregation): boolean {
  return windows.type === 'session'
}

function isExpired(start: number, { maxStart, retentionMs }: Aggregation): boolean {
  return start <= maxStart - retentionMs
}

/** Sessions are lost by the segment of their end. */
const SEGMENT_MIN_MS = 60_000

function isSessionExpired(end: number, { maxStart: maxEnd, retentionMs }: Aggregation): boolean {
  const segmentMs = Math.max(Math.floor(retentionMs / 2), SEGMENT_MIN_MS)
  return Math.floor(end / segmentMs) < Math.floor((maxEnd - retentionMs) / segmentMs)
}

/** A store of windows that does not show those that Kafka Streams has lost. */
function withoutExpired(
  store: ReadOnlyWindowStore<string, Value>,
  aggregation: Aggregation,
): ReadOnlyWindowStore<string, Value> {
  async function* kept(entries: AsyncIterable<WindowStoreEntry<string, Value>>) {
    for await (const entry of entries) if (!isExpired(entry.windowStart, aggregation)) yield entry
  }
  return watched(store, {
    get: (key, start) => (isExpired(start, aggregation) ? null : store.get(key, start)),
    fetch: (...bounds) => kept(store.fetch(...bounds)),
    fetchAll: (...bounds) => kept(store.fetchAll(...bounds)),
  } as Partial<ReadOnlyWindowStore<string, Value>>)
}

/** A join whose window, where it ends before time 0, takes in that time. */
function joiningAtZero(node: ProcessorNode): ProcessorNode {
  const atZero = (store: JoinStore<unknown, unknown>) =>
    watched(store, {
      fetch: (key, from, to, visit) => store.fetch(key, from, Math.max(0, to), visit),
    } as Partial<JoinStore<unknown, unknown>>)
  const create = (): Processor => {
    const processor = node.create()
    const init = processor.init?.bind(processor)
    processor.init = (context) => {
      const store = (name: string) => {
        const opened = context.store<StateStore>(name)
        return 'fetch' in opened ? atZero(opened as JoinStore<unknown, unknown>) : opened
      }
      init?.(watched(context, { store } as Partial<AnyContext>))
    }
    return processor
  }
  return { ...node, create }
}

function suppressing(node: ProcessorNode, held: HeldRows): ProcessorNode {
  return { ...node, create: () => new SuppressionWithDefects(node.create(), held) }
}

function defective(node: ProcessorNode, aggregation: Aggregation): ProcessorNode {
  return { ...node, create: () => new Defective(node.create(), aggregation) }
}

class Defective implements Processor {
  readonly #processor: Processor
  readonly #aggregation: Aggregation
  #time = -1

  constructor(processor: Processor, aggregation: Aggregation) {
    this.#processor = processor
    this.#aggregation = aggregation
  }

  init(context: AnyContext): void {
    this.#processor.init?.(this.#watched(context))
  }

  process(record: AnyRecord): PromiseOrValue<void> {
    if (record.key !== null) this.#observe(record)
    return this.#processor.process(record)
  }

  flush(): PromiseOrValue<void> {
    return this.#processor.flush?.()
  }

  timeMoved(): PromiseOrValue<void> {
    return this.#processor.timeMoved?.()
  }

  close(): void {
    this.#processor.close?.()
  }

  /** Kafka writes the record's windows before it sends those that they close. */
  #observe({ key, value, timestamp }: AnyRecord): void {
    const { windows, sliding } = this.#aggregation
    this.#time = timestamp
    if (windows.type === 'session') {
      if (value !== null) this.#wrote(timestamp)
      return
    }
    const size = Number(windows.sizeMs)
    if (sliding === null) {
      const advance = Number(windows.advanceMs ?? size)
      this.#wrote(Math.floor(timestamp / advance) * advance)
    } else if (value !== null) {
      sliding.observe(key as Key, timestamp)
      this.#wrote(Math.max(0, timestamp - size))
    }
  }

  #wrote(start: number): void {
    const aggregation = this.#aggregation
    if (start > aggregation.maxStart) aggregation.maxStart = start
  }

  #forward(context: AnyContext, record: AnyRecord): PromiseOrValue<void> {
    const { start, end } = record.key as WindowedKey
    const { before, after } = record.value as { before: Value; after: Value }
    const { isOnClose, windows, sliding } = this.#aggregation
    if (windows.type === 'session') {
      if (isOnClose && isSessionExpired(end, this.#aggregation)) return
      const isMoment = !isOnClose && start === end && (after !== null || start === this.#time)
      return context.forward({ ...record, value: { before: isMoment ? null : before, after } })
    }
    if (isOnClose) {
      return isExpired(start, this.#aggregation) ? undefined : context.forward(record)
    }
    if (sliding === null) return context.forward(record)
    const change = { ...record, value: { before: sliding.before(start, before), after } }
    const sent = context.forward(change)
    if (!sliding.isTwice(start)) return sent
    return when(sent, () => context.forward(change))
  }

  #drop(context: AnyContext, drop: Drop): void {
    context.drop(...drop)
    const [, , start] = drop
    if (start !== undefined && this.#aggregation.sliding?.isTwice(start) === true)
      context.drop(...drop)
  }

  /** The context as the processor sees it: what it sends and writes passes through here. */
  #watched(context: AnyContext): AnyContext {
    return watched(context, {
      forward: (record: AnyRecord) => this.#forward(context, record),
      drop: (...drop: Drop) => this.#drop(context, drop),
      store: (name: string) => this.#watchedStore(context.store<WindowPuts>(name)),
    })
  }

  #watchedStore(store: WindowPuts): never {
    return watched(store, {
      put: (...row) => {
        const [key, start, value, timestamp] = row
        if (!isSession(this.#aggregation)) this.#wrote(start)
        this.#aggregation.sliding?.wrote(key as Key, start, { value: value as Value, timestamp })
        return store.put(...row)
      },
    } as Partial<WindowPuts>) as never
  }
}
