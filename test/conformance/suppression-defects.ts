/**
 * What Kafka Streams' suppression does wrong, done on purpose: part of kafka-defects.ts.
 *
 * - The row before a change that is sent is the one before the last change that came, which nobody
 *   below has seen when several were held back.
 * - Who looks a row up meets, while it is held back and while it is being sent, the row before the
 *   first of its changes, without a time; else the row of the table above, which may be one that has
 *   not come here yet.
 * - A change of a window that was sent already is sent too.
 */
import type { TableView } from '../../src/dsl/table-view.ts'
import type { PromiseOrValue } from '../../src/record/record.ts'
import type { Row } from '../../src/state/store.ts'
import type { Change, Processor } from '../../src/topology/processor.ts'
import type { Key, Value } from './case.ts'
import { type AnyContext, type AnyRecord, watched } from './watched.ts'

/** What is known of a row that is held back. */
interface Held {
  /** The row before the first of its changes, and before the last. */
  readonly first: Value
  readonly last: Value
}

/** The rows that a suppression holds back, as who looks into it meets them. */
export class HeldRows {
  readonly #rows = new Map<string, Held>()

  hold(key: unknown, before: Value): void {
    const id = JSON.stringify(key)
    const held = this.#rows.get(id)
    this.#rows.set(id, { first: held === undefined ? before : held.first, last: before })
  }

  of(key: unknown): Held | undefined {
    return this.#rows.get(JSON.stringify(key))
  }

  release(key: unknown): void {
    this.#rows.delete(JSON.stringify(key))
  }
}

/** The time of a row that Kafka Streams does not know. */
const UNKNOWN_TIME = -1

/** The view of a suppressed table: what is held back hides the rows above. */
export function viewThrough(
  view: TableView<Key, Value>,
  above: TableView<Key, Value>,
  held: HeldRows,
): TableView<Key, Value> {
  return {
    ...view,
    lookUp(call, emitted) {
      const { stores, open } = above.lookUp(call, emitted)
      return {
        stores,
        open(context) {
          const rows = open(context)
          const get = (key: Key): PromiseOrValue<Row<Value> | null> => {
            const row = held.of(key)
            if (row === undefined) return rows.get(key)
            return row.first === null ? null : { value: row.first, timestamp: UNKNOWN_TIME }
          }
          return { get, prefetch: (keys) => rows.prefetch(keys) }
        },
      }
    },
  }
}

export class SuppressionWithDefects implements Processor {
  readonly #processor: Processor
  readonly #held: HeldRows

  constructor(processor: Processor, held: HeldRows) {
    this.#processor = processor
    this.#held = held
  }

  init(context: AnyContext): void {
    const forward = (record: AnyRecord) => this.#forward(context, record)
    const drop = (_reason: string, record: AnyRecord) => forward(record)
    this.#processor.init?.(watched(context, { forward, drop } as Partial<AnyContext>))
  }

  process(record: AnyRecord): PromiseOrValue<void> {
    this.#held.hold(record.key, (record.value as Change<Value>).before)
    return this.#processor.process(record)
  }

  async #forward(context: AnyContext, record: AnyRecord): Promise<void> {
    const { after } = record.value as Change<Value>
    const before = this.#held.of(record.key)?.last ?? null
    await context.forward({ ...record, value: { before, after } })
    this.#held.release(record.key)
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
