/**
 * Names of nodes, stores and internal topics: what the user may write, and what is derived when
 * nothing is written.
 *
 * A derived name is a lineage: the name of the operator above and the kind of this one, such as
 * `access-log-groupBy-aggregate`. Equal siblings get an ordinal, `-2`, `-3`, in the order of the
 * program. There is no counter across the program, so an operator added elsewhere renames nothing
 * and the state under the other names is found again.
 *
 * Invariants:
 * - A name has 1 to 249 characters of `[A-Za-z0-9._-]`, as a topic of Kafka.
 * - A derived name depends only on what stands above the operator and on its equal siblings.
 */

/** Kafka's limit for the name of a topic, which store names become part of. */
export const NAME_LENGTH_MAX = 249

/** Leaves room for an application id before a derived name and `-repartition` behind it. */
const DERIVED_LENGTH_MAX = 160

/**
 * Checks a name the user wrote.
 *
 * @param what what is named, as the error says it: `name of filter(...)`
 * @throws TypeError when it is not text, RangeError when it is empty, too long, or has other characters
 */
export function checkName(name: unknown, what: string): string {
  if (typeof name !== 'string') {
    throw new TypeError(`${what} is ${show(name)}; pass text`)
  }
  if (name === '' || name === '.' || name === '..' || name.length > NAME_LENGTH_MAX) {
    throw new RangeError(
      `${what} is ${show(name)}; a name has 1 to ${NAME_LENGTH_MAX} characters and is not '.' or '..'`,
    )
  }
  const wrong = /[^A-Za-z0-9._-]/u.exec(name)
  if (wrong) {
    throw new RangeError(
      `${what} is ${show(name)}, with ${show(wrong[0])} at ${wrong.index}; use letters, digits, '.', '_' and '-'`,
    )
  }
  return name
}

/** A value as errors show it: short, and never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    return `'${value.length > 80 ? `${value.slice(0, 77)}...` : value}'`
  }
  if (typeof value === 'function')
    return value.name === '' ? 'a function' : `function ${value.name}`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const maker = value.constructor?.name
  return maker && maker !== 'Object' ? `a ${maker}` : 'an object'
}

/** Keeps a lineage within the limit: the head of a longer one, and a hash of all of it. */
export function fitName(lineage: string): string {
  if (lineage.length <= DERIVED_LENGTH_MAX) return lineage
  return `${lineage.slice(0, DERIVED_LENGTH_MAX - 9)}-${hash(lineage)}`
}

/** FNV-1a with 32 bits, as eight hexadecimal digits. */
function hash(text: string): string {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  }
  return (state >>> 0).toString(16).padStart(8, '0')
}

/** The names of one kind that are taken, and by which call. */
export class Names {
  readonly #kind: string
  readonly #takenBy = new Map<string, string>()
  readonly #derived = new Set<string>()

  /** @param kind `operator`, `store` or `repartition topic`, as errors say it */
  constructor(kind: string) {
    this.#kind = kind
  }

  /** Takes a name the user wrote; another taker of the same name is an error that names both. */
  take(name: string, call: string): string {
    const taker = this.#takenBy.get(name)
    if (taker !== undefined) {
      throw new TypeError(
        `${call} uses the ${this.#kind} name '${name}', which ${taker} has taken; give one of them another name`,
      )
    }
    this.#takenBy.set(name, call)
    return name
  }

  /** Takes the first free name of this lineage: itself, then with `-2`, `-3`, ... */
  derive(lineage: string, call: string): string {
    const base = fitName(lineage)
    let name = base
    for (let ordinal = 2; this.#takenBy.has(name); ordinal++) name = `${base}-${ordinal}`
    this.#takenBy.set(name, call)
    this.#derived.add(name)
    return name
  }

  /** True for a name that no user wrote. */
  isDerived(name: string): boolean {
    return this.#derived.has(name)
  }
}
