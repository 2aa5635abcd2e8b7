/**
 * Punctuation: the functions that processors want called as time goes on.
 *
 * Journey: `context.schedule` -> [punctuation] -> the task, after a record that moved stream time;
 * the stream thread, when the clock has come to the next one. Never while a record is processed.
 *
 * Invariants:
 * - With nothing scheduled, `nextStreamTime` and `nextWallClock` are infinite: the one comparison
 *   per record that asks is all it costs.
 * - A schedule fires at most once a check, and is then due at the first multiple of its interval
 *   after the time of the check (Kafka's PunctuationSchedule).
 * - The times of schedules made in `init` are committed with the task's offsets, so a restart
 *   neither repeats a punctuation nor leaves one out.
 */
import { type Duration, milliseconds } from '../duration.ts'
import type { PromiseOrValue } from '../record/record.ts'
import type { ObservedTime, PunctuationType, Punctuator } from '../topology/processor.ts'
import type { TaskNode } from './task-node.ts'

/** First character of the entries that schedules have among a task's committed times. */
const SCHEDULE_MARK = '!'

/** True for the name of an entry that a schedule has among a task's committed times. */
export function isScheduleName(name: string): boolean {
  return name.startsWith(SCHEDULE_MARK)
}

interface Schedule {
  readonly node: TaskNode
  readonly intervalMs: number
  readonly type: PunctuationType
  readonly callback: Punctuator
  next: number
  /** What is committed of it: of stream time the last time it fired, of the clock the next. */
  readonly saved: ObservedTime
}

/** The schedules of one task. */
export class Punctuations {
  /** The least stream time at which something is due. */
  nextStreamTime: number = Number.POSITIVE_INFINITY
  /** The least wall-clock time at which something is due. */
  nextWallClock: number = Number.POSITIVE_INFINITY
  /** True when times changed that are not committed. */
  hasUncommitted = false

  readonly #schedules: Schedule[] = []
  readonly #saved = new Map<string, ObservedTime>()
  #restored = new Map<string, number>()
  #isStarting = true

  /** What the last commit knew, before the processors are started. */
  restore(name: string, time: number): void {
    this.#restored.set(name, Math.max(time, this.#restored.get(name) ?? -1))
  }

  /** What a commit has to keep. */
  get saved(): ReadonlyMap<string, ObservedTime> {
    return this.#saved
  }

  /** Called when every processor is started: what is scheduled from now on begins anew each time. */
  started(): void {
    this.#restored = new Map()
    this.#isStarting = false
  }

  /** Adds a schedule; the returned function ends it. */
  add(
    node: TaskNode,
    plan: { readonly intervalMs: number; readonly type: PunctuationType; readonly now: number },
    callback: Punctuator,
  ): () => void {
    const { intervalMs, type } = plan
    const saved: ObservedTime = { max: -1 }
    let name: string | null = null
    if (this.#isStarting) {
      name = this.#nameFor(node, type)
      saved.max = this.#restored.get(name) ?? -1
      this.#saved.set(name, saved)
      if (!this.#restored.has(name)) this.hasUncommitted = true
    }
    const next = type === 'stream-time' ? firstSlot(saved, intervalMs) : firstTick(saved, plan)
    if (type === 'wall-clock') saved.max = next
    const schedule: Schedule = { node, intervalMs, type, callback, next, saved }
    this.#schedules.push(schedule)
    this.#setNext()
    return () => {
      const at = this.#schedules.indexOf(schedule)
      if (at < 0) return
      this.#schedules.splice(at, 1)
      if (name !== null) this.#saved.delete(name)
      this.#setNext()
    }
  }

  /** Fires what is due at `now`, the schedule that was due first first. */
  fire(type: PunctuationType, now: number): PromiseOrValue<void> {
    for (;;) {
      const due = this.#firstDue(type, now)
      if (due === null) return
      due.next += (Math.floor((now - due.next) / due.intervalMs) + 1) * due.intervalMs
      due.saved.max = type === 'stream-time' ? now : due.next
      this.hasUncommitted = true
      this.#setNext()
      const pending = due.node.punctuate(due.callback, now)
      if (pending instanceof Promise) return pending.then(() => this.fire(type, now))
    }
  }

  #firstDue(type: PunctuationType, now: number): Schedule | null {
    let first: Schedule | null = null
    for (const schedule of this.#schedules) {
      if (schedule.type !== type || schedule.next > now) continue
      if (first === null || schedule.next < first.next) first = schedule
    }
    return first
  }

  #setNext(): void {
    this.nextStreamTime = this.#least('stream-time')
    this.nextWallClock = this.#least('wall-clock')
  }

  #least(type: PunctuationType): number {
    let least = Number.POSITIVE_INFINITY
    for (const { type: other, next } of this.#schedules) {
      if (other === type && next < least) least = next
    }
    return least
  }

  /** The node's name and which of its schedules it is: the same at every start of one program. */
  #nameFor(node: TaskNode, type: PunctuationType): string {
    const base = `${SCHEDULE_MARK}${type === 'stream-time' ? 's' : 'w'}${node.nodeName}`
    let name = base
    for (let ordinal = 2; this.#saved.has(name); ordinal++)
      name = `${base}${SCHEDULE_MARK}${ordinal}`
    return name
  }
}

/** Stream time: at once when it is known; after a restart at the slot after the last firing. */
function firstSlot({ max: last }: ObservedTime, intervalMs: number): number {
  return last < 0 ? 0 : (Math.floor(last / intervalMs) + 1) * intervalMs
}

/** Wall clock: an interval from now; after a restart when it would have been, or at once. */
function firstTick(
  { max: next }: ObservedTime,
  { intervalMs, now }: { readonly intervalMs: number; readonly now: number },
): number {
  return next < 0 ? now + intervalMs : Math.min(next, now + intervalMs)
}

/**
 * Milliseconds of a schedule that a processor asks for.
 *
 * @throws TypeError or RangeError saying what to write
 */
export function scheduleMs(interval: Duration, type: unknown, node: string): number {
  const ms = milliseconds(interval, `interval of schedule(...) in '${node}'`)
  if (ms < 1) {
    throw new RangeError(
      `interval of schedule(...) in '${node}' is ${String(interval)}; write at least 1 ms`,
    )
  }
  if (type === 'stream-time' || type === 'wall-clock') return ms
  throw new TypeError(
    `type of schedule(...) in '${node}' is ${String(type)}; write 'stream-time' or 'wall-clock'`,
  )
}
