/**
 * Damages a log at random places and opens it: a torn tail, a flipped bit, a missing index.
 *
 * Each round takes a log of several segments, some of it flushed, some not, plain, compressed and
 * transactional, damages one place, opens it and compares everything that it serves with what was
 * appended. The outcome must be the one that docs/log-format.md tells.
 *
 * From a shell: `node test/campaigns/log-damage.ts [ROUNDS]`; the environment's SEED replays a run.
 */
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/clock.ts'
import { StreamsError } from '../../src/errors.ts'
import { TailBudget } from '../../src/log/memory-tail.ts'
import {
  type AbortedTransaction,
  DEFAULT_LOG_CONFIG,
  PartitionLog,
  type RecoveryEvent,
} from '../../src/log/partition-log.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'
import { COMPRESSIONS } from '../../src/record/compression.ts'
import { BatchReader } from '../../src/record/record-batch.ts'
import { batchOf, recordsOf, type TestRecord } from '../log/batches.ts'

export const DAMAGE_KINDS = ['torn tail', 'flipped bit', 'missing index'] as const
export type DamageKind = (typeof DAMAGE_KINDS)[number]

const DIRECTORY = '/data/orders-0'
/** A new log to damage every so many rounds: making one costs more than opening it. */
const ROUNDS_PER_LOG = 25
/** Bytes 12 to 15 of a batch, the leader epoch, are outside of the CRC, and nothing is read by them. */
const LEADER_EPOCH: readonly number[] = [12, 13, 14, 15]

type Random = () => number

/** Mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

const below = (random: Random, bound: number): number => Math.floor(random() * bound)

interface PlacedBatch {
  readonly file: string
  readonly position: number
  readonly end: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** A log as files, and what is in it. */
interface Original {
  readonly files: ReadonlyMap<string, Buffer>
  readonly batches: readonly PlacedBatch[]
  /** By offset; undefined where a control record is. */
  readonly records: readonly (TestRecord | undefined)[]
  readonly aborted: readonly AbortedTransaction[]
  readonly firstAtOrAfter: (timestamp: number) => number | null
  readonly timestampMax: number
  readonly end: number
  readonly recoveryPoint: number
  readonly cleanShutdown: boolean
}

export interface DamageReport {
  readonly rounds: number
  /** How often each recovery case came up. */
  readonly cases: ReadonlyMap<number, number>
  /** Offsets that were read as `log-corrupt-batch`. */
  readonly refusedOffsets: number
  readonly servedRecords: number
}

/** Runs rounds of one kind of damage; throws, naming the round, when an outcome is not as told. */
export function runDamage(kind: DamageKind, rounds: number, seed: number): DamageReport {
  const random = randomOf(seed)
  const cases = new Map<number, number>()
  const totals = { refused: 0, served: 0 }
  let original = makeLog(random)
  for (let round = 0; round < rounds; round++) {
    if (round % ROUNDS_PER_LOG === 0) original = makeLog(random)
    const fileSystem = restore(original)
    const damage = inflict(kind, { random, original, fileSystem })
    try {
      for (const number of checkOutcome(original, fileSystem, damage, totals)) {
        cases.set(number, (cases.get(number) ?? 0) + 1)
      }
    } catch (error) {
      const what = `${kind}, seed ${seed}, round ${round}: ${damage.what}`
      throw new Error(what, { cause: error })
    }
  }
  return { rounds, cases, refusedOffsets: totals.refused, servedRecords: totals.served }
}

// The log

function openLog(
  fileSystem: MemoryFileSystem,
  cleanShutdown: boolean,
  onRecovery?: (event: RecoveryEvent) => void,
): PartitionLog {
  return PartitionLog.open({
    fileSystem,
    clock: systemClock,
    directory: DIRECTORY,
    topic: 'orders',
    partition: 0,
    config: {
      ...DEFAULT_LOG_CONFIG,
      segmentBytes: 4000,
      indexIntervalBytes: 400,
      flush: 'never',
    },
    cleanShutdown,
    tailBudget: new TailBudget(0),
    ...(onRecovery === undefined ? {} : { onRecovery }),
  })
}

/** A closed part of a few segments and, half of the time, a part that was not closed. */
function makeLog(random: Random): Original {
  const fileSystem = new MemoryFileSystem()
  const sequences = [0, 0, 0]
  let log = openLog(fileSystem, true)
  appendRandom(log, random, sequences, 40 + below(random, 40))
  log.close()
  const recoveryPoint = log.logEndOffset
  const cleanShutdown = random() < 0.5
  if (!cleanShutdown) {
    log = openLog(fileSystem, true)
    appendRandom(log, random, sequences, 1 + below(random, 60))
  } else {
    log = openLog(fileSystem, true)
  }
  return describe(log, fileSystem, { recoveryPoint, cleanShutdown })
}

function appendRandom(log: PartitionLog, random: Random, sequences: number[], count: number): void {
  for (let index = 0; index < count; index++) {
    const values = Array.from({ length: 1 + below(random, 4) }, () => textOf(random))
    const timestamp = 1_700_000_000_000 + below(random, 5000) + log.logEndOffset * 10
    const producer = below(random, 6)
    if (producer >= sequences.length) {
      const compression = COMPRESSIONS[below(random, COMPRESSIONS.length)] ?? 'none'
      log.append(batchOf(values, { timestamp, compression }))
      continue
    }
    const identity = { producerId: 100 + producer, producerEpoch: 0 }
    const baseSequence = sequences[producer] as number
    log.append(batchOf(values, { timestamp, ...identity, baseSequence, isTransactional: true }))
    sequences[producer] = baseSequence + values.length
    if (random() < 0.5) {
      const type = random() < 0.6 ? 'abort' : 'commit'
      log.appendControl({ type, ...identity, coordinatorEpoch: 0, timestamp })
    }
  }
}

function textOf(random: Random): string {
  return `${below(random, 1_000_000)} `.repeat(1 + below(random, 8))
}

function describe(
  log: PartitionLog,
  fileSystem: MemoryFileSystem,
  how: { readonly recoveryPoint: number; readonly cleanShutdown: boolean },
): Original {
  const records: (TestRecord | undefined)[] = new Array(log.logEndOffset)
  const all: Buffer[] = []
  for (let offset = 0; offset < log.logEndOffset; ) {
    const read = log.read(offset, 100_000, log.logEndOffset)
    all.push(...read)
    const reader = new BatchReader()
    reader.open(read.at(-1) as Buffer, 0)
    offset = reader.lastOffset + 1
  }
  for (const record of recordsOf(all)) records[record.offset] = record
  const files = new Map<string, Buffer>()
  for (const name of fileSystem.list(DIRECTORY)) {
    files.set(name, fileSystem.readFile(`${DIRECTORY}/${name}`) as Buffer)
  }
  const batches = placesOf(files)
  const known = records.filter((record) => record !== undefined)
  return {
    ...how,
    files,
    batches,
    records,
    aborted: log.abortedTransactions(0, log.logEndOffset),
    firstAtOrAfter: (timestamp) => log.offsetForTimestamp(timestamp)?.offset ?? null,
    timestampMax: Math.max(...known.map(({ timestamp }) => timestamp)),
    end: log.logEndOffset,
  }
}

/** Where each batch lies, by a walk of its own over the files. */
function placesOf(files: ReadonlyMap<string, Buffer>): PlacedBatch[] {
  const places: PlacedBatch[] = []
  const reader = new BatchReader()
  for (const [file, bytes] of files) {
    if (!file.endsWith('.log')) continue
    for (let position = 0; position < bytes.length; position = reader.nextPosition) {
      if (!reader.open(bytes, position, { verifyCrc: true })) throw new Error('not a whole log')
      const { baseOffset, lastOffset, nextPosition: end } = reader
      places.push({ file, position, end, baseOffset, lastOffset })
    }
  }
  return places
}

function restore(original: Original): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem()
  fileSystem.makeDirectory(DIRECTORY)
  for (const [name, bytes] of original.files) {
    const handle = fileSystem.open(`${DIRECTORY}/${name}`)
    handle.write(bytes, 0)
    handle.syncNow()
  }
  return fileSystem
}

// The damage

interface Damage {
  readonly what: string
  /** The batch that is damaged or the first that is gone; null when no batch is. */
  readonly batch: PlacedBatch | null
  /** The rest of the segment after the batch is gone too. */
  readonly breaksSegment: boolean
}

interface Scene {
  readonly random: Random
  readonly original: Original
  readonly fileSystem: MemoryFileSystem
}

function inflict(kind: DamageKind, scene: Scene): Damage {
  if (kind === 'torn tail') return tearTail(scene)
  return kind === 'flipped bit' ? flipBit(scene) : removeIndexes(scene)
}

/** Cuts the newest segment anywhere, and may leave rubbish after the cut. */
function tearTail({ random, original, fileSystem }: Scene): Damage {
  const newest = [...original.files.keys()].filter((name) => name.endsWith('.log')).at(-1) as string
  const handle = fileSystem.open(`${DIRECTORY}/${newest}`)
  const size = below(random, handle.size())
  const rubbish = random() < 0.3 ? Buffer.alloc(below(random, 200)) : Buffer.alloc(0)
  for (let at = 0; at < rubbish.length; at++) rubbish[at] = below(random, 256)
  handle.truncate(size)
  handle.write(rubbish, size)
  const batch = original.batches.find(({ file, end }) => file === newest && end > size) ?? null
  return {
    what: `${newest} cut at ${size}, ${rubbish.length} bytes of rubbish`,
    batch,
    breaksSegment: true,
  }
}

/** Flips a bit of any file; half of the time of a log. */
function flipBit({ random, original, fileSystem }: Scene): Damage {
  const names = [...original.files].filter(([, bytes]) => bytes.length > 0).map(([name]) => name)
  const logs = names.filter((name) => name.endsWith('.log'))
  const candidates = random() < 0.5 ? logs : names
  const name = candidates[below(random, candidates.length)] as string
  const position = below(random, (original.files.get(name) as Buffer).length)
  const bit = below(random, 8)
  fileSystem.flipBit(`${DIRECTORY}/${name}`, position, bit)
  const batch = original.batches.find(
    ({ file, position: start, end }) => file === name && start <= position && position < end,
  )
  const what = `bit ${bit} of byte ${position} of ${name}`
  if (batch === undefined) return { what, batch: null, breaksSegment: false }
  const at = position - batch.position
  const where = `${what} (byte ${at} of batch ${batch.baseOffset} to ${batch.lastOffset})`
  if (LEADER_EPOCH.includes(at)) return { what, batch: null, breaksSegment: false }
  return { what: where, batch, breaksSegment: false }
}

/** Removes one, some or all index files. */
function removeIndexes({ random, original, fileSystem }: Scene): Damage {
  const indexes = [...original.files.keys()].filter((name) => name.endsWith('index'))
  const share = random() < 0.5 ? 0 : random()
  const one = indexes[below(random, indexes.length)]
  const removed = indexes.filter((name) => name === one || random() < share)
  for (const name of removed) fileSystem.removeFile(`${DIRECTORY}/${name}`)
  return { what: `without ${removed.join(', ')}`, batch: null, breaksSegment: false }
}

// The outcome

function checkOutcome(
  original: Original,
  fileSystem: MemoryFileSystem,
  damage: Damage,
  totals: { refused: number; served: number },
): Set<number> {
  const seen = new Set<number>()
  const onRecovery = (event: RecoveryEvent) => void seen.add(event.case)
  const log = openLog(fileSystem, original.cleanShutdown, onRecovery)
  const expected = expectedEnd(original, damage)
  equal(log.logStartOffset, 0, 'log start offset')
  equal(log.logEndOffset, expected, 'log end offset')
  const refused = checkContent(original, log, damage)
  if (damage.batch === null) {
    equal(refused, 0, 'refused offsets of an undamaged log')
    equal(log.abortedTransactions(0, log.logEndOffset), original.aborted, 'aborted transactions')
    for (let step = 0; step <= 10; step++) {
      const timestamp = 1_700_000_000_000 + Math.floor((original.timestampMax % 1e6) * step * 0.1)
      const found = log.offsetForTimestamp(timestamp)?.offset ?? null
      equal(found, original.firstAtOrAfter(timestamp), `offset of timestamp ${timestamp}`)
    }
  }
  checkGoesOn(log, fileSystem, refused)
  totals.refused += refused
  totals.served += expected - refused
  return seen
}

/**
 * Flushed offsets stay; in the unflushed part the log ends before the damage. When the flushed part
 * of the newest segment is cut, the unflushed part behind it is lost.
 */
function expectedEnd(original: Original, { batch, breaksSegment }: Damage): number {
  const { end, recoveryPoint, batches } = original
  if (batch === null) return end
  if (batch.baseOffset >= recoveryPoint) return batch.baseOffset
  return breaksSegment && batch.file === batches.at(-1)?.file ? recoveryPoint : end
}

/** Reads every offset; each answer is the record that was appended, or a refusal that is due. */
function checkContent(original: Original, log: PartitionLog, damage: Damage): number {
  let refused = 0
  for (let offset = 0; offset < log.logEndOffset; ) {
    const served = readOrRefuse(log, offset)
    if (served === null) {
      if (!mayRefuse(original, damage, offset)) throw new Error(`offset ${offset} was refused`)
      refused += 1
      offset += 1
      continue
    }
    const reader = new BatchReader()
    for (const batch of served) reader.open(batch, 0)
    const { batch } = damage
    for (const record of recordsOf(served)) {
      if (
        batch !== null &&
        record.offset >= batch.baseOffset &&
        record.offset <= batch.lastOffset
      ) {
        throw new Error(`offset ${record.offset} of the damaged batch was served`)
      }
      equal(record, original.records[record.offset], `record ${record.offset}`)
    }
    offset = reader.lastOffset + 1
  }
  return refused
}

function readOrRefuse(log: PartitionLog, offset: number): Buffer[] | null {
  try {
    const served = log.read(offset, 1 + ((offset * 7919) % 3000), log.logEndOffset)
    if (served.length === 0) throw new Error(`nothing at offset ${offset}`)
    return served
  } catch (error) {
    if (!(error instanceof StreamsError) || error.code !== 'log-corrupt-batch') throw error
    if (error.place.file === undefined || error.place.position === undefined) {
      throw new Error('a refusal does not name file and position', { cause: error })
    }
    return null
  }
}

function mayRefuse({ batches }: Original, damage: Damage, offset: number): boolean {
  const { batch, breaksSegment } = damage
  if (batch === null || offset < batch.baseOffset) return false
  if (offset <= batch.lastOffset) return true
  const isSameSegment = batches.some(
    ({ file, baseOffset, lastOffset }) =>
      file === batch.file && baseOffset <= offset && offset <= lastOffset,
  )
  return breaksSegment && isSameSegment
}

/** What was opened can be appended to, closed and opened, and serves the same. */
function checkGoesOn(log: PartitionLog, fileSystem: MemoryFileSystem, refused: number): void {
  const { baseOffset } = log.append(batchOf(['after the damage']))
  equal(
    recordsOf(log.read(baseOffset, 1, log.logEndOffset))[0]?.value,
    'after the damage',
    'append',
  )
  const end = log.logEndOffset
  log.close()
  for (const cleanShutdown of [true, false]) {
    const again = openLog(fileSystem, cleanShutdown)
    equal(again.logEndOffset, end, 'log end offset when opened again')
    let refusedAgain = 0
    for (let offset = 0; offset < end; offset++) {
      if (readOrRefuse(again, offset) === null) refusedAgain += 1
    }
    equal(refusedAgain, refused, 'refused offsets when opened again')
  }
}

function equal(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`${what}: ${left}, expected ${right}`)
}

export function seedFromEnvironment(): number {
  return Number(process.env.SEED ?? Date.now() % 1_000_000_000)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rounds = Number(process.argv[2] ?? 1000)
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    console.error(`'${process.argv[2]}' is no number of rounds; write for example 1000`)
    process.exit(2)
  }
  const seed = seedFromEnvironment()
  console.log(`seed ${seed} (replay: SEED=${seed} node test/campaigns/log-damage.ts ${rounds})`)
  for (const kind of DAMAGE_KINDS) {
    const { cases, refusedOffsets, servedRecords } = runDamage(kind, rounds, seed)
    const counts = [...cases].sort(([a], [b]) => a - b).map(([number, n]) => `case ${number}: ${n}`)
    console.log(
      `${kind}: ${rounds} places, ${servedRecords} offsets right, ${refusedOffsets} refused; ` +
        `${counts.join(', ') || 'nothing to repair'}`,
    )
  }
}
