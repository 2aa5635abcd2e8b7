/**
 * Table transform: rows made of rows by an object of the user's, which may keep state of its own.
 *
 * Journey: a table's change -> [table transform] -> store -> downstream it is a change of the resulting
 * table.
 *
 * Invariants:
 * - It is asked once for each change, about deletions too: whoever looks a row up reads the store.
 * - It forwards nothing itself: a row is what it answers.
 *
 * Follows KTableTransformValues with a store.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import { when } from '../record/when.ts'
import type { KeyValueStore } from '../state/store.ts'
import type { Change, Processor, ProcessorContext, RecordContext } from '../topology/processor.ts'
import { RecordView } from '../topology/record-view.ts'

/** What a row transformer sees of the task it runs in. */
export type RowTransformerContext = Pick<
  ProcessorContext<never, never>,
  | 'applicationId'
  | 'taskId'
  | 'partition'
  | 'nodeName'
  | 'store'
  | 'streamTime'
  | 'now'
  | 'schedule'
  | 'requestCommit'
>

/** Makes the rows of a table out of those of another. */
export interface RowTransformer<K, V, R> {
  /** Called once, before the first row. */
  init?(context: RowTransformerContext): void
  /**
   * The row of the result; null: there is none. The next change waits for a promise.
   *
   * @param row null when it was deleted
   */
  transform(row: V | null, key: K, context: RecordContext): PromiseOrValue<R | null>
  /** Called when the task closes. */
  close?(): void
}

export interface TableTransformOptions<K, V, R> {
  readonly create: () => RowTransformer<K, V, R>
  readonly store: string
  readonly keepsBefore: boolean
}

/** A new table transform processor for each task. */
export function tableTransform<K, V, R>(
  options: TableTransformOptions<K, V, R>,
): () => Processor<K, Change<V>, K, Change<R>> {
  return () => new TableTransform(options)
}

class TableTransform<K, V, R> implements Processor<K, Change<V>, K, Change<R>> {
  readonly #options: TableTransformOptions<K, V, R>
  readonly #transformer: RowTransformer<K, V, R>
  readonly #seen = new RecordView(() => this.#context.metadata())
  #context!: ProcessorContext<K, Change<R>>
  #store!: KeyValueStore<K, R>
  #copies = false

  constructor(options: TableTransformOptions<K, V, R>) {
    this.#options = options
    this.#transformer = options.create()
  }

  init(context: ProcessorContext<K, Change<R>>): void {
    this.#context = context
    this.#copies = context.valuesEscape
    this.#store = context.store(this.#options.store)
    const { applicationId, taskId, partition, nodeName } = context
    this.#transformer.init?.({
      applicationId,
      taskId,
      partition,
      nodeName,
      store: (store) => context.store(store),
      streamTime: () => context.streamTime(),
      now: () => context.now(),
      schedule: (interval, type, callback) => context.schedule(interval, type, callback),
      requestCommit: () => context.requestCommit(),
    })
  }

  process(record: StreamRecord<K, Change<V>>): PromiseOrValue<void> {
    this.#seen.record = record
    const { key, value } = record
    return when(this.#transformer.transform(value.after, key, this.#seen), (after) => {
      if (!this.#options.keepsBefore) return this.#replace(record, null, after)
      return when(this.#store.get(key), (row) =>
        this.#replace(record, row === null ? null : row.value, after),
      )
    })
  }

  #replace(
    { key, timestamp, headers }: StreamRecord<K, Change<V>>,
    before: R | null,
    after: R | null,
  ): PromiseOrValue<void> {
    this.#store.put(key, after, timestamp)
    const handed = this.#copies && after !== null ? this.#store.copyValue(after) : after
    return this.#context.forward({ key, value: { before, after: handed }, timestamp, headers })
  }

  prefetch(records: readonly StreamRecord<K, Change<V>>[]): PromiseOrValue<void> {
    if (this.#options.keepsBefore) return this.#store.prefetch(records.map(({ key }) => key))
  }

  close(): void {
    this.#transformer.close?.()
  }
}
