import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { countWords } from '../../examples/word-count/main.ts'

it('word-count counts each word of all sentences, whatever their case', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-word-count-test-'))
  try {
    const counts = await countWords(["It's one, two", 'ONE two – zwölf!', 'two'], directory)
    expect(Object.fromEntries(counts)).toEqual({ "it's": 1, one: 2, two: 3, zwölf: 1 })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
