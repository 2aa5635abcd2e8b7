/**
 * `process` and `processValues`: processors of users in a stream, with the stores they use.
 */
import { userProcessor } from '../operators/process.ts'
import type { StoreDefinition } from '../state/store.ts'
import { show } from '../topology/names.ts'
import type { Processor } from '../topology/processor.ts'
import { checkFunction, checkOptions } from './arguments.ts'
import type { Place, StoreDraft } from './graph.ts'

/** Makes a new processor for each task. */
export type CreateProcessor<KIn, VIn, KOut, VOut> = () => Processor<KIn, VIn, KOut, VOut>

/**
 * What `process` and `processValues` take: a function that makes a processor, or one together with
 * the definitions of the stores its processors use, which are added and connected.
 */
export type ProcessorSource<KIn, VIn, KOut, VOut> =
  | CreateProcessor<KIn, VIn, KOut, VOut>
  | {
      readonly create: CreateProcessor<KIn, VIn, KOut, VOut>
      readonly stores?: readonly StoreDefinition[] | undefined
    }

/** Options of `process` and `processValues`. */
export interface ProcessOptions {
  /** Name of the operator, and what names below it are derived from. Default: its lineage. */
  readonly name?: string | undefined
  /** Names of the stores it uses: of `addStateStore`, of tables, of aggregations. */
  readonly stores?: readonly string[] | undefined
}

export interface ProcessStep {
  readonly verb: 'process' | 'processValues'
  readonly call: string
  readonly options: ProcessOptions | undefined
  readonly fixedKey: boolean
}

const EXAMPLE = '() => ({ process(record) { ... } })'

/** Adds the node of a user's processor below a place. */
export function addProcess<KIn, VIn, KOut, VOut>(
  place: Place<KIn, VIn>,
  source: ProcessorSource<KIn, VIn, KOut, VOut>,
  { verb, call, options, fixedKey }: ProcessStep,
): Place<KOut, VOut> {
  checkOptions(options, call, ['name', 'stores'])
  const { graph, lineage } = place
  const { create, stores: brought = [] } = readSource(source, call)
  if (!Array.isArray(brought)) {
    throw new TypeError(`stores of the processor of ${call} is ${show(brought)}; pass an array`)
  }
  const drafts = brought.map((definition) => graph.addStateStore(definition, call))
  drafts.push(...connectedStores(place, options?.stores, call))
  for (const { topics } of drafts) {
    if (topics !== undefined) graph.addCoPartitioning([...place.topics, ...topics], call)
  }
  const name = graph.name(lineage, verb, options?.name)
  graph.addProcessor(name, [place.node], {
    create: userProcessor(create, { fixedKey }),
    stores: [...new Set(drafts)],
    keepsKey: fixedKey,
  })
  return {
    graph,
    node: name,
    lineage: name,
    topics: place.topics,
    key: (fixedKey ? place.key : null) as Place<KOut, VOut>['key'],
    value: null,
    rekeyed: place.rekeyed || !fixedKey,
  }
}

function readSource<KIn, VIn, KOut, VOut>(
  source: ProcessorSource<KIn, VIn, KOut, VOut>,
  call: string,
): Exclude<typeof source, CreateProcessor<KIn, VIn, KOut, VOut>> {
  const isObject = typeof source === 'object' && source !== null
  const read = isObject ? source : { create: source }
  checkFunction(read.create, call, isObject ? 'create of the processor' : 'processor', EXAMPLE)
  const one: unknown = read.create()
  const other: unknown = read.create()
  for (const made of [one, other]) {
    if (typeof (made as Partial<Processor> | null)?.process === 'function') continue
    throw new TypeError(
      `the processor of ${call} makes ${show(made)}, which has no process function; pass ${EXAMPLE}`,
    )
  }
  if (one === other) {
    throw new TypeError(
      `the processor of ${call} returns one object each time; make a new one in the function, since each task runs its own`,
    )
  }
  return read
}

function connectedStores(
  { graph }: Place<unknown, unknown>,
  names: unknown,
  call: string,
): readonly StoreDraft[] {
  if (names === undefined) return []
  if (!Array.isArray(names)) {
    throw new TypeError(`option stores of ${call} is ${show(names)}; pass an array of names`)
  }
  return names.map((name: unknown) => {
    const draft = typeof name === 'string' ? graph.storeNamed(name) : undefined
    if (draft !== undefined) return draft
    const known = graph.namedStores().map(show).join(', ') || 'none'
    throw new TypeError(
      `option stores of ${call} names ${show(name)}, and there is no such store (there are: ${known}); add it before with builder.addStateStore(...)`,
    )
  })
}
