/**
 * The small log that the main job runs on without `--input`: generated, so that anyone may have it,
 * and always the same, so that answers can be compared.
 *
 * `node --conditions=millrace-source examples/web-log/sample.ts` writes `sample.log` again; a test
 * checks that the file is what this makes.
 */
import { writeFileSync } from 'node:fs'
import { SAMPLE } from './args.ts'

const SEED = 20150517
const LINES = 2000
/** The first line's time. The server's clock is two hours ahead of UTC and says so in each line. */
const START_MS = Date.UTC(2024, 2, 11, 8, 0, 0)
const ZONE_MS = 2 * 3_600_000
/** A line comes this long after the one before, on average: 2,000 lines fill half an hour. */
const GAP_MS = 900
/** Requests are logged when they end, stamped with when they began: some lines are out of order. */
const SLOWEST_REQUEST_MS = 5000

const PAGES = [
  ['/', 5120],
  ['/style.css', 4877],
  ['/products', 18_432],
  ['/favicon.ico', 3638],
  ['/products/lamp', 9211],
  ['/cart', 2904],
  ['/images/logo.svg', 1745],
  ['/search?q=lamp', 7350],
  ['/products/chair', 9876],
  ['/about', 4012],
  ['/checkout', 3333],
  ['/blog/2024/caf%C3%A9', 12_500],
  ['/downloads/catalogue.pdf', 2_458_112],
  ['/search?q=\\"oak table\\"', 7011],
  ['/api/stock/17', 312],
  ['/robots.txt', 68],
] as const

const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) Firefox/123.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_3) Safari/604.1',
  'Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/122.0',
  'curl/8.5.0',
  'ExampleBot/2.1 (+https://bot.example/)',
]

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What a real log has among its lines: cut short, empty, another program's, or nonsense. */
const BAD_LINES: readonly Buffer[] = [
  '203.0.113.7 - - [11/Mar/2024:10:04:11 +0200] "GET /products HTTP/1.1" 200 18432 "-" "Mozilla/5.0',
  '198.51.100.23 - - [11/Mar/2024:10:07:52 +0200] "GET /ima',
  '',
  '[Mon Mar 11 10:11:02 2024] [error] [pid 4711] AH00037: Symbolic link not allowed',
  '192.0.2.44 - - [11/Mar/2024:10:13:40 +0200] "-" 408 0 "-" "-"',
  '192.0.2.45 - - [11/Mar/2024:10:15:09 +0200] "\\x16\\x03\\x01\\x02" 400 226 "-" "-"',
  '203.0.113.99 - - [31/Feb/2024:10:18:30 +0200] "GET / HTTP/1.1" 200 5120 "-" "curl/8.5.0"',
  '203.0.113.12 - - [11/Mar/2024:10:22:01 +0200] "GET /cart HTTP/1.1" OK 2904 "-" "curl/8.5.0"',
].map((text) => Buffer.from(text))

/** The sample, line by line, as bytes. */
export function sampleLog(): Buffer {
  const random = mulberry32(SEED)
  const lines: Buffer[] = []
  let now = START_MS
  for (let index = 0; index < LINES - BAD_LINES.length; index++) {
    now += Math.floor(random() * 2 * GAP_MS)
    lines.push(Buffer.from(line(random, now)))
  }
  for (const [index, bad] of BAD_LINES.entries()) {
    lines.splice(Math.floor(((index + 0.5) * LINES) / BAD_LINES.length), 0, bad)
  }
  return Buffer.concat(lines.flatMap((bytes) => [bytes, Buffer.from('\n')]))
}

function line(random: () => number, now: number): string {
  const slow = random() < 0.1 ? Math.floor(random() * SLOWEST_REQUEST_MS) : 0
  const [page, size] = PAGES[Math.floor(PAGES.length * random() ** 2)]!
  const host = `203.0.113.${1 + Math.floor(random() * 200)}`
  const status = random()
  const method = page === '/checkout' && status < 0.5 ? 'POST' : 'GET'
  const answer = status < 0.9 ? `200 ${size}` : status < 0.97 ? '304 -' : '404 209'
  const agent = AGENTS[Math.floor(random() * AGENTS.length)]!
  const time = logTime(now - slow)
  return `${host} - - [${time}] "${method} ${page.replaceAll(' ', '+')} HTTP/1.1" ${answer} "-" "${agent}"`
}

function logTime(timestamp: number): string {
  const local = new Date(timestamp + ZONE_MS)
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = `${two(local.getUTCDate())}/${MONTHS[local.getUTCMonth()]}/${local.getUTCFullYear()}`
  return `${date}:${local.toISOString().slice(11, 19)} +0200`
}

/** A small generator with a seed: the same numbers on every machine. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

if (import.meta.main) writeFileSync(SAMPLE, sampleLog())
