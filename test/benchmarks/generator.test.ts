/** The generator gives the bytes that the checksums of the answers, here and in Java, hang on. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile, type Expected, ensureWorkload } from '../../benchmarks/generator/files.ts'
import { GENERATORS } from '../../benchmarks/generator/records.ts'

const SCALE = 0.002

/** SHA-256 of each data file at this scale. */
const DIGESTS: Readonly<Record<string, string>> = {
  filter: '50453ed745d290e2704436041b0dd97057046b7055e1f19d5436bfeea395913e',
  weblog: 'f4deccf2c005f6635b3d344a3c5ebfc902b826454d04f54a36f91daf0051a1cf',
  'weblog-grace10': 'f4deccf2c005f6635b3d344a3c5ebfc902b826454d04f54a36f91daf0051a1cf',
  wordcount: '0cd228a34632cf6f4779b57a3e556d1179e7d68dfceac832856a07aad4f1750b',
  streamjoin: 'cfdb78d8e634509b4b00578200d4703429ecd054f8a1ae15f2b934264deb081f',
  tablejoin: '5a92b757baa449979438bc4abb48dc1926a0cfd27a9a0a392a355b99d6786005',
  hopping: '7bc754c1dc30f5c702e83a25ba1d500e0aa02d8b056b71df002656ad4be6d18c',
  sessions: 'abbd9fb649c734de97d71de84bfcc5b295601695e1b79963848dcf127aa2c1a6',
  fkjoin: 'f9fa201a64d2cb5e059191b46790a006afbc3554c958e44426fd1189557f23fa',
}

describe('the generator', () => {
  let directory: string

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'bench-generator-'))
  })

  afterAll(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  it('knows the same workloads as this test', () => {
    expect(Object.keys(GENERATORS).sort()).toEqual(Object.keys(DIGESTS).sort())
  })

  it.each(Object.keys(DIGESTS))('writes the same bytes for %s every time', (name) => {
    const expected: Expected = ensureWorkload(directory, name, SCALE)
    const file = readFileSync(dataFile(directory, name))
    expect(createHash('sha256').update(file).digest('hex')).toBe(DIGESTS[name])
    expect(expected.sha256).toBe(DIGESTS[name])
    expect(expected.bytes).toBe(file.length)
    expect(expected.records).toBe(expected.in)
  })

  it('does not make data again that is there', () => {
    const first = ensureWorkload(directory, 'filter', SCALE)
    expect(ensureWorkload(directory, 'filter', SCALE)).toEqual(first)
  })
})
