/**
 * Record view: what a function of a verb can ask of the record it is called for, besides key and value.
 *
 * Journey: transform, sink -> [record view] -> the user's function, as its last argument. One for each
 * node, used again for every record: it allocates nothing.
 */
import type { RecordHeaders, StreamRecord } from '../record/record.ts'
import type { RecordContext, RecordMetadata } from './processor.ts'

export class RecordView implements RecordContext {
  /** Set before each call. */
  record!: StreamRecord<unknown, unknown>
  readonly #metadata: () => RecordMetadata | null

  constructor(metadata: () => RecordMetadata | null) {
    this.#metadata = metadata
  }

  get timestamp(): number {
    return this.record.timestamp
  }

  get headers(): RecordHeaders {
    return this.record.headers
  }

  get metadata(): RecordMetadata | null {
    return this.#metadata()
  }
}
