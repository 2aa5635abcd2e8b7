import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InputFile } from '../../../examples/web-log/input-file.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-input-'))
  path = join(folder, 'access.log')
})
afterEach(() => rmSync(folder, { recursive: true }))

async function readAll(file: InputFile): Promise<string> {
  let text = ''
  for (let chunk = await file.read(); chunk !== null; chunk = await file.read()) text += chunk
  await file.bookmark(file.position)
  return text
}

describe('the input file', () => {
  it('is read on from where it was left when it grows', async () => {
    writeFileSync(path, 'one\n')
    const file = (await InputFile.open(path))!
    expect(await readAll(file)).toBe('one\n')
    expect(await file.change()).toBe('none')
    appendFileSync(path, 'two\n')
    expect(await file.change()).toBe('grown')
    expect(await readAll(file)).toBe('two\n')
    await file.close()
  })

  it('is rotated when another file has its name, after its own last lines', async () => {
    writeFileSync(path, 'one\n')
    const file = (await InputFile.open(path))!
    await readAll(file)
    renameSync(path, `${path}.1`)
    expect(await file.change()).toBe('none')
    appendFileSync(`${path}.1`, 'last\n')
    writeFileSync(path, 'new\n')
    expect(await file.change()).toBe('grown')
    expect(await readAll(file)).toBe('last\n')
    expect(await file.change()).toBe('rotated')
    await file.close()
  })

  it('is truncated when it is shorter, or was written over since', async () => {
    writeFileSync(path, 'one\ntwo\n')
    const file = (await InputFile.open(path))!
    await readAll(file)
    truncateSync(path, 0)
    expect(await file.change()).toBe('truncated')
    writeFileSync(path, 'three\nfour\nfive\n')
    expect(await file.change()).toBe('truncated')
    await file.close()
  })

  it('is known again by what was read of it, under another name or as a copy', async () => {
    writeFileSync(path, 'one\ntwo\n')
    const file = (await InputFile.open(path))!
    await file.read()
    const bookmark = await file.bookmark(4)
    await file.close()

    const again = (await InputFile.reopen(path, bookmark))!
    expect(await readAll(again)).toBe('two\n')
    await again.close()

    renameSync(path, `${path}.1`)
    writeFileSync(path, 'new\n')
    const renamed = (await InputFile.reopen(path, bookmark))!
    expect(await readAll(renamed)).toBe('two\n')
    expect(await renamed.change()).toBe('rotated')
    await renamed.close()

    unlinkSync(`${path}.1`)
    expect(await InputFile.reopen(path, bookmark)).toBeNull()
    writeFileSync(path, 'one\ncopied\n')
    const copy = (await InputFile.reopen(path, bookmark))!
    expect(await readAll(copy)).toBe('copied\n')
    await copy.close()
  })

  it('is not there yet, which is no error', async () => {
    expect(await InputFile.open(path)).toBeNull()
  })
})
