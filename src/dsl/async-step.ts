/**
 * `mapValuesAsync`, `flatMapAsync` and `foreachAsync`: their options, read and checked.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { AsyncSettings } from '../operators/async.ts'
import { show } from '../topology/names.ts'
import { checkFunction, checkOptions, positiveMs } from './arguments.ts'
import { extend, type Place } from './graph.ts'

/** When a call that failed, or ran out of time, is made again. */
export interface AsyncRetry {
  /** Attempts in all, the first included. */
  readonly attempts: number
  /**
   * The wait after the first attempt; it doubles with each further one, up to a minute, and a
   * random part of up to a quarter is taken off. Or a function of the number of the attempt that
   * failed and its error; null gives up. Default `'100ms'`.
   */
  readonly backoff?: Duration | ((attempt: number, error: unknown) => Duration | null) | undefined
}

/** Options of the asynchronous verbs. */
export interface AsyncOptions {
  /** Records whose calls are in flight, or whose results wait for their turn, at most. Default 16. */
  readonly concurrency?: number | undefined
  /**
   * True: results leave in the order of their records. False: as they come, and in order only among
   * the records of one key. Default true.
   */
  readonly ordered?: boolean | undefined
  /** How long an attempt may take; then it has failed. Default `'10s'`. */
  readonly timeout?: Duration | undefined
  /** Default: one attempt. */
  readonly retry?: AsyncRetry | undefined
  /** Name of the operator, and what names below it are derived from. Default: its lineage. */
  readonly name?: string | undefined
}

export interface AsyncVerb {
  readonly verb: 'mapValuesAsync' | 'flatMapAsync' | 'foreachAsync'
  readonly argument: 'mapper' | 'action'
  readonly given: unknown
  /** What could be passed, as an error shows it. */
  readonly example: string
  readonly keepsKey: boolean
  readonly create: (settings: AsyncSettings) => () => unknown
}

const CONCURRENCY = 16
const TIMEOUT = '10s'
const BACKOFF = '100ms'
const BACKOFF_MAX_MS = 60_000
/** Taken off at most, so that calls that failed together do not come back together. */
const BACKOFF_JITTER = 0.25

/** Adds the node of an asynchronous verb below a place. */
export function addAsync<KOut, VOut>(
  place: Place<unknown, unknown>,
  options: AsyncOptions | undefined,
  { verb, argument, given, example, keepsKey, create }: AsyncVerb,
): Place<KOut, VOut> {
  const call = `${verb}(...) on '${place.lineage}'`
  checkFunction(given, call, argument, example)
  const settings = readSettings(options, call)
  const step = { verb, name: options?.name, create: create(settings), keepsKey, keepsValue: false }
  return extend(place, step)
}

function readSettings(options: AsyncOptions | undefined, call: string): AsyncSettings {
  checkOptions(options, call, ['concurrency', 'ordered', 'timeout', 'retry', 'name'])
  const { ordered = true, timeout = TIMEOUT } = options ?? {}
  if (typeof ordered !== 'boolean') {
    throw new TypeError(`option ordered of ${call} is ${show(ordered)}; pass true or false`)
  }
  return {
    concurrency: wholeFrom1(options?.concurrency ?? CONCURRENCY, `option concurrency of ${call}`),
    ordered,
    timeoutMs: positiveMs(timeout, `option timeout of ${call}`),
    ...readRetry(options?.retry, call),
  }
}

function readRetry(
  retry: AsyncRetry | undefined,
  call: string,
): Pick<AsyncSettings, 'attempts' | 'backoffMs'> {
  if (retry === undefined) return { attempts: 1, backoffMs: () => null }
  if (typeof retry !== 'object' || retry === null) {
    throw new TypeError(
      `option retry of ${call} is ${show(retry)}; pass an object such as { attempts: 3, backoff: '100ms' }`,
    )
  }
  for (const name of Object.keys(retry)) {
    if (name === 'attempts' || name === 'backoff') continue
    throw new TypeError(
      `option retry of ${call} has no option '${name}'; its options are attempts, backoff`,
    )
  }
  const attempts = wholeFrom1(retry.attempts, `option retry.attempts of ${call}`)
  const { backoff = BACKOFF } = retry
  const what = `option retry.backoff of ${call}`
  if (typeof backoff === 'function') {
    const backoffMs = (attempt: number, error: unknown): number | null => {
      const wait = backoff(attempt, error)
      return wait === null ? null : milliseconds(wait, `what ${what} returned`)
    }
    return { attempts, backoffMs }
  }
  const firstMs = milliseconds(backoff, what)
  return {
    attempts,
    backoffMs: (attempt, _error, random) =>
      Math.min(firstMs * 2 ** (attempt - 1), BACKOFF_MAX_MS) * (1 - BACKOFF_JITTER * random()),
  }
}

function wholeFrom1(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw new RangeError(`${what} is ${show(value)}; pass a whole number from 1`)
}
