/** Grouped streams, windows and aggregations, in random programs. */
import {
  AGGREGATORS,
  GRACES,
  INITIAL_VALUES,
  KEY_FUNCTIONS,
  MERGERS,
  REDUCERS,
} from './vocabulary.ts'
import type { Made, ProgramWriter, StoreKind, Verbs } from './writer.ts'

export const AGGREGATION_VERBS: Verbs = {
  groupStream: [7, (w) => aggregate(w, grouped(w), PLAIN)],
  windows: [11, (w) => windowed(w, grouped(w))],
  cogroup: [4, cogroup],
}

/** The windows below a `windowedBy`, and what an aggregation of them needs. */
interface Windowing {
  readonly id: string
  readonly type: 'tumbling' | 'hopping' | 'sliding' | 'session' | 'unlimited'
  /** How long a window is kept. */
  readonly spanMs: number
}

interface Aggregation {
  readonly made: Pick<Made, 'key' | 'closes'>
  readonly kind: StoreKind
  /** Options of the step, retention of windows for example. */
  readonly options: Readonly<Record<string, unknown>>
}

const PLAIN: Aggregation = { made: { key: 'plain' }, kind: 'key-value', options: {} }

/** A grouped stream's id, or null. */
function grouped(writer: ProgramWriter, mayRepartition = true): string | null {
  const { random } = writer
  const from = mayRepartition
    ? writer.stream()
    : writer.one(({ kind, key, rekeyed }) => kind === 'stream' && key === 'plain' && !rekeyed)
  if (from === null) return null
  if (mayRepartition && random.chance(0.5)) {
    return writer.add('groupBy', { from: from.id, key: random.pick(KEY_FUNCTIONS) })
  }
  return writer.add('groupByKey', { from: from.id })
}

function aggregate(writer: ProgramWriter, from: string | null, aggregation: Aggregation): void {
  if (from === null) return
  const { random } = writer
  const { made, kind, options } = aggregation
  const store = writer.store(kind)
  const [op, fold] = random.pick([
    ['count', {}],
    ['reduce', { reducer: random.pick(REDUCERS) }],
    ['aggregate', aggregator(writer, kind)],
  ] as const)
  const id = writer.add(op, { from, ...fold, ...options, ...store })
  writer.make({ id, kind: 'table', ...made })
}

function aggregator({ random }: ProgramWriter, kind: StoreKind) {
  const merger = kind === 'session' ? { merger: random.pick(MERGERS) } : {}
  return { init: random.pick(INITIAL_VALUES), aggregator: random.pick(AGGREGATORS), ...merger }
}

function windows(writer: ProgramWriter, from: string): Windowing {
  const { random } = writer
  const type = random.weighted({ tumbling: 4, hopping: 4, sliding: 4, session: 4, unlimited: 1 })
  const shape = {
    tumbling: { sizeMs: random.pick([1, 2, 10, 30, 100]) },
    hopping: random.pick([
      { sizeMs: 10, advanceMs: 5 },
      { sizeMs: 4, advanceMs: 1 },
      { sizeMs: 20, advanceMs: 6 },
      { sizeMs: 30, advanceMs: 7 },
      { sizeMs: 20, advanceMs: 20 },
    ]),
    sliding: { sizeMs: random.pick([1, 2, 10, 30]) },
    session: { gapMs: random.pick([0, 1, 5, 20, 50]) },
    unlimited: { startMs: random.pick([0, 20, 300]) },
  }[type]
  const hasGrace = type !== 'unlimited' && random.chance(0.7)
  const grace = hasGrace ? { graceMs: random.pick(GRACES) } : {}
  const id = writer.add('windowedBy', { from, type, ...shape, ...grace })
  const { sizeMs = 0, gapMs = 0, graceMs = 0 } = { ...shape, ...grace } as Record<string, number>
  return { id, type, spanMs: sizeMs * (type === 'sliding' ? 2 : 1) + gapMs + graceMs }
}

function aggregationOf(writer: ProgramWriter, { type, spanMs }: Windowing): Aggregation {
  const { random } = writer
  const keepsLonger = type !== 'unlimited' && random.chance(0.1)
  const options = keepsLonger ? { retentionMs: spanMs + random.pick([0, 20, 100, 60_000]) } : {}
  const kind = type === 'session' ? 'session' : 'window'
  return { made: { key: 'windowed', closes: type !== 'unlimited' }, kind, options }
}

function windowed(writer: ProgramWriter, from: string | null): void {
  if (from === null) return
  const windowing = windows(writer, from)
  const aggregation = aggregationOf(writer, windowing)
  if (windowing.type === 'unlimited' || !writer.random.chance(0.25)) {
    aggregate(writer, windowing.id, aggregation)
    return
  }
  const emitting = writer.add('emitStrategy', { from: windowing.id, strategy: 'onWindowClose' })
  aggregate(writer, emitting, { ...aggregation, made: { key: 'windowed' } })
}

function cogroup(writer: ProgramWriter): void {
  const { random } = writer
  const first = grouped(writer)
  if (first === null) return
  let from = writer.add('cogroup', { from: first, aggregator: random.pick(AGGREGATORS) })
  for (let more = random.below(3); more > 0; more--) {
    const other = grouped(writer, false)
    if (other === null) break
    from = writer.add('cogroup', { from, with: other, aggregator: random.pick(AGGREGATORS) })
  }
  const windowing = random.chance(0.5) ? windows(writer, from) : null
  const { made, kind, options } = windowing === null ? PLAIN : aggregationOf(writer, windowing)
  const merger = kind === 'session' ? { merger: random.pick(MERGERS) } : {}
  const id = writer.add('aggregate', {
    from: windowing?.id ?? from,
    init: random.pick(INITIAL_VALUES),
    ...merger,
    ...options,
    ...writer.store(kind),
  })
  writer.make({ id, kind: 'table', ...made })
}
