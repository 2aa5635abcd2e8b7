/**
 * The names of a partition's files, and its checkpoints.
 *
 *   <base offset, 20 digits>.log         record batches
 *   <base offset, 20 digits>.index       offset index
 *   <base offset, 20 digits>.timeindex   time index
 *   <base offset, 20 digits>.txnindex    aborted transactions
 *   <offset, 20 digits>.snapshot         producers as of that offset
 *   log-start-offset-checkpoint          text: version 0, count 1, "topic partition offset"
 *   recovery-point-offset-checkpoint     the same: everything below is on the device
 */
import type { FileSystem } from '../file-system.ts'

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
export const LOG_START_CHECKPOINT = 'log-start-offset-checkpoint'
export const RECOVERY_POINT_CHECKPOINT = 'recovery-point-offset-checkpoint'

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

/** The offset a checkpoint holds, or null when it is missing or unreadable. */
export function readCheckpoint(fileSystem: FileSystem, path: string): number | null {
  const lines = fileSystem.readFile(path)?.toString('latin1').split('\n')
  if (lines === undefined || lines[0] !== '0' || lines[1] !== '1') return null
  const text = lines[2]?.split(' ')[2]
  if (text === undefined || !/^\d+$/.test(text)) return null
  const offset = Number(text)
  return Number.isSafeInteger(offset) ? offset : null
}

export interface Checkpoint {
  readonly path: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export function writeCheckpoint(fileSystem: FileSystem, checkpoint: Checkpoint): void {
  const { topic, partition, offset } = checkpoint
  fileSystem.replaceFile(checkpoint.path, Buffer.from(`0\n1\n${topic} ${partition} ${offset}\n`))
}
