/**
 * The named functions of conformance cases: a program names them, `name` or `name:argument`.
 *
 * `text` and `num` are the two readings of a value that the format defines; everything else is
 * built on them.
 */
import type { Key, Value } from './case.ts'
import { Unsupported } from './case.ts'

export type ValueFunction = (key: Key, value: Value) => Value
export type KeyFunction = (key: Key, value: Value) => Key
export type Predicate = (key: Key, value: Value) => boolean
export type ListFunction = (value: Value) => Value[]
/** Joiner, reducer, aggregator: of two values, under a key. */
export type PairFunction = (x: Value, y: Value, key: Key) => Value

/** A value or key as text. */
export function textOf(value: Value | Key): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return String(value)
  return `[${value.key}@${value.start}/${value.end}]`
}

/** A value as a number: 0 for whatever is none. */
function numberOf(value: Value): number {
  if (typeof value === 'number') return value
  return isNumeric(value) ? Number(value) : 0
}

function isNumeric(value: Value): boolean {
  return typeof value === 'string' && /^-?[0-9]{1,15}$/.test(value)
}

type Table<F> = Readonly<Record<string, (argument: string) => F>>

/** Looks `name:argument` up; `what` is the kind of function, for the error. */
function named<F>(table: Table<F>, what: string, specification: unknown): F {
  if (typeof specification !== 'string') throw new Unsupported(`${what} ${String(specification)}`)
  const colon = specification.indexOf(':')
  const name = colon < 0 ? specification : specification.slice(0, colon)
  const make = Object.hasOwn(table, name) ? table[name] : undefined
  if (make === undefined) throw new Unsupported(`${what} ${specification}`)
  return make(colon < 0 ? '' : specification.slice(colon + 1))
}

/** A function of values that leaves null as it is. */
function unlessNull(change: (value: string | number) => Value): () => ValueFunction {
  return () => (_key, value) => (value === null ? null : change(value))
}

function boomIf(text: string, value: Value): void {
  if (textOf(value) === text) throw new Error(`boom: ${text}`)
}

/** The piece of text between the bars, null when there is none or it is empty. */
function part(value: Value, index: string): string | null {
  if (value === null) return null
  return textOf(value).split('|')[Number(index)] || null
}

function firstCharacter(value: Value | Key): string | null {
  return value === null ? null : textOf(value).slice(0, 1)
}

function modulo(value: Value, divisor: string): string {
  const by = Number(divisor)
  return String(((numberOf(value) % by) + by) % by)
}

function removeFirst(text: string, what: string): string {
  const at = text.indexOf(what)
  return at < 0 ? text : text.slice(0, at) + text.slice(at + what.length)
}

const VALUE_FUNCTIONS: Table<ValueFunction> = {
  identity: () => (_key, value) => value,
  upper: unlessNull((value) => textOf(value).toUpperCase()),
  lower: unlessNull((value) => textOf(value).toLowerCase()),
  length: unlessNull((value) => textOf(value).length),
  firstChar: unlessNull((value) => firstCharacter(value)),
  append: (more) => (_key, value) => (value === null ? null : textOf(value) + more),
  prepend: (more) => (_key, value) => (value === null ? null : more + textOf(value)),
  const: (constant) => () => constant,
  one: () => () => 1,
  null: () => () => null,
  text: () => (_key, value) => textOf(value),
  toText: unlessNull((value) => textOf(value)),
  toNumber: unlessNull((value) =>
    typeof value === 'number' || isNumeric(value) ? Number(value) : null,
  ),
  numberAdd: (n) => (_key, value) => (value === null ? null : numberOf(value) + Number(n)),
  numberTimes: (n) => (_key, value) => (value === null ? null : numberOf(value) * Number(n)),
  nullIfEven: unlessNull((value) => (numberOf(value) % 2 === 0 ? null : value)),
  nullIf: (text) => (_key, value) => (textOf(value) === text ? null : value),
  orElse: (other) => (_key, value) => value ?? other,
  withKey: () => (key, value) => `${textOf(key)}=${textOf(value)}`,
  key: () => (key) => (key === null ? null : textOf(key)),
  part: (index) => (_key, value) => part(value, index),
  throwIf: (text) => (_key, value) => {
    boomIf(text, value)
    return value
  },
}

const KEY_FUNCTIONS: Table<KeyFunction> = {
  key: () => (key) => key,
  value: () => (_key, value) => (value === null ? null : textOf(value)),
  firstChar: () => (_key, value) => firstCharacter(value),
  keyFirstChar: () => (key) => firstCharacter(key),
  part: (index) => (_key, value) => part(value, index),
  const: (constant) => () => constant,
  null: () => () => null,
  length: () => (_key, value) => (value === null ? null : String(textOf(value).length)),
  mod: (divisor) => (_key, value) => (value === null ? null : modulo(value, divisor)),
  innerKey: () => (key) => (typeof key === 'object' && key !== null ? key.key : key),
  keyText: () => (key) => (key === null ? null : textOf(key)),
  keyAndValue: () => (key, value) => `${textOf(key)}:${textOf(value)}`,
  keyAppend: (more) => (key) => textOf(key) + more,
  valueUnless: (text) => (_key, value) =>
    value === null || textOf(value) === text ? null : textOf(value),
  firstCharUnless: (text) => (_key, value) =>
    value === null || textOf(value) === text ? null : firstCharacter(value),
  keyUnless: (text) => (key, value) => (textOf(value) === text ? null : key),
  throwIf: (text) => (key, value) => {
    boomIf(text, value)
    return key
  },
}

/** A predicate on values that is false for null. */
function present(
  holds: (value: string | number, argument: string) => boolean,
): (argument: string) => Predicate {
  return (argument) => (_key, value) => value !== null && holds(value, argument)
}

const PREDICATES: Table<Predicate> = {
  all: () => () => true,
  none: () => () => false,
  valueIs: (text) => (_key, value) => textOf(value) === text,
  keyIs: (text) => (key) => textOf(key) === text,
  notNull: () => (_key, value) => value !== null,
  keyNotNull: () => (key) => key !== null,
  even: present((value) => numberOf(value) % 2 === 0),
  multipleOf: present((value, n) => numberOf(value) % Number(n) === 0),
  moreThan: present((value, n) => numberOf(value) > Number(n)),
  keepIfLongerThan: present((value, n) => textOf(value).length > Number(n)),
  startsWith: present((value, text) => textOf(value).startsWith(text)),
  contains: present((value, text) => textOf(value).includes(text)),
  keyStartsWith: (text) => (key) => key !== null && textOf(key).startsWith(text),
  throwIf: (text) => (_key, value) => {
    boomIf(text, value)
    return true
  },
}

function pieces(separator: string): () => ListFunction {
  return () => (value) =>
    value === null
      ? []
      : textOf(value)
          .split(separator)
          .filter((piece) => piece !== '')
}

const LIST_FUNCTIONS: Table<ListFunction> = {
  splitWords: pieces(' '),
  splitParts: pieces('|'),
  chars: () => (value) => (value === null ? [] : [...textOf(value)]),
  repeat: (times) => (value) => Array.from({ length: Number(times) }, () => value),
  none: () => () => [],
  valueAndNull: () => (value) => [value, null],
  nullList: () => () => null as unknown as Value[],
}

const PAIR_FUNCTIONS: Table<PairFunction> = {
  concat: (between) => (x, y) => textOf(x) + between + textOf(y),
  keyed: (between) => (x, y, key) => [key, x, y].map(textOf).join(between),
  sum: () => (x, y) => numberOf(x) + numberOf(y),
  diff: () => (x, y) => numberOf(x) - numberOf(y),
  min: () => (x, y) => Math.min(numberOf(x), numberOf(y)),
  max: () => (x, y) => Math.max(numberOf(x), numberOf(y)),
  first: () => (x) => x,
  last: () => (_x, y) => y,
  count: () => (x) => numberOf(x) + 1,
  uncount: () => (x) => numberOf(x) - 1,
  removeFirst: (before) => (x, y) => removeFirst(textOf(x), before + textOf(y)),
  sumNullIf: (n) => (x, y) => {
    const sum = numberOf(x) + numberOf(y)
    return sum === Number(n) ? null : sum
  },
  nullIfEqual: () => (x, y) => (textOf(x) === textOf(y) ? null : `${textOf(x)}-${textOf(y)}`),
  null: () => () => null,
  throwIf: (text) => (x, y) => {
    boomIf(text, y)
    return `${textOf(x)}-${textOf(y)}`
  },
}

export function valueFunction(specification: unknown): ValueFunction {
  return named(VALUE_FUNCTIONS, 'value function', specification)
}

export function keyFunction(specification: unknown): KeyFunction {
  return named(KEY_FUNCTIONS, 'key function', specification)
}

export function predicate(specification: unknown): Predicate {
  return named(PREDICATES, 'predicate', specification)
}

export function listFunction(specification: unknown): ListFunction {
  return named(LIST_FUNCTIONS, 'list function', specification)
}

export function pairFunction(specification: unknown): PairFunction {
  return named(PAIR_FUNCTIONS, 'function of two values', specification)
}
