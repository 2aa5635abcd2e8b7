/**
 * `transformValues` of a table: rows made by an object of the user's with state of its own.
 *
 * Journey: KTable -> [table transform] -> graph.
 */
import { type RowTransformer, tableTransform } from '../operators/table-transform.ts'
import type { Serde } from '../record/serde.ts'
import { checkOptions } from './arguments.ts'
import type { Place } from './graph.ts'
import { type MakerSource, readMaker } from './process.ts'
import { keepVersions, nameResult, type TableStepOptions } from './table-verbs.ts'
import { storedView, type TableParts } from './table-view.ts'

/**
 * What `transformValues` takes: a function that makes a row transformer for each task, or one together
 * with the definitions of the stores it uses.
 */
export type RowTransformerSource<K, V, R> = MakerSource<RowTransformer<K, V, R>>

/** Options of `transformValues`, the serde aside. */
export interface TransformOptions extends TableStepOptions {
  /** Names of the stores it uses: of `addStateStore`, of tables, of aggregations. */
  readonly stores?: readonly string[] | undefined
}

const TRANSFORMER = {
  what: 'transformer',
  method: 'transform',
  example: '() => ({ transform(row, key) { return row } })',
}

/** Adds a transformer below a table, and the store of what it answers. */
export function addTableTransform<K, V, R>(
  { place }: TableParts<K, V>,
  source: RowTransformerSource<K, V, R>,
  options: (TransformOptions & { readonly value?: Serde<unknown> | undefined }) | undefined,
): TableParts<K, R> {
  const { graph, node, key } = place
  const verb = 'transformValues'
  const call = `${verb}(...) on '${place.lineage}'`
  checkOptions(options, call, ['name', 'store', 'stores', 'value'])
  const maker = { call, made: TRANSFORMER, named: options?.stores }
  const { create, stores } = readMaker(place as Place<unknown, unknown>, source, maker)
  const value = (options?.value ?? null) as Serde<R> | null
  const named = nameResult(place, { verb, call, options, key, value })
  const { name, lineage, rows } = named
  rows.kept = true
  graph.add(() => ({
    kind: 'processor',
    name,
    upstream: [node],
    stores: [rows, ...stores].map(({ definition }) => definition.name),
    create: tableTransform<K, V, R>({
      create,
      store: rows.definition.name,
      keepsBefore: rows.keepsBefore,
    }) as never,
    keepsKey: true,
    keepsValue: false,
  }))
  const result = { place: { ...place, node: name, lineage, value }, view: storedView<K, R>(rows) }
  return keepVersions(result, named, call)
}
