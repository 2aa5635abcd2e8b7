/**
 * Reads JSON from bytes: objects of a form seen before directly, everything else by `JSON.parse`.
 *
 * Journey: bytes of a batch, row of a store -> [JSON value] -> topology.
 *
 * The values of a topic mostly have one form: the same names in the same order, texts and numbers
 * behind them. Where a form is known only the values have to be found, which takes a third to a
 * fifth of decoding the text and parsing it (decision 0011).
 *
 *     {"path":"/a","status":200}      names: path, status      openings: {"path":  ,"status":
 *
 * Invariants:
 * - What is returned is what `JSON.parse` returns for the text, and what it refuses is refused:
 *   any byte that is not as expected leads there. `json-read.test.ts` compares the two.
 * - An object is new each time, with properties of its own in the order of the text.
 * - Forms that do not pay are given up: a set of them is left alone for a while.
 */
import './node-buffer.ts'
import { KNOWN_TEXT_MAX, knownText } from './known-texts.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
const SPACE = 0x20
const LOWER_E = 0x65
const UPPER_E = 0x45

/** Forms are kept in sets, chosen by the first letters of the first name; a power of two. */
const SETS = 64
/** Forms of a set; the last one that fitted is tried first. */
const FORMS_PER_SET = 4
/** In longer texts a loop over the bytes takes as long as the engine's scanner (measured). */
const FORM_BYTES_MAX = 160
/** Objects of more names are rare, and gain less. */
const NAMES_MAX = 32
/** A set that finds nothing so many times more often than something rests. */
const PATIENCE = 64
/** How many objects a set that rests leaves to `JSON.parse`. */
const REST = 8192
/** Significant digits that a double holds whatever they are. */
const EXACT_DIGITS = 15

const POWERS_OF_TEN: readonly number[] = Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => 10 ** n)

type Json = Record<string, unknown>

interface Form {
  readonly names: readonly string[]
  /** What stands before each value: `{"a":`, `,"b":`. */
  readonly openings: readonly Uint8Array[]
  /** An object of this form: copies of it are filled. */
  readonly model: Json
}

interface FormSet {
  readonly forms: Form[]
  patience: number
  rest: number
}

const sets: FormSet[] = Array.from({ length: SETS }, () => ({
  forms: [],
  patience: PATIENCE,
  rest: 0,
}))

/** Where the last value that was read ends, and what it is: one of the two, by `isNumber`. */
const last = { end: 0, isNumber: false, number: 0.5, other: null as string | boolean | null }

/**
 * The value of the JSON text that the bytes from `start` to `end` are, in UTF-8.
 *
 * @throws SyntaxError of `JSON.parse` when they are none
 */
export function readJson(bytes: Buffer, start: number, end: number): unknown {
  const length = end - start
  if (
    length < 6 ||
    length > FORM_BYTES_MAX ||
    bytes[start] !== OPEN ||
    bytes[start + 1] !== QUOTE
  ) {
    return JSON.parse(bytes.utf8Slice(start, end))
  }
  const letters = (bytes[start + 2]! * 31 + bytes[start + 3]!) * 31 + bytes[start + 4]!
  const set = sets[letters & (SETS - 1)] as FormSet
  if (set.rest > 0) {
    set.rest--
    return JSON.parse(bytes.utf8Slice(start, end))
  }
  const { forms } = set
  for (let index = 0; index < forms.length; index++) {
    const form = forms[index] as Form
    const value = readForm(form, bytes, start, end)
    if (value === null) continue
    if (set.patience < PATIENCE) set.patience++
    if (index > 0) {
      forms[index] = forms[0] as Form
      forms[0] = form
    }
    return value
  }
  const parsed: unknown = JSON.parse(bytes.utf8Slice(start, end))
  if (--set.patience > 0) {
    learn(set, parsed as Json, bytes, start, end)
  } else {
    set.patience = PATIENCE
    set.rest = REST
  }
  return parsed
}

/** The object, when the bytes are one of this form; else null. */
function readForm(form: Form, bytes: Buffer, start: number, end: number): Json | null {
  const { names, openings } = form
  let object: Json | null = null
  let at = start
  for (let index = 0; index < names.length; index++) {
    const opening = openings[index] as Uint8Array
    for (let offset = 0; offset < opening.length; offset++) {
      if (bytes[at + offset] !== opening[offset]) return null
    }
    if (!readValue(bytes, at + opening.length, end)) return null
    at = last.end
    object ??= { ...form.model }
    object[names[index] as string] = last.isNumber ? last.number : last.other
  }
  return at === end - 1 && bytes[at] === CLOSE ? object : null
}

/** Sets `found` and `cursor`; false for what is not read here, or runs past the end. */
function readValue(bytes: Buffer, at: number, end: number): boolean {
  const first = bytes[at] as number
  if (first === QUOTE) return readText(bytes, at + 1, end)
  if (first === MINUS || (first >= ZERO && first <= NINE)) return readNumber(bytes, at, end)
  return readWord(bytes, at, end, first)
}

/** A text without escapes. */
function readText(bytes: Buffer, start: number, end: number): boolean {
  let hash = 0
  let at = start
  let byte = 0
  const shortEnd = Math.min(end, start + KNOWN_TEXT_MAX + 1)
  for (; at < shortEnd; at++) {
    byte = bytes[at] as number
    if (byte === QUOTE) {
      return isText(knownText(bytes, start, at, hash), at + 1)
    }
    if (byte === BACKSLASH || byte < SPACE) return false
    if (byte > 127) break
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  let isAscii = true
  for (; at < end; at++) {
    byte = bytes[at] as number
    if (byte === QUOTE) {
      return isText(isAscii ? bytes.latin1Slice(start, at) : bytes.utf8Slice(start, at), at + 1)
    }
    if (byte === BACKSLASH || byte < SPACE) return false
    if (byte > 127) isAscii = false
  }
  return false
}

function isText(value: string | boolean | null, end: number): true {
  last.isNumber = false
  last.other = value
  last.end = end
  return true
}

/**
 * A number whose digits make an exact integer, divided once by an exact power of ten, which
 * IEEE 754 rounds as it rounds the decimal number.
 */
function readNumber(bytes: Buffer, start: number, end: number): boolean {
  const isNegative = bytes[start] === MINUS
  const digits = isNegative ? start + 1 : start
  let at = digits
  let value = 0
  let byte = 0
  for (; at < end; at++) {
    byte = bytes[at] as number
    if (byte < ZERO || byte > NINE) break
    value = value * 10 + (byte - ZERO)
  }
  let count = at - digits
  if (count === 0 || count > EXACT_DIGITS || (count > 1 && bytes[digits] === ZERO)) return false
  if (byte === POINT) {
    const fraction = ++at
    for (; at < end; at++) {
      byte = bytes[at] as number
      if (byte < ZERO || byte > NINE) break
      value = value * 10 + (byte - ZERO)
    }
    const places = at - fraction
    count += places
    if (places === 0 || count > EXACT_DIGITS) return false
    value /= POWERS_OF_TEN[places] as number
  }
  if (byte === LOWER_E || byte === UPPER_E) return false
  last.isNumber = true
  last.number = isNegative ? -value : value
  last.end = at
  return true
}

const WORDS: readonly { readonly text: Buffer; readonly value: boolean | null }[] = [
  { text: Buffer.from('true'), value: true },
  { text: Buffer.from('false'), value: false },
  { text: Buffer.from('null'), value: null },
]

function readWord(bytes: Buffer, at: number, end: number, first: number): boolean {
  for (const { text, value } of WORDS) {
    if (text[0] !== first) continue
    for (let offset = 1; offset < text.length; offset++) {
      if (bytes[at + offset] !== text[offset]) return false
    }
    return isText(value, at + text.length)
  }
  return false
}

/** Keeps the form of an object, if objects like it can be read by it. */
function learn(set: FormSet, model: Json, bytes: Buffer, start: number, end: number): void {
  const names = Object.keys(model)
  // To assign to `__proto__` is to change the prototype.
  if (names.length > NAMES_MAX || names.includes('__proto__')) return
  const openings = names.map((name, index) =>
    Buffer.from(`${String.fromCharCode(index === 0 ? OPEN : COMMA)}${JSON.stringify(name)}:`),
  )
  const form: Form = { names, openings, model: { ...model } }
  if (readForm(form, bytes, start, end) === null) return
  if (set.forms.length === FORMS_PER_SET) set.forms.pop()
  set.forms.unshift(form)
}
