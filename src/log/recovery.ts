/**
 * Opens what is on disk as a log. The numbered cases; docs/log-format.md tells each outcome:
 *
 *  1 clean: the log ends where the recovery point says it was closed; nothing is repaired
 *  2 torn tail: the unflushed part ends in a piece of a batch -> cut off
 *  3 bad batch in the unflushed part -> the log is cut off before it
 *  4 segments after a cut, or after a gap in the unflushed part -> dropped
 *  5 offset or time index missing, not sane or not fitting -> rebuilt from the log
 *  6 transaction index missing or damaged -> rebuilt from the log
 *  7 producer snapshot missing or corrupt -> rebuilt from an older one and the log after it
 *  8 damage in the flushed part -> nothing is cut: a read of it fails with `log-corrupt-batch`; when
 *    the end of the log cannot be told, appends go on in a new segment at the recovery point
 *  9 leftovers: temporary files, indexes without a log -> removed
 * 10 checkpoint missing or unreadable -> everything counts as unflushed, the log starts where its
 *    first segment does
 *
 * Cases 5 and 6 also come up later, when an older segment is first read.
 *
 * Invariant: whatever was flushed keeps its offset; offsets below the recovery point are not reused.
 */
import type { BatchReader } from '../record/record-batch.ts'
import type { BatchScan } from './batch-scan.ts'
import { isCompacted } from './log-config.ts'
import {
  CHECKPOINT_NAME,
  type Checkpoint,
  fileName,
  INDEX_SUFFIXES,
  LOG_SUFFIX,
  parseFileName,
  readCheckpoint,
  SNAPSHOT_SUFFIX,
} from './log-files.ts'
import type { LogHome } from './log-home.ts'
import { decodeSnapshot } from './producer-snapshot.ts'
import { ProducerStates } from './producer-state.ts'
import { canGoOn, Segment } from './segment.ts'
import { EMPTY_CHECKSUM, type TransactionIndex } from './transaction-index.ts'

export interface RecoveredLog {
  readonly segments: Segment[]
  readonly producers: ProducerStates
  readonly logStartOffset: number
  readonly recoveryPoint: number
}

export function recoverLog(home: LogHome, cleanShutdown: boolean): RecoveredLog {
  const names = home.fileSystem.list(home.directory)
  removeLeftovers(home, names)
  // A log that was closed with something in it has a snapshot.
  const wasClosed = cleanShutdown && names.some((name) => name.endsWith(SNAPSHOT_SUFFIX))
  const checkpoint = checkpointOf(home, wasClosed)
  const recoveryPoint = checkpoint?.recoveryPoint ?? 0
  let segments = openSegments(home, names)
  home.segments = segments
  for (const segment of segments) {
    const checksum = checkpoint?.transactionIndexes.get(segment.baseOffset)
    segment.transactionChecksum = checksum ?? EMPTY_CHECKSUM
  }
  if (segments.length > 0 && !(cleanShutdown && endsAt(segments, recoveryPoint))) {
    recoverUnflushed(home, segments, recoveryPoint)
  }
  const end = segments.at(-1)?.nextOffset ?? 0
  const logStartOffset = Math.max(checkpoint?.logStartOffset ?? 0, segments[0]?.baseOffset ?? 0)
  if (segments.length === 0 || logStartOffset > end) {
    dropSegments(home, segments, 'they end before the log starts')
    segments = [Segment.create(home, logStartOffset)]
    home.segments = segments
  }
  rebuildMissing(home, segments)
  const logEndOffset = segments.at(-1)?.nextOffset ?? logStartOffset
  removeSnapshotsAfter(home, logEndOffset)
  const producers = producersAt(home, segments, logEndOffset)
  for (const segment of segments.slice(0, -1)) segment.release()
  return {
    segments,
    producers,
    logStartOffset,
    recoveryPoint: Math.min(recoveryPoint, logEndOffset),
  }
}

/** Case 9. */
function removeLeftovers(home: LogHome, names: readonly string[]): void {
  const logs = new Set(names.filter((name) => name.endsWith(LOG_SUFFIX)))
  for (const name of names) {
    const file = parseFileName(name)
    const isOrphan =
      file !== null &&
      INDEX_SUFFIXES.includes(file.suffix) &&
      !logs.has(fileName(file.offset, LOG_SUFFIX))
    if (!isOrphan && !name.endsWith('.tmp') && !name.endsWith('.deleted')) continue
    home.fileSystem.removeFile(home.pathOf(name))
    const detail = isOrphan ? 'an index without its log' : 'a temporary file'
    home.report({ case: 9, what: 'leftover-removed', file: home.pathOf(name), detail })
  }
}

/** Case 10. A log that was never closed or rolled has none. */
function checkpointOf(home: LogHome, mustExist: boolean): Checkpoint | null {
  const path = home.pathOf(CHECKPOINT_NAME)
  const checkpoint = readCheckpoint(home.fileSystem, path)
  if (checkpoint === null && (mustExist || home.fileSystem.exists(path))) {
    const detail = 'missing or damaged'
    home.report({ case: 10, what: 'checkpoint-missing', file: path, detail })
  }
  return checkpoint
}

function openSegments(home: LogHome, names: readonly string[]): Segment[] {
  const segments: Segment[] = []
  for (const name of names) {
    const file = parseFileName(name)
    if (file?.suffix !== LOG_SUFFIX) continue
    const segment = new Segment(home, file.offset)
    const previous = segments.at(-1)
    if (previous !== undefined) {
      previous.nextOffset = segment.baseOffset
      previous.release()
    }
    segments.push(segment)
  }
  return segments
}

/** Cases 5 and 6 for older segments whose index is not there: loading it rebuilds it. */
function rebuildMissing(home: LogHome, segments: readonly Segment[]): void {
  const names = new Set(home.fileSystem.list(home.directory))
  for (const segment of segments) {
    const isThere = (suffix: string) => names.has(fileName(segment.baseOffset, suffix))
    if (!INDEX_SUFFIXES.every(isThere)) segment.indexes()
  }
}

/** Case 1. */
function endsAt(segments: readonly Segment[], recoveryPoint: number): boolean {
  const newest = segments.at(-1) as Segment
  newest.nextOffset = recoveryPoint
  return newest.loadTail() && newest.nextOffset === recoveryPoint
}

/** Cases 2, 3, 4 and 8: walks all batches from the segment of the recovery point on. */
function recoverUnflushed(home: LogHome, segments: Segment[], recoveryPoint: number): void {
  const first = Math.max(
    0,
    segments.findLastIndex(({ baseOffset }) => baseOffset <= recoveryPoint),
  )
  const producers = producersAt(home, segments, (segments[first] as Segment).baseOffset)
  for (let index = first; index < segments.length; index++) {
    const segment = segments[index] as Segment
    const isCut = recoverSegment(home, segment, producers, recoveryPoint)
    const next = segments[index + 1]
    if (next === undefined) continue
    const isGap =
      !segment.isSealedByDamage &&
      segment.nextOffset >= recoveryPoint &&
      segment.nextOffset < next.baseOffset &&
      !isCompacted(home.config)
    if (isCut || isGap) {
      const why = isCut ? 'the log was cut off before them' : 'the log has a gap before them'
      dropSegments(home, segments.splice(index + 1), why)
    } else {
      segment.nextOffset = next.baseOffset
    }
  }
  const newest = segments.at(-1) as Segment
  if (newest.isSealedByDamage) segments.push(Segment.create(home, newest.nextOffset))
}

/**
 * Builds a segment's indexes and producer state from its batches.
 *
 * @returns true when the log ends in it
 */
function recoverSegment(
  home: LogHome,
  segment: Segment,
  producers: ProducerStates,
  recoveryPoint: number,
): boolean {
  const { transaction } = segment.startIndexes()
  const scan = segment.scan()
  let end = segment.baseOffset
  let outcome = scan.next()
  for (; outcome !== 'end'; outcome = scan.next()) {
    if (outcome === 'valid') {
      segment.noteScanned(scan)
      replay(scan.batch, producers, transaction)
      end = scan.batch.lastOffset + 1
    } else if (end >= recoveryPoint) {
      reportCut(home, segment, scan)
      segment.nextOffset = end
      segment.cutAt(scan.position)
      segment.seal()
      return true
    } else {
      reportDamage(home, segment, scan)
      if (outcome === 'broken') break
      end = scan.expectedOffset
    }
  }
  segment.isSealedByDamage = outcome === 'broken' || end < recoveryPoint
  segment.nextOffset = segment.isSealedByDamage ? Math.max(end, recoveryPoint) : end
  if (outcome === 'end' && segment.isSealedByDamage) {
    scan.reason = `the log ends at offset ${end}, ${recoveryPoint} was flushed`
    reportDamage(home, segment, scan)
  }
  segment.seal()
  return false
}

function reportCut(home: LogHome, segment: Segment, scan: BatchScan): void {
  const isTorn = scan.reason.includes('cut off') || scan.reason.includes('no header')
  home.report({
    case: isTorn ? 2 : 3,
    what: isTorn ? 'torn-tail-truncated' : 'bad-batch-truncated',
    file: segment.path,
    position: scan.position,
    detail: `${scan.reason}; ${segment.size - scan.position} bytes cut off`,
  })
}

function reportDamage(home: LogHome, segment: Segment, scan: BatchScan): void {
  const { position, reason } = scan
  const what = 'flushed-part-damaged'
  home.report({ case: 8, what, file: segment.path, position, detail: reason })
}

/** Case 4. */
function dropSegments(home: LogHome, segments: readonly Segment[], why: string): void {
  for (const segment of segments) {
    home.report({ case: 4, what: 'segments-dropped', file: segment.path, detail: why })
    segment.remove()
  }
}

export function removeSnapshotsAfter(home: LogHome, offset: number): void {
  for (const snapshot of snapshotOffsets(home)) {
    if (snapshot > offset) home.fileSystem.removeFile(snapshotPath(home, snapshot))
  }
}

/** Offsets of the snapshots there are, ascending. */
export function snapshotOffsets(home: LogHome): number[] {
  return home.fileSystem
    .list(home.directory)
    .map(parseFileName)
    .filter((file) => file?.suffix === SNAPSHOT_SUFFIX)
    .map((file) => (file as { offset: number }).offset)
}

export function snapshotPath(home: LogHome, offset: number): string {
  return home.pathOf(fileName(offset, SNAPSHOT_SUFFIX))
}

/** The producers as of `offset`: the newest good snapshot up to it, and the log after that. */
export function producersAt(
  home: LogHome,
  segments: readonly Segment[],
  offset: number,
): ProducerStates {
  const { producers, from } = newestSnapshot(home, offset, segments[0]?.baseOffset ?? 0)
  for (const segment of segments) {
    if (segment.nextOffset <= from || segment.baseOffset >= offset) continue
    replaySegment(segment, producers, { from, to: offset })
  }
  return producers
}

/** Case 7. */
function newestSnapshot(
  home: LogHome,
  offset: number,
  logStart: number,
): { producers: ProducerStates; from: number } {
  for (const snapshot of snapshotOffsets(home).reverse()) {
    if (snapshot > offset) continue
    const path = snapshotPath(home, snapshot)
    const producers = decodeSnapshot(home.fileSystem.readFile(path) ?? Buffer.alloc(0))
    if (producers !== null) return { producers, from: snapshot }
    home.report({ case: 7, what: 'producer-state-rebuilt', file: path, detail: 'corrupt' })
    home.fileSystem.removeFile(path)
  }
  return { producers: new ProducerStates(), from: logStart }
}

function replaySegment(
  segment: Segment,
  producers: ProducerStates,
  range: { readonly from: number; readonly to: number },
): void {
  const scan = segment.scanFrom(range.from)
  for (let outcome = scan.next(); canGoOn(outcome); outcome = scan.next()) {
    if (outcome !== 'valid' || scan.batch.lastOffset < range.from) continue
    if (scan.batch.baseOffset >= range.to) return
    replay(scan.batch, producers, null)
  }
}

/** What a batch in the log does to producer state and, where it ends a transaction, the index. */
export function replay(
  batch: BatchReader,
  producers: ProducerStates,
  index: TransactionIndex | null,
): void {
  if (batch.producerId < 0) return
  if (!batch.isControl) {
    producers.update(batch, batch.baseOffset, batch.lastOffset)
    return
  }
  const type = batch.controlType()
  if (type === 'other') return
  const { producerId, producerEpoch, maxTimestamp, baseOffset } = batch
  const coordinatorEpoch = batch.coordinatorEpoch()
  const marker = { type, producerId, producerEpoch, coordinatorEpoch }
  const ended = producers.end(marker, baseOffset, maxTimestamp)
  if (ended !== null && type === 'abort') index?.append(ended)
}

/** Case 6. */
export function rebuildTransactionIndex(home: LogHome, segment: Segment): void {
  const { transaction } = segment.indexes()
  const detail = 'missing or damaged'
  home.report({ case: 6, what: 'transaction-index-rebuilt', file: transaction.file.path, detail })
  transaction.file.truncate(0)
  const producers = producersAt(home, home.segments, segment.baseOffset)
  const scan = segment.scan()
  for (let outcome = scan.next(); canGoOn(outcome); outcome = scan.next()) {
    if (outcome === 'valid') replay(scan.batch, producers, transaction)
  }
  transaction.file.writePending()
}
