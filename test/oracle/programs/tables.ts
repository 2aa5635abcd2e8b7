/** Verbs of tables, in random programs. */
import {
  FOREIGN_KEYS,
  GROUP_FUNCTIONS,
  JOINERS,
  PREDICATES,
  SUBTRACTABLE,
  VALUE_FUNCTIONS,
  WINDOW_KEY_FUNCTIONS,
} from './vocabulary.ts'
import type { Made, ProgramWriter, Verbs } from './writer.ts'

export const TABLE_VERBS: Verbs = {
  filterTable: [4, filterTable],
  mapTable: [3, (w) => onTable(w, 'mapValues', { fn: w.random.pick(VALUE_FUNCTIONS) })],
  toStream: [2, toStream],
  groupTable: [5, groupTable],
  joinTables: [6, joinTables],
  foreignKey: [5, foreignKey],
  suppress: [6, suppress],
}

function onTable(writer: ProgramWriter, op: string, options: Readonly<Record<string, unknown>>) {
  const from = writer.one(({ kind }) => kind === 'table')
  if (from === null) return
  const { closes = false } = from
  const store = writer.rows(0.3)
  const id = writer.add(op, { from: from.id, ...options, ...store })
  writer.make({ id, kind: 'table', key: from.key, closes, historyMs: store.historyMs })
}

function filterTable(writer: ProgramWriter): void {
  const { random } = writer
  onTable(writer, random.pick(['filter', 'filterNot']), { predicate: random.pick(PREDICATES) })
}

function toStream(writer: ProgramWriter): void {
  const from = writer.table()
  if (from === null) return
  const id = writer.add('toStream', { from: from.id })
  writer.make({ id, kind: 'stream', key: 'plain' })
}

function groupTable(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.one(({ kind }) => kind === 'table')
  if (from === null) return
  const key = random.pick(from.key === 'plain' ? GROUP_FUNCTIONS : WINDOW_KEY_FUNCTIONS)
  const value = random.chance(0.3) ? { value: random.pick(VALUE_FUNCTIONS) } : {}
  const nullPair = random.chance(0.1) ? { nullPairIf: 'ab' } : {}
  const grouped = writer.add('groupBy', { from: from.id, key, ...value, ...nullPair })
  const store = writer.store('key-value')
  const { init, ...both } = random.pick(SUBTRACTABLE)
  const [op, options] = random.pick([
    ['count', {}],
    ['reduce', both],
    ['aggregate', { init, ...both }],
  ] as const)
  const id = writer.add(op, { from: grouped, ...options, ...store })
  writer.make({ id, kind: 'table', key: 'plain' })
}

function joinTables(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.table()
  const other = writer.one(
    ({ kind, key, id }) => kind === 'table' && key === 'plain' && id !== from?.id,
  )
  if (from === null || other === null) return
  addJoin(writer, { from, other, op: random.pick(['join', 'leftJoin', 'outerJoin']) })
}

function foreignKey(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.table()
  const other = writer.table()
  if (from === null || other === null) return
  const options = { foreignKey: random.pick(FOREIGN_KEYS) }
  addJoin(writer, { from, other, op: random.pick(['join', 'leftJoin']), options })
}

interface TableJoin {
  readonly from: Made
  readonly other: Made
  readonly op: string
  readonly options?: Readonly<Record<string, unknown>>
}

function addJoin(writer: ProgramWriter, { from, other, op, options = {} }: TableJoin): void {
  const joiner = writer.random.pick(JOINERS)
  const store = writer.rows()
  const id = writer.add(op, { from: from.id, with: other.id, ...options, joiner, ...store })
  writer.make({ id, kind: 'table', key: 'plain', historyMs: store.historyMs })
}

function suppress(writer: ProgramWriter): void {
  const { random } = writer
  const from = writer.one(
    ({ kind, closes, historyMs }) =>
      kind === 'table' && historyMs === undefined && (closes === true || random.chance(0.3)),
  )
  if (from === null) return
  const until =
    from.closes === true && random.chance(0.7)
      ? { until: 'windowCloses', ...bound(writer, 0.1, ['shutDownWhenFull']) }
      : {
          until: 'timeLimit',
          limitMs: random.pick([0, 2, 10, 30, 50]),
          ...bound(writer, 0.3, ['emitEarlyWhenFull', 'emitEarlyWhenFull', 'shutDownWhenFull']),
        }
  const id = writer.add('suppress', { from: from.id, ...until })
  writer.make({ id, kind: 'table', key: from.key })
}

function bound(
  { random, mayStop }: ProgramWriter,
  probability: number,
  choices: readonly string[],
) {
  const onFull = random.pick(choices)
  const isChosen = random.chance(probability) && (mayStop || onFull !== 'shutDownWhenFull')
  return isChosen ? { maxRecords: 1 + random.below(5), onFull } : {}
}
