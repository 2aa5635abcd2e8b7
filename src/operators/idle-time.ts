/**
 * Idle time: lets the time of an operator go on with the wall clock while no record comes, so that
 * the last windows before a silence close too.
 *
 * Journey: an operator with option `idle` tells it of each record; a schedule of the task looks.
 *
 * Time never jumps to the end of what is open: after a silence it is the largest timestamp before
 * it and as much as has passed on the clock since. It is the operator's observed time that moves, so
 * what closed by it stays closed: a record for it that comes later is late, also after a restart.
 *
 * Invariant: with records coming at least once in `idleMs`, nothing here has an effect.
 */
import type { PromiseOrValue } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { ObservedTime, ProcessorContext } from '../topology/processor.ts'

/** How often the clock is looked at while `idleMs` pass. */
const LOOKS = 10

/** Of nodes that share a time, such as the sides of a join, the one that looks for all. */
const ofTime = new WeakMap<ObservedTime, IdleTime>()

/** The idle time of nodes that share an observed time: a record of one breaks the silence of all. */
export function sharedIdleTime(
  context: ProcessorContext<never, never>,
  options: {
    readonly time: ObservedTime
    readonly idleMs: number
    readonly advance: () => PromiseOrValue<void>
  },
): IdleTime {
  const { time, advance } = options
  const shared = ofTime.get(time)
  if (shared !== undefined) {
    shared.addAdvance(advance)
    return shared
  }
  const idle = new IdleTime(context, options)
  ofTime.set(time, idle)
  return idle
}

export class IdleTime {
  readonly #advances: (() => PromiseOrValue<void>)[]
  readonly #context: ProcessorContext<never, never>
  /** Wall-clock time of the last record. */
  #recordAt: number
  /** The record whose silence is under way, by its time on the clock; and the time it had then. */
  #silenceSince = -1
  #base = -1

  /** @param advance called when the time has moved */
  constructor(
    context: ProcessorContext<never, never>,
    options: {
      readonly time: ObservedTime
      readonly idleMs: number
      readonly advance: () => PromiseOrValue<void>
    },
  ) {
    const { time, idleMs, advance } = options
    this.#context = context
    this.#advances = [advance]
    this.#recordAt = context.now()
    context.schedule(Math.max(1, Math.floor(idleMs / LOOKS)), 'wall-clock', (now) => {
      const silence = now - this.#recordAt
      if (silence < idleMs || time.max < 0) return
      if (this.#silenceSince !== this.#recordAt) {
        this.#silenceSince = this.#recordAt
        this.#base = time.max
      }
      if (this.#base + silence <= time.max) return
      time.max = this.#base + silence
      return inOrder(this.#advances, (advance) => advance())
    })
  }

  /** Another node that does something when the time has moved. */
  addAdvance(advance: () => PromiseOrValue<void>): void {
    this.#advances.push(advance)
  }

  /** A record came. */
  touch(): void {
    this.#recordAt = this.#context.now()
  }
}
