/**
 * The door to v2 record batches: the byte picture is in batch-format.ts, batches become records in
 * batch-reader.ts, records become batches in batch-writer.ts.
 */
export { BATCH_HEADER_BYTES } from './batch-format.ts'
export { BatchReader, type OpenOptions, type TimestampType } from './batch-reader.ts'
export {
  BatchWriter,
  type ControlBatch,
  encodeControlBatch,
  type SealOptions,
  setAppendTime,
  setBaseOffset,
} from './batch-writer.ts'
