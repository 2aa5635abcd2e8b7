import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  busiestPages,
  figures,
  type PageStats,
  sortPageStats,
  writeNdjson,
} from '../../../examples/web-log/report.ts'

const row = (target: string, windowStart: number, hits: number, bytes: number): PageStats => ({
  target,
  windowStart,
  windowEnd: windowStart + 60,
  hits,
  bytes,
})

describe('the report of the main job', () => {
  it('sorts by window start, then target in code unit order', () => {
    const rows = [
      row('/b', 60, 1, 1),
      row('/😀', 0, 1, 1),
      row('/\uff5e', 0, 1, 1),
      row('/B', 60, 1, 1),
    ]
    expect(sortPageStats(rows).map(({ target }) => target)).toEqual(['/😀', '/\uff5e', '/B', '/b'])
  })

  it('shows the busiest pages over all windows, most hits first', () => {
    const rows = [
      row('/a', 0, 2, 10),
      row('/b', 0, 1000, 5000),
      row('/a', 60, 1, 5),
      row('/\u001b[2J', 0, 3, 0),
    ]
    expect(busiestPages(rows).split('\n')).toEqual([
      'page    hits  bytes  windows',
      '-----  -----  -----  -------',
      '/b     1,000  5,000        1',
      '/?[2J      3      0        1',
      '/a         3     15        2',
    ])
  })

  it('shows the ten busiest only, and cuts a long target', () => {
    const rows = Array.from({ length: 30 }, (_, index) =>
      row(`/${'x'.repeat(100)}${index}`, 0, index, 0),
    )
    const lines = busiestPages(rows).split('\n')
    expect(lines).toHaveLength(12)
    expect(lines[2]).toContain('…')
  })

  it('gives all figures in one line, and the reasons of what was rejected below', () => {
    const rejected = new Map([
      ['not a log line', 5],
      ['time is not valid', 2],
    ])
    const text = figures({
      lines: 2000,
      rejected,
      late: 1,
      windows: 480,
      seconds: 0.5,
      processed: 2000,
    })
    expect(text).toBe(
      'lines 2,000, rejected 7, late 1, windows 480, seconds 0.50, records/s 4,000\n' +
        '  rejected 5: not a log line\n  rejected 2: time is not valid',
    )
  })

  it('writes NDJSON that appears only when whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-report-'))
    const rows = Array.from({ length: 5000 }, (_, index) => row(`/"${index}"`, 0, index, 1))
    await writeNdjson(join(folder, 'out.ndjson'), rows)
    const lines = readFileSync(join(folder, 'out.ndjson'), 'utf8').split('\n')
    expect(lines[7]).toBe('{"target":"/\\"7\\"","windowStart":0,"windowEnd":60,"hits":7,"bytes":1}')
    expect(lines).toHaveLength(5001)
    expect(readdirSync(folder)).toEqual(['out.ndjson'])
    await writeNdjson('/dev/null', rows)
    rmSync(folder, { recursive: true })
  })
})
