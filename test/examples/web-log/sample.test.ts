import { readFileSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SAMPLE } from '../../../examples/web-log/args.ts'
import { LineSplitter } from '../../../examples/web-log/lines.ts'
import { parseLine } from '../../../examples/web-log/parse.ts'
import { sampleLog } from '../../../examples/web-log/sample.ts'
import { webLogTable } from '../../independent/web-log-table.mjs'

describe('the sample in the repository', () => {
  it('is what its generator makes', () => {
    expect(readFileSync(SAMPLE).equals(sampleLog())).toBe(true)
    expect(statSync(SAMPLE).size).toBeLessThan(400_000)
  })

  it('has 2,000 lines, seven of them no hits', () => {
    const lines = new LineSplitter(0).push(sampleLog()).map((line) => parseLine(line.toString()))
    expect(lines).toHaveLength(2000)
    expect(lines.filter((line) => line.kind === 'rejected')).toHaveLength(7)
    expect(webLogTable(sampleLog(), 60_000)).toMatchObject({ lines: 2000, rejected: 7 })
  })
})
