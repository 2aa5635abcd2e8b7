/**
 * A real log whose produce calls fail where a test says: before anything is written, or after, when
 * only the answer is lost.
 */
import type { EmbeddedLog } from 'millrace'
import type { ClientError, LogClient, ProduceItem, ProduceResult } from '../../src/client/client.ts'

/** `refused`: nothing is written. `answer-lost`: it is written, and an error is answered. */
export type Fault = 'refused' | 'answer-lost'

export interface Attempt {
  readonly topic: string
  readonly partition: number
  /** The batch's bytes beyond what the log may write into it (base offset, leader epoch). */
  readonly bytes: string
  readonly fault: Fault | null
}

const RETRY: ClientError = { code: 'request-timed-out', kind: 'retry', message: 'injected' }
/** Base offset (8), length (4) and leader epoch (4) lie before what the producer decides. */
const LOG_BYTES = 16

export interface FlakyLog {
  readonly log: LogClient
  readonly attempts: readonly Attempt[]
}

/** `faultOf` sees each batch's attempt, counted per log from 0. */
export function flakyLog(
  real: EmbeddedLog,
  faultOf: (item: ProduceItem, attempt: number) => Fault | null,
  error: ClientError = RETRY,
): FlakyLog {
  const attempts: Attempt[] = []
  const produce: LogClient['produce'] = async (items, options) => {
    const results: ProduceResult[] = []
    for (const item of items) {
      const { topic, partition, batch } = item
      const fault = faultOf(item, attempts.length)
      attempts.push({ topic, partition, bytes: batch.toString('hex', LOG_BYTES), fault })
      const written = fault === 'refused' ? [] : await real.produce([item], options)
      const failed = { topic, partition, error, baseOffset: -1, logAppendTime: -1 }
      results.push(fault === null ? (written[0] as ProduceResult) : failed)
    }
    return results
  }
  const log = new Proxy(real, {
    get(target, name) {
      if (name === 'produce') return produce
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { log, attempts }
}
