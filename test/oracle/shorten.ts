/**
 * Shortens a case that differs: steps, input and options are left out as long as it still does.
 *
 * Journey: a difference -> [shorten] -> a case short enough to be read, named and kept.
 */
import type { Case, Entry, Step } from '../conformance/case.ts'

/** Says whether a shorter case still shows what the whole one does. */
export type Shows = (one: Case) => Promise<boolean>

/** What can be left out of a step that is not there for what makes it another step. */
const OPTIONAL = ['store', 'graceMs', 'maxRecords', 'emit', 'key', 'value']

export async function shorten(whole: Case, shows: Shows): Promise<Case> {
  let shortest = whole
  const takeIfShown = async (candidate: Case): Promise<boolean> => {
    if (!(await shows(candidate))) return false
    shortest = candidate
    return true
  }
  for (let before = ''; before !== JSON.stringify(shortest); ) {
    before = JSON.stringify(shortest)
    await shortenInput(() => shortest, takeIfShown)
    await shortenProgram(() => shortest, takeIfShown)
    await simplify(() => shortest, takeIfShown)
  }
  return shortest
}

/** Leaves out runs of entries: long ones first, single ones last. */
async function shortenInput(now: () => Case, takeIfShown: Shows): Promise<void> {
  for (let length = now().input.length >> 1; length >= 1; length >>= 1) {
    for (let end = now().input.length; end > 0; end -= length) {
      const input = now().input.filter((_, index) => index < end - length || index >= end)
      await takeIfShown({ ...now(), input })
    }
  }
}

/** Leaves out each step: with all that stands on it, or putting that on what the step stands on. */
async function shortenProgram(now: () => Case, takeIfShown: Shows): Promise<void> {
  for (const { id, from } of now().program.toReversed()) {
    const { program } = now()
    if (!program.some((step) => step.id === id)) continue
    if (await takeIfShown(withProgram(now(), without(program, id)))) continue
    if (from !== undefined) await takeIfShown(withProgram(now(), bypassed(program, id, from)))
  }
}

function withProgram(one: Case, program: readonly Step[]): Case {
  const read = program.flatMap(({ topic, topics, pattern }) =>
    [topic, ...((topics ?? []) as string[]), ...`${pattern ?? ''}`.split('|')].filter(Boolean),
  )
  const stores = new Set(program.map(({ store }) => store))
  const input = one.input.filter(
    ({ topic, query }) =>
      (topic === undefined || read.includes(topic)) &&
      (query === undefined || stores.has(query.store)),
  )
  return { ...one, program, input }
}

function without(program: readonly Step[], id: string): Step[] {
  const gone = new Set([id])
  return program.filter((step) => {
    if (standsOn(step, gone)) gone.add(step.id)
    return !gone.has(step.id)
  })
}

function standsOn({ from, with: other }: Step, gone: ReadonlySet<string>): boolean {
  // A branch is called `<step>.<branch>`.
  return [from, other].some((name) => name !== undefined && gone.has(name.split('.')[0] ?? ''))
}

function bypassed(program: readonly Step[], id: string, from: string): Step[] {
  const moved = (name: string | undefined) => (name?.split('.')[0] === id ? from : name)
  return program
    .filter((step) => step.id !== id)
    .map((step) => {
      if (!standsOn(step, new Set([id]))) return step
      const other = moved(step.with)
      return { ...step, from: moved(step.from), ...(other === undefined ? {} : { with: other }) }
    }) as Step[]
}

/** Plainer options, and entries without headers. */
async function simplify(now: () => Case, takeIfShown: Shows): Promise<void> {
  await takeIfShown({ ...now(), config: {} })
  for (const { id } of now().program) {
    for (const option of OPTIONAL) {
      const { program } = now()
      const step = program.find((step) => step.id === id)
      // The type of a store says nothing without its name.
      if (step?.[option] === undefined || (option === 'store' && 'storeType' in step)) continue
      const plainer = program.map((step) => (step.id === id ? leaving(step, option) : step))
      await takeIfShown({ ...now(), program: plainer })
    }
  }
  for (const index of now().input.keys()) {
    const { input } = now()
    if (input[index]?.headers === undefined) continue
    await takeIfShown({ ...now(), input: input.with(index, leaving(input[index], 'headers')) })
  }
}

function leaving<T extends Step | Entry>(whole: T, option: string): T {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => name !== option)) as T
}
