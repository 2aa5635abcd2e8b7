/**
 * What Kafka Streams does wrong, done on purpose: a program with these defects gives its very answer.
 * A difference is explained by a topic of `docs/differences.md` when that is so, and by nothing less.
 *
 * Journey: a case that differs -> program -> [with defects] -> run again -> the same as the answer?
 *
 * - Windows lost: a window that is sent when it closes is read back from the store, where the record
 *   that closed it may already have expired it.
 * - Rows sent twice: a record that comes exactly difference + 1 after the one before it is in a window
 *   that is written once as the right one of that record and once as its own left one.
 *   Where both are closed already, the record is counted as dropped twice.
 * - A new sliding window changes what was not there: with its row goes, as the row before, what the
 *   new one was made of, the initial value or the row of an earlier window.
 * - A session of one moment counted again: for the second record of a time the row before is missing.
 * - Headers changed in place: what `process` adds to a record's headers its siblings see, too.
 * - Suppressions: suppression-defects.ts.
 */
import type { PromiseOrValue, StreamRecord } from '../../src/record/record.ts'
import type { StateStore } from '../../src/state/store.ts'
import type { Processor } from '../../src/topology/processor.ts'
import type { ProcessorNode, Topology } from '../../src/topology/topology.ts'
import type { Case, Key, Step, StoreRow, Value, WindowedKey } from './case.ts'
import { SuppressionWithDefects } from './suppression-defects.ts'
import { type AnyContext, type AnyRecord, type Drop, watched } from './watched.ts'

/** A store of windows, as far as writing goes. */
interface WindowPuts extends StateStore {
  put(key: unknown, start: number, ...rest: unknown[]): unknown
}

/** A windowed aggregation of a case, and its store here. */
interface Aggregation {
  readonly windows: Step
  readonly isOnClose: boolean
  readonly store: string
  readonly retentionMs: number
  /** What the aggregation begins with. */
  readonly initial: Value
  /** The largest start of a window written so far. */
  maxStart: number
}

export interface ProgramWithDefects {
  readonly topology: Topology
  /** The rows of a store that Kafka's still shows. */
  visible(store: string, rows: readonly StoreRow[]): readonly StoreRow[]
}

export function withDefects({ program }: Case, topology: Topology): ProgramWithDefects {
  const aggregations = new Map(
    aggregationsOf(program, topology).map((aggregation) => [aggregation.store, aggregation]),
  )
  const held = namesOf(topology, 'suppress')
  const nodes = topology.nodes.map((node) => {
    if (node.kind !== 'processor') return node
    if (held.includes(node.stores[0] ?? '')) return suppressing(node)
    const aggregation = node.stores.map((name) => aggregations.get(name)).find(Boolean)
    return aggregation === undefined ? node : defective(node, aggregation)
  })
  return {
    topology: { ...topology, nodes },
    visible(store, rows) {
      const aggregation = aggregations.get(store)
      if (aggregation?.isOnClose !== true || aggregation.windows.type === 'session') return rows
      return rows.filter(([key]) => !isExpired((key as WindowedKey).start, aggregation))
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
    const store = stores[found.length]?.name ?? ''
    const isOnClose = above?.strategy === 'onWindowClose'
    const retentionMs = Number(step.retentionMs ?? retentionOf(windows))
    const initial = step.op === 'count' ? 0 : ((step.init ?? null) as Value)
    const maxStart = Number.NEGATIVE_INFINITY
    found.push({ windows, isOnClose, store, retentionMs, initial, maxStart })
  }
  return found
}

const STORE_KINDS = ['window', 'sliding', 'session']

function retentionOf({ type, sizeMs, graceMs = 0 }: Step): number {
  return Number(sizeMs) * (type === 'sliding' ? 2 : 1) + Number(graceMs)
}

function isExpired(start: number, { maxStart, retentionMs }: Aggregation): boolean {
  return start <= maxStart - retentionMs
}

function suppressing(node: ProcessorNode): ProcessorNode {
  const [, sentRows = null] = node.stores
  return { ...node, create: () => new SuppressionWithDefects(node.create(), sentRows) }
}

function defective(node: ProcessorNode, aggregation: Aggregation): ProcessorNode {
  return { ...node, create: () => new Defective(node.create(), aggregation) }
}

class Defective implements Processor {
  readonly #processor: Processor
  readonly #aggregation: Aggregation
  /** Times of the records of each key, for sliding windows. */
  readonly #times = new Map<Key, Set<number>>()
  /** The rows sent last of each key, for sliding windows: value and timestamp by start. */
  readonly #rows = new Map<Key, Map<number, { value: Value; timestamp: number }>>()
  #time = -1
  /** The start of the window that is about to be sent twice; -1: none. */
  #twice = -1

  constructor(processor: Processor, aggregation: Aggregation) {
    this.#processor = processor
    this.#aggregation = aggregation
  }

  init(context: AnyContext): void {
    this.#processor.init?.(this.#watched(context))
  }

  process(record: StreamRecord<unknown, unknown>): PromiseOrValue<void> {
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

  #observe({ key, value, timestamp }: AnyRecord): void {
    const { windows } = this.#aggregation
    this.#time = timestamp
    if (windows.type === 'session') return
    const size = Number(windows.sizeMs)
    if (windows.type !== 'sliding') {
      const advance = Number(windows.advanceMs ?? size)
      this.#wrote(Math.floor(timestamp / advance) * advance)
      return
    }
    if (value === null) return
    this.#wrote(Math.max(0, timestamp - size))
    const times = this.#times.get(key as Key) ?? new Set()
    this.#times.set(key as Key, times)
    const before = [...times].filter((time) => time < timestamp).sort((a, b) => b - a)
    const [last = -1, lastButOne = -1] = before
    // The one before is found by the window at 0, or one that a record of the difference before it began.
    const isFound = last < size || (lastButOne >= 0 && last - lastButOne <= size)
    const isNext = last >= 0 && timestamp === last + size + 1
    this.#twice = isFound && isNext && !times.has(timestamp) ? last + 1 : -1
    times.add(timestamp)
  }

  #wrote(start: number): void {
    const aggregation = this.#aggregation
    if (start > aggregation.maxStart) aggregation.maxStart = start
  }

  #forward(context: AnyContext, record: AnyRecord): PromiseOrValue<void> {
    const { start, end } = record.key as WindowedKey
    const { isOnClose, windows } = this.#aggregation
    if (windows.type === 'session') {
      const { before, after } = record.value as { before: Value; after: Value }
      const isMoment = !isOnClose && start === end && (after !== null || start === this.#time)
      return context.forward({ ...record, value: { before: isMoment ? null : before, after } })
    }
    if (isOnClose) {
      return isExpired(start, this.#aggregation) ? undefined : context.forward(record)
    }
    const change = windows.type === 'sliding' ? this.#madeOf(record) : record
    const sent = context.forward(change)
    if (start !== this.#twice) return sent
    this.#twice = -1
    return sent instanceof Promise
      ? sent.then(() => context.forward(change))
      : context.forward(change)
  }

  /** The change of a sliding window; of a new one that takes the record, with what it is made of. */
  #madeOf(record: AnyRecord): AnyRecord {
    const { key, start } = record.key as WindowedKey
    const { before, after } = record.value as { before: Value; after: Value }
    const rows = this.#rows.get(key) ?? new Map<number, { value: Value; timestamp: number }>()
    this.#rows.set(key, rows)
    const isNew = before === null && start !== this.#time + 1
    const value = isNew ? { before: this.#seed(start, rows), after } : record.value
    rows.set(start, { value: after, timestamp: record.timestamp })
    return { ...record, value }
  }

  #seed(start: number, rows: ReadonlyMap<number, { value: Value; timestamp: number }>): Value {
    const { windows, initial } = this.#aggregation
    const size = Number(windows.sizeMs)
    const left = this.#time - size
    if (start !== left) return initial
    const earlier = [...rows].filter(
      ([one, { value }]) =>
        value !== null &&
        one + size < this.#time &&
        one >= left - size &&
        !isExpired(one, this.#aggregation),
    )
    const latest = earlier.sort(([a], [b]) => b - a)[0]
    if (latest === undefined || latest[1].timestamp < left) return initial
    return latest[1].value
  }

  #drop(context: AnyContext, drop: Drop): void {
    context.drop(...drop)
    if (drop[2] === this.#twice) context.drop(...drop)
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
      put: (key: unknown, start: number, ...rest: unknown[]) => {
        this.#wrote(start)
        return store.put(key, start, ...rest)
      },
    }) as never
  }
}
