/**
 * What Kafka Streams' suppression does wrong, done on purpose: part of kafka-defects.ts.
 *
 * - The row before a change that is sent is the one before the last change that came, which nobody
 *   below has seen when several were held back.
 * - Who looks a row up meets, while it is held back, the row before the first of its changes, without
 *   a time; also while it is being sent; and the table above after that.
 * - A change of a window that was sent already is sent too.
 */
import type { PromiseOrValue } from '../../src/record/record.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import type { Change, Processor } from '../../src/topology/processor.ts'
import type { Value } from './case.ts'
import { type AnyContext, type AnyRecord, watched } from './watched.ts'

/** What is known of a row that is held back. */
interface Held {
  /** The row before the first of its changes, and before the last. */
  readonly first: Value
  readonly last: Value
}

/** The time of a row that Kafka Streams does not know. */
const UNKNOWN_TIME = -1

export class SuppressionWithDefects implements Processor {
  readonly #processor: Processor
  /** The store that is looked into from below, or null. */
  readonly #sentRows: string | null
  readonly #held = new Map<string, Held>()
  #rows: KeyValueStore<unknown, unknown> | null = null

  constructor(processor: Processor, sentRows: string | null) {
    this.#processor = processor
    this.#sentRows = sentRows
  }

  init(context: AnyContext): void {
    if (this.#sentRows !== null) this.#rows = context.store(this.#sentRows)
    const forward = (record: AnyRecord) => this.#forward(context, record)
    const drop = (_reason: string, record: AnyRecord) => forward(record)
    this.#processor.init?.(watched(context, { forward, drop } as Partial<AnyContext>))
  }

  process(record: AnyRecord): PromiseOrValue<void> {
    const { before } = record.value as Change<Value>
    const id = JSON.stringify(record.key)
    const held = this.#held.get(id)
    if (held === undefined) this.#rows?.put(record.key, before, UNKNOWN_TIME)
    this.#held.set(id, { first: held === undefined ? before : held.first, last: before })
    return this.#processor.process(record)
  }

  async #forward(context: AnyContext, record: AnyRecord): Promise<void> {
    const { key, timestamp } = record
    const { after } = record.value as Change<Value>
    const id = JSON.stringify(key)
    const { first, last } = this.#held.get(id) as Held
    this.#rows?.put(key, first, UNKNOWN_TIME)
    await context.forward({ ...record, value: { before: last, after } })
    this.#held.delete(id)
    this.#rows?.put(key, after, timestamp)
  }

  flush(): PromiseOrValue<void> {
    return this.#processor.flush?.()
  }

  timeMoved(): PromiseOrValue<void> {
    return this.#processor.timeMoved?.()
  }

  close(): void {
    this.#processor.close?.()
  }
}
