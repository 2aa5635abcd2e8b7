/**
 * What the job leaves behind for people and programs: the table of the busiest pages, the line of
 * figures, the NDJSON file.
 *
 * Journey: `page-stats` -> results -> [report] -> terminal, file.
 */
import { open, rename, stat } from 'node:fs/promises'

/** The final value of a page in a window. */
export interface PageStats {
  readonly target: string
  readonly windowStart: number
  readonly windowEnd: number
  readonly hits: number
  readonly bytes: number
}

export interface Figures {
  readonly lines: number
  readonly rejected: ReadonlyMap<string, number>
  readonly late: number
  readonly windows: number
  readonly seconds: number
  /** Lines processed by this run, which resumed after others perhaps. */
  readonly processed: number
}

const PAGES_SHOWN = 10
const TARGET_WIDTH_MAX = 60
/** Rows written to the output file at a time. */
const ROWS_PER_WRITE = 4096

const count = new Intl.NumberFormat('en-US')

/** By window start, then target in the order of its UTF-16 code units. */
export function sortPageStats(rows: PageStats[]): PageStats[] {
  return rows.sort((a, b) => a.windowStart - b.windowStart || compareCodeUnits(a.target, b.target))
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The pages with the most hits over all windows, most first. */
export function busiestPages(rows: Iterable<PageStats>): string {
  const pages = new Map<string, { target: string; hits: number; bytes: number; windows: number }>()
  for (const { target, hits, bytes } of rows) {
    const page = pages.get(target) ?? { target, hits: 0, bytes: 0, windows: 0 }
    page.hits += hits
    page.bytes += bytes
    page.windows += 1
    pages.set(target, page)
  }
  const order = [...pages.values()].sort(
    (a, b) => b.hits - a.hits || compareCodeUnits(a.target, b.target),
  )
  const cells = order
    .slice(0, PAGES_SHOWN)
    .map(({ target, hits, bytes, windows }) => [
      printable(target),
      count.format(hits),
      count.format(bytes),
      count.format(windows),
    ])
  return table(['page', 'hits', 'bytes', 'windows'], cells)
}

/** Letters a terminal would act on are shown as `?`: a log is written by strangers. */
function printable(target: string): string {
  const plain = target.replaceAll(/\p{C}/gu, '?')
  return plain.length <= TARGET_WIDTH_MAX ? plain : `${plain.slice(0, TARGET_WIDTH_MAX - 1)}…`
}

/** The first column to the left, the others, numbers, to the right. */
function table(header: string[], rows: string[][]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]!.length)),
  )
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
  return [
    line(header),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.map(line),
  ].join('\n')
}

/** One line: lines, rejected, late, windows, seconds, records/s; rejected with reasons below it. */
export function figures(found: Figures): string {
  const rejected = [...found.rejected.values()].reduce((sum, some) => sum + some, 0)
  const rate = Math.round(found.processed / Math.max(found.seconds, 0.001))
  const line =
    `lines ${count.format(found.lines)}, rejected ${count.format(rejected)}, ` +
    `late ${count.format(found.late)}, windows ${count.format(found.windows)}, ` +
    `seconds ${found.seconds.toFixed(2)}, records/s ${count.format(rate)}`
  const reasons = [...found.rejected].map(
    ([reason, some]) => `  rejected ${count.format(some)}: ${reason}`,
  )
  return [line, ...reasons].join('\n')
}

/** Writes one line per row. The file appears under its name only when it is whole. */
export async function writeNdjson(path: string, rows: readonly PageStats[]): Promise<void> {
  // A device or a pipe keeps its name: it cannot be replaced by a file.
  const special = await stat(path).then(
    (found) => !found.isFile(),
    () => false,
  )
  const target = special ? path : `${path}.partial`
  const file = await open(target, 'w')
  try {
    for (let start = 0; start < rows.length; start += ROWS_PER_WRITE) {
      const some = rows.slice(start, start + ROWS_PER_WRITE)
      await file.write(some.map((row) => `${JSON.stringify(row)}\n`).join(''))
    }
  } finally {
    await file.close()
  }
  if (!special) await rename(target, path)
}
