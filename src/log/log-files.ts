/**
 * The names of a partition's files, and its checkpoints.
 *
 *   <base offset, 20 digits>.log         record batches
 *   <base offset, 20 digits>.index       offset index
 *   <base offset, 20 digits>.timeindex   time index
 *   <base offset, 20 digits>.txnindex    aborted transactions
 *   <offset, 20 digits>.snapshot         producers as of that offset
 *   partition.checkpoint                 where the log starts, up to where it is on the device
 *
 *   partition.checkpoint   one line of text, its fields apart by a space:
 *       millrace-checkpoint 1 <log start offset> <recovery point>
 *       <base offset>:<CRC-32C of its .txnindex>, ... for segments with aborted transactions; or -
 *       <CRC-32C of all before this field>
 *
 * Kafka keeps the two numbers of all its partitions in two files of the folder above, without a
 * checksum. Here a flipped bit must not move the start or the end of a log.
 */
import type { FileSystem } from '../file-system.ts'
import { crc32c } from '../record/crc32c.ts'

export const LOG_SUFFIX = '.log'
export const OFFSET_INDEX_SUFFIX = '.index'
export const TIME_INDEX_SUFFIX = '.timeindex'
export const TRANSACTION_INDEX_SUFFIX = '.txnindex'
export const SNAPSHOT_SUFFIX = '.snapshot'
export const INDEX_SUFFIXES: readonly string[] = [
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
]
export const CHECKPOINT_NAME = 'partition.checkpoint'

const DIGITS = 20
const NAME = /^(\d{20})(\.[a-z]+)$/

export function fileName(offset: number, suffix: string): string {
  return `${String(offset).padStart(DIGITS, '0')}${suffix}`
}

/** Offset and suffix of a file of the log, or null for any other name. */
export function parseFileName(name: string): { offset: number; suffix: string } | null {
  const match = NAME.exec(name)
  if (match === null) return null
  const offset = Number(match[1])
  return Number.isSafeInteger(offset) ? { offset, suffix: match[2] as string } : null
}

export interface Checkpoint {
  readonly logStartOffset: number
  /** Everything below survives the loss of power. */
  readonly recoveryPoint: number
  /** Base offset to checksum, of the transaction indexes that have entries. */
  readonly transactionIndexes: ReadonlyMap<number, number>
}

const MAGIC = 'millrace-checkpoint 1'
const NO_INDEXES = '-'

/** The checkpoint, or null when it is missing or damaged. */
export function readCheckpoint(fileSystem: FileSystem, path: string): Checkpoint | null {
  const text = fileSystem.readFile(path)?.toString('latin1') ?? ''
  const end = text.lastIndexOf(' ')
  if (!text.startsWith(MAGIC) || text !== sealed(text.slice(0, end))) return null
  const [, , start, recoveryPoint, list = NO_INDEXES] = text.split(' ')
  const pairs = list === NO_INDEXES ? [] : list.split(',')
  const transactionIndexes = new Map(
    pairs.map((pair) => pair.split(':').map(Number) as [number, number]),
  )
  return { logStartOffset: Number(start), recoveryPoint: Number(recoveryPoint), transactionIndexes }
}

export function writeCheckpoint(
  fileSystem: FileSystem,
  path: string,
  checkpoint: Checkpoint,
): void {
  const { logStartOffset, recoveryPoint, transactionIndexes } = checkpoint
  const pairs = [...transactionIndexes].map(([offset, checksum]) => `${offset}:${checksum}`)
  const list = pairs.length === 0 ? NO_INDEXES : pairs.join(',')
  const text = sealed(`${MAGIC} ${logStartOffset} ${recoveryPoint} ${list}`)
  fileSystem.replaceFile(path, Buffer.from(text, 'latin1'))
}

function sealed(content: string): string {
  return `${content} ${crc32c(Buffer.from(content, 'latin1'))}\n`
}
