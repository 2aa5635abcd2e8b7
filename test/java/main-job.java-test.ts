/** Kafka's DumpLogSegments over every segment, index and snapshot that the main job wrote. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { dumpLogSegments } from './dump-log-segments.ts'

const MAIN = resolve(import.meta.dirname, '../../examples/web-log/main.ts')

it.each(['exactly-once', 'at-least-once'])('reads what the main job wrote, %s', (guarantee) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-java-'))
  try {
    const args = ['--data', folder, '--window', '1h', '--guarantee', guarantee]
    execFileSync(process.execPath, ['--conditions=millrace-source', MAIN, ...args])
    const report = dumpLogSegments(folder)
    expect(report.problems).toEqual([])
    // 2,000 lines, their repartitioned hits, the changelog and the results.
    expect(report.records).toBeGreaterThan(4000)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
