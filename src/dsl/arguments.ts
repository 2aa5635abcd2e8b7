/**
 * Checks of what a user passes to a verb. Misuse is an error at the call, naming the argument, the
 * value and the fix; nothing wrong waits for the first record.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { Serde } from '../record/serde.ts'
import { checkName, show } from '../topology/names.ts'

/** Names of the options each verb takes; the types say the same to whoever compiles. */
export function checkOptions(options: unknown, call: string, allowed: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(
      `options of ${call} is ${show(options)}; pass an object such as ${sample(allowed)}`,
    )
  }
  for (const [name, value] of Object.entries(options)) {
    if (!allowed.includes(name)) {
      throw new TypeError(`${call} has no option '${name}'; its options are ${allowed.join(', ')}`)
    }
    if (value === undefined) continue
    if (name === 'name') checkName(value, `option name of ${call}`)
    if (name === 'key' || name === 'value' || name === 'otherValue') checkSerde(value, call, name)
    if (name === 'partitions') checkPartitions(value, call)
    if (name === 'partitioner') {
      checkFunction(value, call, 'option partitioner', '(record, partitions) => 0')
    }
    if (name === 'emit' && value !== 'updates' && value !== 'commit' && value !== 'close') {
      throw new TypeError(
        `option emit of ${call} is ${show(value)}; pass 'updates' or 'commit', or 'close' for windows`,
      )
    }
  }
}

function sample(allowed: readonly string[]): string {
  return `{ ${allowed[0]}: ... }`
}

/** Verbs that wait for what a function of the user promises. */
const AWAITING_CALL = /^(foreach|\w+Async)\(/

/** Verbs that have a counterpart which waits: their names with `Async` after them. */
const AWAITED_ELSEWHERE = /^(mapValues|flatMap)\(/

/** A function of the user. An async one would hand on its promise as if it were the answer. */
export function checkFunction(
  value: unknown,
  call: string,
  argument: string,
  example: string,
): void {
  if (typeof value !== 'function') {
    throw new TypeError(
      `${argument} of ${call} is ${show(value)}; pass a function such as ${example}`,
    )
  }
  if (value.constructor.name.startsWith('Async') && !AWAITING_CALL.test(call)) {
    const [, verb] = AWAITED_ELSEWHERE.exec(call) ?? []
    const elsewhere = verb === undefined ? '' : `; or use ${verb}Async`
    throw new TypeError(
      `${argument} of ${call} is async, so records would carry promises; pass a function that answers at once, such as ${example}${elsewhere}`,
    )
  }
}

export function checkSerde(value: unknown, call: string, option: string): void {
  const serde = value as Partial<Serde<unknown>> | null
  const isSerde =
    typeof serde === 'object' &&
    serde !== null &&
    typeof serde.write === 'function' &&
    typeof serde.read === 'function'
  if (isSerde) return
  const fix =
    typeof value === 'function' && value.name !== ''
      ? `call it if it makes one: { ${option}: ${value.name}() }`
      : `pass one such as text or json()`
  throw new TypeError(`option ${option} of ${call} is ${show(value)}, not a serde; ${fix}`)
}

function checkPartitions(value: unknown, call: string): void {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(
      `option partitions of ${call} is ${show(value)}; pass a whole number from 1`,
    )
  }
}

export function checkTopic(topic: unknown, call: string): string {
  return checkName(topic, `topic of ${call}`)
}

/** Milliseconds of a duration above zero. */
export function positiveMs(duration: Duration, what: string): number {
  const ms = milliseconds(duration, what)
  if (ms === 0) throw new RangeError(`${what} is ${show(duration)}; pass a duration above zero`)
  return ms
}

/** Milliseconds of a duration that may be negative, which only a number can say. */
export function signedMs(duration: Duration, what: string): number {
  return typeof duration === 'number' && duration < 0
    ? -milliseconds(-duration, what)
    : milliseconds(duration, what)
}
