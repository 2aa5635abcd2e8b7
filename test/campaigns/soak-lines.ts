/**
 * Endless lines of an access log for the soak: a bounded set of targets, time that moves on.
 *
 * Line n stands at `START + n * MS_PER_LINE`, but for the share that comes late: spread evenly over
 * one and a half times the grace, so that some of it still finds its window, saved and evicted by
 * then, and some is too late. As much is no log line at all.
 */
import { type Random, xorshift32, zipf } from '../../benchmarks/generator/random.ts'

const START = Date.UTC(2026, 0, 1)
/** 6,000 lines to the minute of event time: a run at 50,000 lines a second passes an hour in 7 s. */
const MS_PER_LINE = 10
const TARGETS = 5000
const LATE_SHARE = 0.02
const REJECTED_SHARE = 0.02
/** Lines are made once and used again with other times: making them must not be what is measured. */
const POOL_LINES = 1 << 16
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

interface PooledLine {
  readonly head: string
  readonly tail: string
}

export class SoakLines {
  /** Lines handed out so far. */
  count = 0
  readonly #random: Random
  readonly #graceMs: number
  readonly #pool: readonly PooledLine[]
  #knownSecond = -1
  #knownTime = ''

  constructor(seed: number, graceMs: number) {
    this.#random = xorshift32(seed)
    this.#graceMs = graceMs
    this.#pool = poolOf(this.#random)
  }

  next(): string {
    const { head, tail } = this.#pool[this.count % POOL_LINES] as PooledLine
    const now = START + this.count++ * MS_PER_LINE
    const draw = this.#random.next()
    if (draw < REJECTED_SHARE) return `not a log line, ${head}`
    const late = draw < REJECTED_SHARE + LATE_SHARE
    const behindMs = late ? this.#random.int(1 + Math.floor(this.#graceMs * 1.5)) : 0
    return `${head}${this.#timeOf(Math.floor((now - behindMs) / 1000))}${tail}`
  }

  #timeOf(second: number): string {
    if (second === this.#knownSecond) return this.#knownTime
    const iso = new Date(second * 1000).toISOString()
    const month = MONTHS[Number(iso.slice(5, 7)) - 1]
    this.#knownSecond = second
    this.#knownTime = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)}`
    return this.#knownTime
  }
}

function poolOf(random: Random): PooledLine[] {
  const ranks = zipf(random, TARGETS)
  return Array.from({ length: POOL_LINES }, () => {
    const address = `${1 + random.int(222)}.${random.int(256)}.${random.int(256)}.${random.int(256)}`
    const target = `/${random.pick(['articles', 'products', 'img'])}/${ranks()}`
    const status = random.next() < 0.9 ? 200 : 404
    const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0'
    return {
      head: `${address} - - [`,
      tail: ` +0000] "GET ${target} HTTP/1.1" ${status} ${random.int(60_000)} "-" "${agent}"`,
    }
  })
}
