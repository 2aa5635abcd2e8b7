/**
 * Answers to errors of a `LogClient` that every caller gives alike: what is temporary is tried
 * again, what is not becomes a `StreamsError`.
 */
import { type Clock, holdProcess, sleep } from '../clock.ts'
import { type ErrorPlace, StreamsError } from '../errors.ts'
import type { ClientError, ErrorKind } from './client.ts'

/** The previous transaction needs this long to complete (measured on Kafka: a few ms). */
const CONCURRENT_RETRY_MS = 3
const UNSTABLE_RETRY_MS = 20
const RETRY_MS = 50

/** How long to wait before the same call again; null: not worth it. */
export function retryDelayMs(kind: ErrorKind): number | null {
  if (kind === 'concurrent') return CONCURRENT_RETRY_MS
  if (kind === 'unstable') return UNSTABLE_RETRY_MS
  return kind === 'retry' ? RETRY_MS : null
}

/** The kind of an error a call was rejected with; errors without one are fatal. */
export function kindOf(error: unknown): ErrorKind {
  return error instanceof Error && 'kind' in error ? (error.kind as ErrorKind) : 'fatal'
}

/** A partition's or call's error as something to throw. */
export function asStreamsError(error: ClientError, place: ErrorPlace = {}): StreamsError {
  if (error instanceof StreamsError) return error
  return new StreamsError(error.code, error.message, { place, retriable: error.kind === 'retry' })
}

/** What becomes of a batch that was not acknowledged in time, because of this error. */
export function overdue(error: ClientError, place: ErrorPlace, timeoutMs: number): StreamsError {
  const message = `No acknowledgement within ${timeoutMs} ms: ${error.message}`
  return new StreamsError('request-timed-out', message, { place, retriable: true })
}

/** Sleeps, keeping the process alive: someone waits for what comes after. */
export async function pause(clock: Clock, delayMs: number): Promise<void> {
  const letGo = holdProcess()
  await sleep(clock, delayMs)
  letGo()
}

/** Calls again while the answer says that it helps, until `timeoutMs` have passed. */
export async function retrying<T>(
  clock: Clock,
  timeoutMs: number,
  call: () => Promise<T>,
): Promise<T> {
  const deadline = clock.monotonic() + timeoutMs
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const delayMs = retryDelayMs(kindOf(error))
      if (delayMs === null || clock.monotonic() + delayMs > deadline) throw error
      await pause(clock, delayMs)
    }
  }
}

/** A client must answer every item; one that did not is asked again. */
export const MISSING_RESULT: ClientError = {
  code: 'request-timed-out',
  kind: 'retry',
  message: 'The log gave no result for the batch',
}

export function unknownPartition(topic: string, partition: number, count: number): StreamsError {
  return new StreamsError(
    'partition-not-found',
    `The topic has partitions 0 to ${count - 1}; use one of them or add more`,
    { place: { topic, partition } },
  )
}

export function isUnknownTopic(error: unknown): boolean {
  return (
    error instanceof StreamsError &&
    (error.code === 'topic-not-found' || error.code === 'partition-not-found')
  )
}
