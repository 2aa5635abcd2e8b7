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
export type ProcessorSource<KIn, VIn, KOut, VOut> = MakerSource<Processor<KIn, VIn, KOut, VOut>>

/** A function that makes an object for each task, alone or with the definitions of its stores. */
export type MakerSource<T> =
  | (() => T)
  | {
      /** Makes a new one for each task. */
      readonly create: () => T
      /** Added and connected; a definition may be brought more than once. */
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

/** What a maker makes, as errors say it. */
interface Made {
  readonly what: string
  /** The function it has to have. */
  readonly method: string
  readonly example: string
}

const PROCESSOR: Made = {
  what: 'processor',
  method: 'process',
  example: '() => ({ process(record) { ... } })',
}

/** Adds the node of a user's processor below a place. */
export function addProcess<KIn, VIn, KOut, VOut>(
  place: Place<KIn, VIn>,
  source: ProcessorSource<KIn, VIn, KOut, VOut>,
  { verb, call, options, fixedKey }: ProcessStep,
): Place<KOut, VOut> {
  checkOptions(options, call, ['name', 'stores'])
  const { graph, lineage } = place
  const { create, stores } = readMaker(place, source, {
    call,
    made: PROCESSOR,
    named: options?.stores,
  })
  const name = graph.name(lineage, verb, options?.name)
  graph.addProcessor(name, [place.node], {
    create: userProcessor(create, { fixedKey }),
    stores,
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

/** Checks a maker, and adds or finds the stores that it brings and that are named for it. */
export function readMaker<T extends object>(
  place: Place<unknown, unknown>,
  source: MakerSource<T>,
  { call, made, named }: { readonly call: string; readonly made: Made; readonly named: unknown },
): { readonly create: () => T; readonly stores: readonly StoreDraft[] } {
  const { what, example } = made
  const isObject = typeof source === 'object' && source !== null
  const { create, stores: brought = [] } = isObject ? source : { create: source, stores: [] }
  checkFunction(create, call, isObject ? `create of the ${what}` : what, example)
  checkMade([create(), create()], call, made)
  if (!Array.isArray(brought)) {
    throw new TypeError(`stores of the ${what} of ${call} is ${show(brought)}; pass an array`)
  }
  const { graph } = place
  const drafts = brought.map((definition) => graph.addStateStore(definition, call))
  drafts.push(...connectedStores(place, named, call))
  for (const { topics } of drafts) {
    if (topics !== undefined) graph.addCoPartitioning([...place.topics, ...topics], call)
  }
  return { create, stores: [...new Set(drafts)] }
}

function checkMade<T extends object>(
  [one, other]: readonly [T, T],
  call: string,
  { what, method, example }: Made,
): void {
  for (const object of [one, other]) {
    if (typeof (object as Record<string, unknown> | null)?.[method] === 'function') continue
    throw new TypeError(
      `the ${what} of ${call} makes ${show(object)}, which has no ${method} function; pass ${example}`,
    )
  }
  if (one === other) {
    throw new TypeError(
      `the ${what} of ${call} returns one object each time; make a new one in the function, since each task runs its own`,
    )
  }
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
