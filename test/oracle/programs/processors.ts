/** Processors, in random programs. */
import type { Random } from './random.ts'
import type { ProgramWriter, Verbs } from './writer.ts'

export const PROCESSOR_VERBS: Verbs = { process: [6, process] }

interface Kind {
  /** True when `processValues` has it, too. */
  readonly ofValues?: boolean
  readonly stores?: boolean
  readonly punctuates?: boolean
  options?(random: Random): Readonly<Record<string, unknown>>
}

const PROCESSORS: Readonly<Record<string, Kind>> = {
  deduplicate: { ofValues: true, stores: true },
  deduplicateFor: {
    ofValues: true,
    stores: true,
    options: (random) => ({ ttlMs: random.pick([5, 20, 100]) }),
  },
  previous: { ofValues: true, stores: true },
  metadata: { ofValues: true },
  streamTime: { ofValues: true },
  setHeader: { ofValues: true, options: () => ({ header: 'p' }) },
  addHeader: { ofValues: true, options: () => ({ header: 'p' }) },
  shiftTimestamp: {
    ofValues: true,
    options: (random) => ({ byMs: random.pick([-3, 0, 5, 40]) }),
  },
  repeat: { ofValues: true, options: (random) => ({ times: random.pick([1, 2]) }) },
  lookup: { ofValues: true },
  forwardNothing: { ofValues: true },
  requestCommit: {},
  tick: { punctuates: true },
  tickOnce: { punctuates: true },
  countAndPunctuate: { stores: true, punctuates: true },
  buffer: { stores: true, punctuates: true },
  expire: {
    stores: true,
    punctuates: true,
    options: (random) => ({ ttlMs: random.pick([5, 20, 100]) }),
  },
}

function process(writer: ProgramWriter): void {
  const { random } = writer
  const processor = random.pick(Object.keys(PROCESSORS))
  const kind = PROCESSORS[processor] as Kind
  const from =
    processor === 'metadata'
      ? writer.one(({ kind, original }) => kind === 'stream' && original === true)
      : writer.stream()
  if (from === null) return
  const looked = processor === 'lookup' ? lookUp(writer) : {}
  const scheduled = kind.punctuates === true ? schedule(writer) : {}
  if (looked === null || scheduled === null) return
  const op = kind.ofValues === true ? random.pick(['process', 'processValues']) : 'process'
  const id = writer.add(op, {
    from: from.id,
    processor,
    ...looked,
    ...kind.options?.(random),
    ...(kind.stores === true ? { store: writer.storeName() } : {}),
    ...scheduled,
  })
  const rekeyed = op === 'process' ? true : (from.rekeyed ?? false)
  writer.make({ id, kind: 'stream', key: 'plain', rekeyed })
}

/** A store to look into, or null when none has rows by key. */
function lookUp({ random, stores }: ProgramWriter): Readonly<Record<string, unknown>> | null {
  const byKey = stores.filter(({ kind }) => kind === 'key-value' || kind === 'versioned')
  if (byKey.length === 0) return null
  const { name, isGlobal } = random.pick(byKey)
  return isGlobal ? { lookupStore: name, globalLookup: true } : { lookupStore: name }
}

/** A schedule, or null when its clock has one already. */
function schedule({ random, steps }: ProgramWriter): Readonly<Record<string, unknown>> | null {
  const everyMs = random.pick([5, 10, 30])
  const clock = random.chance(0.3) ? { clock: 'wallClock' } : {}
  const isTaken = steps.some((step) => step.everyMs !== undefined && step.clock === clock.clock)
  return isTaken ? null : { everyMs, ...clock }
}
