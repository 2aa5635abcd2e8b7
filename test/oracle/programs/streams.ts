/** Verbs of streams, in random programs. */
import {
  GRACES,
  JOINERS,
  KEY_FUNCTIONS,
  LIST_FUNCTIONS,
  PREDICATES,
  VALUE_FUNCTIONS,
  WINDOW_KEY_FUNCTIONS,
} from './vocabulary.ts'
import type { Made, ProgramWriter, Verbs } from './writer.ts'

/** How far apart records of two streams may be, before and after. */
const JOIN_WINDOWS = [
  { beforeMs: 0, afterMs: 0 },
  { beforeMs: 2, afterMs: 2 },
  { beforeMs: 20, afterMs: 20 },
  { beforeMs: 50, afterMs: 50 },
  { beforeMs: 40, afterMs: 10 },
  { beforeMs: 0, afterMs: 5 },
  { beforeMs: 20, afterMs: 0 },
  { beforeMs: -5, afterMs: 20 },
  { beforeMs: 20, afterMs: -5 },
] as const

export const STREAM_VERBS: Verbs = {
  filter: [4, (w) => onStream(w, 'filter', { predicate: w.random.pick(PREDICATES) })],
  filterNot: [2, (w) => onStream(w, 'filterNot', { predicate: w.random.pick(PREDICATES) })],
  mapValues: [4, (w) => onStream(w, 'mapValues', { fn: w.random.pick(VALUE_FUNCTIONS) })],
  flatMapValues: [2, (w) => onStream(w, 'flatMapValues', { fn: w.random.pick(LIST_FUNCTIONS) })],
  map: [2, (w) => onStream(w, 'map', { ...keyAndValue(w), ...nullPair(w) }, true)],
  flatMap: [2, (w) => onStream(w, 'flatMap', keyAndList(w), true)],
  selectKey: [4, (w) => onStream(w, 'selectKey', { key: w.random.pick(KEY_FUNCTIONS) }, true)],
  repartition: [1, repartition],
  merge: [3, merge],
  split: [2, split],
  toTable: [3, toTable],
  joinStreams: [8, joinStreams],
  joinTable: [6, joinTable],
  joinGlobal: [3, joinGlobal],
  fromWindows: [3, fromWindows],
}

/** A step of a stream; `rekeyed` says whether keys may have changed, default as before. */
export function onStream(
  writer: ProgramWriter,
  op: string,
  options: Readonly<Record<string, unknown>>,
  rekeyed?: boolean,
): void {
  const from = writer.stream()
  if (from === null) return
  const id = writer.add(op, { from: from.id, ...options })
  writer.make({ ...streamLike(from), id, rekeyed: rekeyed ?? from.rekeyed ?? false })
}

function streamLike({ rekeyed = false, original = false }: Made): Omit<Made, 'id'> {
  return { kind: 'stream', key: 'plain', rekeyed, original }
}

function keyAndValue({ random }: ProgramWriter) {
  return { key: random.pick(KEY_FUNCTIONS), value: random.pick(VALUE_FUNCTIONS) }
}

function nullPair({ random }: ProgramWriter) {
  return random.chance(0.1) ? { nullPairIf: 'ab' } : {}
}

function keyAndList({ random }: ProgramWriter) {
  const key = random.pick(['key', 'value', 'firstChar', 'mod:2'] as const)
  return { fn: random.pick(LIST_FUNCTIONS), key }
}

function repartition(writer: ProgramWriter): void {
  const from = writer.stream()
  if (from === null) return
  const id = writer.add('repartition', { from: from.id })
  writer.make({ id, kind: 'stream', key: 'plain' })
}

function merge(writer: ProgramWriter): void {
  const from = writer.stream()
  const other = writer.stream()
  if (from === null || other === null) return
  const id = writer.add('merge', { from: from.id, with: other.id })
  const rekeyed = from.rekeyed === true || other.rekeyed === true
  const original = from.original === true && other.original === true
  writer.make({ id, kind: 'stream', key: 'plain', rekeyed, original })
}

function split(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.stream()
  if (from === null) return
  const names = ['b1', 'b2', 'b3'].slice(0, 1 + random.below(3))
  const branches = names.map((name) => ({ name, predicate: random.pick(PREDICATES) }))
  const rest = random.chance(0.6) ? { default: 'rest' } : {}
  const id = writer.add('split', { from: from.id, branches, ...rest })
  for (const name of [...names, ...Object.values(rest)])
    writer.make({ ...streamLike(from), id: `${id}.${name}` })
}

function toTable(writer: ProgramWriter): void {
  const from = writer.stream()
  if (from === null) return
  const store = writer.random.chance(0.3) ? writer.versionedStore() : writer.rows()
  const id = writer.add('toTable', { from: from.id, ...store })
  writer.make({ id, kind: 'table', key: 'plain', historyMs: store.historyMs })
}

function joinStreams(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.stream()
  const other = writer.stream()
  if (from === null || other === null) return
  const id = writer.add(random.pick(['join', 'leftJoin', 'outerJoin']), {
    from: from.id,
    with: other.id,
    joiner: random.pick(JOINERS),
    ...random.pick(JOIN_WINDOWS),
    ...(random.chance(0.8) ? { graceMs: random.pick(GRACES) } : {}),
  })
  writer.make({ id, kind: 'stream', key: 'plain' })
}

function joinTable(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.stream()
  const other = writer.table()
  if (from === null || other === null) return
  const { historyMs } = other
  const graces = [0, 5, 10, 20].filter((graceMs) => graceMs <= (historyMs ?? -1))
  // A left join with grace ends at a null key.
  const hasGrace = graces.length > 0 && random.chance(0.5)
  const op = random.pick(hasGrace ? ['join'] : ['join', 'leftJoin'])
  const id = writer.add(op, {
    from: from.id,
    with: other.id,
    joiner: random.pick(JOINERS),
    ...(hasGrace ? { graceMs: random.pick(graces) } : {}),
  })
  writer.make({ id, kind: 'stream', key: 'plain' })
}

function joinGlobal(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.stream()
  const other = writer.one(({ kind }) => kind === 'global')
  if (from === null || other === null) return
  const id = writer.add(random.pick(['join', 'leftJoin']), {
    from: from.id,
    with: other.id,
    joiner: random.pick(JOINERS),
    key: random.pick(KEY_FUNCTIONS),
  })
  writer.make({ ...streamLike(from), id, original: false })
}

/** The changes of a windowed table, under keys that are no windows. */
function fromWindows(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.one(({ kind, key }) => kind === 'table' && key === 'windowed')
  if (from === null) return
  const key = random.pick(WINDOW_KEY_FUNCTIONS)
  if (random.chance(0.3)) {
    const id = writer.add('toStream', { from: from.id, key })
    writer.make({ id, kind: 'stream', key: 'plain', rekeyed: true })
    return
  }
  let above = writer.add('toStream', { from: from.id })
  if (random.chance(0.3))
    above = writer.add('mapValues', { from: above, fn: random.pick(VALUE_FUNCTIONS) })
  if (random.chance(0.2))
    above = writer.add('filter', { from: above, predicate: random.pick(PREDICATES) })
  const id = writer.add('selectKey', { from: above, key })
  writer.make({ id, kind: 'stream', key: 'plain', rekeyed: true })
}
